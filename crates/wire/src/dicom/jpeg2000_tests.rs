use proptest::prelude::*;

use super::*;

/// Eight by eight pixels that were packed by OpenJPEG without loss, of which each says where it is.
const GREY: &str = "
    ff4fff510029000000000008000000080000000000000000000000080000000800000000000000000001070101ff5200
    0c00000001000102020001ff5c00074040484850ff90000a0000000000390001ff93df8098116220263b06f013503608
    f4b995aa2376efe7c3ea0583e70b00f8422460c5ea771edc717edf2471ffd9";
const SIGNED: &str = "
    ff4fff510029000000000008000000080000000000000000000000080000000800000000000000000001870101ff5200
    0c00000001000102020001ff5c00074040484850ff90000a0000000000460001ff93cfb4341a2de173f3976d67cc2310
    76afcfc0327e0171f80400230e46e375791ef09029c87f1fbac25dfcfc5742cea3a319aac9f2be29aa4fffd9";
const WIDE: &str = "
    ff4fff5100290000000000080000000800000000000000000000000800000008000000000000000000010f0101ff5200
    0c00000001000102020001ff5c00074080888890ff90000a0000000000570001ff93dff8911011622af5d91d1ec685f0
    c6cb3270bed0631449d4dff7e92eeded6af725dba888ff7fc1ff4002a0ff60013007ec082460a98719b33c40167f244a
    8d63dfdd9465bf2464188fffd9";
/// Red, green and blue, turned into brightness and differences (RCT).
const COLOUR: &str = "
    ff4fff51002f000000000008000000080000000000000000000000080000000800000000000000000003070101070101
    070101ff52000c00000001010102020001ff5c00074040484850ff90000a0000000000870001ff93cfb43c120f88a440
    64c3298bc015d85628d1df809813cdbe90fbbd36198ac45971cea69f88f72e97df808000fc9cac295d333ee8e62c70df
    ad98e4c07c2340f90440090021ff69c1f6df037dc7a1de5f2eb0142f326fc1f38587d40b00f84222c62e8b3f1a7af0ad
    0724c9c1f38483e7082218807700ce6127ffd9";
/// Four tiles.
const TILES: &str = "
    ff4fff510029000000000008000000080000000000000000000000040000000400000000000000000001070101ff5200
    0c00000001000102020001ff5c00074040484850ff90000a0000000000270001ff93df803008f7def9449fc0f90140f9
    01403e10800fc00fdb0fd7ff90000a0001000000270001ff93cfb4140896d9583fc0f90141f383807c21000fc00b4135
    0fd7ff90000a0002000000280001ff93df803008f9d0eee5bfc3ea0381f202807c21000facef0fdb0fd7ff90000a0003
    000000270001ff93cfb4140eb3a6bc9fc3ea0383e70700f8420facef0b41350fd7ffd9";

const CLAIM: Claim = Claim {
    columns: 8,
    rows: 8,
    samples: 1,
    bits: 8,
    planar: false,
};

fn stream(text: &str) -> Vec<u8> {
    let digits = text.chars().filter_map(|one| one.to_digit(16));
    let digits: Vec<u32> = digits.collect();
    let pairs = digits.chunks(2).map(|two| two[0] << 4 | two[1]);
    pairs.map(|byte| u8::try_from(byte).unwrap()).collect()
}

/// What the pixels were made of: their place.
fn made(of: impl Fn(usize, usize) -> Vec<u8>) -> Vec<u8> {
    let places = (0..8).flat_map(|y| (0..8).map(move |x| (x, y)));
    places.flat_map(|(x, y)| of(x, y)).collect()
}

fn grey() -> Vec<u8> {
    made(|x, y| vec![u8::try_from(x * y * 5 + x).unwrap()])
}

fn bits(of: &Pixels<'_>) -> u8 {
    of.samples.unwrap().bits
}

#[test]
fn samples_come_back_as_they_were_with_a_sign_and_without() {
    for packed in [GREY, SIGNED, TILES] {
        let out = unpacked(&stream(packed), CLAIM).unwrap();
        assert_eq!((out.bytes.to_vec(), bits(&out)), (grey(), 8));
    }
    // In sixteen bits a sample of eight has its sign in the highest of eight.
    let wide = Claim { bits: 16, ..CLAIM };
    let out = unpacked(&stream(SIGNED), wide).unwrap();
    let widened = grey().iter().flat_map(|one| [*one, 0]).collect::<Vec<_>>();
    assert_eq!((out.bytes.to_vec(), bits(&out)), (widened, 8));
    let out = unpacked(&stream(WIDE), wide).unwrap();
    let value = |x, y| {
        u16::try_from(x * y * 900 + x)
            .unwrap()
            .to_le_bytes()
            .to_vec()
    };
    assert_eq!((out.bytes.to_vec(), bits(&out)), (made(value), 16));
    let three = Claim {
        samples: 3,
        ..CLAIM
    };
    let out = unpacked(&stream(COLOUR), three).unwrap();
    let all = |x: usize, y: usize| {
        [x * 30, y * 30, 255 - x * y * 5].map(|one| u8::try_from(one).unwrap())
    };
    assert_eq!(out.bytes.to_vec(), made(|x, y| all(x, y).to_vec()));
}

