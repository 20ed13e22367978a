use proptest::prelude::*;

use super::*;

const SCHEME: Scheme = Scheme {
    shares: 5,
    needed: 3,
};

fn shares(seed: u8) -> Vec<Share> {
    let random: Vec<u8> = (0..SCHEME.random_bytes())
        .map(|place| sha256(&[&[seed], &place.to_le_bytes()])[0])
        .collect();
    split(&Key::new([7; 32]), SCHEME, ([seed; 4], &random)).unwrap()
}

#[test]
fn any_three_of_five_give_the_key_back_and_two_do_not() {
    let shares = shares(1);
    for a in 0..5 {
        for b in 0..5 {
            for c in 0..5 {
                let some = [shares[a].clone(), shares[b].clone(), shares[c].clone()];
                let key = combine(&some);
                if a != b && b != c && a != c {
                    assert_eq!(key.unwrap().bytes(), &[7; 32]);
                } else {
                    assert!(matches!(key, Err(ShareFault::Twice(_))));
                }
            }
        }
    }
    let few = combine(&shares[..2]).unwrap_err();
    assert_eq!(
        few.to_string(),
        "2 of 3 shares: 1 more of set 01010101 are needed"
    );
    assert!(combine(&[]).is_err());
    assert_eq!(combine(&shares).unwrap().bytes(), &[7; 32]);
}

#[test]
fn shares_of_two_sets_do_not_mix() {
    let mixed = [&shares(1)[..2], &shares(2)[2..3]].concat();
    let why = combine(&mixed).unwrap_err().to_string();
    assert!(why.contains("01010101, 02020202"), "{why}");
}

#[test]
fn two_shares_tell_nothing_of_the_key() {
    // For any two shares, every value of a byte of the key is still possible: there is a third
    // share that gives it.
    let shares = shares(3);
    let mut values = std::collections::BTreeSet::new();
    for guess in 0..=255_u8 {
        let mut third = shares[2].clone();
        third.0[8] = guess;
        let some = [shares[0].clone(), shares[1].clone(), third];
        values.insert(combine(&some).unwrap().bytes()[0]);
    }
    assert_eq!(values.len(), 256);
}

#[test]
fn a_share_is_typed_as_people_type() {
    let share = &shares(1)[4];
    let printed = share.lines();
    assert_eq!(printed.len(), 4);
    assert_eq!(Share::read(&printed.join("\n")).unwrap(), *share);
    let sloppy = printed
        .join(" ")
        .to_lowercase()
        .replace('0', "o")
        .replace('1', "l");
    assert_eq!(Share::read(&sloppy).unwrap(), *share);
    let hyphens = printed.join("-").replace(' ', "-");
    assert_eq!(Share::read(&hyphens).unwrap(), *share);
}

#[test]
fn a_slip_is_found_in_its_line() {
    let mut lines = shares(1)[0].lines();
    let at = lines[2].len() - 6;
    let other = if lines[2].as_bytes()[at] == b'A' {
        "B"
    } else {
        "A"
    };
    lines[2].replace_range(at..=at, other);
    assert_eq!(
        Share::read(&lines.join("\n")).unwrap_err(),
        ShareFault::Line { line: 3 }
    );
    lines.pop();
    assert!(matches!(
        Share::read(&lines.join("\n")),
        Err(ShareFault::Length { .. })
    ));
}

#[test]
fn numbers_that_make_no_sense_are_refused() {
    let split = |shares, needed| {
        split(
            &Key::new([7; 32]),
            Scheme { shares, needed },
            ([0; 4], &[1; 99_999]),
        )
    };
    assert_eq!(split(5, 1).unwrap_err(), ShareFault::Scheme);
    assert_eq!(split(2, 3).unwrap_err(), ShareFault::Scheme);
    assert!(split(2, 2).is_ok());
    let dry = super::split(&Key::new([7; 32]), SCHEME, ([0; 4], &[1; 31]));
    assert_eq!(dry.unwrap_err(), ShareFault::Randomness);
}

proptest! {
    #[test]
    fn whatever_is_typed_is_read_or_refused(typed in ".{0,200}") {
        let _ = Share::read(&typed);
    }

    #[test]
    fn every_key_comes_back(bytes in any::<[u8; 32]>(), random in prop::collection::vec(any::<u8>(), 256)) {
        let shares = split(&Key::new(bytes), SCHEME, ([9; 4], &random)).unwrap();
        let typed: Vec<Share> = shares[1..4]
            .iter()
            .map(|share| Share::read(&share.lines().join("\n")).unwrap())
            .collect();
        let key = combine(&typed).unwrap();
        prop_assert_eq!(key.bytes(), &bytes);
    }
}
