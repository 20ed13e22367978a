//! What the operator of the machine does with keys: rotate, escrow, erase.

use std::time::Duration;

use anyhow::{Result, bail};
use event::{Act, Body, Event, KeysChanged, Subject};
use guard::{Ask, Decision, Facts, Standing, admit};
use record::SigningKey;
use seal::{Scheme, Share};
use serde::{Deserialize, Serialize};
use web::told_under;

use crate::assemble::House;
use crate::operations::{SETTLE, operator};

/// How long an erasure waits for each view to have nothing of the patient left.
const PURGE_WAIT: Duration = Duration::from_secs(600);
const LOOK: Duration = Duration::from_millis(50);

/// What a rotation did.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Rotated {
    pub(crate) generation: i64,
    pub(crate) keys: u64,
    pub(crate) resumed: bool,
    /// Where the root key is now, if it was rotated.
    pub(crate) root: Option<String>,
    /// What became of a key that signs, in words.
    #[serde(default)]
    pub(crate) signing: Option<String>,
}

/// Which keys are to be rotated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Which {
    /// The key-encryption key, and every key wrapped by it.
    Wrapping,
    /// The root key.
    Root,
    /// The key that signs id tokens.
    Id,
    /// The key that signs checkpoints; the one before it signs too until it is retired.
    Log,
    /// The log's key before the present one signs no more.
    RetireLog,
}

/// How many shares, and how many of them are needed.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(crate) struct Shares {
    pub(crate) shares: u8,
    pub(crate) needed: u8,
}

/// Shares as they are printed.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Pages {
    pub(crate) set: String,
    /// (number, text).
    pub(crate) pages: Vec<(u8, String)>,
}

/// An order to erase.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Erase {
    /// A patient's id, or a record number.
    pub(crate) patient: String,
    pub(crate) reason: String,
}

/// What was erased.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Erased {
    /// The index of the sealed order.
    pub(crate) order: u64,
    /// Events that cannot be read any more.
    pub(crate) events: u64,
    /// Patient records that were one person.
    pub(crate) patients: usize,
    /// Views that were not rewritten in time; they go on by themselves.
    pub(crate) waiting: Vec<String>,
}

impl House {
    /// Rotates the key-encryption key or the root key.
    pub(crate) async fn rotate(&self, which: Which) -> Result<Rotated> {
        let decision = self.decide(Act::Manage, Subject::Record, None);
        let record = &self.app.record;
        if let Which::Id | Which::Log | Which::RetireLog = which {
            return self.rotate_signing(&decision, which).await;
        }
        let report = record.keys().await?;
        let (what, rotated) = match which {
            Which::Root => {
                let root = record.rotate_root().await?;
                let rotated = Rotated {
                    generation: report.generations.last().map_or(0, |last| last.number),
                    keys: 0,
                    resumed: false,
                    root: Some(root),
                    signing: None,
                };
                ("root key rotated".to_owned(), rotated)
            }
            _ => {
                let done = record.rotate_keys().await?;
                let rotated = Rotated {
                    generation: done.generation,
                    keys: done.keys,
                    resumed: done.resumed,
                    root: None,
                    signing: None,
                };
                (
                    format!("key-encryption key {} made", done.generation),
                    rotated,
                )
            }
        };
        self.seal_keys(&decision, (what, Vec::new())).await?;
        Ok(rotated)
    }

    /// Rotates a key that signs. That one log key follows another is sealed with the note that both
    /// signed, and the next checkpoint is signed by both.
    async fn rotate_signing(&self, decision: &Decision, which: Which) -> Result<Rotated> {
        if !decision.allowed() {
            bail!("{}", decision.words().join(" "));
        }
        let record = &self.app.record;
        let (what, note) = match which {
            Which::Log => {
                let keys = record.rotate_log_key().await?;
                let what = format!("log key rotated: {} signs, the one before too", keys.vkey);
                (what, keys.successions.into_bytes())
            }
            Which::RetireLog => {
                let keys = record.retire_log_key().await?;
                (
                    format!("log key retired: {} signs alone", keys.vkey),
                    Vec::new(),
                )
            }
            _ => {
                crate::assemble::follow_signer(&self.config, &self.app.signer)?;
                record.signing_key_made(SigningKey::IdTokens).await;
                ("id token key rotated".to_owned(), Vec::new())
            }
        };
        self.seal_keys(decision, (what.clone(), note)).await?;
        record.publish().await?;
        Ok(Rotated {
            generation: 0,
            keys: 0,
            resumed: false,
            root: None,
            signing: Some(what),
        })
    }

