//! One question as Cedar sees it: a request and just the entities that bear on it.

use std::collections::{HashMap, HashSet};

use cedar_policy::{
    Context, Entities, Entity, EntityId, EntityTypeName, EntityUid, Request,
    RequestValidationError, RestrictedExpression, Schema,
};
use event::{Act, Facts, Relation, Role, Subject};

use crate::Ask;
use crate::pick::Topics;
use crate::scopes::{bound, uncovered};

/// Makes requests in the words of `policies/salus.cedarschema`.
#[derive(Debug)]
pub(crate) struct Slicer {
    schema: Schema,
    names: Names,
    /// What can be done to which kind of thing at all.
    meant: HashSet<(Act, EntityTypeName)>,
}

/// Why a question cannot be put to the policies.
#[derive(Debug)]
pub(crate) enum Unfit {
    /// Nothing of this kind can be done to such a thing: no policy could ever allow it.
    Meaningless,
    /// The schema and this file disagree.
    Broken(String),
}

impl Slicer {
    /// # Errors
    /// What is wrong with the schema, in words.
    pub(crate) fn new(schema: Schema) -> Result<Slicer, String> {
        let names = Names::new()?;
        let mut meant = HashSet::new();
        for act in Act::ALL {
            for kind in names.kinds() {
                if names.is_meant(&schema, (act, kind)) {
                    meant.insert((act, kind.clone()));
                }
            }
        }
        Ok(Slicer {
            schema,
            names,
            meant,
        })
    }

    /// Every act, every kind of thing and every role.
    pub(crate) fn topics(&self) -> Topics {
        let names = &self.names;
        Topics {
            acts: Act::ALL.map(|act| (act, names.action(act))).to_vec(),
            kinds: names.kinds().map(Clone::clone).to_vec(),
            roles: Role::ALL.map(|role| (role, names.role(role))).to_vec(),
        }
    }

    /// What kind of thing a subject is.
    pub(crate) const fn kind(&self, subject: &Subject) -> &EntityTypeName {
        match subject {
            Subject::Account(_) => &self.names.account,
            Subject::Feed(_) => &self.names.feed,
            Subject::Kind(_) => &self.names.kind,
            Subject::Patient(_) => &self.names.patient,
            Subject::Record => &self.names.record,
            Subject::Ward(_) => &self.names.ward,
        }
    }

    pub(crate) fn slice(&self, ask: &Ask, facts: &Facts) -> Result<(Request, Entities), Unfit> {
        if !self
            .meant
            .contains(&(ask.act, self.kind(&ask.subject).clone()))
        {
            return Err(Unfit::Meaningless);
        }
        let asker = self.names.account(&ask.identity.actor.id);
        let subject = self.names.subject(&ask.subject);
        let entities = self.entities(ask, facts, (&asker, &subject))?;
        let action = self.names.action(ask.act);
        // INVARIANT: the context is as the schema says; every test holds it against that.
        let schema = cfg!(debug_assertions).then_some(&self.schema);
        let request = Request::new(asker, action, subject, context(ask, facts)?, schema);
        Ok((request.map_err(broken)?, entities))
    }

    fn entities(
        &self,
        ask: &Ask,
        facts: &Facts,
        (asker, subject): (&EntityUid, &EntityUid),
    ) -> Result<Entities, Unfit> {
        let mut entities = vec![self.asker(ask, asker.clone())?];
        match &ask.subject {
            Subject::Patient(_) => {
                entities.push(self.patient((ask, facts), asker.clone(), subject.clone())?);
            }
            Subject::Account(_) if subject != asker => {
                entities.push(self.stranger(subject.clone())?);
            }
            Subject::Account(_)
            | Subject::Feed(_)
            | Subject::Kind(_)
            | Subject::Record
            | Subject::Ward(_) => {}
        }
        Entities::from_entities(entities, None).map_err(broken)
    }

    fn asker(&self, ask: &Ask, uid: EntityUid) -> Result<Entity, Unfit> {
        let wards = self.names.wards(ask.identity.wards.iter());
        let role = self.names.role(ask.identity.role());
        let attributes = HashMap::from([
            ("wards".to_owned(), wards),
            ("shift".to_owned(), text(shift(ask.identity.on_shift))),
        ]);
        Entity::new(uid, attributes, HashSet::from([role])).map_err(broken)
    }

