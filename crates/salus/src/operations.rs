//! What the operator of the machine may do, whether a server runs or not.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use aws_lc_rs::rand::{SecureRandom, SystemRandom};
use event::{Account, AccountChange, Act, AppChange, Body, Event, Role, Subject};
use guard::{Ask, Facts, Standing, admit};
use inlets::mllp::{Feed, FeedConfig, receive};
use serde::{Deserialize, Serialize};
use web::Ended;
use web::api::fhir::Importer;
pub(crate) use web::operator;

use crate::assemble::House;
use crate::cli::View;
use crate::local::{Leavers, NewClient, Part};
use crate::registration;

/// How long an operation waits for the views to know of it.
pub(crate) const SETTLE: Duration = Duration::from_secs(10);

/// Events read at once.
const READ_EVENTS: usize = 1_000;

/// The feed of imported files, if none is named.
const IMPORT_FEED: &str = "import";

/// What became of one file or one part of it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Taken {
    /// Resources or messages that are kept now.
    pub(crate) accepted: u64,
    /// Those that were there already.
    pub(crate) repeated: u64,
    /// Those that are not kept: (which, why).
    pub(crate) refused: Vec<(String, String)>,
    /// Events in the record by now.
    pub(crate) size: u64,
}

/// The contents of events, each to be taken once: by hash, since they may be large.
#[derive(Default)]
struct There(Mutex<HashMap<[u8; 32], u64>>);

impl There {
    fn add(&mut self, raw: &[u8]) {
        let counts = self.0.get_mut().unwrap_or_else(PoisonError::into_inner);
        *counts.entry(seal::sha256(&[raw])).or_default() += 1;
    }

    /// Whether there is one more with this content.
    fn take(&self, raw: &[u8]) -> bool {
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let left = counts.get_mut(&seal::sha256(&[raw]));
        left.filter(|left| **left > 0)
            .map(|left| *left -= 1)
            .is_some()
    }
}

impl Taken {
    fn total(&self) -> u64 {
        self.accepted + self.repeated + self.refused.len() as u64
    }
}

/// What a part of a file is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Kind {
    /// A FHIR Bundle or resource.
    Document,
    /// Lines of NDJSON.
    Lines,
    /// A file of HL7 v2 messages.
    Messages,
}

impl House {
    /// Adds a client and returns its token or secret, which is shown once; empty if it has none.
    pub(crate) async fn add_client(&self, new: &NewClient) -> Result<String> {
        self.app
            .staff
            .caught_up(self.app.record.size(), SETTLE)
            .await;
        let id = &new.id;
        if self
            .app
            .staff
            .people()
            .iter()
            .any(|person| person.id == *id)
        {
            bail!("`{id}` is a person's sign-in name; choose another");
        }
        let scopes = new.scopes.clone().unwrap_or_default();
        let apart = [
            web::api::scim::SCOPE,
            web::api::log::SCOPE,
            web::api::signals::SCOPE,
            web::PACK_SCOPE,
        ];
        let spoken = scopes
            .iter()
            .filter(|scope| !apart.contains(&scope.as_str()));
        registration::check(new.app.as_ref(), &spoken.cloned().collect::<Vec<_>>())?;
        let mut random = [0; 32];
        SystemRandom::new()
            .fill(&mut random)
            .ok()
            .context("the system has no randomness")?;
        let made = staff::new_client(random);
        let keeps = new.app.as_ref().is_none_or(|app| app.secret);
        let account = Account {
            name: new.name.clone(),
            role: Role::Client,
            wards: Vec::new(),
            practitioner: None,
            // What proves itself otherwise has no secret that could be guessed or lost.
            secret: if keeps { made.secret } else { String::new() },
            scopes,
        };
        let change = AppChange {
            id: id.clone(),
            app: new.app.clone(),
        };
        let was = self.app.tokens.app(id).is_some();
        let app = (was || change.app.is_some()).then_some(Body::App(change));
        self.change(id, (Some(account), app)).await?;
        Ok(if keeps { made.token } else { String::new() })
    }

    /// Ends a client's access.
    pub(crate) async fn remove_client(&self, id: &str) -> Result<()> {
        self.app
            .staff
            .caught_up(self.app.record.size(), SETTLE)
            .await;
        if !self
            .app
            .staff
            .clients()
            .iter()
            .any(|client| client.id == id)
        {
            bail!("there is no client `{id}`");
        }
        let change = AppChange {
            id: id.to_owned(),
            app: None,
        };
        let app = self.app.tokens.app(id).map(|_| Body::App(change));
        self.change(id, (None, app)).await
    }

    /// Adds, changes or (`None`) disables an account.
    pub(crate) async fn change_account(&self, id: &str, account: Option<Account>) -> Result<()> {
        self.change(id, (account, None)).await
    }

    /// Changes an account and, in the same commit, its registration as an app.
    async fn change(
        &self,
        id: &str,
        (account, app): (Option<Account>, Option<Body>),
    ) -> Result<()> {
        let ask = Ask {
            identity: operator(),
            act: Act::Manage,
            subject: Subject::Account(id.to_owned()),
            kinds: Vec::new(),
            purpose: "HOPERAT".into(),
            reason: None,
            detail: String::new(),
        };
        let decision = self.app.policies.decide(ask, &Facts::default());
        let body = Body::Account(AccountChange {
            id: id.to_owned(),
            account,
        });
        let mut admitted = Vec::with_capacity(2);
        for body in [Some(body), app].into_iter().flatten() {
            let subject = Subject::Account(id.to_owned());
            let event = Event::new(operator().actor, Act::Manage, subject, body);
            let event = admit(event.into(), Standing::Decided(&decision), "");
            admitted.push(event.map_err(|refused| anyhow::anyhow!(refused.words))?);
        }
        self.app.record.admit(admitted).await?;
        let size = self.app.record.size();
        let staff = self.app.staff.caught_up(size, SETTLE).await;
        let tokens = self.app.tokens.caught_up(size, SETTLE).await;
        if !(staff && tokens) {
            bail!("the account is sealed, but the view of accounts has not caught up yet");
        }
        Ok(())
    }

