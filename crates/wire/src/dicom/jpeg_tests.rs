use proptest::prelude::*;

use super::*;

/// How a frame is packed for a test.
#[derive(Debug, Clone, Copy)]
struct Coding {
    precision: u8,
    predictor: u8,
    shift: u8,
    /// Rows between two restarts; 0: there are none.
    restart: usize,
    /// All components in one scan.
    together: bool,
}

/// Bits of a scan on their way out.
#[derive(Default)]
struct Out {
    bytes: Vec<u8>,
    held: u8,
    count: u8,
}

impl Out {
    fn put(&mut self, value: u32, bits: u8) {
        for bit in (0..bits).rev() {
            self.held = self.held << 1 | u8::from(value >> bit & 1 == 1);
            self.count += 1;
            if self.count == 8 {
                self.bytes.push(self.held);
                if self.held == 0xff {
                    self.bytes.push(0);
                }
                (self.held, self.count) = (0, 0);
            }
        }
    }

    fn end(&mut self) {
        while self.count > 0 {
            self.put(1, 1);
        }
    }

    /// A difference: its size by a code of five bits, and its bits.
    fn difference(&mut self, value: i32) {
        let value = value & 0xffff;
        if value == 1 << 15 {
            return self.put(16, 5);
        }
        let value = if value > 1 << 15 {
            value - (1 << 16)
        } else {
            value
        };
        let size = 32 - value.unsigned_abs().leading_zeros();
        self.put(size, 5);
        let bits = if value < 0 {
            value + (1 << size) - 1
        } else {
            value
        };
        self.put(bits.unsigned_abs(), u8::try_from(size).unwrap());
    }
}

/// What is foretold of a sample, by table H.1 and section H.1.2.1, from all of them.
fn foretold(plane: &[i32], (row, column): (usize, usize), (claim, coding): (Claim, Coding)) -> i32 {
    let at = |row: usize, column: usize| plane[row * claim.columns + column];
    let first = if coding.restart == 0 {
        row == 0
    } else {
        row % coding.restart == 0
    };
    match (first, column) {
        (true, 0) => 1 << (coding.precision - coding.shift - 1),
        (true, _) => at(row, column - 1),
        (false, 0) => at(row - 1, 0),
        (false, _) => {
            let (a, b, c) = (
                at(row, column - 1),
                at(row - 1, column),
                at(row - 1, column - 1),
            );
            [
                a,
                b,
                c,
                a + b - c,
                a + ((b - c) >> 1),
                b + ((a - c) >> 1),
                (a + b) >> 1,
            ][usize::from(coding.predictor) - 1]
        }
    }
}

fn packed(samples: &[u16], claim: Claim, coding: Coding) -> Vec<u8> {
    let of = |code: u8, body: &[u8]| {
        let length = u16::try_from(body.len() + 2).unwrap().to_be_bytes();
        [&[0xff, code], &length[..], body].concat()
    };
    let size = |size: usize| u16::try_from(size).unwrap().to_be_bytes();
    let count = u8::try_from(claim.samples).unwrap();
    let mut frame = vec![coding.precision];
    frame.extend([size(claim.rows), size(claim.columns)].concat());
    frame.push(count);
    frame.extend((1..=count).flat_map(|name| [name, 0x11, 0]));
    let mut counts = vec![0; 17];
    counts[5] = 17;
    counts.extend(0..17);
    let mut out = [
        vec![0xff, 0xd8],
        of(0xfe, b"a comment"),
        of(0xc3, &frame),
        of(0xc4, &counts),
    ]
    .concat();
    out.extend(of(0xdd, &size(coding.restart * claim.columns)));
    let all: Vec<usize> = (0..claim.samples).collect();
    let scans: Vec<&[usize]> = if coding.together {
        vec![&all]
    } else {
        all.chunks(1).collect()
    };
    let planes: Vec<Vec<i32>> = all
        .iter()
        .map(|place| samples.iter().skip(*place).step_by(claim.samples))
        .map(|plane| plane.map(|one| i32::from(one >> coding.shift)).collect())
        .collect();
    for scan in scans {
        let mut head = vec![u8::try_from(scan.len()).unwrap()];
        head.extend(
            scan.iter()
                .flat_map(|place| [u8::try_from(place + 1).unwrap(), 0]),
        );
        head.extend([coding.predictor, 0, coding.shift]);
        out.extend(of(0xda, &head));
        let mut bits = Out::default();
        for row in 0..claim.rows {
            if coding.restart > 0 && row > 0 && row % coding.restart == 0 {
                bits.end();
                let number = u8::try_from((row / coding.restart - 1) % 8).unwrap();
                bits.bytes.extend([0xff, 0xd0 + number]);
            }
            for column in 0..claim.columns {
                for place in scan {
                    let guess = foretold(&planes[*place], (row, column), (claim, coding));
                    bits.difference(planes[*place][row * claim.columns + column] - guess);
                }
            }
        }
        bits.end();
        out.extend(bits.bytes);
    }
    out.extend([0xff, 0xd9]);
    out
}

