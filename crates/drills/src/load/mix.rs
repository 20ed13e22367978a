//! What clients of a FHIR server do all day: of a hundred requests 60 read, 25 update, 10 create, 5 delete.
//! Any server will do that takes an update of what is not there as a create (R4 section 3.1.0.4.1).

use hyper::Method;

use super::Call;
use crate::dice::Dice;

/// Patients that are read and updated.
const PATIENTS: u64 = 500;
/// What was created so many creates ago is there by now, whatever is still under way.
const AGO: u64 = 256;

/// The Patients that a mix needs, each a write.
#[must_use]
pub fn mix_seed() -> Vec<Call> {
    (0..PATIENTS).map(|n| put(&format!("mix-{n}"), 1)).collect()
}

/// Requests without end; `run` sets those of one run apart from those of another.
#[must_use]
pub fn mix(run: u32) -> Box<dyn Iterator<Item = Call> + Send> {
    let mut dice = Dice::new(u64::from(run) + 7);
    let (mut made, mut gone) = (0, 0);
    let call = move |_| {
        let one = format!("mix-{}", dice.below(PATIENTS));
        match dice.below(100) {
            0..=59 => Call::get(format!("/Patient/{one}")),
            60..=84 => put(&one, 1 + dice.below(28)),
            85..=94 => {
                made += 1;
                put(&format!("made-{run}-{made}"), 1)
            }
            _ if gone + AGO < made => {
                gone += 1;
                delete(&format!("made-{run}-{gone}"))
            }
            // There is nothing to delete yet.
            _ => Call::get(format!("/Patient/{one}")),
        }
    };
    Box::new((0_u64..).map(call))
}

fn put(id: &str, day: u64) -> Call {
    let body = format!(
        r#"{{"resourceType":"Patient","id":"{id}","identifier":[{{"system":"urn:example:mix","value":"{id}"}}],"name":[{{"family":"Mix","given":["{id}"]}}],"gender":"other","birthDate":"1970-01-{day:02}"}}"#
    );
    Call {
        method: Method::PUT,
        path: format!("/Patient/{id}"),
        body: body.into(),
        units: 1,
    }
}

fn delete(id: &str) -> Call {
    Call {
        method: Method::DELETE,
        ..Call::get(format!("/Patient/{id}"))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn the_shares_are_as_they_are_said_to_be_and_nothing_is_deleted_before_it_is_made() {
        let (mut reads, mut updates, mut creates, mut deletes) = (0, 0, 0, 0);
        let mut made = HashSet::new();
        for call in mix(1).take(100_000) {
            match (&call.method, call.path.starts_with("/Patient/made-")) {
                (&Method::GET, false) => reads += 1,
                (&Method::PUT, false) => updates += 1,
                (&Method::PUT, true) => {
                    creates += 1;
                    assert!(made.insert(call.path));
                }
                (&Method::DELETE, true) => {
                    deletes += 1;
                    assert!(made.remove(&call.path), "{}", call.path);
                }
                other => panic!("{other:?}"),
            }
        }
        assert!((59_000..62_500).contains(&reads), "{reads}");
        assert!((24_000..26_000).contains(&updates), "{updates}");
        assert!((9_500..10_500).contains(&creates), "{creates}");
        assert!((4_300..5_500).contains(&deletes), "{deletes}");
    }
}