#[test]
fn a_codestream_within_a_file_is_found() {
    let stream = stream(GREY);
    let length = u32::try_from(stream.len() + 8).unwrap().to_be_bytes();
    let signature = b"\x00\x00\x00\x0cjP  \r\n\x87\n";
    let file = [&signature[..], &length, b"jp2c", &stream].concat();
    assert_eq!(unpacked(&file, CLAIM).unwrap().bytes.to_vec(), grey());
    for wrong in [&file[..20], &file[..12], b"", b"\xff\x4f"] {
        assert_eq!(
            unpacked(wrong, CLAIM).unwrap_err(),
            "there is no JPEG 2000 in it"
        );
    }
}

#[test]
fn what_is_cut_is_none() {
    for packed in [GREY, COLOUR, TILES] {
        let stream = stream(packed);
        let claim = Claim {
            samples: if packed == COLOUR { 3 } else { 1 },
            ..CLAIM
        };
        for length in 0..stream.len() {
            assert!(
                unpacked(&stream[..length], claim).is_err(),
                "{length} bytes of it"
            );
        }
    }
    // A whole tile is missing.
    let mut stream = stream(TILES);
    let last = stream.len() - 2 - 0x27;
    stream.drain(last..last + 0x27);
    assert_eq!(
        unpacked(&stream, CLAIM).unwrap_err(),
        "its JPEG 2000 ends before its end"
    );
}

/// The same with other bytes at a place.
fn with(packed: &str, (place, bytes): (usize, &[u8])) -> Vec<u8> {
    let mut stream = stream(packed);
    stream[place..place + bytes.len()].copy_from_slice(bytes);
    stream
}

#[test]
fn another_size_than_the_object_says_is_refused() {
    let huge = with(GREY, (8, &[0, 0, 0xea, 0x60, 0, 0, 0xea, 0x60]));
    let other = "its JPEG 2000 is of another size than the object says";
    assert_eq!(unpacked(&huge, CLAIM).unwrap_err(), other);
    let claims = [
        Claim { rows: 7, ..CLAIM },
        Claim {
            columns: 9,
            ..CLAIM
        },
        Claim {
            samples: 3,
            ..CLAIM
        },
    ];
    for claim in claims {
        assert_eq!(unpacked(&stream(GREY), claim).unwrap_err(), other);
    }
    assert_eq!(
        unpacked(&stream(WIDE), CLAIM).unwrap_err(),
        other,
        "16 bits in 8"
    );
}

#[test]
fn what_a_few_bytes_say_takes_no_memory() {
    let large = Claim {
        columns: 4_096,
        rows: 4_096,
        ..CLAIM
    };
    let sized = |tile: u32| {
        let side = 4_096_u32.to_be_bytes();
        let tile = tile.to_be_bytes();
        let sizes = [&side[..], &side, &[0; 8], &tile, &tile].concat();
        with(GREY, (8, &sizes))
    };
    // Sixteen million tiles; sixty thousand.
    for tile in [1, 16] {
        let wrong = unpacked(&sized(tile), large).unwrap_err();
        assert_eq!(wrong, "a header of its JPEG 2000 is not as it should be");
    }
    // Of the main header up to COD, and what follows it.
    let coded = |cod: &[u8]| {
        let stream = sized(4_096);
        [
            &stream[..45],
            &[0xff, 0x52, 0, u8::try_from(cod.len() + 2).unwrap()],
            cod,
            &stream[59..],
        ]
        .concat()
    };
    let parts = "its JPEG 2000 is divided into more parts than are unpacked";
    // Code-blocks of four by four in 32 layers; precincts of a pixel or two.
    let blocks = coded(&[0, 0, 0, 32, 0, 1, 0, 0, 0, 1]);
    let precincts = coded(&[1, 0, 0, 1, 0, 1, 4, 4, 0, 1, 0x00, 0x11]);
    for stream in [blocks, precincts] {
        assert_eq!(unpacked(&stream, large).unwrap_err(), parts);
    }
    // The same in the header of a tile-part, where it counts too.
    let whole = sized(4_096);
    let cod = [0xff, 0x52, 0, 14, 1, 0, 0, 1, 0, 1, 4, 4, 0, 1, 0x00, 0x11];
    let at = whole
        .windows(2)
        .position(|two| two == [0xff, 0x93])
        .unwrap();
    let mut within = [&whole[..at], &cod, &whole[at..]].concat();
    within[at - 3] += u8::try_from(cod.len()).unwrap();
    assert_eq!(unpacked(&within, large).unwrap_err(), parts);
    // As many step sizes as there is room for in a header.
    let many = [&[0xff, 0x5c, 0xff, 0xff, 0x40], &[8; 65_532][..]].concat();
    let stream = sized(4_096);
    let stepped = [&stream[..59], &many, &stream[59..]].concat();
    assert!(unpacked(&stepped, large).is_err());
}

