//! `AuditEvent`: the sealed decisions, writes and sessions in FHIR's form (IHE BALP 1.1).
//!
//! They are made from what is sealed whenever they are asked for; nobody writes them. What
//! clients send as AuditEvents of their own is kept and read like any other resource, but a search
//! answers with what Salus itself saw.

use access::{Filter, Order, Page, Trace, TraceId, What, audited};
use event::{Act, Subject, Time};
use guard::Identity;
use wire::audit::{Site, audit_event};
use wire::fhir::search::{Modifier, Order as SortOrder, Prefix, Query, Subset, Total, Wanted};
use wire::fhir::{Code, Filter as Asked};

use super::answer::Answer;
use super::door::{Door, Question};
use super::fault::Fault;
use super::history::url;
use super::json::{self, Head, quoted};
use super::query::{self, Pairs};
use super::route::{self, Target};
use crate::App;

/// The type.
pub(crate) const KIND: &str = "AuditEvent";

/// The id of an event that Salus itself saw, if the target is one.
pub(crate) fn own(target: &Target) -> Option<TraceId> {
    (target.kind == KIND)
        .then(|| TraceId::parse(&target.id))
        .flatten()
}

/// Who tells of it.
pub(crate) fn site(app: &App) -> Site {
    let key = app.record.public_key();
    Site {
        id: key.split('+').next().unwrap_or_default().to_owned(),
        url: app.settings.fhir_base.clone(),
    }
}

/// One event.
///
/// # Errors
/// 403 for what may not be seen, 404 for what is not there.
pub(crate) async fn read(
    door: &Door,
    who: &Identity,
    (target, id): (&Target, TraceId),
) -> Result<Answer, Fault> {
    fresh(door).await?;
    let trace = door.app.access.trace(id).await.map_err(broken)?;
    let patient = trace.as_ref().and_then(|trace| trace.patient.clone());
    let detail = format!("{KIND}/{}", target.id);
    permit(door, who, (patient, detail)).await?;
    let trace = trace.ok_or_else(|| Fault::absent(target.kind, &target.id))?;
    let event = audit_event(&audited(&trace, &site(&door.app), ""));
    Ok(Answer::body(event.to_string().into_bytes()))
}

/// One page of what matches.
///
/// # Errors
/// 400 for a parameter that is unknown or not offered, 403 for what may not be asked.
pub(crate) async fn search(door: &Door, who: &Identity, pairs: &Pairs) -> Result<Answer, Fault> {
    let query = door.query_of(KIND, pairs)?;
    let mut wanted = Reading::of(&query)?;
    let patient = wanted.patient(door).await?;
    let detail = format!("{KIND}?{}", query::text(pairs));
    permit(door, who, (patient, detail)).await?;
    fresh(door).await?;
    let settings = &door.app.settings;
    let count = query.count.unwrap_or(settings.page_size);
    let page = Page {
        after: wanted.after,
        rows: count.clamp(1, settings.page_size_max),
        order: wanted.order,
    };
    let total = match query.total == Total::Accurate || count == 0 {
        true => Some(wanted.total(door).await?),
        false => None,
    };
    let listing = match wanted.nothing || count == 0 {
        true => (Vec::new(), None),
        false => {
            let listing = door.app.access.traces(&wanted.filter, page).await;
            let listing = listing.map_err(broken)?;
            (listing.rows, listing.next)
        }
    };
    Ok(Answer::body(bundle(door, &query, (total, listing))))
}

/// Leave to look at who looked: sealed, like every look.
async fn permit(
    door: &Door,
    who: &Identity,
    (patient, detail): (Option<String>, String),
) -> Result<(), Fault> {
    let question = Question {
        act: Act::Audit,
        subject: patient.map_or(Subject::Record, Subject::Patient),
        kinds: vec![KIND.to_owned()],
        detail,
    };
    let permit = door.permit(who, question, None).await?;
    // The trail is not searched by the chart, which holds narrowed scopes: nothing is shown to one.
    let narrowed = match guard::seen(permit.ask(), KIND) {
        guard::Seen::All => false,
        guard::Seen::Parts(parts) => parts.iter().any(|part| !part.narrowed.is_empty()),
    };
    match narrowed {
        true => Err(Fault::beyond_scopes()),
        false => Ok(()),
    }
}

/// Waits until everything sealed so far is in the view, so that one's own look is found.
async fn fresh(door: &Door) -> Result<(), Fault> {
    let wait = std::time::Duration::from_millis(door.app.settings.chart_wait_ms);
    let size = door.app.record.size();
    match door.app.access.caught_up(size, wait).await {
        true => Ok(()),
        false => Err(Fault::later(
            "the audit view does not show yet what was sealed before; ask again in a second",
        )),
    }
}

/// A search as the view takes it.
struct Reading {
    filter: Filter,
    order: Order,
    after: Option<TraceId>,
    /// What was asked can match nothing.
    nothing: bool,
}