fn claims() -> impl Strategy<Value = (Claim, Coding)> {
    let kinds = prop_oneof![Just((1, 8)), Just((1, 16)), Just((3, 8))];
    let shapes = (kinds, 1_usize..12, 1_usize..12);
    let claims = shapes.prop_map(|((samples, bits), columns, rows)| Claim {
        columns,
        rows,
        samples,
        bits,
        planar: true,
    });
    claims.prop_flat_map(|claim| {
        let precision = 2..=u8::try_from(claim.bits).unwrap();
        let rest = (1_u8..=7, 0_u8..2, 0_usize..4, any::<bool>());
        (Just(claim), precision, rest).prop_map(|(claim, precision, rest)| {
            let (predictor, shift, restart, together) = rest;
            let coding = Coding {
                precision,
                predictor,
                shift,
                restart,
                together,
            };
            (claim, coding)
        })
    })
}

proptest! {
    #[test]
    fn what_was_packed_comes_back(
        (claim, coding, noise) in claims().prop_flat_map(|(claim, coding)| {
            let some = prop_oneof![any::<u16>(), Just(0), Just(u16::MAX)];
            let count = claim.count() * claim.samples;
            (Just(claim), Just(coding), proptest::collection::vec(some, count))
        }),
    ) {
        let mask = u16::MAX >> (16 - coding.precision) & (u16::MAX << coding.shift);
        let samples: Vec<u16> = noise.iter().map(|one| one & mask).collect();
        let width = claim.bits / 8;
        let bytes = samples.iter().flat_map(|one| one.to_le_bytes().into_iter().take(width));
        let bytes: Vec<u8> = bytes.collect();
        let frame = packed(&samples, claim, coding);
        let out = unpacked(&frame, claim);
        prop_assert_eq!(out.as_ref().map(|out| out.bytes.as_ref()), Ok(&bytes[..]));
        prop_assert_eq!(out.unwrap().samples.map(|samples| samples.bits), Some(coding.precision));
        // Without its end it is none: a part of a picture would be shown as the whole.
        let cut = unpacked(&frame[..frame.len() - 3], claim);
        prop_assert!(cut.is_err());
    }

    #[test]
    fn whatever_comes_is_read_or_refused(
        (claim, coding) in claims(),
        places in proptest::collection::vec((0_usize..200, any::<u8>()), 0..4), cut in 0_usize..300,
    ) {
        let mut frame = packed(&vec![3; claim.count() * claim.samples], claim, coding);
        for (place, with) in places {
            if let Some(byte) = frame.get_mut(place) {
                *byte = with;
            }
        }
        frame.truncate(cut);
        if let Ok(out) = unpacked(&frame, claim) {
            prop_assert_eq!(out.bytes.len(), claim.count() * claim.samples * claim.bits / 8);
        }
    }
}

