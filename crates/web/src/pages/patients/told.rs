//! From the chart's words to the page's. Pure; nothing is invented: what is missing stays missing.

use super::checks::Checks;
use super::view::{ChartPage, Identity, Imaged, Item, Merged};
use crate::pages::shell::Shell;
use crate::pages::words::{self, Eye, Stamp};
use chart::{
    Allergy, CodeStatus, Contact, Coverage, Encounter, Medication, PatientView, Problem, Retired,
};

/// `1 entry is`, `12 entries are`; empty for none.
fn masked(many: u64) -> String {
    match many {
        0 => String::new(),
        _ => words::count(many, "entry is", "entries are"),
    }
}

/// Tells a chart, as seen at one moment.
pub(crate) struct Teller<'a> {
    pub eye: &'a Eye,
    pub checks: &'a Checks,
    /// Results of one report that are shown.
    pub rows: usize,
}

impl Teller<'_> {
    /// The whole page but for its shell and the decision, which the caller sets.
    pub(crate) fn chart(&self, patient: &PatientView, reports: usize) -> ChartPage {
        ChartPage {
            shell: Shell::bare("Chart"),
            id: patient.id.clone(),
            identity: self.identity(&patient.identity),
            code_status: patient
                .code_status
                .iter()
                .map(|item| self.code_status(item))
                .collect(),
            allergies: patient
                .allergies
                .iter()
                .map(|item| self.allergy(item))
                .collect(),
            medications: patient
                .medications
                .iter()
                .map(|item| self.medication(item))
                .collect(),
            given: patient.given.iter().map(|one| self.doing(one)).collect(),
            notes: patient.notes.iter().map(|one| self.doing(one)).collect(),
            imaging: patient
                .imaging
                .iter()
                .map(|one| self.imaged(&patient.id, one))
                .collect(),
            problems: patient
                .problems
                .iter()
                .map(|item| self.problem(item))
                .collect(),
            precautions: patient
                .precautions
                .iter()
                .map(|item| self.precaution(item))
                .collect(),
            vitals: patient.vitals.iter().map(|item| self.vital(item)).collect(),
            reports: patient
                .reports
                .iter()
                .take(reports)
                .map(|item| self.report(item))
                .collect(),
            older_reports: patient.reports.len().saturating_sub(reports),
            left_out: patient.left_out,
            masked: masked(patient.masked),
            hidden: patient.hidden.clone(),
            encounters: patient
                .encounters
                .iter()
                .map(|item| self.encounter(item))
                .collect(),
            contacts: patient
                .contacts
                .iter()
                .map(|item| self.contact(item))
                .collect(),
            coverage: patient
                .coverage
                .iter()
                .map(|item| self.coverage(item))
                .collect(),
            decision: 0,
            head: String::new(),
            checked: self.checks.counted(),
            fetches: false,
            altered: Vec::new(),
        }
    }

    fn identity(&self, who: &chart::Identity) -> Identity {
        let born = who.birth_date.clone().unwrap_or_default();
        let years = who
            .deceased
            .is_none()
            .then(|| words::years_since(&born, self.eye))
            .flatten();
        Identity {
            name: who
                .name
                .clone()
                .unwrap_or_else(|| "Name: no evidence".to_owned()),
            age: years.map_or_else(String::new, |years| years.to_string()),
            born,
            sex: who.sex.clone().unwrap_or_default(),
            deceased: who.deceased.as_deref().map(|when| self.deceased(when)),
            inactive: who.inactive,
            identifiers: numbers(&who.identifiers),
            address: who
                .addresses
                .iter()
                .map(|one| labelled(one.label.as_deref(), &one.text))
                .collect(),
            reach: who
                .telecom
                .iter()
                .map(|one| labelled(Some(&one.label), &one.value))
                .collect(),
            languages: who.languages.join(", "),
            ward: who.ward.clone().unwrap_or_default(),
            place: place(who.room.as_deref(), who.bed.as_deref()),
            attending: who.attending.clone().unwrap_or_default(),
            merged_from: who.merged_from.iter().map(merged).collect(),
            mark: who.mark.as_ref().map(|mark| self.checks.mark(mark.version)),
        }
    }

    fn deceased(&self, when: &str) -> String {
        match when {
            "yes" => "deceased".to_owned(),
            when => format!("died {}", words::written(when, self.eye)),
        }
    }

    /// A moment; in a pack, which is read on another day, always with its day.
    pub(super) fn stamp(&self, time: event::Time) -> Stamp {
        let stamp = Stamp::new(time, self.eye);
        Stamp {
            today: stamp.today && !self.checks.is_carried(),
            ..stamp
        }
    }

    /// A line of a section, plain: the caller adds what is particular.
    fn item(&self, what: &str, mark: &chart::Mark) -> Item {
        Item {
            what: what.to_owned(),
            detail: String::new(),
            status: String::new(),
            strong: false,
            past: false,
            at: self.stamp(mark.at),
            late: mark.late,
            mark: self.checks.mark(mark.version),
        }
    }

    fn since(&self, word: &str, when: Option<&str>) -> Option<String> {
        when.map(|when| format!("{word} {}", words::written(when, self.eye)))
    }

    fn code_status(&self, item: &CodeStatus) -> Item {
        let mut line = self.item(&item.text, &item.mark);
        line.detail = self
            .since("since", item.since.as_deref())
            .unwrap_or_default();
        line.status = if item.current { "current" } else { "before" }.to_owned();
        line.strong = item.current && !is_full_code(&item.text);
        line.past = !item.current;
        line
    }

    fn allergy(&self, item: &Allergy) -> Item {
        let mut line = self.item(&item.substance, &item.mark);
        let severity = item
            .severity
            .as_ref()
            .map(|severity| match severity.as_str() {
                "high" | "low" => format!("{severity} criticality"),
                other => other.replace('-', " "),
            });
        let reactions = (!item.reactions.is_empty()).then(|| item.reactions.join(", "));
        let doubtful = item.verification.clone().filter(|said| said != "confirmed");
        let since = self.since("since", item.since.as_deref());
        line.detail = joined([reactions, severity, doubtful, since]);
        line.strong = matches!(item.severity.as_deref(), Some("high" | "severe"));
        line.past = matches!(item.status.as_deref(), Some("inactive" | "resolved"));
        line.status = item.status.clone().unwrap_or_default();
        line
    }

    fn medication(&self, item: &Medication) -> Item {
        let mut line = self.item(&item.name, &item.mark);
        line.detail = joined([
            item.dosage.clone(),
            self.since("since", item.since.as_deref()),
        ]);
        line.status = item.status.replace('-', " ");
        line.past = !item.active;
        line
    }

    fn imaged(&self, patient: &str, study: &chart::Doing) -> Imaged {
        Imaged {
            id: study.mark.id.clone(),
            href: format!("/patients/{patient}/imaging/{}", study.mark.id),
            item: self.doing(study),
            shots: Vec::new(),
            none: String::new(),
        }
    }

    fn doing(&self, item: &chart::Doing) -> Item {
        let mut line = self.item(&item.text, &item.mark);
        line.detail = joined([item.detail.clone(), self.since("at", item.when.as_deref())]);
        line
    }

    fn problem(&self, item: &Problem) -> Item {
        let mut line = self.item(&item.text, &item.mark);
        line.detail = joined([
            item.code.clone(),
            self.since("onset", item.onset.as_deref()),
        ]);
        line.status = item.status.clone().unwrap_or_default();
        line.past = !item.active;
        line
    }

    fn precaution(&self, item: &chart::Precaution) -> Item {
        let mut line = self.item(&item.text, &item.mark);
        line.detail = joined([
            item.category.clone(),
            self.since("since", item.since.as_deref()),
        ]);
        line.strong = true;
        line
    }

    fn encounter(&self, item: &Encounter) -> Item {
        let kind = [item.class.as_deref(), item.what.as_deref()]
            .into_iter()
            .flatten()
            .collect::<Vec<_>>();
        let kind = if kind.is_empty() {
            "Encounter".to_owned()
        } else {
            kind.join(", ")
        };
        let mut line = self.item(&kind, &item.mark);
        let people: Vec<String> = item
            .people
            .iter()
            .map(|(role, name)| labelled(Some(role), name))
            .collect();
        line.detail = joined([
            item.place.clone(),
            self.since("from", item.start.as_deref()),
            self.since("to", item.end.as_deref()),
            item.number.as_ref().map(|number| format!("visit {number}")),
            (!people.is_empty()).then(|| people.join(", ")),
            (!item.reasons.is_empty()).then(|| item.reasons.join(", ")),
        ]);
        line.status = item.status.replace('-', " ");
        line.past = !item.current;
        line
    }

    fn contact(&self, item: &Contact) -> Item {
        let name = item.name.as_deref().unwrap_or("Name: no evidence");
        let mut line = self.item(name, &item.mark);
        let reach: Vec<String> = item
            .telecom
            .iter()
            .map(|one| labelled(Some(&one.label), &one.value))
            .collect();
        line.detail = joined([
            item.relationship.clone(),
            (!reach.is_empty()).then(|| reach.join(", ")),
            item.address.clone(),
        ]);
        line
    }

    fn coverage(&self, item: &Coverage) -> Item {
        let payor = item.payor.as_deref().or(item.plan.as_deref());
        let mut line = self.item(payor.unwrap_or("Payor: no evidence"), &item.mark);
        let plan = item.plan.clone().filter(|_| item.payor.is_some());
        line.detail = joined([
            plan,
            item.number.clone(),
            self.since("from", item.start.as_deref()),
            self.since("to", item.end.as_deref()),
        ]);
        line.status = item.status.clone().unwrap_or_default();
        line.past = matches!(
            item.status.as_deref(),
            Some("cancelled" | "entered-in-error")
        );
        line
    }
}

