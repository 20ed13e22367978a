//! What a frame of JPEG 2000 takes of memory, whatever it says of itself: no more than the room that is held for it.
//! One test alone, since memory is that of the whole process.

#![expect(
    clippy::unwrap_used,
    reason = "what helps a test may fail as the test does"
)]

use std::fs;

use wire::dicom::{Limits, Packing, Syntax, VR, Writer, picture, scan, tags};

const UID: &str = "1.2.840.10008.1.2.4.90";
const SIDE: u16 = 512;

/// A field of `/proc/self/status`, in bytes; `None`: it is another system.
fn status(name: &str) -> Option<u64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|line| line.starts_with(name))?;
    let number = line.split_whitespace().nth(1)?;
    number.parse::<u64>().ok().map(|kib| kib << 10)
}

/// An object of 512 by 512 pixels, with that codestream for its pixels.
fn object(codestream: &[u8]) -> Vec<u8> {
    let head = Writer::new(Syntax::EXPLICIT)
        .us(tags::SAMPLES_PER_PIXEL, 1)
        .text(tags::PHOTOMETRIC_INTERPRETATION, VR::CS, "MONOCHROME2")
        .us(tags::ROWS, SIDE)
        .us(tags::COLUMNS, SIDE)
        .us(tags::BITS_ALLOCATED, 16)
        .us(tags::BITS_STORED, 16)
        .finish();
    let item = |tag: u8, bytes: &[u8]| {
        let length = u32::try_from(bytes.len()).unwrap().to_le_bytes();
        [&[0xfe, 0xff, tag, 0xe0][..], &length, bytes].concat()
    };
    let begins = [
        0xe0, 0x7f, 0x10, 0, b'O', b'B', 0, 0, 0xff, 0xff, 0xff, 0xff,
    ];
    [
        head,
        begins.to_vec(),
        item(0, b""),
        item(0, codestream),
        item(0xdd, b""),
    ]
    .concat()
}

/// A codestream whose tiles have that side, which is divided like that and has nothing in it.
fn codestream(tile: u32, cod: &[u8]) -> Vec<u8> {
    let segment = |marker: u8, body: &[u8]| {
        let length = u16::try_from(body.len() + 2).unwrap().to_be_bytes();
        [&[0xff, marker], &length[..], body].concat()
    };
    let side = u32::from(SIDE).to_be_bytes();
    let tile_side = tile.to_be_bytes();
    let size = [
        &[0, 0],
        &side[..],
        &side,
        &[0; 8],
        &tile_side,
        &tile_side,
        &[0; 8],
    ]
    .concat();
    let size = [&size[..], &[0, 1, 15, 1, 1]].concat();
    let quantization = [&[0x40][..], &[0x80; 97]].concat();
    let mut out = [
        vec![0xff, 0x4f],
        segment(0x51, &size),
        segment(0x52, cod),
        segment(0x5c, &quantization),
    ]
    .concat();
    let across = u32::from(SIDE).div_ceil(tile);
    for number in 0..u16::try_from(across * across).unwrap() {
        // Twelve bytes of SOT, two of SOD, and a packet that is empty.
        let place = number.to_be_bytes();
        out.extend(
            [
                &[0xff, 0x90, 0, 10],
                &place[..],
                &[0, 0, 0, 15, 0, 1, 0xff, 0x93, 0],
            ]
            .concat(),
        );
    }
    out.extend([0xff, 0xd9]);
    out
}

#[test]
fn no_more_memory_is_taken_than_room_is_held_for() {
    let before = status("VmRSS");
    let pixels = usize::from(SIDE) * usize::from(SIDE);
    let (mut drawn, mut refused) = (0, 0);
    for tile in [512, 64, 16, 4, 3] {
        // The exponents of code-blocks (less two) and of precincts, and layers.
        for (block, precinct) in [(4, 15), (2, 15), (0, 15), (4, 5), (0, 2), (0, 1)] {
            for layers in [1, 32] {
                for levels in [0, 5, 32] {
                    let mut cod = vec![1, 2, 0, layers, 0, levels, block, block, 0, 1];
                    cod.extend(vec![precinct | precinct << 4; usize::from(levels) + 1]);
                    let object = object(&codestream(tile, &cod));
                    let set =
                        scan(&object, Syntax::named(UID).unwrap(), &Limits::default()).unwrap();
                    let made = picture(&set, 1, (Packing::Jpeg2000, pixels));
                    *(if made.is_ok() {
                        &mut drawn
                    } else {
                        &mut refused
                    }) += 1;
                }
            }
        }
    }
    assert!(drawn > 10 && refused > 10, "{drawn} {refused}");
    let grown = status("VmHWM")
        .zip(before)
        .map(|(most, before)| most - before);
    let room = 3 * Packing::Jpeg2000.room(pixels);
    assert!(
        grown.is_none_or(|grown| grown < room),
        "{grown:?} of {room}"
    );
}