impl Reading {
    fn of(query: &Query) -> Result<Reading, Fault> {
        let mut reading = Reading {
            filter: Filter::default(),
            order: Order::Newest,
            after: None,
            nothing: false,
        };
        if !query.includes.is_empty() || !query.revincludes.is_empty() {
            return Err(not_offered("`_include` and `_revinclude`"));
        }
        if !query.linked.is_empty() || query.subset != Subset::Whole {
            return Err(not_offered("a chain, `_has`, `_elements` and `_summary`"));
        }
        for asked in &query.filters {
            reading.narrow(asked)?;
        }
        reading.sort(query)?;
        if let Some(token) = &query.page {
            let after = TraceId::parse(token);
            let bad = || {
                Fault::bad(
                    Code::Value,
                    format!("`_page={token}` is no page of a search here"),
                )
            };
            reading.after = Some(after.ok_or_else(bad)?);
        }
        Ok(reading)
    }

    fn sort(&mut self, query: &Query) -> Result<(), Fault> {
        for sort in &query.sort {
            if !matches!(sort.param.code, "date" | "_lastUpdated") || query.sort.len() > 1 {
                return Err(not_offered("`_sort` by anything but `date`"));
            }
            self.order = match sort.order {
                SortOrder::Ascending => Order::Oldest,
                SortOrder::Descending => Order::Newest,
            };
        }
        Ok(())
    }

    fn narrow(&mut self, asked: &Asked) -> Result<(), Fault> {
        let plain = asked.modifier == Modifier::Plain;
        let named = asked.modifier == Modifier::Identifier;
        match asked.param.code {
            "_id" if plain => self.id(asked),
            "date" | "_lastUpdated" if plain => self.date(asked),
            "patient" if plain => self.patients(one_reference(asked)?.1),
            "entity" if plain => self.entity(one_reference(asked)?),
            "agent" if plain => {
                let (_, id) = one_reference(asked)?;
                self.account(id);
                Ok(())
            }
            "agent" if named => {
                let (_, code) = one_token(asked)?;
                self.account(code);
                Ok(())
            }
            "agent-name" if plain => {
                let name = match asked.values.as_slice() {
                    [Wanted::Text(name)] => name.clone(),
                    _ => return Err(not_offered("several names at once")),
                };
                self.filter.name = Some(name);
                Ok(())
            }
            "action" if plain => self.codes(asked, |what, code| what.did().action() == code),
            "type" if plain => self.codes(asked, is_type),
            "subtype" if plain => self.codes(asked, is_subtype),
            "outcome" if plain => self.outcome(asked),
            code => Err(not_offered(&format!(
                "`{code}` with this modifier, or at all,"
            ))),
        }
    }

    fn id(&mut self, asked: &Asked) -> Result<(), Fault> {
        let (_, id) = one_token(asked)?;
        match TraceId::parse(&id) {
            Some(id) => self.filter.only = Some(id),
            None => self.nothing = true,
        }
        Ok(())
    }

    fn date(&mut self, asked: &Asked) -> Result<(), Fault> {
        for value in &asked.values {
            let Wanted::Date { prefix, span } = value else {
                return Err(not_offered("this `date`"));
            };
            let (from, to) = match prefix {
                Prefix::Eq => (Some(span.lo_ms), Some(span.hi_ms)),
                Prefix::Ge => (Some(span.lo_ms), None),
                Prefix::Gt | Prefix::Sa => (Some(span.hi_ms), None),
                Prefix::Le => (None, Some(span.hi_ms)),
                Prefix::Lt | Prefix::Eb => (None, Some(span.lo_ms)),
                Prefix::Ne | Prefix::Ap => return Err(not_offered("`date` with `ne` or `ap`")),
            };
            self.filter.from = self.filter.from.max(from.map(Time::from_millis));
            let to = to.map(Time::from_millis);
            self.filter.to = match (self.filter.to, to) {
                (Some(one), Some(other)) => Some(one.min(other)),
                (one, other) => one.or(other),
            };
        }
        match asked.values.len() {
            1 => Ok(()),
            _ => Err(not_offered("several dates in one parameter")),
        }
    }

    fn patients(&mut self, id: String) -> Result<(), Fault> {
        match self.filter.patients.as_slice() {
            [] => self.filter.patients = vec![id],
            [other] if *other == id => {}
            _ => self.nothing = true,
        }
        Ok(())
    }

    fn entity(&mut self, (kind, id): (Option<String>, String)) -> Result<(), Fault> {
        match kind.as_deref() {
            Some("Patient") => self.patients(id),
            Some(kind) => {
                self.filter.detail = Some(format!("{kind}/{id}"));
                Ok(())
            }
            None => Err(Fault::bad(
                Code::Value,
                format!("`entity={id}` does not say of which type; write `entity=Patient/{id}`"),
            )),
        }
    }

