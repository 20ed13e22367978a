//! A folder that a message is put into as a file: whole or not at all, and once.

use std::fs::{self, File};
use std::io::Write as _;
use std::path::{Path, PathBuf};

use super::line::Answer;

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
    let mut file = File::create(&beside)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(&beside, folder.join(name))?;
    File::open(folder)?.sync_all()?;
    Ok(name.to_owned())
}
