//! Putting a pack into a folder so that whoever opens it finds the old one or the new one, never a
//! half, and reading it again to know that it is there.

use std::fs::{File, OpenOptions, rename};
use std::io::{ErrorKind, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use crate::Error;

/// The name of a ward's file: `ward-ICU.html`. What a file name cannot hold becomes `_`, and tells
/// by a number apart what would be the same then.
pub(crate) fn name(ward: &str) -> String {
    let safe = |letter: char| letter.is_ascii_alphanumeric() || "-.".contains(letter);
    let plain: String = ward
        .chars()
        .map(|letter| if safe(letter) { letter } else { '_' })
        .take(80)
        .collect();
    if plain == ward {
        return format!("ward-{plain}.html");
    }
    let sum = ward.bytes().fold(0_u32, |sum, byte| {
        sum.wrapping_mul(31).wrapping_add(u32::from(byte))
    });
    format!("ward-{plain}-{sum:08x}.html")
}

/// Puts the file and reads it again. Returns where it is.
///
/// # Errors
/// [`Error::NotPut`].
pub(crate) fn put(folder: &Path, ward: &str, file: &[u8]) -> Result<PathBuf, Error> {
    let path = folder.join(name(ward));
    let fresh = folder.join(format!(".{}.new", name(ward)));
    let not_put = |why: String| Error::NotPut {
        folder: folder.to_owned(),
        why,
    };
    write(&fresh, file).map_err(|why| not_put(why.to_string()))?;
    rename(&fresh, &path).map_err(|why| not_put(why.to_string()))?;
    match std::fs::read(&path) {
        Ok(there) if there == file => Ok(path),
        Ok(_) => Err(not_put(
            "what is read there is not what was written".to_owned(),
        )),
        Err(why) => Err(not_put(why.to_string())),
    }
}

fn write(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    match std::fs::remove_file(path) {
        Err(why) if why.kind() != ErrorKind::NotFound => return Err(why),
        Ok(()) | Err(_) => {}
    }
    let mut file: File = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o640)
        .open(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ward_can_be_called_anything_and_stays_in_its_folder() {
        assert_eq!(name("ICU"), "ward-ICU.html");
        for ward in ["../../etc/passwd", "a/b", "ä", "", "..", "a b"] {
            let name = name(ward);
            assert!(!name.contains('/') && name.starts_with("ward-"), "{name}");
        }
        assert_ne!(name("a/b"), name("a_b"));
        assert_ne!(name("a/b"), name("a b"));
    }

    #[test]
    fn the_new_pack_takes_the_place_of_the_old_one() {
        let folder = tempfile::tempdir().unwrap();
        put(folder.path(), "ICU", b"old").unwrap();
        let path = put(folder.path(), "ICU", b"new").unwrap();
        assert_eq!(std::fs::read(path).unwrap(), b"new");
        let left: Vec<_> = std::fs::read_dir(folder.path()).unwrap().collect();
        assert_eq!(left.len(), 1, "{left:?}");
    }

    #[test]
    fn a_folder_that_is_not_there_is_said_with_its_name() {
        let why = put(Path::new("/nowhere/packs"), "ICU", b"x").unwrap_err();
        assert!(why.to_string().contains("`/nowhere/packs`"), "{why}");
    }
}
