//! The command line. Every command has examples; exit codes are the same everywhere.

mod capture;
mod deidentify;
mod export;
mod record;
mod route;
mod send;

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use clap_complete::Shell;

pub(crate) use capture::{Capture, Show};
pub(crate) use deidentify::{Deidentify, ImageDates};
pub(crate) use export::{Export, ExportRequest};
pub(crate) use record::{
    Backup, Check, Drill, DrillName, Erase, Keys, Move, PromoteArgs, Proof, Refold, Restore,
    Rewind, Standby, View,
};
pub(crate) use route::{Route, RouteReplay, RouteTest, RouteWhy};
pub(crate) use send::Send;

const EXIT_CODES: &str = "\
Exit codes: 0 all is well; 1 something was found or refused (the output says what); \
2 the command could not run (the message says what to do); \
4 the data folder was removed under a running server.";

/// The safety layer of a hospital's patient records.
#[derive(Debug, Parser)]
#[command(name = "salus", version, after_help = EXIT_CODES)]
pub(crate) struct Cli {
    /// The configuration file [default: salus.toml, if there is one].
    #[arg(long, global = true, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// The data folder; overrides the configuration file.
    #[arg(long, global = true, value_name = "FOLDER")]
    pub(crate) data: Option<PathBuf>,
    /// How results are written.
    #[arg(long, global = true, value_enum, default_value_t = Format::Human)]
    pub(crate) format: Format,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// How results are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// For people.
    Human,
    /// One JSON document on standard output.
    Json,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Back up the record, or its keys, to a second place.
    #[command(subcommand)]
    Backup(Backup),
    /// Show what a feed sent, as it came or decoded, for a reason that is sealed.
    #[command(after_help = "\
Examples:
  salus capture --feed lab --reason 'results of ward 3 are missing'
  salus capture --feed lab --follow --show raw --reason 'results of ward 3 are missing'
  salus capture --feed lab --last 1 --show fhir --format json --reason 'ticket 4711'
  salus capture --feed ids --last 5 --reason 'what does the sensor say'
Each message that is shown is a look, sealed with the reason. Works beside a running server and
without one. Exit code 1: nothing came from this feed.")]
    Capture(Capture),
    /// Run Salus: console and FHIR over HTTPS, HL7 v2 over MLLP.
    #[command(after_help = "\
Examples:
  salus serve                        in an empty folder: makes ./salus-data and prints a set-up link
  salus serve --config salus.toml    with every option from a file (see salus.example.toml)
SIGTERM and Ctrl-C finish what was accepted, publish a checkpoint and exit with 0.")]
    Serve(Serve),
    /// Run a synthetic hospital through a real server, live.
    #[command(after_help = "\
Examples:
  salus demo                         200 patients in 6 wards, ten minutes of theirs in one of yours
  salus demo --speed 600 --seed 7    faster, another hospital
  salus demo --speed 0               the opening census only, then quiet
Everything goes through the real doors: HL7 v2 over MLLP, FHIR over HTTPS.")]
    Demo(Demo),
    /// Take charts out, de-identified: FHIR NDJSON, one file a type, with a report.
    #[command(after_help = "\
Examples:
  salus export --deidentify --agreed 4711 --to out --reason 'registry 2026-14, approved by the ethics board'
  salus export --deidentify --agreed 4711 --to out --reason 'quality review' --dates year
  salus export --deidentify --agreed 4711 --to out --reason 'follow-up' --secret project.key
Every chart is a decision of its own, sealed with the reason. What still holds a known identifier
does not leave; the report counts it. Works beside a running server and without one.")]
    Export(Export),
    /// Take out of DICOM files, or of a study in the record, who they are of (PS3.15, basic profile).
    #[command(after_help = "\
Examples:
  salus deidentify ct/ --to out
  salus deidentify ct/ --to out --dates shift --secret-file project.key
  salus deidentify us.dcm --to out --pixels-looked-at
  salus deidentify --study 1.2.840.113619.2.55 --agreed 4711 --to out --reason 'registry 2026-14'
What may have a name in its pixels does not leave unless a person looked. The report names what came: keep
it apart from what left. A study of the record leaves by the word of two people, as an export does; the
decision is sealed. Exit code 1: some files did not leave; the report says why.")]
    Deidentify(Deidentify),
    /// Ask for an export, or list what was asked for and how it stands.
    #[command(after_help = "\
Examples:
  salus export-request               the requests, and the command for what was agreed to
  salus export-request --leaves charts --what 'all charts, de-identified' --recipient 'the registry' --reason 'registry 2026-14'
  salus export-request --leaves study --which 1.2.840.113619.2.55 --what 'the CT' --recipient 'the registry' --reason 'registry 2026-14'
Another person has to agree on the page Access, Exports; then the command that is listed may run for a day.
Works beside a running server and without one.")]
    ExportRequest(ExportRequest),
    /// Bring in files: FHIR JSON, NDJSON, HL7 v2; also .gz.
    #[command(after_help = "\
Examples:
  salus import patients/             every file in a folder
  salus import a.json b.ndjson.gz adt.hl7
An import that was interrupted goes on where it stopped when the same command is given again.
Works beside a running server and without one.")]
    Import(Import),
    /// Fetch studies from a PACS: what it has and is not here.
    #[command(after_help = "\
Examples:
  salus pull --from PACS --study 1.2.840.113619.2.55 --reason 'prior images for the tumour board'
  salus pull --from PACS --patient 4711 --reason 'came with images from the other house'
  salus pull --from PACS --accession A9 --reason 'sent before Salus was there'
Who asked and why is sealed. Given again after an interruption it goes on with what lacks. Works beside a
running server and without one. Exit code 1: nothing was found, or some objects lack.")]
    Pull(Pull),
    /// Send a test message to any receiver, and say what it answers.
    #[command(after_help = "\
Examples:
  salus send localhost:2575          an ORU^R01 about a patient whom nobody can take for a real one
  salus send localhost:2575 --kind 'ADT^A01,ORU^R01,ADT^A03' --application LAB --facility GH
  salus send tls://interface.hospital:2576 --all --certificate lab.pem --key lab.key
  salus send localhost:2575 --file odd.hl7 --format json
  salus send https://ehr.hospital/fhir --kind Patient --token-file token
  salus send --list                  the kinds there are
Exit code 0: each was taken; 1: one was refused, and the output says in which words.")]
    Send(Send),
    /// Re-read the whole record from disk and name what is wrong.
    #[command(after_help = "\
Examples:
  salus verify                       beside a running server or without one
  salus verify --format json | jq .alterations")]
    Verify,
    /// Write a proof of one event that anyone can check offline; for a reason, the event as well.
    #[command(after_help = "\
Examples:
  salus proof 4711                   writes 4711.tlog-proof and 4711.entry: no patient data
  salus proof 4711 --out court/ --reason 'court order 7/26'
                                     also 4711.disclosure.json, the event in the clear, and
                                     4711.html, a sheet to print; the reason is sealed first
Check with `salus check`, or with any C2SP verifier and the key in keys/log.pub.
Works beside a running server and without one.")]
    Proof(Proof),
    /// Check what was handed out, offline; or hold a head that was kept against a record.
    #[command(after_help = "\
Examples:
  salus check 4711.disclosure.json --key log.pub
  salus check 4711.tlog-proof --key 'salus.example/record+3b1c5f2a+AYE5...' --format json
  salus check 4711.disclosure.json --key log.pub --witness 'other.example/w1+9f2c...' --needed 1
  salus check --head '48209 CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I='
  salus check --head qr.txt --against https://salus.example/log --token-file token --key log.pub
Exit code 0: proved; 1: not proved, and the output says why.")]
    Check(Check),
    /// Systems that speak FHIR with a bearer token.
    #[command(subcommand)]
    Client(Client),
    /// Practise: kill a server in mid-burst, edit its record; measure it, and seal the result.
    #[command(after_help = "\
Examples:
  salus drill outage --seed 7        killed in mid-burst: what is lost, how soon is it back
  salus drill tamper --seed 7        a database administrator edits twelve ways: how many are named
  salus drill ransomware             data folder and reachable backup encrypted; back from the pulled one
  salus drill lost-site              the machine is gone; a standby reads, and is made the primary
  salus drill restore                tonight's backup, restored into an empty folder
A drill runs in a folder of its own and touches nothing of this installation; what it came to is
sealed here, and compared with the last of its name. Exit code 1: something was lost or not named.")]
    Drill(Drill),
    /// Erase a patient: shred the key that reads what was sealed of them, purge every view.
    #[command(after_help = "\
Examples:
  salus erase a1b2c3 --reason 'retention period is over'
  salus erase 4711 --reason 'test patient'     a record number, if only one patient has it
It cannot be taken back. The record keeps who ordered it and why, so the reason must not name the
patient. Works beside a running server and without one.")]
    Erase(Erase),
    /// The keys of the record: look, rotate, keep the root key with several people, put it back.
    #[command(subcommand)]
    Keys(Keys),
    /// Carry the record to other engines: PostgreSQL, a bucket, or back into the data folder.
    #[command(after_help = "\
Examples:
  salus move --to 'postgres://salus@db.hospital/salus?sslrootcert=/etc/salus/db.pem'
  salus move --to 'postgres://salus@localhost/salus?host=/run/postgresql' --objects 's3://vault?region=eu'
  salus move --objects 's3://vault/house?endpoint=https://s3.hospital&credentials=/etc/salus/s3'
  salus move --to file --objects file        back into the data folder
Beside a running server it carries ahead what is there (exit code 1); stop the server and give the
command again: what is left is carried, everything is verified at the new place, the roots are
compared, and the old place is closed. A move that was broken off goes on where it stopped.")]
    Move(Move),
    /// People with an account.
    #[command(subcommand)]
    People(People),
    /// Run a standby: it follows a primary, shows what it sealed, and can take its place.
    #[command(after_help = "\
Examples:
  salus standby --from https://salus.hospital.example:8443 --token-file token
  salus standby --config standby.toml      with `[standby]`, see salus.example.toml
The first start says which key the primary has to know (`standby_keys` in `[web]` there). It asks;
the primary never reaches it.")]
    Standby(Standby),
    /// Make this standby the primary, for good.
    #[command(after_help = "\
Example:
  salus promote --reason 'fire in server room A'
Works beside a running standby, which goes on as the primary, and without one. The old primary takes
nothing any more once it hears of it: name this machine in `peers` of its `[fence]`.")]
    Promote(PromoteArgs),
    /// Bring a backup back into an empty folder: first the keys, then the record.
    #[command(subcommand)]
    Restore(Restore),
    /// Drop a view and fold it again from the record.
    #[command(after_help = "\
Example:
  salus refold chart                 the charts go away for as long as the folding takes")]
    Refold(Refold),
    /// List what a captured account or machine changed, and undo it as new versions.
    #[command(after_help = "\
Examples:
  salus rewind --actor mallory --since 2026-11-26T10:00:00Z
  salus rewind --actor lab --since 2026-11-26T10:00:00Z --undo --reason 'incident 7, decided by Dr. Rao'
The first form changes nothing. What others changed since is left alone and named. Accounts,
policies and merges are listed, to be decided by hand. Exit code 1: something was left alone.")]
    Rewind(Rewind),
    /// Messages that are passed on: look, try rules, pause, skip, replay.
    #[command(subcommand)]
    Route(Route),
    /// Look over the whole record and the charts now: name what was altered, put it right.
    #[command(after_help = "\
Examples:
  salus scrub                        beside a running server or without one
  salus scrub --format json | jq .altered
A running server does this by itself, slowly. Exit code 1: something had been altered. What it was,
from what to what, is on the pages Record and of the patient.")]
    Scrub,
    /// Compare what the other FHIR server (`[upstream]`) has with what was sealed.
    #[command(after_help = "\
Examples:
  salus compare                      beside a running server or without one
  salus compare --format json | jq .changed
Names each resource there that differs from its last sealed version without a message that says so,
each that is missing, and each that was never sealed. A person decides on the page Record, Other
systems, whether what was sealed is put back. `compare_every_hours` does this by itself. Exit code 1:
something differs.")]
    Compare,
    /// Check this installation and say what to do.
    #[command(after_help = "\
Example:
  salus doctor                       keys, disk, clock, certificate, database, permissions")]
    Doctor,
    /// Measure this machine: messages, resources, reads, verification, memory.
    #[command(after_help = "\
Examples:
  salus bench                        a few seconds a figure
  salus bench --seconds 60 --out bench.json
  salus bench --only hl7,verify
  salus bench --only journal --postgres postgres://salus@localhost/empty
  salus bench --only access,summary  who looked at a patient, and a patient's summary
  salus bench --only standby         1,000 messages a second, and how far a standby is behind
  salus bench --bundles patients.ndjson      FHIR transactions from a file, one bundle a line")]
    Bench(Bench),
    /// Look at the configuration.
    #[command(subcommand)]
    Config(ConfigCommand),
    /// Who may do what: check policies, explain a decision, try new ones on what really happened,
    /// put them in force.
    #[command(subcommand)]
    Policy(PolicyCommand),
    /// Print a completion script for a shell.
    #[command(after_help = "\
Example:
  salus completions bash > /etc/bash_completion.d/salus")]
    Completions {
        /// The shell.
        shell: Shell,
    },
}

