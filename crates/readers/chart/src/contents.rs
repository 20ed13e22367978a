//! What of resources lies in the vault, brought back before anybody reads them. What a permit hides or
//! masks was taken out before, mark and all.

use record::{Contents, Error, promised};
use serde_json::Value;

use crate::ChartError;
use crate::error::Outcome;
use crate::page::{Page, Stored};

/// How much of the vault a page has room for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Room {
    left: usize,
}

impl Room {
    pub(crate) const fn of(bytes: usize) -> Room {
        Room { left: bytes }
    }

    /// The page ends with the resource that goes over.
    pub(crate) const fn is_full(self) -> bool {
        self.left == 0
    }

    /// Takes what belongs to this resource.
    pub(crate) fn take(&mut self, json: &[u8]) {
        self.take_bytes(promised(json));
    }

    pub(crate) const fn take_bytes(&mut self, bytes: usize) {
        self.left = self.left.saturating_sub(bytes);
    }
}

/// One resource with its contents.
///
/// # Errors
/// [`ChartError::Broken`] if one of them is missing or altered.
pub(crate) async fn whole(contents: &Contents, mut stored: Stored) -> Outcome<Stored> {
    let json = std::mem::take(&mut stored.json);
    let json = contents.put_back((&stored.kind, &stored.id), json).await;
    stored.json = json.map_err(|why| lost(&stored, &why))?;
    Ok(stored)
}

/// As [`whole`] for one of several resources: what is missing or altered is said in its place, so that
/// it keeps nobody from the others.
pub(crate) async fn whole_if_there(contents: &Contents, mut stored: Stored) -> Outcome<Stored> {
    let json = std::mem::take(&mut stored.json);
    let of = (stored.kind.as_str(), stored.id.as_str());
    let json = contents.put_back_what_is_there(of, json).await;
    stored.json = json.map_err(|why| lost(&stored, &why))?;
    Ok(stored)
}

/// A page with the contents of its resources.
///
/// # Errors
/// [`ChartError::TooCostly`] if what was included brings more than `max` bytes.
pub(crate) async fn page(contents: &Contents, mut page: Page, max: usize) -> Outcome<Page> {
    let along = page.included.iter().map(|stored| promised(&stored.json));
    if along.fold(0, usize::saturating_add) > max {
        return Err(ChartError::TooLarge {
            limit: "contents_bytes_max",
            max,
        });
    }
    for stored in page.matches.iter_mut().chain(&mut page.included) {
        let bare = std::mem::replace(stored, Stored::nothing());
        *stored = whole_if_there(contents, bare).await?;
    }
    Ok(page)
}

/// A resource as the chart keeps it, with its contents.
///
/// # Errors
/// [`ChartError::Broken`] if one of them is missing or altered.
pub(crate) async fn json(contents: &Contents, of: (&str, &str), json: Vec<u8>) -> Outcome<Vec<u8>> {
    contents
        .put_back(of, json)
        .await
        .map_err(|why| broken(&why))
}

/// A resource that was read already, with its contents.
pub(crate) async fn value(contents: &Contents, of: (&str, &str), value: Value) -> Outcome<Value> {
    let json = value.to_string().into_bytes();
    let json = contents.put_back_what_is_there(of, json).await;
    let json = json.map_err(|why| broken(&why))?;
    Ok(serde_json::from_slice(&json).unwrap_or(value))
}

/// The one content of a resource as bytes; `None`: it has none in the vault.
pub(crate) async fn only(contents: &Contents, stored: &Stored) -> Outcome<Option<Vec<u8>>> {
    let of = (stored.kind.as_str(), stored.id.as_str());
    let only = contents.only(of, &stored.json).await;
    only.map_err(|why| lost(stored, &why))
}

fn lost(stored: &Stored, why: &Error) -> ChartError {
    match why {
        // The chart is about to forget it.
        Error::Erased(_) => ChartError::OutsidePermit {
            permit: "what is there".to_owned(),
            asked: "what was erased".to_owned(),
        },
        why => {
            let (kind, id, version) = (&stored.kind, &stored.id, stored.version);
            tracing::error!(kind, id, version, %why, "a content cannot be brought back");
            broken(why)
        }
    }
}

fn broken(why: &Error) -> ChartError {
    ChartError::Broken {
        doing: "bring back what lies in the vault",
        why: why.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_ends_with_the_resource_that_goes_over() {
        let mut room = Room::of(10);
        room.take(br#"{"data":"urn:salus:content:8:ab"}"#);
        assert!(!room.is_full());
        room.take(b"{\"data\":\"urn:salus:content:8:cd\"}");
        assert!(room.is_full());
    }
}
