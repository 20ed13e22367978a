//! FHIR dates and times: `YYYY`, `YYYY-MM`, `YYYY-MM-DD`, `YYYY-MM-DDThh:mm:ss+zz:zz`.

use jiff::civil::Date;

use super::super::date::moved;
use super::super::write::Dates;

/// Whether text has the form of a FHIR date, dateTime or instant.
pub(crate) fn is_date(text: &str) -> bool {
    let digits = |range: std::ops::Range<usize>| {
        text.get(range)
            .is_some_and(|part| part.bytes().all(|byte| byte.is_ascii_digit()))
    };
    let dash = |at: usize| text.get(at..=at) == Some("-");
    let century = text.starts_with("18")
        || text.starts_with("19")
        || text.starts_with("20")
        || text.starts_with("21");
    let year = century && digits(0..4);
    match text.len() {
        4 => year,
        7 => year && dash(4) && digits(5..7),
        10 => year && dash(4) && digits(5..7) && dash(7) && digits(8..10),
        _ => {
            text.get(10..11) == Some("T")
                && text.get(..10).is_some_and(is_date)
                && text.len() <= 40
                && tidy(text)
        }
    }
}

fn tidy(text: &str) -> bool {
    let time = text.get(11..).unwrap_or_default();
    time.bytes()
        .all(|byte| byte.is_ascii_digit() || b":.+-Z".contains(&byte))
}

/// What stands for a date; `None`: nothing of it may stay.
pub(crate) fn instead(text: &str, dates: Dates) -> Option<String> {
    let Dates::Shift(days) = dates else {
        return text.get(..4).map(str::to_owned);
    };
    match text.len() {
        4 => Some(text.to_owned()),
        // The middle of the month stands for it, so that the month that comes out is the likeliest.
        7 => {
            let middle: Date = format!("{text}-15").parse().ok()?;
            Some(moved(middle, days)?.strftime("%Y-%m").to_string())
        }
        _ => {
            let day: Date = text.get(..10)?.parse().ok()?;
            Some(format!("{}{}", moved(day, days)?, text.get(10..)?))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_known_by_their_form() {
        for text in [
            "2013",
            "2013-06",
            "2013-06-22",
            "2013-06-22T10:30:00+01:00",
            "2013-06-22T10:30:00.123Z",
        ] {
            assert!(is_date(text), "{text}");
        }
        for text in [
            "8867-4",
            "20130622",
            "2013-06-22 10:30",
            "4548",
            "1234-56-78",
            "2013-06-22Then",
        ] {
            assert!(!is_date(text), "{text}");
        }
    }

    #[test]
    fn the_time_of_day_stays_when_a_date_moves() {
        let moved = |text, days| instead(text, Dates::Shift(days)).unwrap();
        assert_eq!(
            moved("2013-06-22T10:30:00+01:00", -30),
            "2013-05-23T10:30:00+01:00"
        );
        assert_eq!(moved("2013-06", 365), "2014-06");
        assert_eq!(instead("2013-06-22", Dates::Year).as_deref(), Some("2013"));
        assert_eq!(instead("2013-02-30", Dates::Shift(1)), None);
    }
}
