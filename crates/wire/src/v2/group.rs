//! Messages in groups: the segments that belong to one order, one charge or one problem.

use super::observation;
use super::work::Work;
use crate::hl7::{Message, Segment};

/// One group, in the order in which it was sent.
pub(super) struct Group<'m> {
    segments: Vec<Segment<'m>>,
}

/// Segments that say how much of a medicine; what stands behind one (TQ1, RXR) is about that one.
const AMOUNTS: [&str; 5] = ["RXO", "RXE", "RXG", "RXA", "RXD"];

/// Divides a message. A group begins with each of `heads`, or with the ORC before it; one that
/// begins without an ORC of its own has that of the group before. A problem and a goal are always
/// groups of their own. In the kinds where a specimen leads its orders (OML^O33 and the like), it
/// and what was observed about it is in the group of each of them.
pub(super) fn groups<'m>(message: &'m Message<'m>, heads: &[&str]) -> Vec<Group<'m>> {
    let mut groups: Vec<Group<'m>> = Vec::new();
    let leads = specimens_lead(message);
    let mut leading: Vec<Segment<'m>> = Vec::new();
    let mut held = false;
    for segment in message.all() {
        let name = segment.name();
        if leads && name == "SPM" {
            leading = vec![segment];
            held = true;
            continue;
        }
        if held && matches!(name, "OBX" | "SAC") {
            leading.push(segment);
            continue;
        }
        held = false;
        let alone = matches!(name, "PRB" | "GOL");
        let again = alone
            || groups
                .last()
                .is_none_or(|group| group.first(name).is_some());
        if name == "ORC" || heads.contains(&name) && again {
            let inherited = groups
                .last()
                .and_then(|group| group.first("ORC"))
                .filter(|_| name != "ORC" && !alone);
            let segments = inherited.into_iter().chain([segment]);
            let segments = segments.chain(leading.iter().copied()).collect();
            groups.push(Group { segments });
        } else if let Some(group) = groups.last_mut() {
            group.segments.push(segment);
        }
    }
    groups
}

/// Whether the kind of a message has each specimen before its orders.
fn specimens_lead(message: &Message<'_>) -> bool {
    matches!(
        message.kind().as_str(),
        "OML^O33" | "OML^O35" | "ORL^O34" | "ORL^O36" | "ORL^O40"
    )
}

impl<'m> Group<'m> {
    /// The first segment of that name behind `of`, which says an amount, and before the next that
    /// says one: it is about that amount.
    pub(super) fn own(&self, name: &str, of: Segment<'m>) -> Option<Segment<'m>> {
        let behind = self
            .segments
            .iter()
            .skip_while(|one| one.position() != of.position());
        let mut behind = behind
            .skip(1)
            .take_while(|one| !AMOUNTS.contains(&one.name()));
        behind.find(|one| one.name() == name).copied()
    }

    /// The first segment of that name.
    pub(super) fn first(&self, name: &str) -> Option<Segment<'m>> {
        self.all(name).next()
    }

    /// The first segment that has one of these names; of the names the first.
    pub(super) fn any(&self, names: &[&str]) -> Option<Segment<'m>> {
        names.iter().find_map(|name| self.first(name))
    }

    /// All segments of that name.
    pub(super) fn all<'g>(&'g self, name: &'g str) -> impl Iterator<Item = Segment<'m>> + 'g {
        let segments = self.segments.iter().copied();
        segments.filter(move |segment| segment.name() == name)
    }

    /// The notes, and who takes part, that stand right behind a segment.
    pub(super) fn notes_behind(&self, before: Segment<'m>) -> Vec<Segment<'m>> {
        let behind = self
            .segments
            .iter()
            .skip_while(|one| one.position() != before.position());
        let notes = behind
            .skip(1)
            .take_while(|one| matches!(one.name(), "NTE" | "PRT" | "ROL"));
        notes.copied().collect()
    }

    /// The notes about the group itself: those that stand behind none of these segments.
    pub(super) fn notes_but(&self, about_others: &[&str]) -> Vec<Segment<'m>> {
        let mut last = "";
        let mut found = Vec::new();
        for segment in &self.segments {
            if matches!(segment.name(), "PRT" | "ROL") {
                continue;
            }
            if segment.name() != "NTE" {
                last = segment.name();
            } else if !about_others.contains(&last) {
                found.push(*segment);
            }
        }
        found
    }

    /// The notes about the group itself as `note`.
    pub(super) fn note(
        &self,
        about_others: &[&str],
        work: &mut Work<'_>,
    ) -> Vec<serde_json::Value> {
        let notes = self.notes_but(about_others);
        observation::note(&notes, work).into_iter().collect()
    }
}

/// References to the observations of a group that are parts of nothing else.
pub(super) fn observations(group: &Group<'_>, whole: &str, work: &mut Work<'_>) -> Vec<String> {
    let mut shared = observation::Shared {
        stem: work.stem("Observation", whole),
        parent: whole.to_owned(),
        category: None,
        effective: serde_json::Map::new(),
        specimen: None,
        part_of: None,
        meta: super::number::confidential(group.first("ORC"), work),
    };
    let mut met = super::result::Met::new();
    let mut found = Vec::new();
    for obx in group.all("OBX") {
        let notes = group.notes_behind(obx);
        found.extend(observation::observation(
            obx,
            &notes,
            (&mut shared, &mut met),
            work,
        ));
    }
    found
}
