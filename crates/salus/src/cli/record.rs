//! Commands about the record itself: its copies, its keys, its proofs, what is undone and practised.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};

#[derive(Debug, Args)]
pub(crate) struct Standby {
    /// The primary's address; overrides the configuration file.
    #[arg(long, value_name = "URL")]
    pub(crate) from: Option<String>,
    /// A file with the token of a client with the scope system/standby there.
    #[arg(long, value_name = "FILE")]
    pub(crate) token_file: Option<PathBuf>,
    /// PEM file with the authorities of the primary's certificate.
    #[arg(long, value_name = "FILE")]
    pub(crate) authorities: Option<PathBuf>,
    /// Where the console listens; overrides the configuration file. Port 0: any free one.
    #[arg(long, value_name = "ADDRESS:PORT")]
    pub(crate) listen: Option<std::net::SocketAddr>,
    /// Where plain MLLP listens once it is the primary (loopback only).
    #[arg(long, value_name = "ADDRESS:PORT")]
    pub(crate) mllp: Option<std::net::SocketAddr>,
}

#[derive(Debug, Args)]
pub(crate) struct PromoteArgs {
    /// Why: 8 letters or more, sealed as the first thing that the new primary does.
    #[arg(long)]
    pub(crate) reason: String,
}

#[derive(Debug, Args)]
pub(crate) struct Proof {
    /// The event's index in the record; the version id of a resource is one.
    pub(crate) index: u64,
    /// The folder to write to.
    #[arg(long, default_value = ".", value_name = "FOLDER")]
    pub(crate) out: PathBuf,
    /// Why the event itself is handed out, and to whom; without this only the proof is written.
    #[arg(long)]
    pub(crate) reason: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct Check {
    /// A disclosure (`.disclosure.json`), or a proof (`.tlog-proof`) that holds its entry.
    #[arg(required_unless_present = "head", conflicts_with = "head")]
    pub(crate) file: Option<PathBuf>,
    /// The log's public key, or a file that holds it [default: keys/log.pub of the data folder].
    #[arg(long, value_name = "KEY OR FILE")]
    pub(crate) key: Option<String>,
    /// The public key of a witness that must have cosigned; may be given several times.
    #[arg(long = "witness", value_name = "KEY")]
    pub(crate) witnesses: Vec<String>,
    /// How many of the witnesses must have cosigned [default: all].
    #[arg(long, value_name = "NUMBER", requires = "witnesses")]
    pub(crate) needed: Option<usize>,
    /// A head that was kept: `SIZE ROOT`, the text of its QR code, or a file with either.
    #[arg(long, value_name = "HEAD")]
    pub(crate) head: Option<String>,
    /// What the head is held against: a record's folder, a folder of tiles, or their address
    /// [default: the data folder].
    #[arg(long, value_name = "PLACE", requires = "head")]
    pub(crate) against: Option<String>,
    /// A file with the token for that address.
    #[arg(long, value_name = "FILE", requires = "against")]
    pub(crate) token_file: Option<PathBuf>,
    /// PEM file with the authorities its certificate is checked against.
    #[arg(long, value_name = "FILE", requires = "against")]
    pub(crate) authorities: Option<PathBuf>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Backup {
    /// Everything under the last checkpoint that is not at the place yet.
    #[command(after_help = "\
Examples:
  salus backup record --to /mnt/disk
  salus backup record --to 's3://backup/house?region=eu&credentials=/etc/salus/s3'
  salus backup record --to /mnt/disk --first /var/lib/salus-packs
Works beside a running server and without one; needs no key. Best a bucket with object lock in
compliance mode: nobody can take anything out of it then. Nothing is ever replaced or removed. The
receipt names the manifest: keep it outside this machine. Exit code 1: the place has no lock.")]
    Record {
        /// A folder, or a bucket.
        #[arg(long, value_name = "PLACE")]
        to: String,
        /// A folder whose files go along and come back before all else: the wards' packs.
        #[arg(long, value_name = "FOLDER")]
        first: Vec<PathBuf>,
    },
    /// Fetch the backup of another machine's vault, which has no way to this one.
    #[command(after_help = "\
Example:
  salus backup pull --from /mnt/salus-vault --log-key log.pub --to /backup/salus
`--from` is the vault as this machine sees it (a read-only share), `--log-key` its public key, handed
over once. Nothing is taken that the key did not sign, nothing that is here is replaced.")]
    Pull {
        /// The vault's folder.
        #[arg(long, value_name = "FOLDER")]
        from: PathBuf,
        /// The file with the log's public key.
        #[arg(long, value_name = "FILE")]
        log_key: PathBuf,
        /// The folder of the backup.
        #[arg(long, value_name = "FOLDER")]
        to: PathBuf,
    },
    /// Folders and dumps of other systems, as `[[backups.files]]` names them.
    #[command(after_help = "\
Examples:
  salus backup files                 every name
  salus backup files lab pacs-db     these
They become snapshots in a repository that restic opens (`restic -r PLACE/repository --password-file
keys/files.key snapshots`). Each manifest goes into the log, so that nothing somebody adds there can
hide a snapshot. Exit code 3: one of them failed, or files could not be read and are not in it, each
named; 1: all is in it, and the place has no lock.")]
    Files {
        /// Names; without any, all.
        names: Vec<String>,
    },
    /// The keyring and the log's keys, encrypted under the root key.
    #[command(after_help = "\
Example:
  salus backup keys --to /mnt/keys --keep 30
Not to where the record's backups are. The root key is not in it: `salus keys escrow` gives it to
several people. What was erased is gone for good once the last copy from before has made room.")]
    Keys {
        /// The folder of the copies.
        #[arg(long, value_name = "FOLDER")]
        to: PathBuf,
        /// The newest copies that stay, at least 2.
        #[arg(long, default_value_t = 30)]
        keep: usize,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum Restore {
    /// Say which backups there are at a place, and what else is there.
    #[command(after_help = "\
Example:
  salus restore list --from /mnt/disk --log-key log.pub
Exit code 1: something there claims to be a backup and is none of this log.")]
    List {
        /// A folder, or a bucket.
        #[arg(long, value_name = "PLACE")]
        from: String,
        /// The file with the log's public key.
        #[arg(long, value_name = "FILE")]
        log_key: PathBuf,
    },
    /// Fetch what the wards need before all else: the files that went along (`--first`).
    #[command(after_help = "\
Example:
  salus restore first --from 's3://backup/house?region=eu' --log-key log.pub --to packs
Takes seconds, on any machine, without keys. Exit code 1: none went along.")]
    First {
        /// A folder, or a bucket.
        #[arg(long, value_name = "PLACE")]
        from: String,
        /// The file with the log's public key.
        #[arg(long, value_name = "FILE")]
        log_key: PathBuf,
        /// Where to put them.
        #[arg(long, value_name = "FOLDER")]
        to: PathBuf,
    },
    /// Bring back folders and dumps of other systems.
    #[command(after_help = "\
Examples:
  salus restore files --from /mnt/disk --to back               every name, as the log pinned them last
  salus restore files lab --from /mnt/disk --to back
  salus restore files --from /mnt/disk --to back --manifest 9f2c... --password-file files.key
                                                               on a machine without the record
Each name comes back in a folder of its own. Files that are there already and right are left, so one
that was broken off goes on. What is not whole is named and passed over for the one before (exit
code 1).")]
    Files {
        /// Names; without any, all.
        names: Vec<String>,
        /// A folder, or a bucket.
        #[arg(long, value_name = "PLACE")]
        from: String,
        /// Where to put them.
        #[arg(long, value_name = "FOLDER")]
        to: PathBuf,
        /// The backup with this manifest [default: the last that the record sealed].
        #[arg(long, value_name = "SHA-256")]
        manifest: Option<String>,
        /// The repository's password [default: keys/files.key of the data folder].
        #[arg(long, value_name = "FILE")]
        password_file: Option<PathBuf>,
    },
    /// Put the keys back into an empty data folder.
    #[command(after_help = "\
Examples:
  salus restore keys keys-00000000000000004711.salus --share ada.txt --share eve.txt --data new
  salus restore keys keys-00000000000000004711.salus --data new     with new/keys/root.key in place
A share is a page of `salus keys escrow`, or its four lines.")]
    Keys {
        /// The copy.
        copy: PathBuf,
        /// A file with one share of the root key.
        #[arg(long = "share", value_name = "FILE")]
        shares: Vec<PathBuf>,
    },
    /// Fetch the record into a data folder that has its keys, roll it forward and verify it.
    #[command(after_help = "\
Examples:
  salus restore record --from 's3://backup/house?region=eu' --data new
  salus restore record --from /mnt/disk --at-most 120000 --data new     to before an attack
  salus restore record --from /mnt/disk --manifest 9f2c... --data new   as a receipt names it
What was added, replaced or deleted at the place counts for nothing: a backup that is not whole is
named and passed over for the one before (exit code 1). One that was broken off goes on.")]
    Record {
        /// A folder, or a bucket.
        #[arg(long, value_name = "PLACE")]
        from: String,
        /// The furthest backup with at most so many events.
        #[arg(long, value_name = "EVENTS", conflicts_with = "manifest")]
        at_most: Option<u64>,
        /// The backup with this manifest.
        #[arg(long, value_name = "SHA-256")]
        manifest: Option<String>,
    },
}

#[derive(Debug, Args)]
pub(crate) struct Move {
    /// Where rows go: `file` or `postgres://...`; without it they stay where they are.
    #[arg(long, value_name = "STORAGE", required_unless_present = "objects")]
    pub(crate) to: Option<String>,
    /// Where tiles and packs go: `file` or `s3://...`; without it they stay where they are.
    #[arg(long, value_name = "OBJECTS")]
    pub(crate) objects: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct Erase {
    /// The patient's id, or a record number that only this patient has.
    pub(crate) patient: String,
    /// Why. It is kept for ever.
    #[arg(long)]
    pub(crate) reason: String,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Keys {
    /// Say which keys there are and how old they are; no secret is shown.
    #[command(after_help = "\
Example:
  salus keys show                    beside a running server or without one")]
    Show,
    /// Make a new key-encryption key and wrap every key again under it.
    #[command(after_help = "\
Examples:
  salus keys rotate                  goes on where a rotation was broken off
  salus keys rotate --root           a new root key; old shares are worth nothing then
  salus keys rotate --log            a new key that signs checkpoints; the one before signs too
  salus keys rotate --retire-log     and no more; give whoever verifies the new keys/log.pub before
  salus keys rotate --id             a new key that signs id tokens
Works beside a running server and without one. Nothing is unreadable at any moment.")]
    Rotate {
        /// The root key instead. Moves it to the token if `[keys]` says `root = \"pkcs11\"`.
        #[arg(long, group = "which")]
        root: bool,
        /// The key that signs checkpoints instead.
        #[arg(long, group = "which")]
        log: bool,
        /// From now on the log's key signs without the one before it.
        #[arg(long, group = "which")]
        retire_log: bool,
        /// The key that signs id tokens instead.
        #[arg(long, group = "which")]
        id: bool,
    },
    /// Write the root key as shares to print, so that several people together can put it back.
    #[command(after_help = "\
Example:
  salus keys escrow --shares 5 --needed 3 --to /run/user/1000/shares")]
    Escrow {
        /// Shares to make.
        #[arg(long)]
        shares: u8,
        /// How many of them give the key back.
        #[arg(long)]
        needed: u8,
        /// The folder to write to, best one that is in memory only.
        #[arg(long, value_name = "FOLDER")]
        to: PathBuf,
    },
    /// Put the root key back from shares; it is tried on the keyring before it is written.
    #[command(after_help = "\
Example:
  salus keys recover ada.txt ben.txt eve.txt     files with the four lines of a share each")]
    Recover {
        /// Files with one share each.
        #[arg(required = true, value_name = "SHARE")]
        shares: Vec<PathBuf>,
    },
}

#[derive(Debug, Args)]
pub(crate) struct Drill {
    /// Which.
    #[arg(value_enum)]
    pub(crate) name: DrillName,
    /// Decides the moments and places; the same seed repeats a drill.
    #[arg(long, default_value_t = 1)]
    pub(crate) seed: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum DrillName {
    /// The machine and its folder are gone; a standby is made the primary.
    LostSite,
    /// The server is killed in mid-burst.
    Outage,
    /// The data folder and the backup within reach are encrypted.
    Ransomware,
    /// Tonight's backup, restored into an empty folder.
    Restore,
    /// What lies on disk is edited.
    Tamper,
}

impl DrillName {
    /// The drill of a name.
    pub(crate) fn of(word: &str) -> Option<DrillName> {
        let mut all = DrillName::value_variants().iter().copied();
        all.find(|name| name.word() == word)
    }

    pub(crate) const fn word(self) -> &'static str {
        match self {
            DrillName::LostSite => "lost-site",
            DrillName::Outage => "outage",
            DrillName::Ransomware => "ransomware",
            DrillName::Restore => "restore",
            DrillName::Tamper => "tamper",
        }
    }
}

#[derive(Debug, Args)]
pub(crate) struct Rewind {
    /// Whose doing: an account, a client or a feed, by id.
    #[arg(long)]
    pub(crate) actor: String,
    /// From when on, as `2026-11-26T10:00:00Z`; without a zone it is UTC.
    #[arg(long, value_name = "MOMENT")]
    pub(crate) since: String,
    /// Undo what can be undone.
    #[arg(long, requires = "reason")]
    pub(crate) undo: bool,
    /// Why. It is sealed with what is written.
    #[arg(long)]
    pub(crate) reason: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct Refold {
    /// Which view.
    #[arg(value_enum)]
    pub(crate) view: View,
}

#[derive(Debug, Clone, Copy, ValueEnum, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum View {
    /// Current charts.
    Chart,
}