    fn account(&mut self, account: String) {
        match &self.filter.account {
            Some(other) if *other != account => self.nothing = true,
            _ => self.filter.account = Some(account),
        }
    }

    fn outcome(&mut self, asked: &Asked) -> Result<(), Fault> {
        let (_, code) = one_token(asked)?;
        let allowed = code == "0";
        self.nothing |= !matches!(code.as_str(), "0" | "8");
        self.nothing |= self.filter.allowed.is_some_and(|other| other != allowed);
        self.filter.allowed = Some(allowed);
        Ok(())
    }

    /// Keeps what one of the codes names.
    fn codes(&mut self, asked: &Asked, names: impl Fn(What, &str) -> bool) -> Result<(), Fault> {
        let mut codes = Vec::new();
        for value in &asked.values {
            match value {
                Wanted::Token {
                    code: Some(code), ..
                } => codes.push(code.as_str()),
                _ => return Err(not_offered("a system without a code")),
            }
        }
        let all = match self.filter.what.is_empty() {
            true => What::ALL.to_vec(),
            false => std::mem::take(&mut self.filter.what),
        };
        let fits = |what: &What| codes.iter().any(|code| names(*what, code));
        self.filter.what = all.into_iter().filter(fits).collect();
        self.nothing |= self.filter.what.is_empty();
        Ok(())
    }

    /// The one patient that it is about, with who was merged into them from here on.
    async fn patient(&mut self, door: &Door) -> Result<Option<String>, Fault> {
        let [id] = self.filter.patients.as_slice() else {
            return Ok(None);
        };
        let survivor = door.app.chart.survivor(id).await?;
        let id = survivor.unwrap_or_else(|| id.clone());
        self.filter.patients = door.app.chart.family(&id);
        Ok(Some(id))
    }

    async fn total(&self, door: &Door) -> Result<u64, Fault> {
        match self.nothing {
            true => Ok(0),
            false => door.app.access.count(&self.filter).await.map_err(broken),
        }
    }
}

fn is_type(what: What, code: &str) -> bool {
    match what.did().rest() {
        Some(_) => code == "rest",
        None => what.did().dicom().code == code,
    }
}

fn is_subtype(what: What, code: &str) -> bool {
    let of = what.did().rest().or(what.did().dicom_type());
    of.is_some_and(|of| of.code == code)
}

fn one_reference(asked: &Asked) -> Result<(Option<String>, String), Fault> {
    match asked.values.as_slice() {
        [Wanted::Reference { kind, id }] if route::is_id(id) => Ok((kind.clone(), id.clone())),
        [Wanted::Reference { id, .. }] => {
            Err(Fault::bad(Code::Value, format!("`{id}` is not an id")))
        }
        _ => Err(not_offered("several references in one parameter")),
    }
}

fn one_token(asked: &Asked) -> Result<(Option<String>, String), Fault> {
    match asked.values.as_slice() {
        [
            Wanted::Token {
                system,
                code: Some(code),
            },
        ] => Ok((system.clone(), code.clone())),
        [Wanted::Text(text) | Wanted::Uri(text)] => Ok((None, text.clone())),
        _ => Err(not_offered("several codes in this parameter")),
    }
}

fn not_offered(what: &str) -> Fault {
    let words = format!(
        "{what} is not offered for AuditEvent; there are `_id`, `patient`, `agent`, \
         `agent:identifier`, `agent-name`, `date`, `action`, `type`, `subtype`, `outcome`, \
         `entity`, `_sort=date`, `_count` and `_total`"
    );
    Fault::bad(Code::NotSupported, words)
}

fn bundle(
    door: &Door,
    query: &Query,
    (total, (rows, next)): (Option<u64>, (Vec<Trace>, Option<TraceId>)),
) -> Vec<u8> {
    let base = &door.app.settings.fhir_base;
    let mut pairs = query.pairs.clone();
    let mut links = vec![("self", url(base, KIND, &pairs))];
    if let Some(next) = next {
        pairs.retain(|(name, _)| name != "_page");
        pairs.push(("_page".to_owned(), next.to_string()));
        links.push(("next", url(base, KIND, &pairs)));
    }
    let head = Head {
        kind: "searchset",
        total,
        links,
    };
    let site = site(&door.app);
    json::bundle(&head, &rows, |trace, out| {
        let event = audit_event(&audited(trace, &site, ""));
        let full_url = quoted(&format!("{base}/{KIND}/{}", trace.id));
        out.extend_from_slice(format!("{{\"fullUrl\":{full_url},\"resource\":").as_bytes());
        out.extend_from_slice(event.to_string().as_bytes());
        out.extend_from_slice(b",\"search\":{\"mode\":\"match\"}}");
    })
}

fn broken(error: access::Error) -> Fault {
    Fault::ours(&error)
}
