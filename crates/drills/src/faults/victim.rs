//! A server as a process of its own, which can be killed as a power cut would kill it.

use std::ffi::OsString;
use std::io;
use std::path::PathBuf;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use tokio::io::{AsyncBufReadExt as _, AsyncRead, BufReader};
use tokio::process::{Child, Command};

/// How to start a server.
#[derive(Debug, Clone)]
pub struct Recipe {
    /// The program.
    pub program: PathBuf,
    /// Its arguments.
    pub args: Vec<OsString>,
    /// Variables added to the environment.
    pub env: Vec<(OsString, OsString)>,
    /// The server is ready when a line of its standard output contains this.
    pub ready: String,
    /// How long that may take, and how long a stop may.
    pub ready_wait: Duration,
}

impl Recipe {
    /// Starts the server and waits until it says that it is ready.
    ///
    /// # Errors
    /// If the program cannot be started, ends, or says nothing in time.
    pub async fn start(&self) -> io::Result<Victim> {
        let mut child = Command::new(&self.program)
            .args(&self.args)
            .envs(self.env.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()?;
        let out = child.stdout.take().ok_or(io::ErrorKind::BrokenPipe)?;
        let said = tokio::time::timeout(self.ready_wait, heard(out, self.ready.clone())).await;
        let said = said.map_err(|_| io::Error::other("the server is not ready in time"))??;
        Ok(Victim {
            child,
            said,
            stop_wait: self.ready_wait,
        })
    }
}

/// Reads up to the line that contains `mark`; the rest is read and thrown away, so that the
/// server never waits for a reader.
async fn heard(out: impl AsyncRead + Send + Unpin + 'static, mark: String) -> io::Result<String> {
    let mut lines = BufReader::new(out).lines();
    while let Some(line) = lines.next_line().await? {
        if line.contains(&mark) {
            tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
            return Ok(line);
        }
    }
    Err(io::Error::other("the server ended before it was ready"))
}

/// A running server. Dropped, it is killed.
#[derive(Debug)]
pub struct Victim {
    child: Child,
    said: String,
    stop_wait: Duration,
}

impl Victim {
    /// The line by which it said that it was ready.
    pub fn said(&self) -> &str {
        &self.said
    }

    /// Kills it (SIGKILL) and waits until it is gone.
    ///
    /// # Errors
    /// If the system does not let us.
    pub async fn kill(mut self) -> io::Result<()> {
        self.child.kill().await
    }

    /// Asks it to stop (SIGTERM) and waits until it has.
    ///
    /// # Errors
    /// If the system does not let us, or it does not stop in time; then it is killed.
    pub async fn stop(mut self) -> io::Result<ExitStatus> {
        let pid = self
            .child
            .id()
            .and_then(|id| Pid::from_raw(i32::try_from(id).ok()?));
        if let Some(pid) = pid {
            kill_process(pid, Signal::TERM)?;
        }
        match tokio::time::timeout(self.stop_wait, self.child.wait()).await {
            Ok(ended) => ended,
            Err(_) => {
                self.child.kill().await?;
                Err(io::Error::other(
                    "the server did not stop in time and was killed",
                ))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str) -> Recipe {
        Recipe {
            program: "/bin/sh".into(),
            args: vec!["-c".into(), script.into()],
            env: vec![("PORT".into(), "4711".into())],
            ready: "ready".into(),
            ready_wait: Duration::from_secs(20),
        }
    }

    #[tokio::test]
    async fn a_server_that_is_ready_can_be_killed_and_stopped() {
        let server = shell("echo starting; echo ready on $PORT; exec tail -f /dev/null");
        let victim = server.start().await.unwrap();
        assert_eq!(victim.said(), "ready on 4711");
        victim.kill().await.unwrap();
        let status = server.start().await.unwrap().stop().await.unwrap();
        assert_eq!(status.code(), None, "it ended by the signal");
    }

    #[tokio::test]
    async fn a_server_that_does_not_stop_is_killed() {
        let server = shell("trap '' TERM; echo ready; while :; do :; done");
        let mut victim = server.start().await.unwrap();
        victim.stop_wait = Duration::from_millis(10);
        let why = victim.stop().await.unwrap_err().to_string();
        assert_eq!(why, "the server did not stop in time and was killed");
    }

    #[tokio::test]
    async fn a_server_that_ends_early_is_noticed() {
        let why = shell("echo sorry").start().await.unwrap_err().to_string();
        assert_eq!(why, "the server ended before it was ready");
    }
}