    /// Cuts the root key into shares and returns them as pages.
    pub(crate) async fn escrow(&self, of: Shares) -> Result<Pages> {
        let decision = self.decide(Act::Manage, Subject::Record, None);
        let scheme = Scheme {
            shares: of.shares,
            needed: of.needed,
        };
        let shares = self.app.record.escrow(scheme).await?;
        let set = shares.first().map(Share::set).unwrap_or_default();
        let what = format!(
            "root key escrowed in {} shares, {} needed, set {set}",
            of.shares, of.needed
        );
        self.seal_keys(&decision, (what, Vec::new())).await?;
        let head = (self.app.record.origin(), self.clock.now().to_string());
        let pages = shares
            .iter()
            .map(|share| (share.number(), page(share, &head)));
        Ok(Pages {
            set,
            pages: pages.collect(),
        })
    }

    /// Seals what became of keys, with the note that says so if there is one.
    async fn seal_keys(&self, decision: &Decision, (what, note): (String, Vec<u8>)) -> Result<()> {
        let body = Body::Keys(KeysChanged { what });
        let event = Event::new(operator().actor, Act::Manage, Subject::Record, body);
        let admitted = admit(event.with_raw(note).into(), Standing::Decided(decision), "")
            .map_err(|refused| anyhow::anyhow!(refused.words))?;
        self.app.record.admit(vec![admitted]).await?;
        Ok(())
    }

    /// Erases a patient and everybody who was merged into them, and waits until no view holds
    /// anything of them.
    pub(crate) async fn erase(&self, order: &Erase) -> Result<Erased> {
        let (app, reason) = (&self.app, order.reason.trim());
        app.chart.caught_up(app.record.size(), SETTLE).await;
        let id = self.one_patient(order.patient.trim()).await?;
        if app.chart.survivor(&id).await?.is_some() {
            bail!(
                "`{}` was merged into another patient, and both are one person now: erase that \
                 one, or take the merge back first",
                order.patient
            );
        }
        let subject = Subject::Patient(id.clone());
        let decision = self.decide(Act::Erase, subject, Some(reason.to_owned()));
        if !decision.allowed() {
            let words = decision.words().join(" ");
            app.record.witness(decision).await?;
            bail!("{words}");
        }
        let family = app.chart.family(&id);
        let glass = app.oversight.waiting();
        if glass.iter().any(|broken| family.contains(&broken.patient)) {
            bail!(
                "broken glass for this patient waits for its review on the page Access: close it \
                 first, because who broke it and why goes with the patient"
            );
        }
        if app.chart.names(&family, reason).await? {
            bail!(
                "the reason names the patient, and it is kept when the patient is erased: say why \
                 without a name or a number of theirs"
            );
        }
        // What other systems told of them by a number is sealed under the id that the number makes.
        let all = told_under(app, &family).await?;
        let erased = app.record.erase(&decision, &all).await?;
        let waiting = self.purged(erased.index + 1).await;
        app.forget_pictures();
        Ok(Erased {
            order: erased.index,
            events: erased.events,
            patients: family.len(),
            waiting,
        })
    }

    /// The id of the patient that somebody means by an id or a record number.
    async fn one_patient(&self, named: &str) -> Result<String> {
        if self.app.chart.locate("Patient", named).await?.is_some() {
            return Ok(named.to_owned());
        }
        let found = self.app.chart.numbered(named).await?;
        match found.as_slice() {
            [one] => Ok(one.clone()),
            // What was sealed for an id that no Patient resource was ever sent for.
            [] => Ok(named.to_owned()),
            _ => bail!("several patients have the record number `{named}`: give the id of one"),
        }
    }

