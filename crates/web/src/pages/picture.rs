//! Pictures drawn on the server as SVG: each has a sentence that says what it shows and rows for
//! the table behind it. Geometry only; colors are the stylesheet's.

use std::fmt::Write as _;

use crate::pages::words::Stamp;

/// How far a picture's marks stay from its edge, in its own units.
const MARGIN: f64 = 5.0;

/// One value at one moment.
#[derive(Debug, Clone)]
pub(crate) struct Point {
    /// Milliseconds since the epoch.
    pub at: i64,
    pub stamp: Stamp,
    pub value: f64,
    /// The value as it was sent.
    pub shown: String,
    /// The word of its flag; empty: none.
    pub flag: &'static str,
}

/// A line through values over time, drawn 160 by 44.
#[derive(Debug, Clone)]
pub(crate) struct Trend {
    pub line: String,
    pub dots: Vec<Dot>,
    /// What is usual, as (y, height).
    pub usual: Option<(String, String)>,
    pub sentence: String,
    /// Newest first.
    pub rows: Vec<Point>,
}

/// A dot of a line.
#[derive(Debug, Clone)]
pub(crate) struct Dot {
    pub x: String,
    pub y: String,
    pub flagged: bool,
    pub last: bool,
}

impl Trend {
    pub(crate) const WIDTH: f64 = 160.0;
    pub(crate) const HEIGHT: f64 = 44.0;

    /// The trend of at least two values; `usual` is the range a healthy value lies in.
    pub(crate) fn of(mut points: Vec<Point>, usual: Option<(f64, f64)>) -> Option<Trend> {
        points.retain(|point| point.value.is_finite());
        points.sort_by_key(|point| point.at);
        let (first, last) = (points.first()?.clone(), points.last()?.clone());
        if first.at == last.at {
            return None;
        }
        let across = Scale::new(first.at as f64, last.at as f64, Trend::WIDTH);
        let up = Scale::upward(&points, usual, Trend::HEIGHT);
        let dots = dots(&points, &across, &up);
        let mut line = String::new();
        for (place, dot) in dots.iter().enumerate() {
            let letter = if place == 0 { 'M' } else { 'L' };
            let _ = write!(line, "{letter}{} {}", dot.x, dot.y);
        }
        points.reverse();
        Some(Trend {
            line,
            dots,
            usual: usual.map(|(low, high)| up.band(low, high)),
            sentence: said(&first, &last, points.len()),
            rows: points,
        })
    }
}

fn dots(points: &[Point], across: &Scale, up: &Scale) -> Vec<Dot> {
    let end = points.len().saturating_sub(1);
    points
        .iter()
        .enumerate()
        .map(|(place, point)| Dot {
            x: number(across.place(point.at as f64)),
            y: number(up.place(point.value)),
            flagged: !point.flag.is_empty(),
            last: place == end,
        })
        .collect()
}

fn said(first: &Point, last: &Point, number: usize) -> String {
    let over = crate::pages::words::span(last.at.saturating_sub(first.at));
    let change = last.value - first.value;
    let moved = if change.abs() < f64::EPSILON {
        format!("Unchanged at {}", last.shown)
    } else if change > 0.0 {
        format!("Up from {} to {}", first.shown, last.shown)
    } else {
        format!("Down from {} to {}", first.shown, last.shown)
    };
    format!("{moved} over {over}, {number} values.")
}

/// Maps values to places along one side of a picture.
struct Scale {
    from: f64,
    to: f64,
    length: f64,
    downward: bool,
}

impl Scale {
    fn new(from: f64, to: f64, length: f64) -> Scale {
        Scale {
            from,
            to,
            length,
            downward: false,
        }
    }

    fn upward(points: &[Point], usual: Option<(f64, f64)>, length: f64) -> Scale {
        let mut low = points.iter().map(|p| p.value).fold(f64::INFINITY, f64::min);
        let mut high = points
            .iter()
            .map(|p| p.value)
            .fold(f64::NEG_INFINITY, f64::max);
        if let Some((from, to)) = usual {
            low = low.min(from);
            high = high.max(to);
        }
        let spare = ((high - low) * 0.08).max(0.5);
        Scale {
            from: low - spare,
            to: high + spare,
            length,
            downward: true,
        }
    }

    fn place(&self, value: f64) -> f64 {
        let part = ((value - self.from) / (self.to - self.from)).clamp(0.0, 1.0);
        let part = if self.downward { 1.0 - part } else { part };
        MARGIN + part * (self.length - 2.0 * MARGIN)
    }

    fn band(&self, low: f64, high: f64) -> (String, String) {
        let (top, bottom) = (self.place(high), self.place(low));
        (number(top), number((bottom - top).max(1.0)))
    }
}

fn number(value: f64) -> String {
    format!("{value:.1}")
}

/// Where a value lies against what is usual: a bar 72 wide whose middle half is the usual range.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Gauge {
    pub x: String,
    pub outside: bool,
}