#[test]
fn what_is_of_another_size_or_kind_is_said_before_memory_is_taken() {
    let claim = Claim {
        columns: 4,
        rows: 4,
        samples: 1,
        bits: 16,
        planar: false,
    };
    let coding = Coding {
        precision: 12,
        predictor: 1,
        shift: 0,
        restart: 0,
        together: true,
    };
    let frame = packed(&[7; 16], claim, coding);
    assert!(unpacked(&frame, claim).is_ok());
    for (other, why) in [
        (Claim { rows: 5, ..claim }, SIZE),
        (
            Claim {
                samples: 3,
                ..claim
            },
            SIZE,
        ),
        (Claim { bits: 8, ..claim }, SIZE),
    ] {
        assert_eq!(unpacked(&frame, other).unwrap_err(), why);
    }
    // An object that says the same of itself as its frame is no more.
    let huge = Claim {
        columns: 65_535,
        rows: 65_535,
        ..claim
    };
    let at = |frame: &[u8], code: u8| {
        let found = frame.windows(2).position(|two| two == [0xff, code]);
        found.unwrap()
    };
    let mut liar = frame.clone();
    let size = at(&frame, 0xc3) + 5;
    liar[size..size + 4].fill(0xff);
    let restart = at(&frame, 0xdd);
    liar.drain(restart..restart + 6);
    assert_eq!(unpacked(&liar, huge).unwrap_err(), CUT);
    // Tables without end.
    let codes = at(&frame, 0xc4);
    let table = frame[codes..codes + 38].to_vec();
    let many = [&frame[..codes], &table.repeat(65), &frame[codes..]].concat();
    assert_eq!(unpacked(&many, claim).unwrap_err(), KIND);
    // Baseline, progressive, and arithmetic codes are others.
    for code in [0xc0, 0xc2, 0xcb] {
        let mut frame = frame.clone();
        let at = frame
            .windows(2)
            .position(|two| two == [0xff, 0xc3])
            .unwrap();
        frame[at + 1] = code;
        assert_eq!(unpacked(&frame, claim).unwrap_err(), KIND);
    }
    assert_eq!(
        unpacked(b"RIFF", claim).unwrap_err(),
        "there is no JPEG in it"
    );
}

/// Grey of twelve bits by cosine transform: blocks as section A.3.3 has them, each coefficient a whole number.
fn transformed(samples: &[u16], claim: Claim, restart: usize) -> Vec<u8> {
    let of = |code: u8, body: &[u8]| {
        let length = u16::try_from(body.len() + 2).unwrap().to_be_bytes();
        [&[0xff, code], &length[..], body].concat()
    };
    let size = |size: usize| u16::try_from(size).unwrap().to_be_bytes();
    let frame = [
        &[12][..],
        &size(claim.rows),
        &size(claim.columns),
        &[1, 1, 0x22, 0],
    ]
    .concat();
    let mut first = vec![0; 17];
    first[5] = 17;
    first.extend(0..17);
    let mut others = vec![0; 17];
    (others[0], others[8], others[9]) = (0x10, 128, 128);
    others.extend(0..=255);
    let mut out = vec![0xff, 0xd8];
    out.extend([of(0xdb, &[&[0][..], &[1; 64]].concat()), of(0xc1, &frame)].concat());
    out.extend(
        [
            of(0xc4, &[first, others].concat()),
            of(0xdd, &size(restart)),
        ]
        .concat(),
    );
    out.extend(of(0xda, &[1, 1, 0, 0, 63, 0]));
    let (mut bits, mut mean) = (Out::default(), 0);
    let across = claim.columns.div_ceil(8);
    for number in 0..across * claim.rows.div_ceil(8) {
        if restart > 0 && number > 0 && number % restart == 0 {
            bits.end();
            let number = u8::try_from((number / restart - 1) % 8).unwrap();
            bits.bytes.extend([0xff, 0xd0 + number]);
            mean = 0;
        }
        let all = coefficients(samples, claim, (number % across * 8, number / across * 8));
        bits.difference(all[0] - mean);
        mean = all[0];
        let mut zeros = 0;
        for one in &all[1..] {
            if *one == 0 {
                zeros += 1;
                continue;
            }
            while zeros > 15 {
                other(&mut bits, 0xf0);
                zeros -= 16;
            }
            let size = 32 - one.unsigned_abs().leading_zeros();
            other(&mut bits, zeros << 4 | size);
            let value = if *one < 0 {
                one + (1 << size) - 1
            } else {
                *one
            };
            bits.put(value.unsigned_abs(), u8::try_from(size).unwrap());
            zeros = 0;
        }
        if zeros > 0 {
            other(&mut bits, 0);
        }
    }
    bits.end();
    [out, bits.bytes, vec![0xff, 0xd9]].concat()
}