#[test]
fn what_a_few_bytes_say_takes_no_time() {
    // One tile, a pixel wide and 65,535 high, with code-blocks of four by four: a tree of 16,384 by 16,384 leaves.
    let narrow = Claim {
        columns: 1,
        rows: 65_535,
        ..CLAIM
    };
    let (across, down) = (1_u32.to_be_bytes(), 65_535_u32.to_be_bytes());
    let sizes = [&across[..], &down, &[0; 8], &across, &down].concat();
    let stream = with(GREY, (8, &sizes));
    let cod = [0xff, 0x52, 0, 12, 0, 0, 0, 1, 0, 0, 0, 0, 0, 1];
    let stream = [&stream[..45], &cod, &stream[59..]].concat();
    let parts = "its JPEG 2000 is divided into more parts than are unpacked";
    assert_eq!(unpacked(&stream, narrow).unwrap_err(), parts);
}

#[test]
fn a_tile_of_another_wavelet_than_the_others_is_none() {
    let whole = stream(GREY);
    let coded = |wavelet: u8| {
        let cod = [0xff, 0x52, 0, 12, 0, 0, 0, 1, 0, 1, 2, 2, 0, wavelet];
        let at = whole.windows(2).position(|two| two == [0xff, 0x93]);
        let at = at.unwrap();
        let mut within = [&whole[..at], &cod, &whole[at..]].concat();
        within[at - 3] += u8::try_from(cod.len()).unwrap();
        unpacked(&within, CLAIM).map(|out| out.bytes.to_vec())
    };
    assert_eq!(coded(1), Ok(grey()));
    let kind = "its JPEG 2000 is of a kind that is not unpacked";
    assert_eq!(coded(0), Err(kind));
    assert_eq!(coded(2), Err(kind));
}

#[test]
fn whether_colours_were_turned_is_told() {
    let three = Claim {
        samples: 3,
        ..CLAIM
    };
    let turned = unpacked(&stream(COLOUR), three).unwrap().samples.unwrap();
    assert!(turned.turned && !turned.lossy && !turned.signed);
    let at = stream(COLOUR)
        .windows(2)
        .position(|two| two == [0xff, 0x52]);
    let plain = with(COLOUR, (at.unwrap() + 8, &[0]));
    assert!(!unpacked(&plain, three).unwrap().samples.unwrap().turned);
    let unknown = with(COLOUR, (at.unwrap() + 8, &[2]));
    assert!(unpacked(&unknown, three).is_err());
}

#[test]
fn what_is_not_counted_is_not_unpacked() {
    let stream = stream(GREY);
    // Progression that changes, packet headers elsewhere, capabilities of other parts of the standard (HTJ2K).
    for marker in [0x5f, 0x60, 0x61, 0x50, 0x57] {
        let other = [&stream[..45], &[0xff, marker, 0, 4, 0, 0], &stream[45..]].concat();
        assert!(unpacked(&other, CLAIM).is_err(), "{marker:x}");
    }
    // An image that does not begin where its grid does.
    let moved = with(GREY, (16, &[0, 0, 0, 1]));
    assert!(unpacked(&moved, CLAIM).is_err());
    // Components of which one is coarser than the others.
    let coarse = with(COLOUR, (46, &[2, 2]));
    assert!(
        unpacked(
            &coarse,
            Claim {
                samples: 3,
                ..CLAIM
            }
        )
        .is_err()
    );
}

proptest! {
    #[test]
    fn whatever_comes_is_read_or_refused(
        which in 0_usize..5,
        places in proptest::collection::vec((0_usize..230, any::<u8>()), 1..5), cut in 100_usize..300,
    ) {
        let mut stream = stream([GREY, SIGNED, WIDE, COLOUR, TILES][which]);
        let claim = Claim {
            samples: if which == 3 { 3 } else { 1 },
            bits: if which == 2 { 16 } else { 8 },
            ..CLAIM
        };
        for (place, with) in places {
            if let Some(byte) = stream.get_mut(place) {
                *byte = with;
            }
        }
        stream.truncate(cut);
        if let Ok(out) = unpacked(&stream, claim) {
            prop_assert_eq!(out.bytes.len(), 64 * claim.samples * claim.bits / 8);
        }
    }
}
