//! One comparison, both ways: what was sealed is asked for there, and what is there is looked for
//! here. A few dozen resources are in memory at a time.

use std::collections::{BTreeMap, HashMap, HashSet};

use chart::{Held, Named};
use event::{Role, Time, Unlike};
use lifeline::UpstreamConfig;
use oversight::{Alteration, Fate};
use serde_json::Value;

use super::ask::{Other, name};
use super::found::{self, Found};
use super::{Compared, Last};
use crate::App;
use crate::api::fhir;

/// Names that are taken from the chart at once.
const NAMES: u32 = 500;
/// Former differences that are remembered, of each fate.
const KNOWN_MAX: u32 = 10_000;
/// Resources that cannot be held against anything, until one comparison gives up on the others.
const UNHELD_MAX: usize = 20;
/// Former differences that could not be looked at, until one comparison gives up on the others.
const STRANGE_FAILURES_MAX: u32 = 10;
/// Young resources that are remembered until the next comparison.
const YOUNG_MAX: usize = 10_000;

pub(super) struct Comparison<'a> {
    pub(super) app: &'a App,
    pub(super) config: &'a UpstreamConfig,
    other: Other<'a>,
    pub(super) now: Time,
    last: &'a Last,
    young: HashMap<String, String>,
    /// The newest difference of each resource, by name.
    pub(super) known: HashMap<String, Alteration>,
    /// What this comparison found different, so that it is counted once.
    counted: HashSet<String>,
    kinds: BTreeMap<String, ()>,
    pub(super) compared: Compared,
    /// Why some could not be held against what was sealed.
    unheld: Vec<String>,
}

