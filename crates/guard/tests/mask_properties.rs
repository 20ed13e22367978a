//! What masking must hold for any patient and any text.

#![expect(
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "helpers of tests"
)]

use std::sync::LazyLock;

use guard::mask::{Dates, Facts, Finder, Kind, Masking, PersonName, Secret, Style, Unknown, write};
use jiff::civil::date;
use proptest::prelude::*;
use serde_json::{Value, json};

static FINDER: LazyLock<Finder> = LazyLock::new(|| Finder::new(&Facts::default()).unwrap());

fn masked(text: &str, facts: &Facts, unknown: Unknown) -> String {
    let known = FINDER.know(facts).unwrap();
    let spans = FINDER.find(text, &known, unknown);
    write(text, &spans, Style::Tag, Dates::Year).0
}

/// Letters and digits in small letters, nothing else.
fn packed(text: &str) -> String {
    text.chars()
        .filter(|letter| letter.is_alphanumeric())
        .flat_map(char::to_lowercase)
        .collect()
}

/// The same letters with something between them, in another case.
fn disguised(value: &str, between: &[&str], upper: &[bool]) -> String {
    let mut out = String::new();
    for (place, letter) in value.chars().enumerate() {
        if place > 0 {
            out.push_str(between[place % between.len()]);
        }
        match upper[place % upper.len()] {
            true => out.extend(letter.to_uppercase()),
            false => out.extend(letter.to_lowercase()),
        }
    }
    out
}

fn somebody() -> Facts {
    Facts {
        names: vec![PersonName {
            given: vec!["Ngozi".into(), "Chidinma".into()],
            family: "Oyelaran-Whitcombe".into(),
        }],
        identifiers: vec![
            (Kind::Mrn, "QX-4186027".into()),
            (Kind::Account, "1EG2-TE8-MK93".into()),
        ],
        telecom: vec!["tel:+44 1632 960983".into(), "ngozi.ow@example.org".into()],
        address_parts: vec!["17 Ferrybridge Crescent".into(), "Dunchurchley".into()],
        ..Facts::default()
    }
}

#[test]
fn what_stands_around_something_masked_is_not_one_number() {
    let known = FINDER.know(&somebody()).unwrap();
    let text = "+44 1632 9609834186027 960983";
    let spans = FINDER.find(text, &known, Unknown::Keep);
    let (dropped, _) = write(text, &spans, Style::Drop, Dates::Year);
    assert!(FINDER.leaks(&dropped, &known).is_empty(), "{dropped}");
    // A blank that somebody left in a form hides nothing: there it is found.
    let text = masked("call +44 1632 ___ 960983", &somebody(), Unknown::Keep);
    assert!(!text.contains("960983"), "{text}");
}

#[test]
fn a_name_before_something_masked_is_masked_with_it() {
    for text in [
        "OYELARANwhitcombe-4186027",
        "Whitcombe-17 Ferrybridge Crescent",
        "seen by Oyelaran-ngozi.ow@example.org",
    ] {
        let text = masked(text, &somebody(), Unknown::Keep).to_lowercase();
        assert!(
            !text.contains("whitcombe") && !text.contains("oyelaran"),
            "{text}"
        );
    }
}

