//! A `salus` process in a folder of its own.

use std::io::{BufRead as _, BufReader, Read as _};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStderr, ChildStdout, Command, ExitStatus, Output, Stdio};
use std::time::Duration;

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

/// How long a server may take to stop.
const STOP_WAIT: Duration = Duration::from_secs(120);

/// A running server and what it said when it was ready.
pub(crate) struct Server {
    child: Child,
    errors: BufReader<ChildStderr>,
    answers: BufReader<ChildStdout>,
    pub(crate) ready: Value,
    pub(crate) data: PathBuf,
}

impl Server {
    pub(crate) fn serve(data: &Path) -> Server {
        Server::start(data, &["serve"])
    }

    /// `serve` or `demo`, with any free ports.
    pub(crate) fn start(data: &Path, args: &[&str]) -> Server {
        Server::start_at(data, args, "127.0.0.1:0")
    }

    /// The same, where console and FHIR are at an address.
    pub(crate) fn start_at(data: &Path, args: &[&str], listen: &str) -> Server {
        let mut command = salus();
        command
            .args(["--format", "json", "--data"])
            .arg(data)
            .args(args);
        command.args(["--listen", listen, "--mllp", "127.0.0.1:0"]);
        Server::spawn(command, data)
    }

    /// A server by this command line; it says when it is ready.
    pub(crate) fn spawn(command: Command, data: &Path) -> Server {
        Server::spawn_and(command, data, |_| {})
    }

    /// The same; `meanwhile` hears what it says while it starts.
    pub(crate) fn spawn_and(
        mut command: Command,
        data: &Path,
        meanwhile: impl FnOnce(&mut dyn std::io::BufRead),
    ) -> Server {
        let mut child = command
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut errors = BufReader::new(child.stderr.take().unwrap());
        meanwhile(&mut errors);
        let mut answers = BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        answers.read_line(&mut line).unwrap();
        if line.is_empty() {
            let mut why = String::new();
            errors.read_to_string(&mut why).unwrap();
            assert_eq!(why, "", "it did not start");
        }
        let ready = serde_json::from_str(&line).unwrap();
        Server {
            child,
            errors,
            answers,
            ready,
            data: data.to_owned(),
        }
    }

    /// What it says next: a standby that became the primary says that it is ready again.
    pub(crate) fn next(&mut self) -> Value {
        let mut line = String::new();
        self.answers.read_line(&mut line).unwrap();
        self.ready = serde_json::from_str(&line).unwrap();
        self.ready.clone()
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

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// SIGTERM, then waits.
    pub(crate) fn stop(mut self) -> ExitStatus {
        self.signal(rustix::process::Signal::TERM);
        self.ended()
    }

    /// Waits for its end: a server that never ends fails the test and does not hold up the others.
    #[expect(clippy::panic, reason = "a server that never ends is a failed test")]
    pub(crate) fn ended(&mut self) -> ExitStatus {
        let pid = rustix::process::Pid::from_child(&self.child);
        let (say, heard) = std::sync::mpsc::channel();
        std::thread::scope(|scope| {
            scope.spawn(|| say.send(self.child.wait().unwrap()));
            heard.recv_timeout(STOP_WAIT).unwrap_or_else(|_| {
                rustix::process::kill_process(pid, rustix::process::Signal::KILL).unwrap();
                panic!("it did not stop in {} s", STOP_WAIT.as_secs())
            })
        })
    }

    /// Reads its standard error until a line has `part` in it.
    pub(crate) fn until(&mut self, part: &str) -> String {
        let mut said = String::new();
        loop {
            let mut line = String::new();
            if self.errors.read_line(&mut line).unwrap() == 0 {
                return said;
            }
            if line.contains(part) {
                return line;
            }
            said.push_str(&line);
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A file that only its owner can read.
pub(crate) fn secret(path: &Path, text: &str) {
    use std::os::unix::fs::PermissionsExt as _;
    std::fs::write(path, text).unwrap();
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600)).unwrap();
}
