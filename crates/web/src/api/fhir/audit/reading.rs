//! What a search for AuditEvents asks, as the view takes it: of what Salus saw, and of what other
//! systems tell. Some parameters mean something for one of them alone.

use access::{Filter, HeardFilter, Order, TraceId, What};
use event::Time;
use wire::audit::Site;
use wire::fhir::search::{Modifier, Order as SortOrder, Prefix, Query, Subset, Wanted};
use wire::fhir::{Code, Filter as Asked};

use super::super::door::Door;
use super::super::fault::Fault;
use super::super::query::Pairs;
use super::super::route;
use super::broken;

/// References whose identifier ITI-81 asks for as a chain.
const CHAINED: [&str; 4] = ["agent", "entity", "patient", "source"];

/// ITI-81 writes `entity.identifier=` for the identifier within the AuditEvent, which FHIR R4 writes
/// `entity:identifier=`: its chain would look into another resource.
pub(super) fn unchained(pairs: &Pairs) -> Pairs {
    let one = |(name, value): &(String, String)| {
        let of = name.strip_suffix(".identifier");
        let of = of.filter(|of| CHAINED.contains(of));
        let name = of.map_or_else(|| name.clone(), |of| format!("{of}:identifier"));
        (name, value.clone())
    };
    pairs.iter().map(one).collect()
}

/// A search as the view takes it.
pub(super) struct Reading {
    pub(super) filter: Filter,
    pub(super) heard: HeardFilter,
    pub(super) order: Order,
    pub(super) after: Option<TraceId>,
    /// What was asked can match nothing that Salus saw.
    pub(super) nothing_own: bool,
    /// What was asked can match nothing that others tell.
    pub(super) nothing_heard: bool,
    /// A patient by identifier: system and value.
    pub(super) named: Option<(Option<String>, String)>,
    /// Who tells of what Salus saw.
    source: String,
}