    /// The patient as the asker stands to them.
    fn patient(
        &self,
        (ask, facts): (&Ask, &Facts),
        asker: EntityUid,
        uid: EntityUid,
    ) -> Result<Entity, Unfit> {
        let is = |wanted: fn(&Relation) -> bool| facts.relations.iter().any(wanted);
        let wards = facts
            .relations
            .iter()
            .filter_map(|relation| match relation {
                Relation::Ward(code) => Some(code),
                _ => None,
            });
        let team = is(|one| matches!(one, Relation::CareTeam(_)))
            .then(|| RestrictedExpression::new_entity_uid(asker));
        let flags = [
            (
                "appointment",
                is(|one| matches!(one, Relation::Appointment(_))),
            ),
            ("ordered", is(|one| matches!(one, Relation::Order(_)))),
            ("referred", is(|one| matches!(one, Relation::Referral(_)))),
            ("agreed", says(ask, facts, Answer::Yes)),
            ("refused", says(ask, facts, Answer::No)),
            (
                "vip",
                facts
                    .labels
                    .iter()
                    .any(|label| VIP.contains(&label.as_str())),
            ),
            ("own", facts.own),
            ("glass", facts.glass.is_some()),
        ];
        let mut attributes: HashMap<String, RestrictedExpression> = flags
            .into_iter()
            .map(|(name, flag)| (name.to_owned(), RestrictedExpression::new_bool(flag)))
            .collect();
        attributes.insert("wards".to_owned(), self.names.wards(wards));
        attributes.insert("team".to_owned(), RestrictedExpression::new_set(team));
        attributes.insert("labels".to_owned(), texts(facts.labels.clone()));
        Entity::new(uid, attributes, HashSet::new()).map_err(broken)
    }

    /// An account that is asked about; where it works has no bearing on the question.
    fn stranger(&self, uid: EntityUid) -> Result<Entity, Unfit> {
        let wards = RestrictedExpression::new_set([]);
        let attributes = HashMap::from([
            ("wards".to_owned(), wards),
            ("shift".to_owned(), text(shift(None))),
        ]);
        Entity::new(uid, attributes, HashSet::new()).map_err(broken)
    }
}

/// Security labels of people whom many would like to look up: `CEL` is HL7's, `VIP` that of PV1-16.
const VIP: [&str; 2] = ["CEL", "VIP"];

/// What a patient's consent can say.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Answer {
    Yes,
    No,
}

/// Whether a consent says so of what is asked. A `no` that touches a part of it is a no; a `yes`
/// has to cover all of it.
fn says(ask: &Ask, facts: &Facts, answer: Answer) -> bool {
    let wanted = answer == Answer::Yes;
    let about = facts.consents.iter().filter(|one| one.permits == wanted);
    let mut about =
        about.filter(|one| one.purposes.is_empty() || one.purposes.contains(&ask.purpose));
    about.any(|one| {
        let named = |kind: &String| one.kinds.contains(kind);
        match (one.kinds.is_empty(), answer) {
            (true, _) => true,
            (false, Answer::Yes) => !ask.kinds.is_empty() && ask.kinds.iter().all(named),
            (false, Answer::No) => ask.kinds.is_empty() || ask.kinds.iter().any(named),
        }
    })
}

fn shift(on: Option<bool>) -> String {
    match on {
        Some(true) => "on",
        Some(false) => "off",
        None => "unknown",
    }
    .to_owned()
}

fn context(ask: &Ask, facts: &Facts) -> Result<Context, Unfit> {
    let reason = ask.reason.as_deref().unwrap_or_default().trim().to_owned();
    Context::from_pairs([
        ("purpose".to_owned(), text(ask.purpose.clone())),
        ("reason".to_owned(), text(reason)),
        ("kinds".to_owned(), texts(ask.kinds.clone())),
        ("uncovered".to_owned(), texts(missing(ask))),
        (
            "stepped_up".to_owned(),
            RestrictedExpression::new_bool(ask.identity.stepped_up),
        ),
        ("verdict".to_owned(), text(verdict(ask))),
        (
            "own_act".to_owned(),
            RestrictedExpression::new_bool(facts.own_act),
        ),
        ("taking".to_owned(), taking(facts)?),
    ])
    .map_err(broken)
}

