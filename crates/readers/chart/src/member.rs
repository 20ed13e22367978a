//! Whether somebody belongs to what a consent names: a care team, a role in a house, an organization.

use std::collections::BTreeSet;

use event::Time;
use serde_json::Value;
use sqlx::{QueryBuilder, Sqlite};

use crate::error::Outcome;
use crate::hash;
use crate::read::Reading;
use crate::store::{self, Row, SELECT};

/// Organizations within each other, at most; a longer chain (or a circle) is cut.
const DEPTH_MAX: usize = 8;
/// Resources with one identifier or of one person that are looked at, at most.
const FOUND_MAX: usize = 64;

/// The kinds of groups that a consent may name.
const GROUPS: [&str; 3] = ["CareTeam", "Organization", "PractitionerRole"];

/// How a Reference names a group: `Organization/1`, or `Organization|NUMBER` where it gives the
/// identifier and says the type.
pub(crate) fn group(reference: &Value) -> Option<String> {
    let text = |name: &str| reference.get(name).and_then(Value::as_str);
    if let Some(to) = text("reference") {
        let (kind, _) = to.split_once('/')?;
        return GROUPS.contains(&kind).then(|| to.to_owned());
    }
    let kind = text("type").filter(|kind| GROUPS.contains(kind))?;
    let number = reference.pointer("/identifier/value")?.as_str()?;
    Some(format!("{kind}|{number}"))
}

/// Whether a name is that of a group.
pub(crate) fn is_group(name: &str) -> bool {
    let kind = name.split(['/', '|']).next().unwrap_or_default();
    GROUPS.contains(&kind)
}

/// Somebody whose groups are looked for, at a moment.
pub(crate) struct Asker<'a> {
    /// How resources name them: `Practitioner/1`, and their number.
    pub(crate) names: &'a [String],
    /// The wards they work on.
    pub(crate) wards: &'a [String],
    pub(crate) now: Time,
}

/// Under which names somebody can be meant who belongs to what they belong to. `asked`: the groups
/// that consents name; teams are looked at only if one is among them.
pub(crate) async fn names(
    reading: &mut Reading,
    asker: &Asker<'_>,
    asked: &[&str],
) -> Outcome<Vec<String>> {
    let mut all: BTreeSet<String> = asker.names.iter().cloned().collect();
    let mut houses = roles(reading, asker, &mut all).await?;
    houses.extend(houses_of_wards(reading, asker.wards).await?);
    around(reading, houses, &mut all).await?;
    let teams: Vec<&str> = asked
        .iter()
        .copied()
        .filter(|name| name.starts_with("CareTeam"))
        .collect();
    for name in teams {
        let member = |team: &Value| is_member(team, &all, asker.now);
        if named(reading, name).await?.iter().any(member) {
            all.insert(name.to_owned());
        }
    }
    Ok(all.into_iter().collect())
}

/// Their roles in houses, and these houses.
async fn roles(
    reading: &mut Reading,
    asker: &Asker<'_>,
    all: &mut BTreeSet<String>,
) -> Outcome<Vec<String>> {
    let mut houses = Vec::new();
    for name in asker.names {
        let Some(id) = name.strip_prefix("Practitioner/") else {
            continue;
        };
        let found = by_key(reading, ("PractitionerRole", "practitioner", id)).await?;
        for (row, role) in found {
            let theirs = reference(&role, "/practitioner") == Some(name);
            if theirs && holds(&role, asker.now) {
                all.insert(format!("PractitionerRole/{}", row.id));
                all.extend(numbers(&role, "PractitionerRole"));
                houses.extend(reference(&role, "/organization").map(str::to_owned));
            }
        }
    }
    Ok(houses)
}

/// The organizations that run some wards.
async fn houses_of_wards(reading: &mut Reading, wards: &[String]) -> Outcome<Vec<String>> {
    let places = reading.known.places.clone();
    let ids = wards.iter().flat_map(|code| places.ids_of_ward(code));
    let asked: Vec<(String, String)> = ids.map(|id| ("Location".to_owned(), id)).collect();
    let locations = read(reading, &asked).await?;
    let houses = locations.iter();
    Ok(houses
        .filter_map(|place| reference(place, "/managingOrganization").map(str::to_owned))
        .collect())
}