/// Whether a code status says that everything is to be done. Whatever else it says, and whatever
/// is not known here, draws attention.
fn is_full_code(text: &str) -> bool {
    let text = text.trim().to_lowercase();
    matches!(
        text.as_str(),
        "for resuscitation" | "full code" | "attempt resuscitation"
    )
}

fn labelled(label: Option<&str>, text: &str) -> String {
    match label.filter(|label| !label.is_empty()) {
        Some(label) => format!("{text} ({label})"),
        None => text.to_owned(),
    }
}

fn joined<const N: usize>(parts: [Option<String>; N]) -> String {
    let said: Vec<String> = parts
        .into_iter()
        .flatten()
        .filter(|part| !part.is_empty())
        .collect();
    said.join(" · ")
}

/// `room 4, bed B`
pub(crate) fn place(room: Option<&str>, bed: Option<&str>) -> String {
    let room = room.map(|room| format!("room {room}"));
    let bed = bed.map(|bed| format!("bed {bed}"));
    [room, bed]
        .into_iter()
        .flatten()
        .collect::<Vec<_>>()
        .join(", ")
}

/// Labels and values, for the page.
fn numbers(identifiers: &[chart::Identifier]) -> Vec<(String, String)> {
    identifiers
        .iter()
        .map(|one| (one.label.clone(), one.value.clone()))
        .collect()
}

fn merged(retired: &Retired) -> Merged {
    let said: Vec<String> = retired
        .identifiers
        .iter()
        .map(|one| format!("{} {}", one.label, one.value))
        .collect();
    Merged {
        id: retired.id.clone(),
        identifiers: words::list(&said),
        index: retired.version,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_plain_full_code_draws_no_attention() {
        assert!(is_full_code("For resuscitation"));
        for other in [
            "Not for resuscitation",
            "DNR",
            "Full code, no intubation",
            "",
        ] {
            assert!(!is_full_code(other), "{other}");
        }
    }
}