/// The code of a coefficient that is not the first: eight bits of those up to 127, nine of the others.
fn other(bits: &mut Out, value: u32) {
    match value {
        0..128 => bits.put(value, 8),
        _ => bits.put(256 + value - 128, 9),
    }
}

/// The coefficients of a block in the order in which they go: along diagonals, up and down in turn.
fn coefficients(samples: &[u16], claim: Claim, (left, top): (usize, usize)) -> [i32; 64] {
    let at = |x: usize, y: usize| {
        let (column, row) = (
            (left + x).min(claim.columns - 1),
            (top + y).min(claim.rows - 1),
        );
        f64::from(samples[row * claim.columns + column]) - 2_048.0
    };
    let waves: [f64; 64] = std::array::from_fn(|place| {
        let (x, u) = (place / 8, place % 8);
        let scale = if u == 0 { 0.5_f64.sqrt() } else { 1.0 };
        scale * ((2 * x + 1) as f64 * u as f64 * std::f64::consts::PI / 16.0).cos() / 2.0
    });
    let wave = |x: usize, u: usize| waves[x * 8 + u];
    let mut places: Vec<(usize, usize)> = (0..64).map(|place| (place % 8, place / 8)).collect();
    places.sort_by_key(|(u, v)| (u + v, if (u + v) % 2 == 0 { *u } else { *v }));
    let of = |(u, v): (usize, usize)| {
        let all = (0..64).map(|place| (place % 8, place / 8));
        let sum: f64 = all.map(|(x, y)| at(x, y) * wave(x, u) * wave(y, v)).sum();
        sum.round() as i32
    };
    std::array::from_fn(|place| of(places[place]))
}

proptest! {
    /// Each coefficient is off by a half at most, so a sample is by four at most.
    #[test]
    fn what_was_transformed_comes_back_as_close_as_it_was_rounded(
        (columns, rows, samples) in (1_usize..20, 1_usize..20).prop_flat_map(|(columns, rows)| {
            let some = proptest::collection::vec(0_u16..4_096, columns * rows);
            (Just(columns), Just(rows), some)
        }),
        restart in 0_usize..4,
    ) {
        let claim = Claim { columns, rows, samples: 1, bits: 16, planar: false };
        let frame = transformed(&samples, claim, restart);
        let out = unpacked(&frame, claim).unwrap();
        prop_assert_eq!(out.samples.map(|samples| (samples.bits, samples.lossy)), Some((12, true)));
        for (two, sample) in out.bytes.chunks(2).zip(&samples) {
            let value = u16::from_le_bytes([two[0], two[1]]);
            prop_assert!(value.abs_diff(*sample) <= 4, "{} {}", value, sample);
        }
        prop_assert!(unpacked(&frame[..frame.len() - 3], claim).is_err());
    }

    #[test]
    fn whatever_is_transformed_is_read_or_refused(
        places in proptest::collection::vec((0_usize..700, any::<u8>()), 1..5), cut in 300_usize..800,
    ) {
        let claim = Claim { columns: 17, rows: 9, samples: 1, bits: 16, planar: false };
        let samples: Vec<u16> = (0..153).map(|place| place * 26).collect();
        let mut frame = transformed(&samples, claim, 2);
        for (place, with) in places {
            if let Some(byte) = frame.get_mut(place) {
                *byte = with;
            }
        }
        frame.truncate(cut);
        if let Ok(out) = unpacked(&frame, claim) {
            prop_assert_eq!(out.bytes.len(), 306);
        }
    }
}
