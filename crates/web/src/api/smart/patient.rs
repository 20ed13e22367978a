//! Which patient an app is opened for: the person's own list, cut down to charts they may open.

use chart::Open;
use event::{Act, Subject};
use guard::Ask;

use super::asked::Asked;
use super::scope::has;
use crate::api::fhir::query;
use crate::error::Problem;
use crate::pages::patients::census::{self, Typed};
use crate::pages::visit::Visit;

use super::view::{Choice, ChoicePage};
use crate::pages::shell::Here;

/// What of a patient an app's page says.
#[derive(Debug, Clone)]
pub(crate) struct Chosen {
    pub(crate) id: String,
    pub(crate) name: String,
    /// The visit they are here for, if the app asks for it and there is exactly one.
    pub(crate) encounter: Option<String>,
}

/// The question whether the person may open this patient's chart in an app.
pub(crate) fn opening(visit: &Visit, asked: &Asked, patient: &str) -> Ask {
    let mut ask = visit.ask(Act::Read, Subject::Patient(patient.to_owned()));
    ask.detail = format!("opened in the app {}", asked.client);
    ask
}

/// The patient, if the person may open their chart: asked of the guard and sealed.
pub(crate) async fn chosen(visit: &Visit, asked: &Asked, id: &str) -> Result<Chosen, Problem> {
    let id = visit
        .app
        .chart
        .survivor(id)
        .await?
        .unwrap_or_else(|| id.to_owned());
    let permit = visit
        .permit("this chart", opening(visit, asked, &id))
        .await?;
    let open = visit.app.chart.open_with(permit);
    let stored = open.read("Patient", &id).await?;
    let stored = stored.filter(|stored| !stored.deleted);
    let stored = stored.ok_or_else(|| Problem::Missing("patient at this address".to_owned()))?;
    let name = serde_json::from_slice(&stored.json)
        .ok()
        .and_then(|patient| name(&patient));
    let encounter = match has(&asked.scopes, "launch/encounter") {
        true => current(&open, &id).await?,
        false => None,
    };
    Ok(Chosen {
        encounter,
        name: name.unwrap_or_else(|| "Name: no evidence".to_owned()),
        id,
    })
}

/// The one visit that is going on.
async fn current(open: &Open, patient: &str) -> Result<Option<String>, Problem> {
    let asked = [("patient", patient), ("status", "in-progress")];
    let asked = asked.map(|(name, value)| (name.to_owned(), value.to_owned()));
    let limits = wire::fhir::search::QueryLimits::default();
    let Ok(query) = wire::fhir::query("Encounter", &asked, &limits) else {
        return Ok(None);
    };
    let found = open.matching(&query).await?;
    Ok(<[String; 1]>::try_from(found).ok().map(|[only]| only))
}

fn name(patient: &serde_json::Value) -> Option<String> {
    let name = patient.get("name")?.get(0)?;
    if let Some(text) = name.get("text").and_then(|text| text.as_str()) {
        return Some(text.to_owned());
    }
    let given = name.get("given").and_then(|given| given.as_array());
    let given = given.into_iter().flatten().filter_map(|one| one.as_str());
    let family = name.get("family").and_then(|family| family.as_str());
    let parts: Vec<&str> = given.chain(family).collect();
    (!parts.is_empty()).then(|| parts.join(" "))
}

/// The page on which the person chooses.
pub(crate) async fn choices(
    visit: &Visit,
    asked: &Asked,
    typed: &Typed,
) -> Result<ChoicePage, Problem> {
    let mut choices = Vec::new();
    for list in census::lists(visit, typed).await? {
        for row in list.rows {
            let may = visit
                .decide(opening(visit, asked, &row.id))
                .await?
                .allowed();
            if may && !choices.iter().any(|one: &Choice| one.id == row.id) {
                choices.push(Choice {
                    href: href(visit, asked, &row.id),
                    id: row.id,
                    name: row.name,
                    born: row.born,
                    place: format!("{} {}", row.ward, row.place).trim().to_owned(),
                });
            }
        }
    }
    Ok(ChoicePage {
        shell: visit.shell("Choose a patient", Here::Nowhere),
        app: asked.name.clone(),
        fields: asked.fields(&visit.app),
        typed: typed.name.clone(),
        choices,
    })
}

fn href(visit: &Visit, asked: &Asked, patient: &str) -> String {
    let mut fields = asked.fields(&visit.app);
    fields.push(("patient".to_owned(), patient.to_owned()));
    format!("/oauth/authorize?{}", query::text(&fields))
}
