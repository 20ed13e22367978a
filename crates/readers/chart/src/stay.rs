//! Who is where now, and who looks after them.

use std::collections::{BTreeMap, HashMap};

use event::Time;
use guard::{Facts, Identity, Relation};
use sqlx::{QueryBuilder, Sqlite, SqliteConnection};

use crate::ChartError;
use crate::around;
use crate::chart::{Chart, WardCount};
use crate::error::Outcome;
use crate::fold::Known;
use crate::hash;
use crate::member::{self, Asker};
use crate::place::Spot;
use crate::read::Reading;
use crate::store::{self, SELECT, list};

/// One current or expected encounter.
#[derive(Debug, Clone)]
pub(crate) struct Stay {
    /// The patient it was recorded for.
    pub(crate) patient: String,
    pub(crate) expected: bool,
    pub(crate) spot: Spot,
    pub(crate) since: Option<String>,
    pub(crate) people: Vec<Person>,
}

/// Somebody named on an encounter.
#[derive(Debug, Clone)]
pub(crate) struct Person {
    /// `ATND`, `REF` ...
    pub(crate) role: String,
    /// `Practitioner/1`, or an identifier.
    pub(crate) reference: String,
    pub(crate) name: Option<String>,
}

/// A row of the table `stay`: patient, expected, place, since, people.
type StayRow = (String, i64, Option<String>, Option<String>, String);

const STAYS: &str = "SELECT p.id, s.expected, s.place, s.since, s.people
 FROM stay s JOIN patient p ON p.pid = s.patient ";

impl Stay {
    fn of_row(row: StayRow, known: &Known) -> Stay {
        let (patient, expected, place, since, people) = row;
        let people: Vec<(String, String, Option<String>)> =
            serde_json::from_str(&people).unwrap_or_default();
        let people = people.into_iter();
        Stay {
            patient,
            expected: expected != 0,
            spot: place.map(|id| known.places.spot(&id)).unwrap_or_default(),
            since,
            people: people
                .map(|(role, reference, name)| Person {
                    role,
                    reference,
                    name,
                })
                .collect(),
        }
    }

    /// Who is responsible: the attending, else whoever admitted, else the first that is named.
    pub(crate) fn attending(&self) -> Option<&Person> {
        let with = |role: &str| self.people.iter().find(|person| person.role == role);
        with("ATND")
            .or_else(|| with("PPRF"))
            .or_else(|| with("ADM"))
            .or_else(|| self.people.first())
    }
}

/// The stays of some patients; those who are here come first, the newest first.
pub(crate) async fn of_patients(
    from: &mut SqliteConnection,
    known: &Known,
    ids: &[String],
) -> Outcome<Vec<Stay>> {
    let mut stays = Vec::new();
    for ids in ids.chunks(64) {
        let mut query = QueryBuilder::<Sqlite>::new(STAYS);
        query.push("WHERE p.id IN (");
        list(&mut query, ids.iter().map(String::as_str));
        query.push(" ORDER BY s.expected, s.since DESC, s.encounter");
        stays.extend(read(from, query, known).await?);
    }
    Ok(stays)
}

/// Every stay.
pub(crate) async fn all(from: &mut SqliteConnection, known: &Known) -> Outcome<Vec<Stay>> {
    let mut query = QueryBuilder::<Sqlite>::new(STAYS);
    query.push("WHERE s.place IS NOT NULL ORDER BY s.expected, s.since DESC, s.encounter");
    read(from, query, known).await
}

/// Patients who are somewhere in the house now, at most so many; not who is only expected.
pub(crate) async fn in_house(from: &mut SqliteConnection, most: usize) -> Outcome<Vec<String>> {
    let sql = "SELECT p.id FROM stay s JOIN patient p ON p.pid = s.patient \
               WHERE s.expected = 0 AND s.place IS NOT NULL LIMIT $1";
    sqlx::query_scalar(sql)
        .bind(i64::try_from(most).unwrap_or(i64::MAX))
        .fetch_all(from)
        .await
        .map_err(ChartError::broken("read who is in house"))
}

async fn read(
    from: &mut SqliteConnection,
    mut query: QueryBuilder<Sqlite>,
    known: &Known,
) -> Outcome<Vec<Stay>> {
    let rows: Vec<StayRow> = query
        .build_query_as()
        .fetch_all(from)
        .await
        .map_err(ChartError::broken("read who is where"))?;
    Ok(rows
        .into_iter()
        .map(|row| Stay::of_row(row, known))
        .collect())
}