/// The houses, and those around them.
async fn around(
    reading: &mut Reading,
    mut houses: Vec<String>,
    all: &mut BTreeSet<String>,
) -> Outcome<()> {
    for _ in 0..DEPTH_MAX {
        houses.retain(|house| all.insert(house.clone()));
        if houses.is_empty() {
            return Ok(());
        }
        let asked: Vec<(String, String)> = houses
            .iter()
            .filter_map(|house| house.split_once('/'))
            .map(|(kind, id)| (kind.to_owned(), id.to_owned()))
            .collect();
        let found = read(reading, &asked).await?;
        all.extend(
            found
                .iter()
                .flat_map(|house| numbers(house, "Organization")),
        );
        let outer = found.iter().filter_map(|house| reference(house, "/partOf"));
        houses = outer.map(str::to_owned).collect();
    }
    Ok(())
}

/// The resources that a name means: one by its id, or those with an identifier.
async fn named(reading: &mut Reading, name: &str) -> Outcome<Vec<Value>> {
    if let Some((kind, id)) = name.split_once('/') {
        return read(reading, &[(kind.to_owned(), id.to_owned())]).await;
    }
    let Some((kind, number)) = name.split_once('|') else {
        return Ok(Vec::new());
    };
    let found = by_key(reading, (kind, "identifier", number)).await?;
    let with = found.into_iter().map(|(_, value)| value);
    Ok(with
        .filter(|value| numbers(value, kind).any(|one| one == name))
        .collect())
}

async fn read(reading: &mut Reading, asked: &[(String, String)]) -> Outcome<Vec<Value>> {
    let rows: Vec<Row> = reading.current(asked).await?.into_values().collect();
    Ok(reading.values(&rows).await?.into_iter().flatten().collect())
}

/// The current resources of a type with a value; some may have another with the same number.
async fn by_key(
    reading: &mut Reading,
    (kind, param, value): (&str, &str, &str),
) -> Outcome<Vec<(Row, Value)>> {
    let Some(number) = reading.known.words.number(kind) else {
        return Ok(Vec::new());
    };
    let mut query = QueryBuilder::<Sqlite>::new(SELECT);
    query
        .push("JOIN term t ON t.rid = v.rid WHERE t.key = ")
        .push_bind(hash::key(kind, param, value))
        .push(" AND v.next = 0 AND v.flags IN (0, 2) AND v.kind = ")
        .push_bind(number)
        .push(" LIMIT ")
        .push_bind(i64::try_from(FOUND_MAX).unwrap_or(i64::MAX));
    let rows = store::fetch(&mut reading.from, query).await?;
    let values = reading.values(&rows).await?;
    let both = rows.into_iter().zip(values);
    Ok(both
        .filter_map(|(row, value)| Some((row, value?)))
        .collect())
}

/// Whether a team is at work and one of its members is, or holds, one of these.
fn is_member(team: &Value, names: &BTreeSet<String>, now: Time) -> bool {
    let status = team.get("status").and_then(Value::as_str);
    let at_work = status.is_none_or(|status| status == "active") && within(team, now);
    let members = team.get("participant").and_then(Value::as_array);
    at_work
        && members.into_iter().flatten().any(|one| {
            let member = reference(one, "/member");
            let number = one
                .pointer("/member/identifier/value")
                .and_then(Value::as_str);
            let known = |name: &str| names.contains(name);
            within(one, now) && (member.is_some_and(known) || number.is_some_and(known))
        })
}

fn holds(role: &Value, now: Time) -> bool {
    role.get("active") != Some(&Value::Bool(false)) && within(role, now)
}

/// Whether a moment lies in a resource's period; one that says none holds always.
fn within(one: &Value, now: Time) -> bool {
    let span = |path: &str| wire::fhir::search::span_of(one.pointer(path)?.as_str()?);
    let begun = span("/period/start").is_none_or(|start| start.lo_ms <= now.millis());
    begun && span("/period/end").is_none_or(|end| now.millis() < end.hi_ms)
}

fn reference<'v>(value: &'v Value, path: &str) -> Option<&'v str> {
    value.pointer(path)?.get("reference")?.as_str()
}

fn numbers(value: &Value, kind: &str) -> impl Iterator<Item = String> {
    let all = value.get("identifier").and_then(Value::as_array);
    let values = all.into_iter().flatten();
    values
        .filter_map(|one| one.get("value")?.as_str())
        .map(move |number| format!("{kind}|{number}"))
}