proptest! {
    #[test]
    fn a_known_number_is_found_in_any_punctuation_and_case(
        between in proptest::collection::vec(prop_oneof![Just(""), Just("-"), Just(" "), Just("."), Just("/"), Just("\u{200d}"), Just("–")], 1..6),
        upper in proptest::collection::vec(any::<bool>(), 1..6),
        before in "[a-z ]{0,12} ", after in " [a-z ]{0,12}",
    ) {
        let number = disguised("QX4186027", &between, &upper);
        let text = masked(&format!("{before}{number}{after}"), &somebody(), Unknown::Keep);
        prop_assert!(!packed(&text).contains("4186027"), "{text}");
    }

    #[test]
    fn a_known_name_is_found_in_any_order_and_case(
        form in prop_oneof![
            Just("Ngozi Oyelaran-Whitcombe"), Just("OYELARAN-WHITCOMBE, NGOZI"), Just("oyelaran whitcombe ngozi c"),
            Just("N. Oyelaran-Whitcombe"), Just("Ngozi's"), Just("Whitcombe"), Just("ngozi"), Just("Ｎｇｏｚｉ"),
            Just("N\u{200b}gozi"), Just("Оyelaran"), Just("OyelaranWhitcombe"),
        ],
        before in "[a-z ]{0,12} ", after in "[ .,;:!?)]{1,2}[a-z ]{0,12}",
    ) {
        let text = masked(&format!("{before}{form}{after}"), &somebody(), Unknown::Keep);
        let left = packed(&text);
        for part in ["ngozi", "oyelaran", "whitcombe"] {
            prop_assert!(!left.contains(part), "{text}");
        }
    }

    #[test]
    fn any_text_is_masked_without_panic_and_its_spans_are_whole_characters(text in any::<String>(), near in "\\PC{0,200}") {
        for text in [text.as_str(), near.as_str()] {
            let known = FINDER.know(&somebody()).unwrap();
            for unknown in [Unknown::Keep, Unknown::Mask] {
                let spans = FINDER.find(text, &known, unknown);
                for span in &spans {
                    prop_assert!(text.get(span.range.clone()).is_some_and(|part| !part.is_empty()));
                }
                prop_assert!(spans.windows(2).all(|pair| pair[0].range.end <= pair[1].range.start));
            }
        }
    }

    #[test]
    fn any_facts_can_be_known(words in proptest::collection::vec("\\PC{0,20}", 0..8)) {
        let mut facts = Facts::default();
        for word in words {
            facts.names.push(PersonName { given: vec![word.clone()], family: word.clone() });
            facts.written_names.push(word.clone());
            facts.identifiers.push((Kind::Other, word.clone()));
            facts.telecom.push(word.clone());
            facts.address_parts.push(word.clone());
            facts.organizations.push(word);
        }
        prop_assert!(FINDER.know(&facts).is_ok());
    }

    #[test]
    fn the_second_look_finds_nothing_in_what_was_masked(parts in proptest::collection::vec(prop_oneof![
        "\\PC{0,6}", "[a-zA-Z0-9 .,'-]{0,6}",
        Just("Ngozi".to_owned()), Just("OYELARAN".to_owned()), Just("whitcombe".to_owned()), Just("QX".to_owned()),
        Just("4186027".to_owned()), Just("41".to_owned()), Just("86027".to_owned()), Just("1EG2".to_owned()),
        Just("TE8MK93".to_owned()), Just("ferrybridge crescent".to_owned()), Just("Dunchurchley".to_owned()),
        Just("+44 1632 960983".to_owned()), Just("ngozi.ow@example.org".to_owned()), Just("960983".to_owned()),
        Just(" ".to_owned()), Just("-".to_owned()), Just("\n".to_owned()), Just(", ".to_owned()), Just("Dr. ".to_owned()),
        Just("on 3/4/2012".to_owned()), Just("\u{301}".to_owned()), Just("\u{200b}".to_owned()),
    ], 0..16)) {
        let text = parts.concat();
        let known = FINDER.know(&somebody()).unwrap();
        for (unknown, dates) in [(Unknown::Keep, Dates::Year), (Unknown::Mask, Dates::Shift(7))] {
            for style in [Style::Tag, Style::Drop] {
                let spans = FINDER.find(&text, &known, unknown);
                let (masked, counts) = write(&text, &spans, style, dates);
                prop_assert_eq!(counts.values().sum::<u64>(), spans.len() as u64);
                prop_assert!(FINDER.leaks(&masked, &known).is_empty(), "{text:?} -> {masked:?}");
            }
        }
    }

    #[test]
    fn masking_twice_changes_nothing(parts in proptest::collection::vec(prop_oneof![
        Just("Dr. Ngozi Oyelaran-Whitcombe "), Just("seen at Waters Clinic "), Just("on 06/22/2013, "),
        Just("MRN: QX-4186027 "), Just("call (226) 987-4364. "), Just("Foley catheter "), Just("a 93-year-old "),
        Just("her daughter Amanda "), Just("lives in Chicago, IL 60601. "), Just("was "), Just("and, "), Just("\n"),
    ], 0..12)) {
        let text = parts.concat();
        let once = masked(&text, &somebody(), Unknown::Keep);
        prop_assert_eq!(masked(&once, &somebody(), Unknown::Keep), once);
    }

    #[test]
    fn intervals_between_dates_hold(patient in "[a-z0-9]{1,12}", from in 0i32..20_000, apart in 0i32..5_000) {
        let secret = Secret::new(&[7; 32]).unwrap();
        let day = |days: i32| date(1950, 1, 1).checked_add(jiff::Span::new().days(days)).unwrap();
        let encounter = json!({"resourceType": "Encounter", "status": "finished",
            "period": {"start": format!("{}T10:00:00Z", day(from)), "end": day(from + apart).to_string()}});
        let known = FINDER.know(&Facts::default()).unwrap();
        let masking = Masking { finder: &FINDER, known: &known, secret: &secret, dates: secret.dates(&patient), today: date(2026, 1, 1) };
        let masked: Value = serde_json::from_str(&masking.resource(&encounter).unwrap().json).unwrap();
        let read = |key: &str| masked["period"][key].as_str().unwrap()[..10].parse::<jiff::civil::Date>().unwrap();
        prop_assert_eq!((read("end") - read("start")).get_days(), apart);
        prop_assert_ne!(read("start"), day(from));
        prop_assert!(masked["period"]["start"].as_str().unwrap().ends_with("T10:00:00Z"));
    }
}