impl Chart {
    /// What bears on a question of somebody about a patient: what connects the two (a ward, an
    /// encounter, an appointment, an order, a referral), what the patient consented to, and the
    /// security labels in the chart.
    ///
    /// # Errors
    /// [`ChartError::Broken`].
    pub async fn facts(&self, identity: &Identity, patient: &str, now: Time) -> Outcome<Facts> {
        let mut reading = Reading::begin(self).await?;
        let known = reading.known.clone();
        let family = known.aliases.family(patient);
        // A stay connects by its ward or by who is named on it: a system has neither.
        let connected = !identity.wards.is_empty() || identity.practitioner.is_some();
        let stays = match connected {
            true => of_patients(&mut reading.from, &known, &family).await?,
            false => Vec::new(),
        };
        let mut relations = Vec::new();
        for stay in &stays {
            let ward = stay.spot.ward.as_ref();
            let own = ward.filter(|ward| identity.wards.contains(ward));
            relations.extend(own.map(|ward| Relation::Ward(ward.clone())));
        }
        let around = around::of(&mut reading.from, &family).await?;
        let named = around.names_people() || stays.iter().any(|stay| !stay.people.is_empty());
        let names = match identity.practitioner.as_deref() {
            Some(number) if named => named_by(&mut reading, number).await?,
            Some(_) | None => Vec::new(),
        };
        let people = stays.iter().flat_map(|stay| &stay.people);
        let own = people.filter(|person| names.contains(&person.reference));
        relations.extend(own.map(|person| Relation::CareTeam(person.role.clone())));
        relations.extend(around.relations(&names, now));
        let groups = around.groups();
        let meant = match groups.is_empty() {
            true => names,
            false => {
                let asker = Asker {
                    names: &names,
                    wards: &identity.wards,
                    now,
                };
                member::names(&mut reading, &asker, &groups).await?
            }
        };
        let mut facts = Facts {
            consents: around.consents(&meant, identity.role().word(), now),
            labels: around.labels,
            ..Facts::default()
        };
        for relation in relations {
            if !facts.relations.contains(&relation) {
                facts.relations.push(relation);
            }
        }
        Ok(facts)
    }

    /// Every ward with how many patients it has, by code.
    ///
    /// # Errors
    /// [`ChartError::Broken`].
    pub async fn wards(&self) -> Outcome<Vec<WardCount>> {
        let mut reading = Reading::begin(self).await?;
        let known = reading.known.clone();
        let mut wards: BTreeMap<String, WardCount> = BTreeMap::new();
        for (code, name) in known.places.wards() {
            count_of(&mut wards, code).name = name.map(str::to_owned);
        }
        let stays = all(&mut reading.from, &known).await?;
        for ((ward, _), expected) in one_each(&stays, &known) {
            let count = count_of(&mut wards, ward);
            if expected {
                count.expected += 1;
            } else {
                count.patients += 1;
            }
        }
        Ok(wards.into_values().collect())
    }
}

fn count_of<'w>(wards: &'w mut BTreeMap<String, WardCount>, code: &str) -> &'w mut WardCount {
    wards.entry(code.to_owned()).or_insert_with(|| WardCount {
        code: code.to_owned(),
        name: None,
        patients: 0,
        expected: 0,
    })
}

/// Each patient once a ward, and whether they are expected only.
fn one_each<'s>(stays: &'s [Stay], known: &'s Known) -> BTreeMap<(&'s str, &'s str), bool> {
    let mut each = BTreeMap::new();
    for stay in stays {
        let Some(ward) = stay.spot.ward.as_deref() else {
            continue;
        };
        let patient = known.aliases.survivor(&stay.patient);
        let expected = each.entry((ward, patient)).or_insert(true);
        *expected = *expected && stay.expected;
    }
    each
}

/// How an encounter may name the practitioner with this number: by reference, or by the number.
async fn named_by(reading: &mut Reading, number: &str) -> Outcome<Vec<String>> {
    let mut names = vec![number.to_owned()];
    let Some(kind) = reading.known.words.number("Practitioner") else {
        return Ok(names);
    };
    let mut query = QueryBuilder::<Sqlite>::new(SELECT);
    query
        .push("JOIN term t ON t.rid = v.rid WHERE t.key = ")
        .push_bind(hash::key("Practitioner", "identifier", number))
        .push(" AND v.next = 0 AND v.flags IN (0, 2) AND v.kind = ")
        .push_bind(kind)
        .push(" LIMIT 64");
    let rows = store::fetch(&mut reading.from, query).await?;
    let values = reading.values(&rows).await?;
    for (row, value) in rows.iter().zip(values) {
        let identifiers = value
            .as_ref()
            .and_then(|value| value.get("identifier")?.as_array());
        let mut values = identifiers
            .into_iter()
            .flatten()
            .filter_map(|one| one.get("value")?.as_str());
        if values.any(|value| value == number) {
            names.push(format!("Practitioner/{}", row.id));
        }
    }
    Ok(names)
}

/// Names of the people that encounters name by reference only.
pub(crate) async fn names_of(
    reading: &mut Reading,
    people: impl Iterator<Item = &Person>,
) -> Outcome<HashMap<String, String>> {
    let unnamed = people.filter(|person| person.name.is_none());
    let names: Vec<(String, String)> = unnamed
        .filter_map(|person| person.reference.split_once('/'))
        .map(|(kind, id)| (kind.to_owned(), id.to_owned()))
        .collect();
    let found = reading.current(&names).await?;
    let (keys, rows): (Vec<_>, Vec<_>) = found.into_iter().unzip();
    let values = reading.values(&rows).await?;
    let both = keys.into_iter().zip(values);
    Ok(both
        .filter_map(|((kind, id), value)| {
            let name = crate::words_of::name(&value?)?;
            Some((format!("{kind}/{id}"), name))
        })
        .collect())
}
