//! The numbers of an order: the placer's, the filler's, and those of the groups they belong to.

use serde_json::Value;

use super::data::{self, Named};
use super::json::{Object, reference};
use super::work::{Work, spot};
use crate::hl7::Segment;

/// The numbers that one order goes by.
pub(super) struct Numbers {
    placer: Option<Named>,
    filler: Option<Named>,
}

impl Numbers {
    /// OBR-2 and OBR-3, else ORC-2 and ORC-3.
    pub(super) fn of(
        orc: Option<Segment<'_>>,
        obr: Option<Segment<'_>>,
        work: &Work<'_>,
    ) -> Numbers {
        let authority = work.sender.authority;
        let number = |at: usize| {
            let of = |segment: Segment<'_>| data::entity(segment.field(at), authority);
            obr.and_then(of).or_else(|| orc.and_then(of))
        };
        Numbers {
            placer: number(2),
            filler: number(3),
        }
    }

    /// The id of the order, by the placer's number, else the filler's; `None`: it has none.
    fn id(&self, kind: &str, work: &Work<'_>) -> Option<String> {
        if let Some(named) = &self.placer {
            return Some(work.id(kind, &named.system, &named.value));
        }
        self.filler_id(kind, work)
    }

    /// The id that the order has for those who know the filler's number alone; `None`: it has none.
    pub(super) fn filler_id(&self, kind: &str, work: &Work<'_>) -> Option<String> {
        let named = self.filler.as_ref()?;
        Some(work.part_id(kind, &["filler", &named.system, &named.value]))
    }

    /// The same as [`Numbers::id`], where another order of this message may have said which placer's
    /// number goes with the filler's.
    pub(super) fn id_among(&self, kind: &str, work: &Work<'_>) -> Option<String> {
        let id = self.id(kind, work)?;
        match self.placer {
            None => Some(work.known_as(&id).map_or(id, str::to_owned)),
            Some(_) => Some(id),
        }
    }

    /// The id of an order, and that by the filler's number alone; of two orders in one message that have
    /// the same, the second is told apart by what it is for, too. `None`: it has no number.
    pub(super) fn ids_apart(
        &self,
        (kind, what): (&str, &str),
        work: &Work<'_>,
    ) -> Option<(String, Option<String>)> {
        let id = self.id_among(kind, work)?;
        let filler = self.filler_id(kind, work);
        if !work.has_made(&id) {
            return Some((id, filler));
        }
        let second = |of: &str| work.part_id(kind, &[of, what]);
        let filler = filler.map(|filler| match work.known_as(&filler) {
            Some(_) => second(&filler),
            None => filler,
        });
        Some((second(&id), filler))
    }

    /// The id of what the filler does: by the filler's number, else the placer's.
    pub(super) fn done_id(&self, kind: &str, work: &Work<'_>) -> Option<String> {
        if let Some(named) = &self.filler {
            return Some(work.id(kind, &named.system, &named.value));
        }
        let named = self.placer.as_ref()?;
        Some(work.part_id(kind, &["placer", &named.system, &named.value]))
    }

    /// What tells this order from others; empty: nothing does.
    pub(super) fn key(&self) -> String {
        let named = self.filler.as_ref().or(self.placer.as_ref());
        named.map_or_else(String::new, |named| {
            format!("{}|{}", named.system, named.value)
        })
    }

    /// As identifiers, with their types.
    pub(super) fn identifiers(&self) -> Vec<Value> {
        let both = [(&self.placer, "PLAC"), (&self.filler, "FILL")];
        let named = both
            .into_iter()
            .filter_map(|(named, kind)| Some((named.as_ref()?, kind)));
        named
            .map(|(named, kind)| data::identifier(named, Some(kind)))
            .collect()
    }

    /// A reference to the order, which names it by its number too.
    pub(super) fn reference(&self, kind: &str, id: &str) -> Value {
        let named = self.placer.as_ref().or(self.filler.as_ref());
        let mut value = reference(kind, id);
        if let (Some(named), Value::Object(map)) = (named, &mut value) {
            map.insert("identifier".into(), data::identifier(named, None));
        }
        value
    }
}

/// The placer's group (ORC-4), as the identifier of a requisition.
pub(super) fn requisition(orc: Segment<'_>, work: &Work<'_>) -> Option<Value> {
    let part = orc.field(4);
    let authority = work.sender.authority;
    // EIP, as 2.8.2 had it, has the parts of each number in one component.
    let named = match part.comp(1).sub(2).is_absent() {
        true => data::entity(part, authority),
        false => data::entity_in(part.comp(1), authority),
    };
    named.map(|named| data::identifier(&named, Some("PGN")))
}

/// Who ordered: ORC-12, else a field of the detail.
pub(super) fn requester(
    orc: Option<Segment<'_>>,
    detail: (Segment<'_>, usize),
    work: &mut Work<'_>,
) -> Option<Value> {
    let of_orc = orc.and_then(|orc| work.practitioner(orc.field(12).rep(0)));
    of_orc.or_else(|| work.practitioner(spot(detail.0, detail.1).part().rep(0)))
}

/// `meta` with the confidentiality of ORC-28, table 0177.
pub(super) fn confidential(orc: Option<Segment<'_>>, work: &mut Work<'_>) -> Option<Value> {
    let part = orc?.field(28);
    let said = work.text(part.comp(1))?;
    let label = super::labels::confidentiality(&said)
        .or_else(|| work.coding(part, &super::patient::table("0177")))?;
    Some(Object::with_room(1).set("security", vec![label]).done())
}
