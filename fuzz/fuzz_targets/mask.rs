//! Any text is masked without panic; spans are whole and apart; what is known does not survive.
#![no_main]

use std::sync::LazyLock;

use guard::mask::{Dates, Facts, Finder, Kind, Known, PersonName, Style, Unknown, write};
use libfuzzer_sys::fuzz_target;

static FINDER: LazyLock<Finder> = LazyLock::new(|| Finder::new(&Facts::default()).expect("its patterns hold"));
static KNOWN: LazyLock<Known> = LazyLock::new(|| {
    let facts = Facts {
        names: vec![PersonName { given: vec!["Ngozi".into()], family: "Oyelaran".into() }],
        identifiers: vec![(Kind::Mrn, "QX-4186027".into())],
        telecom: vec!["+44 1632 960983".into()],
        ..Facts::default()
    };
    FINDER.know(&facts).expect("little is known")
});

fuzz_target!(|text: &str| {
    for unknown in [Unknown::Keep, Unknown::Mask] {
        let spans = FINDER.find(text, &KNOWN, unknown);
        assert!(spans.windows(2).all(|pair| pair[0].range.end <= pair[1].range.start));
        let (masked, counts) = write(text, &spans, Style::Tag, Dates::Shift(7));
        assert_eq!(counts.values().sum::<u64>(), spans.len() as u64);
        assert!(FINDER.leaks(&masked, &KNOWN).is_empty(), "{text:?} -> {masked:?}");
    }
});
