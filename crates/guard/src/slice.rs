//! One question as Cedar sees it: a request and just the entities that bear on it.

use std::collections::{HashMap, HashSet};

use cedar_policy::{
    Context, Entities, Entity, EntityId, EntityTypeName, EntityUid, Request,
    RequestValidationError, RestrictedExpression, Schema,
};
use event::{Act, Role, Subject, Taking};

use crate::pick::Topics;
use crate::posed::{Patient, Posed, shift};

/// Makes requests in the words of `policies/salus.cedarschema`.
#[derive(Debug)]
pub(crate) struct Slicer {
    schema: Schema,
    names: Names,
    /// What can be done to which kind of thing at all.
    meant: HashMap<Act, HashSet<EntityTypeName>>,
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
        let of = |act| {
            let kinds = names.kinds().into_iter();
            let meant = kinds.filter(|kind| names.is_meant(&schema, (act, kind)));
            (act, meant.cloned().collect())
        };
        let meant = HashMap::from(Act::ALL.map(of));
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

    /// What kind of thing a patient is.
    pub(crate) const fn patients(&self) -> &EntityTypeName {
        &self.names.patient
    }

    /// Whether such a thing can be done to such a subject at all.
    pub(crate) fn is_meant(&self, act: Act, subject: &Subject) -> bool {
        let of_kind = self.meant.get(&act);
        of_kind.is_some_and(|kinds| kinds.contains(self.kind(subject)))
    }

    pub(crate) fn slice(&self, posed: &Posed<'_>) -> Result<(Request, Entities), Unfit> {
        if !self.is_meant(posed.act, posed.subject) {
            return Err(Unfit::Meaningless);
        }
        let asker = self.names.account(posed.account);
        let subject = self.names.subject(posed.subject);
        let entities = self.entities(posed, (&asker, &subject))?;
        let action = self.names.action(posed.act);
        // INVARIANT: the context is as the schema says; every test holds it against that.
        let schema = cfg!(debug_assertions).then_some(&self.schema);
        let request = Request::new(asker, action, subject, context(posed)?, schema);
        Ok((request.map_err(broken)?, entities))
    }

    fn entities(
        &self,
        posed: &Posed<'_>,
        (asker, subject): (&EntityUid, &EntityUid),
    ) -> Result<Entities, Unfit> {
        let mut entities = vec![self.asker(posed, asker.clone())?];
        match (&posed.patient, posed.subject) {
            (Some(patient), _) => {
                entities.push(self.standing(patient, asker.clone(), subject.clone())?);
            }
            (None, Subject::Account(_)) if subject != asker => {
                entities.push(self.stranger(subject.clone())?);
            }
            (None, _) => {}
        }
        Entities::from_entities(entities, None).map_err(broken)
    }

    fn asker(&self, posed: &Posed<'_>, uid: EntityUid) -> Result<Entity, Unfit> {
        let wards = self.names.wards(posed.wards.iter().map(String::as_str));
        let role = self.names.role(posed.role);
        let attributes = HashMap::from([
            ("wards".to_owned(), wards),
            ("shift".to_owned(), text(posed.shift)),
        ]);
        Entity::new(uid, attributes, HashSet::from([role])).map_err(broken)
    }

    fn standing(
        &self,
        patient: &Patient<'_>,
        asker: EntityUid,
        uid: EntityUid,
    ) -> Result<Entity, Unfit> {
        let team = patient
            .team
            .then(|| RestrictedExpression::new_entity_uid(asker));
        let mut attributes: HashMap<String, RestrictedExpression> = patient
            .flags
            .into_iter()
            .map(|(name, flag)| (name.to_owned(), RestrictedExpression::new_bool(flag)))
            .collect();
        let wards = self.names.wards(patient.wards.iter().copied());
        attributes.insert("wards".to_owned(), wards);
        attributes.insert("team".to_owned(), RestrictedExpression::new_set(team));
        attributes.insert("labels".to_owned(), texts(patient.labels));
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

fn context(posed: &Posed<'_>) -> Result<Context, Unfit> {
    let pairs = [
        ("purpose", text(posed.purpose)),
        ("reason", text(posed.reason)),
        ("kinds", texts(posed.kinds)),
        ("uncovered", texts(&posed.uncovered)),
        (
            "stepped_up",
            RestrictedExpression::new_bool(posed.stepped_up),
        ),
        ("verdict", text(posed.verdict)),
        ("own_act", RestrictedExpression::new_bool(posed.own_act)),
        ("taking", taking(&posed.taking)?),
    ];
    let pairs = pairs.map(|(name, value)| (name.to_owned(), value));
    Context::from_pairs(pairs).map_err(broken)
}

fn taking(taking: &Taking) -> Result<RestrictedExpression, Unfit> {
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

fn text(value: &str) -> RestrictedExpression {
    RestrictedExpression::new_string(value.to_owned())
}

fn texts(values: &[String]) -> RestrictedExpression {
    RestrictedExpression::new_set(values.iter().map(|value| text(value)))
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

    fn wards<'a>(&self, codes: impl Iterator<Item = &'a str>) -> RestrictedExpression {
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