impl<'a> Comparison<'a> {
    pub(super) async fn new(
        app: &'a App,
        config: &'a UpstreamConfig,
        last: &'a Last,
    ) -> Result<Comparison<'a>, String> {
        let mut known: HashMap<String, Alteration> = HashMap::new();
        for fate in [
            Fate::Waiting,
            Fate::Ordered,
            Fate::Left,
            Fate::Sent,
            Fate::Refused,
        ] {
            let found = app.oversight.outside(fate, KNOWN_MAX).await;
            for one in found.map_err(|why| why.to_string())? {
                let Some(outside) = &one.altered.outside else {
                    continue;
                };
                let name = format!("{}/{}", outside.kind, outside.id);
                match known.get(&name) {
                    Some(newer) if newer.index > one.index => {}
                    _ => drop(known.insert(name, one)),
                }
            }
        }
        Ok(Comparison {
            app,
            config,
            other: Other::of(&app.fetch, config)?,
            now: app.clock.now(),
            last,
            young: HashMap::new(),
            known,
            counted: HashSet::new(),
            kinds: BTreeMap::new(),
            compared: Compared::default(),
            unheld: Vec::new(),
        })
    }

    pub(super) fn end(self) -> (Compared, HashMap<String, String>) {
        (self.compared, self.young)
    }

    pub(super) fn whole_at(&self) -> Option<Time> {
        self.last.whole_at
    }

    /// Everything; ends early when there is more than one comparison names.
    pub(super) async fn run(&mut self) -> Result<(), String> {
        self.sealed().await?;
        let kinds: Vec<String> = std::mem::take(&mut self.kinds).into_keys().collect();
        for kind in kinds {
            if self.compared.cut {
                break;
            }
            self.there(&kind).await?;
        }
        self.strange().await?;
        self.all_held()
    }

    /// What was never sealed and was told before, and did not come by: is it there still? What
    /// cannot be asked for stays as it was.
    async fn strange(&mut self) -> Result<(), String> {
        let mut by_kind: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for one in self.known.values() {
            let Some(outside) = &one.altered.outside else {
                continue;
            };
            let name = format!("{}/{}", outside.kind, outside.id);
            let asked = outside.unlike == Unlike::Unknown
                && self.concerns(&outside.kind)
                && !self.counted.contains(&name)
                && fhir::is_id(&outside.id);
            if asked {
                let ids = by_kind.entry(outside.kind.clone()).or_default();
                ids.push(outside.id.clone());
            }
        }
        let mut failures = 0;
        for (kind, ids) in by_kind {
            for ids in ids.chunks(self.config.compare_page.max(1)) {
                let asked: Vec<&str> = ids.iter().map(String::as_str).collect();
                let found = self.other.some(&kind, &asked).await.unwrap_or_default();
                for id in ids {
                    let there = found.iter().find(|one| name(one) == (&kind, id));
                    let alone = match there {
                        Some(_) => Ok(None),
                        None => self.other.one(&kind, id).await,
                    };
                    match alone {
                        Err(why) => {
                            tracing::warn!(why, "a former difference cannot be looked at");
                            failures += 1;
                        }
                        Ok(alone) => match there.or(alone.as_ref()) {
                            Some(resource) => self.hold(resource).await?,
                            None => self.settle(&format!("{kind}/{id}")).await?,
                        },
                    }
                    if self.compared.cut || failures >= STRANGE_FAILURES_MAX {
                        return Ok(());
                    }
                }
            }
        }
        Ok(())
    }

    fn concerns(&self, kind: &str) -> bool {
        let types = &self.config.compare_types;
        types.is_empty() || types.iter().any(|one| one == kind)
    }

    /// Everything that was sealed: is it there, and the same?
    async fn sealed(&mut self) -> Result<(), String> {
        self.kinds = self
            .config
            .compare_types
            .iter()
            .map(|kind| (kind.clone(), ()))
            .collect();
        let mut after = 0;
        loop {
            let page = self.app.chart.named(after, NAMES).await;
            let page = page.map_err(|why| why.to_string())?;
            let Some(last) = page.last() else {
                return Ok(());
            };
            after = last.place;
            let mut by_kind: BTreeMap<&str, Vec<&Named>> = BTreeMap::new();
            for named in page.iter().filter(|named| self.concerns(&named.kind)) {
                by_kind.entry(&named.kind).or_default().push(named);
            }
            for (kind, named) in by_kind {
                self.kinds.insert(kind.to_owned(), ());
                for some in named.chunks(self.config.compare_page.max(1)) {
                    self.some(kind, some).await?;
                    if self.compared.cut {
                        return Ok(());
                    }
                }
            }
        }
    }

    async fn some(&mut self, kind: &str, named: &[&Named]) -> Result<(), String> {
        let ids: Vec<&str> = named.iter().map(|named| named.id.as_str()).collect();
        let found = self.other.some(kind, &ids).await?;
        let mut by_id: HashMap<&str, &Value> = HashMap::new();
        for resource in &found {
            let (of, id) = name(resource);
            if of == kind {
                by_id.insert(id, resource);
            }
        }
        for named in named {
            self.compared.read += 1;
            self.app.outside.progress.send_replace(self.compared.read);
            let alone = match by_id.get(named.id.as_str()) {
                Some(_) => None,
                None => self.other.one(kind, &named.id).await?,
            };
            match by_id.get(named.id.as_str()).copied().or(alone.as_ref()) {
                Some(resource) => self.hold(resource).await?,
                None => self.missing(named).await?,
            }
        }
        Ok(())
    }

    /// Everything of a type that is there, or what changed since the last comparison: was it
    /// sealed?
    async fn there(&mut self, kind: &str) -> Result<(), String> {
        let grace = self.config.compare_grace_ms;
        let since = self.whole_at().map(|at| at.plus_millis(-grace).to_string());
        let mut pages = self.other.all(kind, since.as_deref());
        let mut page = self.other.page(&mut pages).await;
        if page.is_err() && since.is_some() {
            // A server that cannot search by `_lastUpdated` is read as a whole.
            pages = self.other.all(kind, None);
            page = self.other.page(&mut pages).await;
        }
        while let Some(resources) = page? {
            for resource in &resources {
                if name(resource).0 == kind {
                    self.hold(resource).await?;
                }
            }
            if self.compared.cut {
                return Ok(());
            }
            page = self.other.page(&mut pages).await;
        }
        Ok(())
    }

    /// Holds one resource of the other system against what was sealed.
    async fn hold(&mut self, resource: &Value) -> Result<(), String> {
        let (kind, id) = name(resource);
        if id.is_empty() || self.counted.contains(&format!("{kind}/{id}")) {
            return Ok(());
        }
        let held = match self.app.chart.hold((kind, id), resource).await {
            Ok(held) => held,
            Err(why) => return self.unheld(why.to_string()),
        };
        let found = match held {
            Held::Same => return self.settle(&format!("{kind}/{id}")).await,
            Held::Explained(_) => {
                self.compared.explained += 1;
                return self.settle(&format!("{kind}/{id}")).await;
            }
            Held::Differs(differs) => Found::changed((kind, id), differs, resource),
            Held::Unknown => self.unknown(resource, None).await?,
            Held::Deleted(version) => self.unknown(resource, Some(version)).await?,
        };
        if self.is_young(&found, resource) {
            return Ok(());
        }
        match found.unlike {
            Unlike::Unknown => self.compared.unknown += 1,
            Unlike::Changed | Unlike::Missing => self.compared.changed += 1,
        }
        self.told(found).await
    }

    /// One that cannot be held against anything, since something of it cannot be read here: it keeps nobody from the
    /// others, but the comparison was none of everything.
    fn unheld(&mut self, why: String) -> Result<(), String> {
        tracing::error!(why, "a resource cannot be compared");
        self.unheld.push(why);
        match self.unheld.len() {
            ..UNHELD_MAX => Ok(()),
            _ => self.all_held(),
        }
    }

    fn all_held(&self) -> Result<(), String> {
        self.unheld.first().map_or(Ok(()), |why| Err(why.clone()))
    }

    /// What was never sealed, or sealed as deleted; of a patient only if that one is known. What is
    /// of a patient that is not, erased ones among them, is named without its content: it would be
    /// kept under a key that outlives them.
    async fn unknown(&self, resource: &Value, deleted: Option<u64>) -> Result<Found, String> {
        let whose = match name(resource) {
            ("Patient", id) => Some(id.to_owned()),
            _ => wire::fhir::patient_of(resource),
        };
        let Some(id) = whose else {
            return Ok(Found::unknown(resource, None, deleted));
        };
        let there = self.app.chart.locate("Patient", &id).await;
        let there = there.map_err(|why| why.to_string())?;
        let patient = there.map(|there| there.patient.unwrap_or(id));
        let is_stranger = patient.is_none();
        let found = Found::unknown(resource, patient, deleted);
        Ok(match is_stranger {
            true => found.without_content(),
            false => found,
        })
    }

    async fn missing(&mut self, named: &Named) -> Result<(), String> {
        if self.is_new(named.at) || !self.expected(named).await? {
            return Ok(());
        }
        self.compared.missing += 1;
        self.told(Found::missing(named)).await
    }

    /// Whether the other system must have it: a client brought it from there, or it was sent there.
    async fn expected(&self, named: &Named) -> Result<bool, String> {
        if named.id.starts_with("captured-") {
            return Ok(true);
        }
        let written = self.app.record.get(named.version).await;
        let actor = &written
            .map_err(|why| why.to_string())?
            .event()
            .actor
            .clone();
        let clients = &self.config.compare_clients;
        Ok(actor.role == Role::Client && (clients.is_empty() || clients.contains(&actor.id)))
    }

    fn is_new(&mut self, at: Time) -> bool {
        let new = self.now.since(at) < self.config.compare_grace_ms;
        self.compared.waiting += u64::from(new);
        new
    }

    /// Whether a message about it may still be on its way. It waits once: what says the same at the
    /// next comparison is told, whatever it says of its age.
    fn is_young(&mut self, found: &Found, resource: &Value) -> bool {
        let grace = self.config.compare_grace_ms;
        let updated = resource
            .pointer("/meta/lastUpdated")
            .and_then(Value::as_str);
        let updated = updated.and_then(|text| text.parse::<jiff::Timestamp>().ok());
        let updated = updated.map(|at| Time::from_millis(at.as_millisecond()));
        let young = |at: Time| self.now.since(at).abs() < grace;
        let young = updated.is_some_and(young) || found.sealed_at.is_some_and(young);
        let name = found.name();
        if !young || self.last.young.get(&name) == Some(&found.mark) {
            return false;
        }
        if self.young.len() < YOUNG_MAX {
            self.compared.waiting +=
                u64::from(self.young.insert(name, found.mark.clone()).is_none());
        }
        true
    }

    /// Seals what was found, unless that was said before.
    async fn told(&mut self, found: Found) -> Result<(), String> {
        let name = found.name();
        self.counted.insert(name.clone());
        if self
            .known
            .get(&name)
            .is_some_and(|known| found.was_told(known))
        {
            return Ok(());
        }
        if self.compared.told >= self.config.compare_named_max {
            self.compared.cut = true;
            return Ok(());
        }
        // Something else was found there before: that is overtaken.
        self.settle(&name).await?;
        found::seal(self, &found).await?;
        self.compared.told += 1;
        Ok(())
    }

    /// It is as it should be: a former difference is gone.
    async fn settle(&mut self, name: &str) -> Result<(), String> {
        if let Some(known) = self.known.remove(name) {
            found::settle(self.app, &known).await?;
            self.compared.settled += 1;
        }
        Ok(())
    }
}
