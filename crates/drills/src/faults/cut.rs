//! A command that is killed somewhere in the middle.

use std::ffi::OsString;
use std::io;
use std::path::Path;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use tokio::process::Command;

use crate::dice::Dice;

/// Runs a program and kills it (SIGKILL) at a random moment within `within`; `Some`: it ended
/// before.
///
/// # Errors
/// If the program cannot be started or killed.
pub async fn cut(
    program: &Path,
    args: &[OsString],
    (dice, within): (&mut Dice, Duration),
) -> io::Result<Option<ExitStatus>> {
    let mut child = Command::new(program)
        .args(args)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()?;
    let micros = i64::try_from(within.as_micros()).unwrap_or(i64::MAX);
    let pause = Duration::from_micros(dice.between(0, micros).unsigned_abs());
    match tokio::time::timeout(pause, child.wait()).await {
        Ok(status) => status.map(Some),
        Err(_) => {
            child.kill().await?;
            Ok(None)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_lasts_longer_is_killed_and_what_ends_is_not() {
        let mut dice = Dice::new(1);
        let shell = |script: &str| ["-c".into(), script.into()];
        let long = shell("exec tail -f /dev/null");
        let killed = cut(
            Path::new("/bin/sh"),
            &long,
            (&mut dice, Duration::from_millis(20)),
        );
        assert!(killed.await.unwrap().is_none());
    }
}
