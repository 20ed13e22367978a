use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::path::Path;
use std::time::{Duration, SystemTime};

use tempfile::TempDir;
use wire::signals::Format;

use super::*;

/// A folder, and the looks at a file in it.
struct Looking {
    folder: TempDir,
    wanted: Look,
}

impl Looking {
    fn at_nothing() -> Looking {
        let folder = tempfile::tempdir().unwrap();
        let wanted = Look {
            path: folder.path().join("eve.json"),
            position: None,
            still: None,
            line_bytes_max: 100,
            batch_lines_max: 100,
            batch_bytes_max: 1_000,
            now: 0,
        };
        Looking { folder, wanted }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Appends lines, as if so many seconds after the first that were written.
    fn write(&self, name: &str, (lines, seconds): (&[&str], u64)) {
        append(&self.path(name), &lines.join("\n"), seconds);
    }

    fn rename(&self, from: &str, to: &str) {
        fs::rename(self.path(from), self.path(to)).unwrap();
    }

    /// One look, after which what was seen may count as still or not; what was read, and what was said.
    fn look(&mut self, still: bool) -> (Vec<String>, Option<&'static str>) {
        let tally = Tally::new(Format::Json, jiff::tz::TimeZone::UTC);
        let found = look(&self.wanted, tally).unwrap();
        let lines = wire::signals::lines(&found.tally.batch);
        let lines = lines.map(|line| String::from_utf8_lossy(line.bytes).into_owned());
        let lines: Vec<String> = lines.collect();
        let note = found.note.filter(|_| found.next.is_some());
        if let Some(next) = found.next {
            self.wanted.position = Some(next);
        }
        self.wanted.still = still.then_some(found.looked);
        (lines, note)
    }

    /// Looks until nothing more comes, however often; each time nothing changes meanwhile.
    fn all(&mut self) -> (Vec<String>, Vec<&'static str>) {
        let (mut lines, mut notes, mut idle) = (Vec::new(), Vec::new(), 0);
        while idle < 3 {
            let (more, note) = self.look(true);
            idle = if more.is_empty() { idle + 1 } else { 0 };
            lines.extend(more);
            notes.extend(note);
        }
        (lines, notes)
    }
}

fn append(path: &Path, text: &str, seconds: u64) {
    let mut file = OpenOptions::new()
        .create(true)
        .append(true)
        .open(path)
        .unwrap();
    file.write_all(format!("{text}\n").as_bytes()).unwrap();
    let at = SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000 + seconds);
    file.set_modified(at).unwrap();
}

#[test]
fn what_was_read_is_not_read_again_because_another_file_is_gone() {
    let mut eve = Looking::at_nothing();
    eve.write("eve.json", (&["1"], 0));
    assert_eq!(eve.all().0, ["1"]);
    eve.rename("eve.json", "eve.json.1");
    eve.write("eve.json", (&["2"], 1));
    assert_eq!(eve.all().0, ["2"]);
    fs::remove_file(eve.path("eve.json")).unwrap();
    assert_eq!(
        eve.all().0,
        [""; 0],
        "the file that was rotated away was read"
    );
    eve.write("eve.json", (&["3"], 2));
    let (lines, notes) = eve.all();
    assert_eq!((lines, notes.len()), (vec!["3".to_owned()], 1));
}

#[test]
fn a_file_that_was_quiet_before_its_rotation_is_still_read_to_its_end() {
    let mut eve = Looking::at_nothing();
    eve.write("eve.json", (&["1"], 0));
    assert_eq!(eve.all().0, ["1"]);
    // It has been still for long when it is rotated; its writer goes on there for a moment.
    eve.rename("eve.json", "eve.json.1");
    eve.write("eve.json", (&["3"], 2));
    assert_eq!(
        eve.look(false).0,
        [""; 0],
        "the old file counted as finished at once"
    );
    eve.write("eve.json.1", (&["2"], 1));
    assert_eq!(eve.look(false).0, ["2"]);
    assert_eq!(eve.all().0, ["3"]);
}

#[test]
fn another_file_that_grows_and_looks_rotated_holds_nothing_up() {
    let mut eve = Looking::at_nothing();
    eve.write("eve-20261126.json", (&["0"], 0));
    eve.write("eve.json", (&["1"], 1));
    assert_eq!(eve.all().0, ["1"]);
    eve.rename("eve.json", "eve.json.1");
    eve.write("eve.json", (&["2"], 2));
    let mut lines = Vec::new();
    for _ in 0..4 {
        eve.write("eve-20261126.json", (&["of somebody else"], 0));
        lines.extend(eve.look(true).0);
    }
    assert_eq!(lines, ["2"]);
}

#[test]
fn a_new_file_that_begins_as_the_old_one_did_is_not_the_old_one() {
    let mut eve = Looking::at_nothing();
    eve.write("eve.json", (&["# begin"], 0));
    assert_eq!(eve.all().0, ["# begin"]);
    eve.rename("eve.json", "eve.json.1");
    eve.write("eve.json.1", (&["1"], 1));
    eve.write("eve.json", (&["# begin", "2"], 2));
    assert_eq!(eve.all().0, ["1", "# begin", "2"]);
    // A copy in the place of the file, as a restore makes one, is known by what is in it.
    let text = fs::read(eve.path("eve.json")).unwrap();
    fs::remove_file(eve.path("eve.json")).unwrap();
    fs::write(
        eve.path("other"),
        b"takes the place of the old one on the disk",
    )
    .unwrap();
    fs::write(eve.path("eve.json"), text).unwrap();
    eve.write("eve.json", (&["3"], 3));
    assert_eq!(eve.all().0, ["3"]);
}

#[test]
fn after_a_gap_what_is_still_there_is_read_and_the_gap_is_said_once() {
    let mut eve = Looking::at_nothing();
    eve.write("eve.json", (&["0"], 0));
    eve.rename("eve.json", "eve.json.4");
    eve.write("eve.json", (&["1"], 1));
    assert_eq!(eve.all().0, ["1"]);
    // Nobody looks while the file is rotated more often than rotations are kept.
    fs::remove_file(eve.path("eve.json")).unwrap();
    eve.write("eve.json.3", (&["3", "4"], 3));
    fs::write(eve.path("eve.json.2"), "").unwrap();
    eve.write("eve.json.1", (&["5"], 5));
    eve.write("eve.json", (&["6"], 6));
    let at = SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_004);
    let empty = OpenOptions::new().append(true).open(eve.path("eve.json.2"));
    empty.unwrap().set_modified(at).unwrap();
    let (lines, notes) = eve.all();
    assert_eq!(lines, ["3", "4", "5", "6"]);
    assert_eq!(notes, [GONE]);
    eve.write("eve.json", (&["7"], 7));
    let (lines, notes) = eve.all();
    assert_eq!((lines, notes.len()), (vec!["7".to_owned()], 0));
}