/// How much was taken; where nobody counted, nothing new can be.
fn taking(facts: &Facts) -> Result<RestrictedExpression, Unfit> {
    let taking = facts.taking.unwrap_or_default();
    let number = |name: &str, value: u32| {
        (
            name.to_owned(),
            RestrictedExpression::new_long(i64::from(value)),
        )
    };
    RestrictedExpression::new_record([
        number("hour", taking.patients_hour),
        number("day", taking.patients_day),
        number("ceiling_hour", taking.ceiling_hour),
        number("ceiling_day", taking.ceiling_day),
        (
            "new".to_owned(),
            RestrictedExpression::new_bool(taking.new_patient),
        ),
    ])
    .map_err(broken)
}

/// What a review comes to; "" for anything else.
fn verdict(ask: &Ask) -> String {
    match ask.act {
        Act::Review => ask.detail.clone(),
        _ => String::new(),
    }
}

/// Scopes say something about clients and apps only; for anybody else nothing is covered by them.
fn missing(ask: &Ask) -> Vec<String> {
    match ask.identity.role() {
        _ if bound(ask) => uncovered(ask),
        _ if ask.kinds.is_empty() => vec!["*".to_owned()],
        _ => ask.kinds.clone(),
    }
}

fn text(value: String) -> RestrictedExpression {
    RestrictedExpression::new_string(value)
}

fn texts(values: Vec<String>) -> RestrictedExpression {
    RestrictedExpression::new_set(values.into_iter().map(text))
}

fn broken(error: impl std::fmt::Display) -> Unfit {
    Unfit::Broken(error.to_string())
}

/// The schema's type names, parsed once.
#[derive(Debug)]
struct Names {
    account: EntityTypeName,
    action: EntityTypeName,
    feed: EntityTypeName,
    kind: EntityTypeName,
    patient: EntityTypeName,
    record: EntityTypeName,
    role: EntityTypeName,
    ward: EntityTypeName,
}

impl Names {
    fn new() -> Result<Names, String> {
        let name = |word: &str| {
            word.parse::<EntityTypeName>()
                .map_err(|error| format!("`{word}`: {error}"))
        };
        Ok(Names {
            account: name("Account")?,
            action: name("Action")?,
            feed: name("Feed")?,
            kind: name("Kind")?,
            patient: name("Patient")?,
            record: name("Record")?,
            role: name("Role")?,
            ward: name("Ward")?,
        })
    }

    /// Kinds of things that something can be done to.
    const fn kinds(&self) -> [&EntityTypeName; 6] {
        [
            &self.account,
            &self.feed,
            &self.kind,
            &self.patient,
            &self.record,
            &self.ward,
        ]
    }

    /// Whether the schema knows such an act on such a thing.
    fn is_meant(&self, schema: &Schema, (act, kind): (Act, &EntityTypeName)) -> bool {
        let (asker, subject) = (self.account("any"), uid(kind, "any"));
        let asked = Request::new(
            asker,
            self.action(act),
            subject,
            Context::empty(),
            Some(schema),
        );
        !matches!(
            asked,
            Err(RequestValidationError::UndeclaredAction(_)
                | RequestValidationError::InvalidResourceType(_))
        )
    }

    fn account(&self, id: &str) -> EntityUid {
        uid(&self.account, id)
    }

    fn action(&self, act: Act) -> EntityUid {
        uid(&self.action, act.word())
    }

    fn role(&self, role: Role) -> EntityUid {
        uid(&self.role, role.word())
    }

    fn wards<'a>(&self, codes: impl Iterator<Item = &'a String>) -> RestrictedExpression {
        let wards = codes.map(|code| uid(&self.ward, code));
        RestrictedExpression::new_set(wards.map(RestrictedExpression::new_entity_uid))
    }

    fn subject(&self, subject: &Subject) -> EntityUid {
        match subject {
            Subject::Account(id) => uid(&self.account, id),
            Subject::Feed(name) => uid(&self.feed, name),
            Subject::Kind(kind) => uid(&self.kind, kind),
            Subject::Patient(id) => uid(&self.patient, id),
            Subject::Record => uid(&self.record, "record"),
            Subject::Ward(code) => uid(&self.ward, code),
        }
    }
}

fn uid(kind: &EntityTypeName, id: &str) -> EntityUid {
    EntityUid::from_type_name_and_id(kind.clone(), EntityId::new(id))
}
