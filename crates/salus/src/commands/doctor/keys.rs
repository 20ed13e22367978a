//! The keys: are they there, how old are they, who else could put the root key back.

use event::Time;
use record::KeysReport;

use super::super::keys::made;
use super::finding::{Finding, ok, warning, wrong};
use crate::assemble::{ID_KEY, LOG_KEY};
use crate::config::{Config, Root};

const DAY_MS: i64 = 24 * 3_600_000;

/// Whether every file is there.
pub(super) fn files(config: &Config) -> Finding {
    let root = (config.keys.root == Root::File).then_some("keys/root.key");
    let missing: Vec<_> = ["keys/log.key", "keys/log.pub", "keyring.db"]
        .into_iter()
        .chain(root)
        .filter(|name| !config.data.join(name).is_file())
        .collect();
    if missing.is_empty() {
        warning(
            "keys",
            "root key, log key, public key and keyring are there",
            "keep copies of `keys/` and `keyring.db` away from this machine and apart from each \
             other: without both no record can be read",
        )
    } else {
        wrong(
            "keys",
            format!("missing: {}", missing.join(", ")),
            "put them back from your copy, or the root key with `salus keys recover`",
        )
    }
}

/// What the keyring says of itself.
pub(super) async fn ages(config: &Config, now: Time) -> Vec<Finding> {
    if !config.data.join("keyring.db").is_file() {
        return Vec::new();
    }
    match record::keys(&config.record()).await {
        Ok(report) => {
            let mut findings = vec![
                age(&report, (now, config.keys.rotate_after_days)),
                escrow(&report),
            ];
            findings.extend(signing(config, &report, now));
            findings.extend(broken_off(&report));
            findings
        }
        Err(why) => vec![wrong(
            "keyring",
            why,
            "put `keyring.db` back from your copy",
        )],
    }
}

fn age(report: &KeysReport, (now, days_max): (Time, u32)) -> Finding {
    const WHAT: &str = "key age";
    let Some(last) = report.generations.last() else {
        return wrong(
            WHAT,
            "there is no key-encryption key",
            "put `keyring.db` back",
        );
    };
    let Some(at) = last.at else {
        let found = format!("generation {}, of unknown age", last.number);
        return warning(WHAT, found, "salus keys rotate");
    };
    let days = now.since(at) / DAY_MS;
    let found = format!("generation {}, {days} days old", last.number);
    if days > i64::from(days_max) {
        warning(WHAT, found, "salus keys rotate")
    } else {
        ok(WHAT, found)
    }
}

/// The keys that sign: a key that signs has an end, too (NIST SP 800-57 part 1, 5.3.6).
fn signing(config: &Config, report: &KeysReport, now: Time) -> Vec<Finding> {
    let days_max = config.keys.signing_rotate_after_days;
    let mut found = vec![signing_age(
        ("log key", "salus keys rotate --log"),
        made(config, LOG_KEY, report.log_at),
        (now, days_max),
    )];
    if config.data.join(ID_KEY).is_file() {
        found.push(signing_age(
            ("id key", "salus keys rotate --id"),
            made(config, ID_KEY, report.id_at),
            (now, days_max),
        ));
    }
    found
}

fn signing_age(
    (what, help): (&'static str, &str),
    made: Option<Time>,
    (now, days_max): (Time, u32),
) -> Finding {
    let Some(made) = made else {
        return warning(what, "of unknown age", help);
    };
    let days = now.since(made) / DAY_MS;
    let found = format!("made or last rotated {days} days ago");
    match days > i64::from(days_max) {
        true => warning(what, found, help),
        false => ok(what, found),
    }
}

fn escrow(report: &KeysReport) -> Finding {
    const WHAT: &str = "escrow";
    match (&report.escrow, report.in_token) {
        (_, true) => ok(
            WHAT,
            "the root key is in a token, which has a backup of its own",
        ),
        (Some((shares, needed)), false) => ok(
            WHAT,
            format!(
                "{shares} shares of the root key, {needed} needed, set {}",
                report.escrow_set.as_deref().unwrap_or("unknown")
            ),
        ),
        (None, false) => warning(
            WHAT,
            "no shares of the present root key were written",
            "salus keys escrow --shares 5 --needed 3 --to FOLDER, then print and hand them out",
        ),
    }
}

fn broken_off(report: &KeysReport) -> Option<Finding> {
    if report.erasing > 0 {
        return Some(warning(
            "erasure",
            "one was broken off",
            "restart the server: it is finished, or dropped if its order was not sealed",
        ));
    }
    (report.generations.len() > 1).then(|| {
        let found = format!(
            "{} generations of keys are in use",
            report.generations.len()
        );
        warning(
            "rotation",
            found,
            "salus keys rotate: it goes on where it was broken off",
        )
    })
}

#[cfg(test)]
mod tests {
    use record::Generation;

    use super::super::finding::State;
    use super::*;

    fn report(at: Option<i64>) -> KeysReport {
        KeysReport {
            generations: vec![Generation {
                number: 3,
                at: at.map(Time::from_millis),
                keys: 9,
            }],
            keys: 9,
            root_at: None,
            escrow_at: None,
            escrow: None,
            escrow_set: None,
            erasures: 0,
            erasing: 0,
            in_token: false,
            log_at: at.map(Time::from_millis),
            id_at: None,
        }
    }

    #[test]
    fn a_key_that_signed_for_long_is_to_be_rotated() {
        let folder = tempfile::tempdir().unwrap();
        let config = Config {
            data: folder.path().to_owned(),
            ..Config::default()
        };
        let now = Time::from_millis(800 * DAY_MS);
        let found = |at: Option<i64>| signing(&config, &report(at), now);
        let old = found(Some(0));
        assert_eq!((old.len(), old[0].state), (1, State::Warning));
        assert_eq!(old[0].what, "log key");
        assert_eq!(found(Some(100 * DAY_MS))[0].state, State::Ok);
        assert_eq!(found(None)[0].state, State::Warning);
        // Of a key from before the keyring said so, its file tells the age.
        std::fs::create_dir(folder.path().join("keys")).unwrap();
        std::fs::write(folder.path().join(ID_KEY), "key").unwrap();
        let of_id = &found(Some(0))[1];
        assert_eq!((of_id.what, of_id.state), ("id key", State::Ok));
    }

    #[test]
    fn an_old_key_is_to_be_rotated() {
        let now = Time::from_millis(400 * DAY_MS);
        let state = |at: Option<i64>| age(&report(at), (now, 365)).state;
        assert_eq!(state(Some(0)), State::Warning);
        assert_eq!(state(None), State::Warning);
        assert_eq!(state(Some(100 * DAY_MS)), State::Ok);
    }

    #[test]
    fn a_root_key_that_one_person_could_lose_is_pointed_out() {
        let mut report = report(None);
        assert_eq!(escrow(&report).state, State::Warning);
        report.escrow = Some((5, 3));
        assert_eq!(escrow(&report).state, State::Ok);
        report.escrow = None;
        report.in_token = true;
        assert_eq!(escrow(&report).state, State::Ok);
    }

    #[test]
    fn what_was_broken_off_is_named() {
        let mut report = report(None);
        assert!(broken_off(&report).is_none());
        report.generations.extend(report.generations.clone());
        assert_eq!(broken_off(&report).unwrap().what, "rotation");
        report.erasing = 1;
        assert_eq!(broken_off(&report).unwrap().what, "erasure");
    }
}