impl Gauge {
    /// `None` if the value or the range is not made of numbers.
    pub(crate) fn of(value: &str, range: &str) -> Option<Gauge> {
        let value: f64 = value.trim().parse().ok()?;
        let (low, high) = usual(range)?;
        let part = 0.25 + 0.5 * (value - low) / (high - low);
        Some(Gauge {
            x: number(4.0 + 64.0 * part.clamp(0.0, 1.0)),
            outside: value < low || value > high,
        })
    }
}

/// `3.5-5.1`, `3.5 - 5.1`, `-2 - 2` as two numbers, the first the smaller.
pub(crate) fn usual(range: &str) -> Option<(f64, f64)> {
    let range = range.trim().replace('\u{2013}', "-");
    let middle = range.get(1..)?.find('-')? + 1;
    let (low, high) = range.split_at_checked(middle)?;
    let low: f64 = low.trim().parse().ok()?;
    let high: f64 = high.get(1..)?.trim().parse().ok()?;
    (low < high).then_some((low, high))
}

/// Bars side by side, one an hour, drawn 320 by 64.
#[derive(Debug, Clone)]
pub(crate) struct Bars {
    pub bars: Vec<Bar>,
    pub sentence: String,
}

/// One bar.
#[derive(Debug, Clone)]
pub(crate) struct Bar {
    pub x: String,
    pub y: String,
    pub width: String,
    pub height: String,
    /// What it stands for: `14:00`.
    pub label: String,
    pub value: u64,
}

impl Bars {
    pub(crate) const WIDTH: f64 = 320.0;
    pub(crate) const HEIGHT: f64 = 64.0;

    /// One bar for each (label, value), oldest first; `None` if there is nothing to show.
    pub(crate) fn of(values: &[(String, u64)], what: &str) -> Option<Bars> {
        let peak = values.iter().max_by_key(|(_, value)| *value)?;
        if peak.1 == 0 {
            return None;
        }
        let step = Bars::WIDTH / values.len() as f64;
        let bars = values
            .iter()
            .enumerate()
            .map(|(place, pair)| bar(place as f64 * step, step, pair, peak.1))
            .collect();
        let total: u64 = values.iter().map(|(_, value)| value).sum();
        let hours = crate::pages::words::count(values.len() as u64, "hour", "hours");
        Some(Bars {
            bars,
            sentence: format!(
                "{} {what} in {hours}; most in the hour from {}: {}.",
                crate::pages::words::thousands(total),
                peak.0,
                crate::pages::words::thousands(peak.1),
            ),
        })
    }
}

fn bar(x: f64, step: f64, (label, value): &(String, u64), peak: u64) -> Bar {
    let part = *value as f64 / peak as f64;
    let height = if *value == 0 {
        0.0
    } else {
        (part * Bars::HEIGHT).max(1.5)
    };
    Bar {
        x: number(x + step * 0.12),
        y: number(Bars::HEIGHT - height),
        width: number(step * 0.76),
        height: number(height),
        label: label.clone(),
        value: *value,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pages::shell::samples::ago;

    fn point(minute: i64, value: f64) -> Point {
        Point {
            at: -minute * 60_000,
            stamp: ago(minute),
            value,
            shown: value.to_string(),
            flag: "",
        }
    }

    #[test]
    fn a_trend_runs_from_the_oldest_to_the_newest_and_says_so() {
        let trend = Trend::of(vec![point(0, 37.0), point(60, 38.5)], Some((36.0, 37.5))).unwrap();
        assert_eq!(trend.sentence, "Down from 38.5 to 37 over 1 h, 2 values.");
        assert!(trend.line.starts_with("M5.0 ") && trend.line.contains("L155.0 "));
        assert!(trend.dots[1].last);
    }

    #[test]
    fn one_value_or_values_of_one_moment_are_no_trend() {
        assert!(Trend::of(vec![point(0, 1.0)], None).is_none());
        assert!(Trend::of(vec![point(0, 1.0), point(0, 2.0)], None).is_none());
        assert!(Trend::of(vec![point(0, f64::NAN), point(5, 2.0)], None).is_none());
    }

    #[test]
    fn ranges_are_read_as_laboratories_write_them() {
        assert_eq!(usual("3.5-5.1"), Some((3.5, 5.1)));
        assert_eq!(usual("-2 \u{2013} 2"), Some((-2.0, 2.0)));
        assert_eq!(usual("<5"), None);
        assert_eq!(usual("é"), None);
        let gauge = Gauge::of("6.2", "3.5-5.1").unwrap();
        assert!(gauge.outside);
        assert_eq!(Gauge::of("4.3", "3.5-5.1").unwrap().x, "36.0");
    }

    #[test]
    fn no_messages_are_no_picture() {
        assert!(Bars::of(&[("14:00".into(), 0)], "messages").is_none());
        let bars = Bars::of(&[("14:00".into(), 2), ("15:00".into(), 4)], "messages").unwrap();
        assert_eq!(
            bars.sentence,
            "6 messages in 2 hours; most in the hour from 15:00: 4."
        );
    }
}
