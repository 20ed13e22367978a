//! Looks at an installation as an experienced operator would, and says what to do.

use std::fs::{self, File};
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::time::{Duration, Instant};

use anyhow::Result;
use event::{Clock as _, Time};
use record::HeldUp;
use tokio::net::UnixStream;

use crate::cli::Format;
use crate::clock::SystemClock;
use crate::config::Config;
use crate::{assemble, certificate, credentials, local, output};

mod finding;
mod keys;

use finding::{Finding, State, ok, warning, wrong};

const DISK_FREE_MIN: u64 = 5 << 30;
const SYNC_SLOW: Duration = Duration::from_millis(20);
const EXPIRES_SOON_MS: i64 = 30 * 24 * 3_600_000;
const CHECKPOINT_OLD_MS: i64 = 60_000;

pub(crate) async fn run(config: &Config, format: Format) -> Result<u8> {
    let now = SystemClock.now();
    let mut findings = vec![folder(config), policies(config)];
    if config.data.is_dir() {
        findings.extend([
            permissions(config),
            keys::files(config),
            disk(config),
            sync(config),
        ]);
        findings.extend(keys::ages(config, now).await);
        findings.extend(mllp_tls(config, now));
        findings.extend(dicom_tls(config, now));
        findings.push(tls(config, now));
        findings.extend(server(config).await);
        findings.extend(record(config, now).await);
    }
    output::result(format, &findings, |findings| words(findings));
    let bad = findings.iter().any(|finding| finding.state == State::Wrong);
    Ok(if bad { output::FOUND } else { output::WELL })
}

fn folder(config: &Config) -> Finding {
    let path = config.data.display();
    if config.data.is_dir() {
        ok("data folder", path)
    } else {
        wrong(
            "data folder",
            format!("there is none at `{path}`"),
            "run `salus serve` to make one, or name yours with `--data`",
        )
    }
}

fn policies(config: &Config) -> Finding {
    match assemble::policies(&config.policies) {
        Ok(policies) => ok(
            "policies",
            format!("{} policies, valid", policies.list().len()),
        ),
        Err(why) => wrong(
            "policies",
            format!("{why:#}"),
            "mend the line that is named",
        ),
    }
}

fn permissions(config: &Config) -> Finding {
    let secrets = credentials::files(config);
    let open_to_all = secrets.iter().map(|path| (path.clone(), 0o007));
    let own = [
        &config.data,
        &config.data.join("keys"),
        &config.data.join("keys/root.key"),
    ]
    .map(|path| (path.clone(), 0o077));
    let open = own
        .into_iter()
        .chain(open_to_all)
        .filter(|(path, others)| {
            fs::metadata(path).is_ok_and(|meta| meta.permissions().mode() & others != 0)
        })
        .map(|(path, _)| path.display().to_string())
        .collect::<Vec<_>>();
    if open.is_empty() {
        ok("permissions", "only the owner can read the data folder")
    } else {
        let paths = open.join(" ");
        wrong(
            "permissions",
            format!("others can read {paths}"),
            &format!("chmod go-rwx {paths}"),
        )
    }
}

fn disk(config: &Config) -> Finding {
    match rustix::fs::statvfs(&config.data) {
        Ok(stat) => {
            let free = stat.f_bavail.saturating_mul(stat.f_frsize);
            let found = format!("{} GB free", free >> 30);
            if free >= DISK_FREE_MIN {
                ok("disk", found)
            } else {
                warning("disk", found, "make room: a full disk stops every feed")
            }
        }
        Err(why) => wrong("disk", why, "look at the file system"),
    }
}

/// Every acknowledgement waits for one of these.
fn sync(config: &Config) -> Finding {
    let path = config.data.join("doctor.tmp");
    let measure = || -> std::io::Result<Duration> {
        let mut file = File::create(&path)?;
        let mut times = Vec::new();
        for _ in 0..11 {
            let start = Instant::now();
            file.write_all(&[0; 8_192])?;
            file.sync_data()?;
            times.push(start.elapsed());
        }
        times.sort();
        Ok(times.get(5).copied().unwrap_or_default())
    };
    let measured = measure();
    let _ = fs::remove_file(&path);
    match measured {
        Ok(took) if took <= SYNC_SLOW => ok("disk sync", format!("{took:.1?} a write")),
        Ok(took) => warning(
            "disk sync",
            format!("{took:.1?} a write"),
            "use a disk with power-loss protection: senders wait for this",
        ),
        Err(why) => wrong("disk sync", why, "the data folder must be writable"),
    }
}

fn tls(config: &Config, now: Time) -> Finding {
    let files = certificate::files(config);
    match certificate::expiry(&files.certificate) {
        Ok(end) if end.since(now) > EXPIRES_SOON_MS => ok("certificate", format!("until {end}")),
        Ok(end) => warning(
            "certificate",
            format!("until {end}"),
            "replace the files that `[https]` names; no restart is needed",
        ),
        Err(_) if config.https.certificate.as_os_str().is_empty() => ok(
            "certificate",
            "a self-signed one is made at the first start",
        ),
        Err(why) => wrong(
            "certificate",
            format!("{why:#}"),
            "mend `certificate` in `[https]`",
        ),
    }
}

