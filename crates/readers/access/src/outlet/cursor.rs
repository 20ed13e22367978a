//! Where the way out stopped: a small file beside the record, since views may be deleted.

use std::fs::{self, File};
use std::io::Write as _;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// The next event that has to be delivered.
#[derive(Debug)]
pub(super) struct Cursor {
    path: PathBuf,
    kept: Kept,
}

/// What stands in the file.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Kept {
    to: String,
    next: u64,
}

impl Cursor {
    /// Reads the file; another receiver than last time begins with the first event.
    pub(super) fn open(path: PathBuf, to: &str) -> Result<Cursor, String> {
        let kept = match fs::read(&path) {
            Ok(bytes) => serde_json::from_slice::<Kept>(&bytes).map_err(|why| {
                format!(
                    "`{}` cannot be read: {why}; remove it, and everything is sent again",
                    path.display()
                )
            })?,
            Err(why) if why.kind() == std::io::ErrorKind::NotFound => Kept {
                to: String::new(),
                next: 0,
            },
            Err(why) => return Err(format!("`{}` cannot be read: {why}", path.display())),
        };
        let next = if kept.to == to { kept.next } else { 0 };
        let to = to.to_owned();
        Ok(Cursor {
            path,
            kept: Kept { to, next },
        })
    }

    pub(super) const fn next(&self) -> u64 {
        self.kept.next
    }

    /// Writes the file whole or not at all.
    pub(super) fn save(&mut self, next: u64) -> Result<(), String> {
        self.kept.next = next;
        let failed = |why: std::io::Error| {
            let path = self.path.display();
            format!("`{path}` cannot be written: {why}; make room or mend its rights")
        };
        let bytes = serde_json::to_vec(&self.kept).map_err(|why| why.to_string())?;
        let new = self.path.with_extension("new");
        let mut file = File::create(&new).map_err(failed)?;
        file.write_all(&bytes).map_err(failed)?;
        file.sync_all().map_err(failed)?;
        fs::rename(&new, &self.path).map_err(failed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_goes_on_where_it_stopped_unless_the_receiver_is_another() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("audit-export.json");
        let mut cursor = Cursor::open(path.clone(), "tls://a:1").unwrap();
        assert_eq!(cursor.next(), 0);
        cursor.save(4711).unwrap();
        assert_eq!(
            Cursor::open(path.clone(), "tls://a:1").unwrap().next(),
            4711
        );
        assert_eq!(Cursor::open(path.clone(), "tls://b:1").unwrap().next(), 0);
        fs::write(&path, "{").unwrap();
        assert!(
            Cursor::open(path, "tls://a:1")
                .unwrap_err()
                .contains("sent again")
        );
    }
}
