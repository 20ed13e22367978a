//! Of any bytes that stand for the pixels of a DICOM object, packed in any way, a picture is made or none, whatever the object says of
//! them: its size, its bits, its sign.
#![no_main]

use libfuzzer_sys::fuzz_target;
use wire::dicom::{Limits, Packing, Syntax, part10, picture, scan};

/// Pixels of a picture at most: it is about what is said, not about how long it takes.
const PIXELS_MAX: usize = 1 << 20;

/// Run lengths, JPEG extended, lossless JPEG, JPEG 2000.
const PACKED: [&str; 6] = [
    "1.2.840.10008.1.2.5",
    "1.2.840.10008.1.2.4.51",
    "1.2.840.10008.1.2.4.57",
    "1.2.840.10008.1.2.4.70",
    "1.2.840.10008.1.2.4.90",
    "1.2.840.10008.1.2.4.91",
];

fuzz_target!(
    init: std::panic::set_hook(Box::new(ours)),
    |data: &[u8]| {
        if let Ok(head) = part10(data) {
            draw(&data[head.data_at..], (head.syntax_uid, head.syntax));
        }
        let Some((&[kind, w, idth, h, eight, bits, form], frame)) = data.split_first_chunk() else {
            return;
        };
        let uid = PACKED[usize::from(kind) % PACKED.len()];
        let size = (u16::from_be_bytes([w, idth]), u16::from_be_bytes([h, eight]));
        if let Some(syntax) = Syntax::named(uid) {
            draw(&object(size, (bits, form), frame), (uid, syntax));
        }
    }
);

/// A library panics on what is damaged, and that is caught: a panic of anybody else is a finding.
fn ours(panic: &std::panic::PanicHookInfo<'_>) {
    let place = panic.location().map(|place| place.file());
    if !place.is_some_and(|file| file.contains("hayro-jpeg2000")) {
        eprintln!("{panic}");
        std::process::abort();
    }
}

fn draw(bytes: &[u8], (uid, syntax): (&str, Syntax)) {
    let Ok(set) = scan(bytes, syntax, &Limits::default()) else {
        return;
    };
    let packing = Packing::named(uid).filter(|_| !syntax.big_endian && !syntax.deflated);
    let Some(packing) = packing else {
        return;
    };
    if let Ok(made) = picture(&set, 1, (packing, PIXELS_MAX)) {
        assert!(made.shrunk(64).png().starts_with(b"\x89PNG"));
    }
}

/// An object of one frame: what it says of its size, its bits and its colours, and the frame.
fn object((columns, rows): (u16, u16), (bits, form): (u8, u8), frame: &[u8]) -> Vec<u8> {
    let colour = form & 1 != 0;
    let stored = u16::from(bits % if colour { 8 } else { 16 }) + 1;
    let photometric = match (colour, form >> 4) {
        (false, _) => "MONOCHROME2 ",
        (true, 0) => "RGB ",
        (true, 1) => "YBR_RCT ",
        (true, 2) => "YBR_ICT ",
        (true, _) => "YBR_FULL",
    };
    let mut out = Vec::new();
    short(&mut out, 0x0002, if colour { 3 } else { 1 });
    element(&mut out, (0x0004, b"CS"), photometric.as_bytes());
    if colour {
        short(&mut out, 0x0006, u16::from(form >> 1 & 1));
    }
    short(&mut out, 0x0010, rows);
    short(&mut out, 0x0011, columns);
    short(&mut out, 0x0100, if stored > 8 { 16 } else { 8 });
    short(&mut out, 0x0101, stored);
    short(&mut out, 0x0102, stored - 1);
    short(&mut out, 0x0103, u16::from(form >> 2 & 1));
    out.extend(b"\xe0\x7f\x10\x00OB\x00\x00\xff\xff\xff\xff");
    out.extend(b"\xfe\xff\x00\xe0\x00\x00\x00\x00");
    let odd = frame.len() % 2;
    out.extend(b"\xfe\xff\x00\xe0");
    out.extend(u32::try_from(frame.len() + odd).unwrap_or(0).to_le_bytes());
    out.extend(frame);
    out.extend(&[0][..odd]);
    out.extend(b"\xfe\xff\xdd\xe0\x00\x00\x00\x00");
    out
}

fn short(out: &mut Vec<u8>, number: u16, value: u16) {
    element(out, (number, b"US"), &value.to_le_bytes());
}

/// An element of group 0028 in explicit little endian.
fn element(out: &mut Vec<u8>, (number, kind): (u16, &[u8; 2]), value: &[u8]) {
    out.extend(0x0028_u16.to_le_bytes());
    out.extend(number.to_le_bytes());
    out.extend(kind);
    out.extend(u16::try_from(value.len()).unwrap_or(0).to_le_bytes());
    out.extend(value);
}