fn mllp_tls(config: &Config, now: Time) -> Option<Finding> {
    inlet_tls(("MLLP cert", "mllp"), config.mllp.tls.as_ref(), now)
}

fn dicom_tls(config: &Config, now: Time) -> Option<Finding> {
    inlet_tls(("DICOM cert", "dicom"), config.dicom.tls.as_ref(), now)
}

fn inlet_tls(
    (what, section): (&'static str, &str),
    tls: Option<&inlets::mllp::TlsConfig>,
    now: Time,
) -> Option<Finding> {
    let replace = format!("replace the files that `[{section}.tls]` names; no restart is needed");
    Some(match certificate::expiry(&tls?.certificate) {
        Ok(end) if end.since(now) > EXPIRES_SOON_MS => ok(what, format!("until {end}")),
        Ok(end) => warning(what, format!("until {end}"), &replace),
        Err(why) => wrong(
            what,
            format!("{why:#}"),
            &format!("mend `certificate` in `[{section}.tls]`"),
        ),
    })
}

/// Whether it runs, and whether its views go on.
async fn server(config: &Config) -> Vec<Finding> {
    let socket = config.socket();
    if UnixStream::connect(&socket).await.is_err() {
        return vec![warning("server", "not running", "salus serve")];
    }
    let held = local::held_up(&socket).await;
    let mut findings = vec![ok("server", "running")];
    findings.extend(held.unwrap_or_default().iter().map(held_up));
    findings
}

fn held_up(view: &HeldUp) -> Finding {
    let found = format!(
        "`{}` stands at event {}: {}",
        view.reader, view.at, view.why
    );
    wrong(
        "view",
        found,
        "it is tried again; nothing that is sealed is lost. Report what the log says",
    )
}

async fn record(config: &Config, now: Time) -> Vec<Finding> {
    let head = match record::head(&config.record()).await {
        Ok(head) => head,
        Err(why) => {
            return vec![wrong("record", why, "salus verify names what is damaged")];
        }
    };
    let mut findings = vec![ok("record", format!("{} events", head.size))];
    let behind = head.size.saturating_sub(head.published);
    let age = now.since(head.last_at);
    findings.push(if behind == 0 || age < CHECKPOINT_OLD_MS {
        ok("checkpoint", format!("over {} events", head.published))
    } else {
        let found = format!("{behind} events are not under a checkpoint");
        warning(
            "checkpoint",
            found,
            "start the server; look at its log if it runs",
        )
    });
    findings.push(if head.last_at > now.plus_millis(CHECKPOINT_OLD_MS) {
        let found = format!(
            "the last event is of {}, later than now ({now})",
            head.last_at
        );
        wrong(
            "clock",
            found,
            "set the clock: new events carry that time until it has passed",
        )
    } else {
        ok("clock", now)
    });
    findings
}

fn words(findings: &[Finding]) -> String {
    let mut out = Vec::new();
    for finding in findings {
        let mark = match finding.state {
            State::Ok => "ok      ",
            State::Warning => "look at ",
            State::Wrong => "WRONG   ",
        };
        out.push(format!("{mark} {:12} {}", finding.what, finding.found));
        if !finding.to_do.is_empty() {
            out.push(format!("                      {}", finding.to_do));
        }
    }
    out.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_wrong_says_what_to_do() {
        let folder = tempfile::tempdir().unwrap();
        let config = Config {
            data: folder.path().join("none"),
            ..Config::default()
        };
        let finding = super::folder(&config);
        assert_eq!(finding.state, State::Wrong);
        assert!(finding.to_do.contains("salus serve"));
    }

    #[test]
    fn a_view_that_is_held_up_is_wrong_and_says_where() {
        let finding = held_up(&HeldUp {
            reader: "chart".into(),
            at: 4_112,
            why: "it panicked".into(),
        });
        assert_eq!(finding.state, State::Wrong);
        assert!(finding.found.contains("`chart` stands at event 4112"));
    }

    #[test]
    fn a_folder_open_to_others_is_found() {
        let folder = tempfile::tempdir().unwrap();
        let data = folder.path().join("data");
        fs::create_dir(&data).unwrap();
        fs::set_permissions(&data, fs::Permissions::from_mode(0o755)).unwrap();
        let config = Config {
            data: data.clone(),
            ..Config::default()
        };
        assert_eq!(permissions(&config).state, State::Wrong);
        fs::set_permissions(&data, fs::Permissions::from_mode(0o700)).unwrap();
        assert_eq!(permissions(&config).state, State::Ok);
    }

    #[test]
    fn a_secret_that_everybody_can_read_is_found() {
        let folder = tempfile::tempdir().unwrap();
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o700)).unwrap();
        let secret = folder.path().join("oidc-secret");
        fs::write(&secret, "hunter2").unwrap();
        let mut config = Config {
            data: folder.path().to_owned(),
            ..Config::default()
        };
        config.web.oidc.client_secret_file.clone_from(&secret);
        fs::set_permissions(&secret, fs::Permissions::from_mode(0o644)).unwrap();
        let found = permissions(&config);
        assert_eq!(found.state, State::Wrong);
        fs::set_permissions(&secret, fs::Permissions::from_mode(0o640)).unwrap();
        assert_eq!(permissions(&config).state, State::Ok);
    }
}
