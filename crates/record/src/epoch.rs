//! Which primary this is. Of two machines with one record, the one with the lower number takes
//! nothing any more: it is fenced, for good.

use std::fs;
use std::io::Write as _;
use std::path::PathBuf;
use std::time::Instant;

use crate::config::Config;
use crate::door::{Inner, Record};
use crate::sealed::Outcome;
use crate::{Error, keyfile};

/// What a machine knows of its turn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Epoch {
    /// Its own number, from 1.
    pub own: u64,
    /// The highest that it has heard of.
    pub highest: u64,
}

impl Epoch {
    /// The number of the machine that took over, if one did.
    pub const fn fenced_by(self) -> Option<u64> {
        if self.highest > self.own {
            Some(self.highest)
        } else {
            None
        }
    }
}

impl Record {
    /// Which primary this is, and which ones it has heard of.
    pub fn epoch(&self) -> Epoch {
        self.inner.turn()
    }

    /// Learns of the number of another machine. If it is higher than the own one, nothing is taken
    /// any more, neither now nor after a restart. Durable on return.
    ///
    /// # Errors
    /// [`Error::Broken`] if it cannot be kept; nothing is taken all the same.
    pub fn heard_of(&self, epoch: u64) -> Outcome<()> {
        let mut next = self.inner.turn();
        if epoch <= next.highest {
            return Ok(());
        }
        next.highest = epoch;
        if self.inner.standby.is_some() {
            // A standby only follows: it knows the number of its primary, and has none to lose.
            next.own = epoch;
        }
        self.inner.epoch.send_replace(next);
        write(&self.inner.config, next)
    }
}

impl Record {
    /// Nothing is acknowledged from `until` on, unless this is called again before; `None`: no
    /// lease is needed, as at the beginning.
    pub fn lease(&self, until: Option<Instant>) {
        self.inner.lease.send_replace(until);
    }

    /// Whether anything may be acknowledged now, or done in the name of the primary.
    ///
    /// # Errors
    /// [`Error::Fenced`] if another machine took over, [`Error::Unleased`] if one may have; [`Error::Uprooted`] if what
    /// was opened is not there any more.
    pub fn in_office(&self) -> Outcome<()> {
        self.inner.in_office()
    }
}

impl Inner {
    /// # Errors
    /// As [`Record::in_office`].
    pub(crate) fn in_office(&self) -> Outcome<()> {
        self.in_turn()?;
        self.grounded()
    }

    /// The same without a look at the files.
    ///
    /// # Errors
    /// [`Error::Fenced`], [`Error::Unleased`].
    pub(crate) fn in_turn(&self) -> Outcome<()> {
        self.unfenced()?;
        self.leased()
    }

    /// # Errors
    /// [`Error::Unleased`] if the lease has run out.
    fn leased(&self) -> Outcome<()> {
        match *self.lease.borrow() {
            Some(until) if until <= Instant::now() => Err(Error::Unleased),
            Some(_) | None => Ok(()),
        }
    }

    pub(crate) fn turn(&self) -> Epoch {
        *self.epoch.borrow()
    }

    /// # Errors
    /// [`Error::Fenced`] if another machine took over.
    pub(crate) fn unfenced(&self) -> Outcome<()> {
        match self.turn().fenced_by() {
            Some(epoch) => Err(Error::Fenced { epoch }),
            None => Ok(()),
        }
    }
}

/// What the data folder says; the first primary has the number 1.
///
/// # Errors
/// [`Error::Broken`] if the file cannot be read.
pub fn epoch(config: &Config) -> Outcome<Epoch> {
    let path = path(config);
    if !path.exists() {
        return Ok(Epoch { own: 1, highest: 1 });
    }
    let text = keyfile::read(&path)?;
    let mut numbers = text.split_whitespace().map(str::parse);
    match (numbers.next(), numbers.next()) {
        (Some(Ok(own)), Some(Ok(highest))) => Ok(Epoch { own, highest }),
        _ => Err(broken(format!(
            "`{}` does not hold two numbers",
            path.display()
        ))),
    }
}

/// Learns of the number of another machine while no record is open.
///
/// # Errors
/// [`Error::Broken`] if it cannot be kept.
pub fn heard_of(config: &Config, number: u64) -> Outcome<Epoch> {
    let mut known = epoch(config)?;
    if number > known.highest {
        known.highest = number;
        write(config, known)?;
    }
    Ok(known)
}

/// Gives the machine of a data folder the next number: it is the primary from now on.
///
/// # Errors
/// [`Error::Broken`] if it cannot be kept.
pub fn next_epoch(config: &Config) -> Outcome<Epoch> {
    let number = epoch(config)?.highest + 1;
    let next = Epoch {
        own: number,
        highest: number,
    };
    write(config, next)?;
    Ok(next)
}

fn write(config: &Config, epoch: Epoch) -> Outcome<()> {
    let (path, next) = (path(config), config.data.join("epoch.next"));
    let write = || -> std::io::Result<()> {
        let mut file = fs::File::create(&next)?;
        writeln!(file, "{} {}", epoch.own, epoch.highest)?;
        file.sync_all()?;
        fs::rename(&next, &path)
    };
    write().map_err(|error| broken(format!("`{}`: {error}", path.display())))?;
    keyfile::sync_folder(&config.data)
}

fn path(config: &Config) -> PathBuf {
    config.data.join("epoch")
}

fn broken(why: impl ToString) -> Error {
    Error::Broken {
        doing: "keep which primary it is",
        why: why.to_string(),
    }
}