impl Reading {
    pub(super) fn of(query: &Query, site: &Site) -> Result<Reading, Fault> {
        let mut reading = Reading {
            filter: Filter::default(),
            heard: HeardFilter::default(),
            order: Order::Newest,
            after: None,
            nothing_own: false,
            nothing_heard: false,
            named: None,
            source: site.id.clone(),
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

    pub(super) fn nothing(&mut self) {
        self.nothing_own = true;
        self.nothing_heard = true;
    }

    fn narrow(&mut self, asked: &Asked) -> Result<(), Fault> {
        match asked.modifier {
            Modifier::Plain => self.plain(asked),
            Modifier::Identifier => self.named(asked),
            _ => Err(not_offered(&format!(
                "`{}` with this modifier",
                asked.param.code
            ))),
        }
    }

    fn plain(&mut self, asked: &Asked) -> Result<(), Fault> {
        match asked.param.code {
            "_id" => self.id(asked),
            "date" | "_lastUpdated" => self.date(asked),
            "patient" => {
                let (_, id) = one_reference(asked)?;
                self.patients(id);
                Ok(())
            }
            "entity" => self.entity(one_reference(asked)?),
            "agent" => {
                let (_, id) = one_reference(asked)?;
                self.account(id);
                Ok(())
            }
            "agent-name" => self.text(asked, |filter, heard, name| {
                filter.name = Some(name.clone());
                heard.agent_name = Some(name);
            }),
            "address" => self.text(asked, |filter, heard, address| {
                filter.address = Some(address.clone());
                heard.address = Some(address);
            }),
            "action" => self.codes(asked, |what, code| what.did().action() == code),
            "type" => self.codes(asked, is_type),
            "subtype" => self.codes(asked, is_subtype),
            "entity-type" => self.entity_type(asked),
            "entity-role" => self.entity_role(asked),
            "outcome" => self.outcome(asked),
            code => Err(not_offered(&format!("`{code}`"))),
        }
    }

    /// The identifier that stands in the AuditEvent itself.
    fn named(&mut self, asked: &Asked) -> Result<(), Fault> {
        let (system, value) = one_token(asked)?;
        match asked.param.code {
            "agent" => self.account(value),
            "patient" if self.named.is_some() => self.nothing(),
            "patient" => self.named = Some((system, value)),
            "source" => {
                self.nothing_own |= value != self.source;
                self.nothing_heard |= self
                    .heard
                    .source
                    .as_ref()
                    .is_some_and(|other| *other != value);
                self.heard.source = Some(value);
            }
            "entity" => {
                // What Salus touched is named by reference.
                self.nothing_own = true;
                self.nothing_heard |= self
                    .heard
                    .object
                    .as_ref()
                    .is_some_and(|other| *other != value);
                self.heard.object = Some(value);
            }
            code => return Err(not_offered(&format!("`{code}:identifier`"))),
        }
        Ok(())
    }

    fn id(&mut self, asked: &Asked) -> Result<(), Fault> {
        let (_, id) = one_token(asked)?;
        let id = TraceId::parse(&id);
        match id {
            Some(_) => (self.filter.only, self.heard.only) = (id, id),
            None => self.nothing(),
        }
        Ok(())
    }

    fn text(
        &mut self,
        asked: &Asked,
        set: impl Fn(&mut Filter, &mut HeardFilter, String),
    ) -> Result<(), Fault> {
        let [Wanted::Text(text)] = asked.values.as_slice() else {
            return Err(not_offered("several words at once"));
        };
        set(&mut self.filter, &mut self.heard, text.clone());
        Ok(())
    }

    fn date(&mut self, asked: &Asked) -> Result<(), Fault> {
        let [Wanted::Date { prefix, span }] = asked.values.as_slice() else {
            return Err(not_offered(
                "several dates in one parameter, or this `date`,",
            ));
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
        (self.heard.from, self.heard.to) = (self.filter.from, self.filter.to);
        Ok(())
    }

    fn patients(&mut self, id: String) {
        match self.filter.patients.as_slice() {
            [] => self.filter.patients = vec![id],
            [other] if *other == id => {}
            _ => self.nothing(),
        }
    }

    fn entity(&mut self, (kind, id): (Option<String>, String)) -> Result<(), Fault> {
        match kind.as_deref() {
            Some("Patient") => {
                self.patients(id);
                Ok(())
            }
            Some(kind) => {
                // Others name no resources of this server.
                self.nothing_heard = true;
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
            Some(other) if *other != account => self.nothing(),
            _ => {
                self.heard.agent = Some(account.clone());
                self.filter.account = Some(account);
            }
        }
    }

    fn outcome(&mut self, asked: &Asked) -> Result<(), Fault> {
        let (_, code) = one_token(asked)?;
        let allowed = code == "0";
        self.nothing_own |= !matches!(code.as_str(), "0" | "8");
        self.nothing_own |= self.filter.allowed.is_some_and(|other| other != allowed);
        self.filter.allowed = Some(allowed);
        self.nothing_heard |= self
            .heard
            .outcome
            .as_ref()
            .is_some_and(|other| *other != code);
        self.heard.outcome = Some(code);
        Ok(())
    }

    /// What Salus touched is a system object (`2`), and a person (`1`) where it is about a patient.
    fn entity_type(&mut self, asked: &Asked) -> Result<(), Fault> {
        let (_, code) = one_token(asked)?;
        match code.as_str() {
            "1" => self.filter.of_somebody = true,
            "2" => {}
            _ => self.nothing_own = true,
        }
        self.heard.object_kinds.push(code);
        Ok(())
    }

    fn entity_role(&mut self, asked: &Asked) -> Result<(), Fault> {
        let (_, code) = one_token(asked)?;
        let is_query = |what: What| what.did() == wire::audit::Did::Search;
        match code.as_str() {
            "1" => self.filter.of_somebody = true,
            "24" => self.keep(is_query),
            "4" => self.keep(|what| !is_query(what)),
            _ => self.nothing_own = true,
        }
        self.heard.object_roles.push(code);
        Ok(())
    }

    /// Keeps what one of the codes names.
    fn codes(&mut self, asked: &Asked, names: impl Fn(What, &str) -> bool) -> Result<(), Fault> {
        let mut codes = Vec::new();
        for value in &asked.values {
            match value {
                Wanted::Token {
                    code: Some(code), ..
                } => codes.push(code.clone()),
                _ => return Err(not_offered("a system without a code")),
            }
        }
        self.keep(|what| codes.iter().any(|code| names(what, code)));
        let of_heard = match asked.param.code {
            "action" => &mut self.heard.actions,
            "type" => &mut self.heard.codes,
            _ => &mut self.heard.kinds,
        };
        if of_heard.is_empty() {
            *of_heard = codes;
        } else {
            of_heard.retain(|code| codes.contains(code));
            self.nothing_heard |= of_heard.is_empty();
        }
        Ok(())
    }

    fn keep(&mut self, fits: impl Fn(What) -> bool) {
        let all = match self.filter.what.is_empty() {
            true => What::ALL.to_vec(),
            false => std::mem::take(&mut self.filter.what),
        };
        self.filter.what = all.into_iter().filter(|what| fits(*what)).collect();
        self.nothing_own |= self.filter.what.is_empty();
    }

    pub(super) async fn total(&self, door: &Door) -> Result<u64, Fault> {
        let access = &door.app.access;
        let own = match self.nothing_own {
            true => 0,
            false => access.count(&self.filter).await.map_err(broken)?,
        };
        let heard = match self.nothing_heard {
            true => 0,
            false => access.heard_count(&self.heard).await.map_err(broken)?,
        };
        Ok(own + heard)
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
        "{what} is not offered for AuditEvent; there are `_id`, `patient`, `agent`, `entity` (each \
         with `:identifier` too), `source:identifier`, `agent-name`, `address`, `date`, `action`, `type`, \
         `subtype`, `outcome`, `entity-type`, `entity-role`, `_sort=date`, `_count` and `_total`"
    );
    Fault::bad(Code::NotSupported, words)
}