impl Command {
    /// Whether it runs as a server until it is stopped.
    pub(crate) const fn serves(&self) -> bool {
        matches!(self, Command::Serve(_) | Command::Standby(_))
    }
}

#[derive(Debug, Args)]
pub(crate) struct Serve {
    /// Where console and FHIR listen; overrides the configuration file. Port 0: any free one.
    #[arg(long, value_name = "ADDRESS:PORT")]
    pub(crate) listen: Option<std::net::SocketAddr>,
    /// Where plain MLLP listens (loopback only); overrides the configuration file.
    #[arg(long, value_name = "ADDRESS:PORT")]
    pub(crate) mllp: Option<std::net::SocketAddr>,
}

#[derive(Debug, Args)]
pub(crate) struct Demo {
    #[command(flatten)]
    pub(crate) serve: Serve,
    /// The same seed gives the same hospital.
    #[arg(long, default_value_t = 2026)]
    pub(crate) seed: u64,
    /// Hospital minutes in one of yours; 0: only the opening census.
    #[arg(long, default_value_t = 10.0)]
    pub(crate) speed: f64,
}

#[derive(Debug, Args)]
pub(crate) struct Pull {
    /// The AE title of a `[[dicom.destination]]` that has a `feed`.
    #[arg(long, value_name = "TITLE")]
    pub(crate) from: String,
    /// A Study Instance UID.
    #[arg(
        long,
        value_name = "UID",
        conflicts_with_all = ["patient", "accession"],
        required_unless_present_any = ["patient", "accession"]
    )]
    pub(crate) study: Option<String>,
    /// A Patient ID as the PACS knows it.
    #[arg(long, value_name = "ID", conflicts_with = "accession")]
    pub(crate) patient: Option<String>,
    /// An accession number.
    #[arg(long, value_name = "NUMBER")]
    pub(crate) accession: Option<String>,
    /// By which operation; C-MOVE sends the objects to the running server.
    #[arg(long, value_enum, default_value_t = PullBy::Auto)]
    pub(crate) by: PullBy,
    /// Why; it is sealed.
    #[arg(long)]
    pub(crate) reason: String,
}