    /// Ends the access of everybody on a list; says of each what became of it.
    pub(crate) async fn end_leavers(&self, list: &Leavers) -> Result<Vec<(String, Ended)>> {
        let app = &self.app;
        app.staff.caught_up(app.record.size(), SETTLE).await;
        let mut done = Vec::new();
        for leaver in &list.people {
            let ended = app
                .end_access(leaver, &list.source, &operator().actor)
                .await;
            let ended = ended.map_err(|why| anyhow::anyhow!("`{}`: {why}", leaver.account))?;
            done.push((leaver.account.clone(), ended));
        }
        Ok(done)
    }

    /// Takes one part of a file.
    pub(crate) async fn take(&self, part: &Part, bytes: Vec<u8>) -> Result<Taken> {
        let mut taken = match part.kind {
            // A message that is sent again is recognized wherever it comes from.
            Kind::Messages => self.take_messages(&part.feed, &bytes).await?,
            Kind::Document | Kind::Lines => self.take_resources(part, bytes).await?,
        };
        taken.size = self.app.record.size();
        Ok(taken)
    }

    async fn take_resources(&self, part: &Part, bytes: Vec<u8>) -> Result<Taken> {
        let mut importer = Importer::new(Arc::clone(&self.app), operator());
        if let Some(begun) = part.begun {
            let there = self.imported_since(begun).await?;
            importer = importer.but(move |raw| there.take(raw));
        }
        let imported = if part.kind == Kind::Document {
            importer.document(bytes.into()).await
        } else {
            let lines = bytes.split(|&byte| byte == b'\n');
            let lines = lines.filter(|line| !line.trim_ascii().is_empty());
            let lines = lines.map(|line| line.to_vec().into());
            importer.resources(lines.collect()).await
        };
        let refused = imported.refused.into_iter();
        Ok(Taken {
            accepted: imported.accepted,
            repeated: imported.repeated,
            refused: refused.map(|one| (one.what, one.why)).collect(),
            size: 0,
        })
    }

    /// What the operator's imports wrote since the record had that many events.
    async fn imported_since(&self, begun: u64) -> Result<There> {
        let mut there = There::default();
        let (mut from, size) = (begun, self.app.record.size());
        while from < size {
            let (events, next) = self.app.record.read_until(from, READ_EVENTS).await?;
            for sealed in &events {
                let event = sealed.event();
                if matches!(event.body, Body::Resource(_)) && event.actor == operator().actor {
                    there.add(&self.app.record.raw(sealed).await?);
                }
            }
            if next <= from {
                break;
            }
            from = next;
        }
        Ok(there)
    }

    /// An HL7 v2 file: one message, several, or a batch; each is admitted by itself.
    async fn take_messages(&self, feed: &str, bytes: &[u8]) -> Result<Taken> {
        let feed = self.import_feed(feed)?;
        let blind = self.app.record.blind();
        let mut taken = Taken::default();
        for piece in wire::hl7::batch::pieces(bytes) {
            let parsed = wire::hl7::parse(piece.bytes, &feed.charset);
            let received = receive(&parsed, &piece.complaints, &feed, &blind);
            if let Some(fault) = received.fault {
                let which = format!("message {}", taken.total() + 1);
                taken.refused.push((which, fault.to_string()));
                continue;
            }
            let mut arrival = received.arrival;
            arrival.claim.raw = piece.bytes.to_vec();
            let standing = Standing::Feed(&feed.grant);
            match admit(arrival, standing, &received.facility) {
                Ok(admitted) => {
                    let receipts = self.app.record.admit(vec![admitted]).await?;
                    let repeated = receipts.first().is_some_and(|receipt| receipt.repeated);
                    taken.repeated += u64::from(repeated);
                    taken.accepted += u64::from(!repeated);
                }
                Err(refused) => {
                    let which = format!("message {}", taken.total() + 1);
                    taken.refused.push((which, refused.words));
                }
            }
        }
        Ok(taken)
    }

    /// The configured feed of that name; `import` is there without being configured.
    fn import_feed(&self, name: &str) -> Result<Feed> {
        let defaults = &self.config.mllp;
        let configured = defaults
            .feeds
            .iter()
            .find(|feed| feed.name == name)
            .cloned();
        let settings = match configured {
            Some(settings) => settings,
            None if name == IMPORT_FEED => FeedConfig {
                name: name.to_owned(),
                ..FeedConfig::default()
            },
            None => bail!("there is no feed `{name}`; add `[[mllp.feed]]` with this `name`"),
        };
        Ok(Feed::new(&settings, defaults)?)
    }

    /// Drops a view; the following reader folds it again.
    pub(crate) async fn refold(&self, view: View) -> Result<u64> {
        match view {
            View::Chart => self.app.chart.refold().await?,
        }
        Ok(self.app.record.size())
    }

    /// How far a view is: (events folded, events in the record).
    pub(crate) fn progress(&self, view: View) -> (u64, u64) {
        match view {
            View::Chart => (*self.app.chart.folded().borrow(), self.app.record.size()),
        }
    }
}
