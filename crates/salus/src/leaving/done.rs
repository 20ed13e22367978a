//! Which lines of watched lists of leavers were carried out.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result};
use event::Time;

use crate::certificate;

/// How long a list has to be away, and be seen to be away, before another under its name is a new one. A
/// share is away for an hour now and then; nobody who came back loses access for that.
const AWAY_MS: i64 = 24 * 3_600_000;

/// How exactly it is known how long a list was away.
const STEP_MS: i64 = 600_000;

/// The longest between two looks of which it is believed that the list was away all the time.
const GAP_MS: i64 = 3_600_000;

/// Lines that were carried out, so that a list that stays where it is ends nobody's access twice.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Done {
    /// `account`, a space, and when it was due in milliseconds, or, of a line that says no time, `list:`
    /// and the list's name. The latter counts for as long as it stands on that list.
    lines: BTreeSet<String>,
    /// Lists that are away, by `list:` and their name. In the file each is a line that begins with a tab.
    away: BTreeMap<String, Away>,
}

/// A list was looked for and was not there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Away {
    since: Time,
    until: Time,
}

impl Done {
    /// What a file holds; nothing if there is none.
    ///
    /// # Errors
    /// The file cannot be read.
    pub(super) fn read(path: &Path) -> Result<Done> {
        match fs::read_to_string(path) {
            Ok(text) => Ok(Done::of(&text)),
            Err(why) if why.kind() == std::io::ErrorKind::NotFound => Ok(Done::default()),
            Err(why) => Err(why).with_context(|| format!("cannot read `{}`", path.display())),
        }
    }

    fn of(text: &str) -> Done {
        let mut done = Done::default();
        for line in text.lines() {
            match line.strip_prefix('\t') {
                Some(away) => done.away.extend(read_away(away)),
                None if line.is_empty() => {}
                None => {
                    done.lines.insert(line.to_owned());
                }
            }
        }
        done
    }

    fn text(&self) -> String {
        let away = self.away.iter().map(|(list, away)| {
            let (since, until) = (away.since.millis(), away.until.millis());
            format!("\t{since} {until} {list}\n")
        });
        let lines = self.lines.iter().map(|line| format!("{line}\n"));
        lines.chain(away).collect()
    }

    /// Writes them, whole or not at all.
    ///
    /// # Errors
    /// The file cannot be written.
    pub(super) fn keep(&self, path: &Path) -> Result<()> {
        let beside = path.with_extension("new");
        let _ = fs::remove_file(&beside);
        certificate::write(&beside, self.text().as_bytes())?;
        fs::rename(&beside, path).with_context(|| format!("cannot write `{}`", path.display()))
    }

    pub(super) fn contains(&self, line: &str) -> bool {
        self.lines.contains(line)
    }

    pub(super) fn insert(&mut self, line: String) {
        self.lines.insert(line);
    }

    pub(super) fn remove(&mut self, line: &str) -> bool {
        self.lines.remove(line)
    }

    /// Notes which of the lists that lines are known of are not among those that are there. `each_ms`:
    /// how often they are looked at.
    pub(super) fn looked(&mut self, there: &BTreeSet<String>, now: Time, each_ms: i64) {
        let lists = self.lines.iter().filter_map(|line| list_of(line));
        let lists: BTreeSet<String> = lists.map(str::to_owned).collect();
        self.away.retain(|list, _| lists.contains(list));
        for list in lists {
            if there.contains(&list) {
                continue;
            }
            let new = Away {
                since: now,
                until: now,
            };
            let away = self.away.entry(list).or_insert(new);
            match now.since(away.until) {
                unseen if unseen > each_ms.saturating_mul(2).saturating_add(GAP_MS) => *away = new,
                STEP_MS.. => away.until = now,
                _ => {}
            }
        }
    }

    /// A list was read: lines that do not stand on it any more are forgotten, and all of them if it is
    /// another one of the same name.
    pub(super) fn stand(&mut self, list: &str, written: Time, standing: &BTreeSet<String>) {
        let away = self.away.remove(list);
        let new = away
            .is_some_and(|away| away.until.since(away.since) >= AWAY_MS && written > away.since);
        self.lines
            .retain(|one| list_of(one) != Some(list) || (standing.contains(one) && !new));
    }
}

/// The list that a carried-out line without a time stands on.
fn list_of(line: &str) -> Option<&str> {
    let at = line.find(" list:")?;
    line.get(at + 1..)
}

fn read_away(line: &str) -> Option<(String, Away)> {
    let mut parts = line.splitn(3, ' ');
    let mut time = || Some(Time::from_millis(parts.next()?.parse().ok()?));
    let (since, until) = (time()?, time()?);
    Some((parts.next()?.to_owned(), Away { since, until }))
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: i64 = 3_600_000;
    const LINE: &str = "anna list:left.csv";

    fn at(hours: i64) -> Time {
        Time::from_millis(1_000 * HOUR + hours * HOUR)
    }

    /// What is known of Anna after a list that was looked for at these hours came back, written at
    /// `written`, with her on it.
    fn known_after(looks: impl IntoIterator<Item = i64>, written: i64) -> bool {
        let mut done = Done::of(LINE);
        for hours in looks {
            done.looked(&BTreeSet::new(), at(hours), 5_000);
            done = Done::of(&done.text());
        }
        let standing = BTreeSet::from([LINE.to_owned()]);
        done.stand("list:left.csv", at(written), &standing);
        assert!(done.away.is_empty());
        done.contains(LINE)
    }

    #[test]
    fn a_list_is_a_new_one_if_it_was_away_for_a_day_and_was_written_since() {
        assert!(known_after([], 5), "it was never away");
        assert!(known_after(0..24, 23), "for less than a day");
        assert!(known_after(0..100, -1), "it is the one that was there");
        assert!(known_after([0, 30], 29), "nobody looked meanwhile");
        assert!(!known_after(0..=24, 23));
    }

    #[test]
    fn what_a_file_holds_is_what_was_written() {
        let mut done = Done::of("ben 17\nanna list:left, new.csv\n");
        done.looked(&BTreeSet::new(), at(0), 5_000);
        done.looked(&BTreeSet::new(), at(1), 5_000);
        assert_eq!(done.away["list:left, new.csv"].until, at(1));
        assert_eq!(Done::of(&done.text()), done);
        // A list that was seen again is away no more once it was read.
        done.stand("list:left, new.csv", at(0), &BTreeSet::new());
        assert_eq!(done.text(), "ben 17\n");
    }
}