    /// Waits until every view has folded `size` events and rewritten its file; names those that
    /// have not.
    async fn purged(&self, size: u64) -> Vec<String> {
        let mut waiting = Vec::new();
        for reader in &self.readers {
            let purge = async {
                while reader.cursor().await.unwrap_or_default() < size
                    || reader.tidy().await.is_err()
                {
                    tokio::time::sleep(LOOK).await;
                }
            };
            if tokio::time::timeout(PURGE_WAIT, purge).await.is_err() {
                waiting.push(reader.name().to_owned());
            }
        }
        waiting
    }

    pub(crate) fn decide(&self, act: Act, subject: Subject, reason: Option<String>) -> Decision {
        let ask = Ask {
            identity: operator(),
            act,
            subject,
            kinds: Vec::new(),
            purpose: "HOPERAT".into(),
            reason,
            detail: String::new(),
        };
        self.app.policies.decide(ask, &Facts::default())
    }
}

/// One share as a page to print.
fn page(share: &Share, (origin, at): &(String, String)) -> String {
    let scheme = share.scheme();
    let lines: Vec<String> = share
        .lines()
        .iter()
        .map(|line| format!("      {line}"))
        .collect();
    format!(
        "SALUS: SHARE {number} OF {shares} OF THE ROOT KEY\n\
         \n\
         record       {origin}\n\
         set          {set}\n\
         written      {at}\n\
         needed       any {needed} of the {shares} shares of this set\n\
         check        {check}\n\
         \n\
         {lines}\n\
         \n\
         The last two letters of each line check it. Letters that could be mistaken are not used:\n\
         there is no I, L, O or U.\n\
         \n\
         What it is good for: {needed} of these shares put back the key without which no patient's\n\
         record can be read. Fewer than {needed} tell nothing at all. It is worth nothing any more\n\
         once the root key was rotated: then a new set is written, and this one is destroyed.\n\
         \n\
         Keep it locked away, sealed, by one person, and never two of a set in one place.\n\
         \n\
         When the root key is lost: put `keyring.db` in its place, then on that machine\n\
         \x20     salus keys recover share-a.txt share-b.txt ...\n\
         with files that hold the four lines as they stand above, one file a share.\n",
        number = share.number(),
        shares = scheme.shares,
        needed = scheme.needed,
        set = share.set(),
        check = share.check(),
        lines = lines.join("\n"),
    )
}

/// The share in a page, or in its lines alone.
pub(crate) fn read_page(text: &str) -> Result<Share> {
    let coded: Vec<&str> = text
        .lines()
        .filter(|line| {
            let mut groups = line.split_whitespace();
            let number = groups.next().unwrap_or_default();
            let letters: usize = groups.map(|group| group.chars().count()).sum();
            matches!(number, "1" | "2" | "3" | "4") && letters == 18
        })
        .collect();
    let share = if coded.len() == 4 {
        Share::read(&coded.join("\n"))
    } else {
        Share::read(text)
    };
    Ok(share?)
}

#[cfg(test)]
mod tests {
    use seal::{Key, split};

    use super::*;

    #[test]
    fn a_printed_page_is_read_back() {
        let scheme = Scheme {
            shares: 3,
            needed: 2,
        };
        let random: Vec<u8> = (0..=255).cycle().take(scheme.random_bytes()).collect();
        let shares = split(&Key::new([5; 32]), scheme, ([1; 4], &random)).unwrap();
        let head = ("salus.test/record".to_owned(), "2026-11-26".to_owned());
        for share in &shares {
            let page = page(share, &head);
            assert_eq!(read_page(&page).unwrap(), *share);
            assert!(
                page.lines().all(|line| line.chars().count() < 100),
                "{page}"
            );
        }
        assert!(read_page("nothing of a share").is_err());
    }
}
