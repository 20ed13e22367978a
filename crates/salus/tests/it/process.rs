//! A `salus` process in a folder of its own.

use std::io::{BufRead as _, BufReader, Read as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};

use serde_json::Value;

pub(crate) fn salus() -> Command {
    Command::new(env!("CARGO_BIN_EXE_salus"))
}

/// Runs a command to its end.
pub(crate) fn run(data: &Path, args: &[&str]) -> Output {
    salus().arg("--data").arg(data).args(args).output().unwrap()
}

/// The JSON that a command prints.
pub(crate) fn json(data: &Path, args: &[&str]) -> Value {
    let output = run(data, &[&["--format", "json"], args].concat());
    serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|_| Value::from(String::from_utf8_lossy(&output.stderr).into_owned()))
}

/// The JSON that a command prints under a configuration file.
pub(crate) fn with_config(file: &Path, args: &[&str]) -> Value {
    let output = salus()
        .args(["--format", "json", "--config"])
        .arg(file)
        .args(args)
        .output()
        .unwrap();
    serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|_| Value::from(String::from_utf8_lossy(&output.stderr).into_owned()))
}

/// A running server and what it said when it was ready.
pub(crate) struct Server {
    child: Child,
    pub(crate) ready: Value,
    pub(crate) data: PathBuf,
}

impl Server {
    pub(crate) fn serve(data: &Path) -> Server {
        Server::start(data, &["serve"])
    }

    /// `serve` or `demo`, with any free ports.
    pub(crate) fn start(data: &Path, args: &[&str]) -> Server {
        let mut child = salus()
            .args(["--format", "json", "--data"])
            .arg(data)
            .args(args)
            .args(["--listen", "127.0.0.1:0", "--mllp", "127.0.0.1:0"])
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap())
            .read_line(&mut line)
            .unwrap();
        if line.is_empty() {
            let mut why = String::new();
            child
                .stderr
                .take()
                .unwrap()
                .read_to_string(&mut why)
                .unwrap();
            assert_eq!(why, "", "it did not start");
        }
        let ready = serde_json::from_str(&line).unwrap();
        Server {
            child,
            ready,
            data: data.to_owned(),
        }
    }

    pub(crate) fn text(&self, key: &str) -> String {
        self.ready[key].as_str().unwrap_or_default().to_owned()
    }

    pub(crate) fn mllp(&self) -> String {
        self.ready["mllp"][0].as_str().unwrap().to_owned()
    }

    pub(crate) fn certificate(&self) -> PathBuf {
        self.data.join("tls/certificate.pem")
    }

    pub(crate) fn signal(&self, signal: rustix::process::Signal) {
        let pid = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(pid, signal).unwrap();
    }

    /// SIGTERM, then waits.
    pub(crate) fn stop(mut self) -> ExitStatus {
        self.signal(rustix::process::Signal::TERM);
        self.child.wait().unwrap()
    }

    /// Reads its standard error until a line has `part` in it.
    pub(crate) fn until(&mut self, part: &str) -> String {
        let stderr = self.child.stderr.as_mut().unwrap();
        let mut said = String::new();
        for line in BufReader::new(stderr).lines() {
            let line = line.unwrap();
            if line.contains(part) {
                return line;
            }
            said.push_str(&line);
        }
        said
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