/// How objects are pulled from a PACS.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum PullBy {
    /// As the destination's section says; without a word C-GET, and C-MOVE if that is refused.
    Auto,
    /// C-GET.
    Get,
    /// C-MOVE.
    Move,
}

#[derive(Debug, Args)]
pub(crate) struct Import {
    /// Files or folders.
    #[arg(required = true, value_name = "PATH")]
    pub(crate) paths: Vec<PathBuf>,
    /// The feed under whose name and rights HL7 v2 files come in.
    #[arg(long, default_value = "import")]
    pub(crate) feed: String,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Client {
    /// Make a bearer token for a system.
    #[command(after_help = "\
Examples:
  salus client add ris --scope 'system/ImagingStudy.cruds' --scope 'system/Patient.rs'
  salus client add research --name 'Registry export' --scope 'system/*.rs'
  salus client add bulk --jwks-url https://bulk.example/jwks --scope 'system/*.rs'
  salus client add growth --name 'Growth charts' --redirect-uri https://growth.example/cb \\
      --scope launch/patient --scope openid --scope fhirUser --scope 'patient/*.rs'
Without --redirect-uri, keys or a certificate it gets a token that does not expire, printed once.
Works beside a running server and without one.")]
    Add(ClientAdd),
    /// End a system's access.
    Remove {
        /// Its short name.
        id: String,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum People {
    /// End the access of everybody on a list of leavers.
    #[command(after_help = "\
Example:
  salus people leavers left-today.csv
The file is CSV with a head: the columns `account` and, if it is known, `left` (RFC 3339, such as
2026-11-26T12:00:00+01:00). Works beside a running server, where sessions end at once, and without
one. Exit code 1: somebody on the list has no account here.")]
    Leavers {
        /// The list.
        file: PathBuf,
    },
}

#[derive(Debug, Args)]
pub(crate) struct ClientAdd {
    /// Its short name.
    pub(crate) id: String,
    /// How a person would say it.
    #[arg(long)]
    pub(crate) name: Option<String>,
    /// SMART scopes: `system/` for systems; `patient/`, `user/`, `launch`, `openid` ... for apps.
    #[arg(long = "scope", required = true, value_name = "SCOPE")]
    pub(crate) scopes: Vec<String>,
    /// Where people are sent back to, exactly; for an app that asks in their name.
    #[arg(long = "redirect-uri", value_name = "URL")]
    pub(crate) redirect_uris: Vec<String>,
    /// Where the app begins when it is opened from a patient's page.
    #[arg(long, value_name = "URL", requires = "redirect_uris")]
    pub(crate) launch_url: Option<String>,
    /// Where its public keys are: it proves itself with `private_key_jwt`.
    #[arg(long, value_name = "URL")]
    pub(crate) jwks_url: Option<String>,
    /// A file with its public keys (a JWK set).
    #[arg(long, value_name = "FILE", conflicts_with = "jwks_url")]
    pub(crate) jwks_file: Option<PathBuf>,
    /// A client certificate it proves itself with: its SHA-256, or a name in it.
    #[arg(long = "certificate", value_name = "SHA-256 OR NAME")]
    pub(crate) certificates: Vec<String>,
    /// It keeps a secret, printed once: for an app on a server, without keys of its own.
    #[arg(long)]
    pub(crate) confidential: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Bench {
    /// Seconds each figure is measured for.
    #[arg(long, default_value_t = 5)]
    pub(crate) seconds: u64,
    /// Also write the figures as JSON to this file.
    #[arg(long, value_name = "FILE")]
    pub(crate) out: Option<PathBuf>,
    /// Which figures, separated by commas: crud, export, fhir, hl7, journal, refold, seal, standby, summary,
    /// verify; `access` and `search`, measured only if they are named, since a million accesses are sealed or
    /// resources written first; or `recover`, measured alone: an installation comes back on an empty machine.
    #[arg(long, value_delimiter = ',')]
    pub(crate) only: Vec<String>,
    /// FHIR transaction bundles, one a line; without it the synthetic hospital's are sent.
    #[arg(long, value_name = "NDJSON")]
    pub(crate) bundles: Option<PathBuf>,
    /// The address of an empty PostgreSQL database, to measure its journal beside SQLite's.
    #[arg(long, value_name = "postgres://...")]
    pub(crate) postgres: Option<String>,
    /// Sealed accesses that a search for who looked at a patient goes through.
    #[arg(long, default_value_t = 1_000_000)]
    pub(crate) accesses: u64,
    /// Resources among which is searched (`--only search`).
    #[arg(long, default_value_t = 1_000_000)]
    pub(crate) resources: u64,
    /// Patients of the installation that comes back (`--only recover`).
    #[arg(long, default_value_t = 100_000)]
    pub(crate) patients: usize,
    /// Where it is made (`--only recover`) [default: the system's temporary folder].
    #[arg(long, value_name = "FOLDER")]
    pub(crate) folder: Option<PathBuf>,
    /// Messages a second to offer instead of as many as possible (HL7 only).
    #[arg(long, value_name = "PER SECOND")]
    pub(crate) rate: Option<u64>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum ConfigCommand {
    /// Check the configuration file and name the line that is wrong.
    Check,
    /// Print every option with the value it has.
    Show,
}

#[derive(Debug, Subcommand)]
pub(crate) enum PolicyCommand {
    /// Check policies and name the file and line that is wrong.
    #[command(after_help = "\
Examples:
  salus policy check                 the policies that the configuration names
  salus policy check new/            those of a folder, before they are in force")]
    Check {
        /// The folder [default: the one of the configuration, or the built-in policies].
        folder: Option<PathBuf>,
    },
    /// Decide a question and say why: every policy that was near, and what it said.
    #[command(after_help = "\
Examples:
  salus policy explain ask.json                      by the policies in force
  salus policy explain ask.json --policies new/      by those of a folder
A question looks like those of policies/cases:
  {\"who\": {\"id\": \"nora\", \"role\": \"nurse\", \"wards\": [\"W3\"]}, \"act\": \"read\",
   \"of\": {\"of\": \"patient\", \"id\": \"anna\"}, \"relations\": [{\"ward\": \"W3\"}]}")]
    Explain {
        /// The question, as a file; `-`: from standard input.
        ask: PathBuf,
        /// Decide by the policies of this folder.
        #[arg(long, value_name = "FOLDER")]
        policies: Option<PathBuf>,
    },
    /// Decide again what was really decided, by new policies, and show whose access would change.
    #[command(after_help = "\
Examples:
  salus policy replay new/ --days 30
  salus policy replay new/ --days 7 --format json | jq .people
Nothing is changed. Exit code 1: some access would change.")]
    Replay {
        /// The folder with the new policies.
        folder: PathBuf,
        /// How many days back.
        #[arg(long, default_value_t = 30)]
        days: u32,
        /// Changed decisions that are shown one by one, at most.
        #[arg(long, default_value_t = 20)]
        examples: usize,
    },
    /// Put policies in force: sealed with the reason, at once, without a restart.
    #[command(after_help = "\
Example:
  salus policy apply new/ --reason 'the day clinic reads its own patients'
From then on they are in force, also after a restart; the folder of the configuration is not read
any more. Works beside a running server and without one.")]
    Apply {
        /// The folder with the policies.
        folder: PathBuf,
        /// Why: 8 to 500 characters, sealed with the texts.
        #[arg(long)]
        reason: String,
    },
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_definition_is_sound() {
        Cli::command().debug_assert();
    }

    #[test]
    fn every_command_that_does_something_has_an_example() {
        for command in Cli::command().get_subcommands() {
            let help = command
                .get_after_help()
                .map(ToString::to_string)
                .unwrap_or_default();
            let nested = command.get_subcommands().next().is_some();
            assert!(
                nested || help.contains("Example") || command.get_name() == "help",
                "{help}"
            );
        }
    }
}
