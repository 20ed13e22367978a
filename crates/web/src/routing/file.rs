//! A folder that a message is put into as a file: whole or not at all, and once.

use std::fs::{self, File};
use std::io::{ErrorKind, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use super::line::Answer;

/// Charts are in it: for the owner, and for a group to collect it.
const FILE_MODE: u32 = 0o640;

pub(super) struct Folder(PathBuf);

impl Folder {
    pub(super) const fn at(path: PathBuf) -> Folder {
        Folder(path)
    }

    /// Writes under a name that nobody looks for, to the disk, then renames. The name is the index of
    /// the message, so that a second time it is the same file.
    pub(super) async fn put(&self, message: u64, bytes: &[u8]) -> Answer {
        let name = format!("{:012}.hl7", message);
        let (folder, bytes) = (self.0.clone(), bytes.to_vec());
        let written = tokio::task::spawn_blocking(move || write(&folder, &name, &bytes)).await;
        match written.map_err(|why| why.to_string()) {
            Ok(Ok(name)) => Answer::Taken(format!("written as {name}")),
            Ok(Err(why)) => Answer::Down(format!("`{}`: {why}", self.0.display())),
            Err(why) => Answer::Down(why),
        }
    }
}

fn write(folder: &Path, name: &str, bytes: &[u8]) -> std::io::Result<String> {
    let beside = folder.join(format!(".{name}.part"));
    // Of a try that was broken off; a link that somebody put there is not followed.
    match fs::remove_file(&beside) {
        Err(why) if why.kind() != ErrorKind::NotFound => return Err(why),
        _ => {}
    }
    let mut options = File::options();
    options.write(true).create_new(true).mode(FILE_MODE);
    let mut file = options.open(&beside)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(&beside, folder.join(name))?;
    File::open(folder)?.sync_all()?;
    Ok(name.to_owned())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt as _, symlink};

    use super::*;

    #[test]
    fn a_link_that_somebody_put_there_is_not_followed() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        fs::write(at("own"), "a file of ours").unwrap();
        symlink(at("own"), at(".1.hl7.part")).unwrap();
        for text in ["MSH|1", "MSH|1 again"] {
            write(folder.path(), "1.hl7", text.as_bytes()).unwrap();
            assert_eq!(fs::read_to_string(at("1.hl7")).unwrap(), text);
        }
        assert_eq!(fs::read_to_string(at("own")).unwrap(), "a file of ours");
        let mode = fs::metadata(at("1.hl7")).unwrap().permissions().mode();
        assert_eq!(mode & 0o007, 0, "it is not for everybody");
    }
}
