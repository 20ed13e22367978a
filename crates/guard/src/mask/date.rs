//! Dates as they are written: found, moved by days, written again in the same form.

use std::ops::Range;

use jiff::ToSpan as _;
use jiff::civil::Date;

use super::terms::month;

/// A date in a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Dated {
    /// The day, if day, month and year are told and there is such a day.
    pub(crate) day: Option<Date>,
    form: Form,
}

/// How it is written: enough to write another day alike.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Form {
    /// Numbers in some order with a separator: `2013-06-22`, `6/22/13`.
    Numbers {
        order: Order,
        between: char,
        wide: Wide,
    },
    /// Anything with the month in words.
    Words,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Order {
    YearMonthDay,
    MonthDayYear,
    DayMonthYear,
}

/// How many digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Wide {
    padded: bool,
    short_year: bool,
}

/// Reads a written date. What is ambiguous (`4/5/2013`) is read month first.
pub(crate) fn read(written: &str) -> Option<Dated> {
    let parts: Vec<&str> = written
        .split(|letter: char| !letter.is_alphanumeric())
        .filter(|part| !part.is_empty())
        .collect();
    match parts.as_slice() {
        [a, b, c]
            if [a, b, c]
                .iter()
                .all(|part| part.bytes().all(|b| b.is_ascii_digit())) =>
        {
            numbers(written, (a, b, c))
        }
        _ => words(written),
    }
}

fn numbers(written: &str, (a, b, c): (&str, &str, &str)) -> Option<Dated> {
    let between = written.chars().find(|letter| !letter.is_ascii_digit())?;
    let value = |part: &str| part.parse::<i16>().ok();
    let (first, second, third) = (value(a)?, value(b)?, value(c)?);
    let (order, year, (month, day)) = match () {
        () if a.len() == 4 => (Order::YearMonthDay, first, (second, third)),
        () if first <= 12 => (Order::MonthDayYear, full(third, c), (first, second)),
        () => (Order::DayMonthYear, full(third, c), (second, first)),
    };
    let (order, month, day) = match order {
        Order::MonthDayYear if month > 12 => (Order::DayMonthYear, day, month),
        order => (order, month, day),
    };
    let padded = [a, b].iter().all(|part| part.len() != 1);
    let wide = Wide {
        padded,
        short_year: order != Order::YearMonthDay && c.len() <= 2,
    };
    Some(Dated {
        day: Date::new(year, small(month)?, small(day)?).ok(),
        form: Form::Numbers {
            order,
            between,
            wide,
        },
    })
}

fn small(value: i16) -> Option<i8> {
    i8::try_from(value).ok()
}

/// Years of two digits: 00 to 39 are ours.
const fn full(year: i16, written: &str) -> i16 {
    match written.len() {
        0..=2 if year < 40 => 2000 + year,
        0..=2 => 1900 + year,
        _ => year,
    }
}

fn words(written: &str) -> Option<Dated> {
    let lower = written.to_lowercase();
    let mut named = None;
    let (mut day, mut year) = (None, None);
    let mut rest = lower.as_str();
    while let Some(start) = rest.find(|letter: char| letter.is_alphanumeric()) {
        rest = rest.get(start..)?;
        let digits = rest.starts_with(|letter: char| letter.is_ascii_digit());
        let end = rest
            .find(|letter: char| letter.is_ascii_digit() != digits || !letter.is_alphanumeric());
        let (part, next) = rest.split_at(end.unwrap_or(rest.len()));
        rest = next;
        match part.parse::<i16>() {
            Ok(value) if part.len() == 4 => year = Some(value),
            Ok(value) if day.is_none() && (1..=31).contains(&value) => day = Some(value),
            Ok(value) => year = Some(full(value, part)),
            Err(_) => named = named.or(month(part)),
        }
    }
    let month = named?;
    let day = match (year, day) {
        (Some(year), Some(day)) => Date::new(year, month, small(day)?).ok(),
        _ => None,
    };
    Some(Dated {
        day,
        form: Form::Words,
    })
}

impl Dated {
    /// The date so many days later, in the same form; `None` if it is not a whole date.
    pub(crate) fn moved(&self, days: i32) -> Option<String> {
        let day = moved(self.day?, days)?;
        Some(match &self.form {
            Form::Words => day.strftime("%B %-d, %Y").to_string(),
            Form::Numbers {
                order,
                between,
                wide,
            } => {
                let year = match wide.short_year {
                    true => format!("{:02}", day.year().rem_euclid(100)),
                    false => format!("{:04}", day.year()),
                };
                let number = |value: i8| match wide.padded {
                    true => format!("{value:02}"),
                    false => value.to_string(),
                };
                let (month, date) = (number(day.month()), number(day.day()));
                let parts = match order {
                    Order::YearMonthDay => [year, month, date],
                    Order::MonthDayYear => [month, date, year],
                    Order::DayMonthYear => [date, month, year],
                };
                parts.join(&between.to_string())
            }
        })
    }
}

/// A day so many days later.
pub(crate) fn moved(day: Date, days: i32) -> Option<Date> {
    day.checked_add(days.days()).ok()
}

/// Every way in which the month and day of a known date are written without the year.
pub(crate) fn month_and_day(day: Date) -> [(i8, i8); 2] {
    [(day.month(), day.day()), (day.day(), day.month())]
}

/// The digits of a date in the orders in which they are written without separators.
pub(crate) fn packed(day: Date) -> [String; 3] {
    ["%Y%m%d", "%m%d%Y", "%d%m%Y"].map(|form| day.strftime(form).to_string())
}

/// Whether numbers written like a date can be one.
pub(crate) fn plausible(written: &str) -> bool {
    read(written).is_some_and(|dated| dated.day.is_some() || dated.form == Form::Words)
}

/// Trims what a pattern took along at the end.
pub(crate) fn trimmed(text: &str, range: Range<usize>) -> Range<usize> {
    let written = text.get(range.clone()).unwrap_or_default();
    let kept = written.trim_end_matches(|letter: char| !letter.is_alphanumeric());
    range.start..range.start + kept.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moved_date_keeps_its_form() {
        for (written, moved) in [
            ("2013-06-22", "2013-07-02"),
            ("06/22/2013", "07/02/2013"),
            ("6/22/13", "7/2/13"),
            ("22.06.2013", "02.07.2013"),
            ("June 22nd, 2013", "July 2, 2013"),
            ("22 juin 2013", "July 2, 2013"),
            ("22JUN2013", "July 2, 2013"),
        ] {
            let read = read(written).unwrap();
            assert_eq!(read.moved(10).as_deref(), Some(moved), "{written}");
        }
    }

    #[test]
    fn what_is_no_day_is_not_moved() {
        assert_eq!(read("13/13/2013").and_then(|dated| dated.moved(1)), None);
        assert_eq!(read("March 2013").and_then(|dated| dated.moved(1)), None);
        assert_eq!(read("blood pressure 120/80"), None);
    }
}
