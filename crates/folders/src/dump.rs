//! A program whose output is kept, with everything that it starts: when its time is over, or when
//! nobody wants its output any more, all of them are ended.

use std::io::{self, Read};
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process_group};
use tokio::io::AsyncReadExt as _;
use tokio::process::{Child, ChildStdout, Command};
use tokio::time::{Instant, timeout_at};

use crate::error::Error;
use crate::store::Shelf;

/// A program that is running.
pub(crate) struct Dump<'s> {
    program: String,
    child: Child,
    out: ChildStdout,
    most: Duration,
    until: Instant,
    shelf: &'s Shelf,
    ended: bool,
}

impl<'s> Dump<'s> {
    /// Starts a program with its arguments, in a process group of its own.
    pub(crate) fn begin(
        command: &[String],
        most: Duration,
        shelf: &'s Shelf,
    ) -> Result<Dump<'s>, Error> {
        let (program, arguments) = command
            .split_first()
            .ok_or_else(|| Error::of("no program"))?;
        let _inside = shelf.handle.enter();
        let mut child = Command::new(program)
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .process_group(0)
            .spawn()
            .map_err(Error::at(program.as_ref()))?;
        let out = child.stdout.take();
        Ok(Dump {
            program: program.clone(),
            out: out.ok_or_else(|| Error::of("the program has no output"))?,
            child,
            most,
            until: Instant::now() + most,
            shelf,
            ended: false,
        })
    }

    /// Waits for its end, which must be a good one.
    pub(crate) fn end(mut self) -> Result<(), Error> {
        let (until, mut waits) = (self.until, self.shelf.waits.clone());
        let child = &mut self.child;
        let ended = self.shelf.handle.block_on(async {
            tokio::select! {
                biased;
                ended = timeout_at(until, child.wait()) => ended.unwrap_or_else(|_| Err(late())),
                _ = waits.changed() => Err(unwanted()),
            }
        });
        match ended {
            Ok(status) if status.success() => {
                self.ended = true;
                Ok(())
            }
            Ok(status) => {
                self.ended = true;
                Err(self.failed(status))
            }
            Err(why) => Err(self.wrong(&why)),
        }
    }

    /// What it is called that its output could not be read.
    pub(crate) fn wrong(&self, why: &io::Error) -> Error {
        let program = &self.program;
        match why.kind() {
            io::ErrorKind::TimedOut => Error(format!(
                "`{program}` did not end within {} ms (`dump_ms_max`): it was ended with all that it \
                 had started; nothing of it is kept",
                self.most.as_millis()
            )),
            _ => Error(format!("`{program}`: {why}; nothing of it is kept")),
        }
    }

    fn failed(&self, status: ExitStatus) -> Error {
        let program = &self.program;
        Error(format!(
            "`{program}`: it ended with {status}; nothing of it is kept"
        ))
    }
}

impl Read for Dump<'_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let (until, mut waits) = (self.until, self.shelf.waits.clone());
        let out = &mut self.out;
        self.shelf.handle.block_on(async {
            tokio::select! {
                biased;
                read = timeout_at(until, out.read(into)) => read.unwrap_or_else(|_| Err(late())),
                _ = waits.changed() => Err(unwanted()),
            }
        })
    }
}

impl Drop for Dump<'_> {
    fn drop(&mut self) {
        if self.ended {
            return;
        }
        // It was not waited for, so its number, and its group's, is nobody else's yet.
        let group = self.child.id().and_then(|id| i32::try_from(id).ok());
        if let Some(group) = group.and_then(Pid::from_raw) {
            let _ = kill_process_group(group, Signal::KILL);
        }
    }
}

fn late() -> io::Error {
    io::ErrorKind::TimedOut.into()
}

fn unwanted() -> io::Error {
    io::Error::other("nobody waits for it any more")
}
