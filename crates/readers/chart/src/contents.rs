//! What of resources lies in the vault. Whoever reads a resource gets it with what lies there left out, and said
//! to be; who wants it whole reads it bare and has it filled, with what a permit hides or masks taken out before,
//! mark and all.

use record::{Contents, Error, Of};
use serde_json::Value;

use crate::ChartError;
use crate::error::Outcome;
use crate::page::{Page, Stored};

/// How much of the vault a page has room for.
#[derive(Clone, Copy)]
pub(crate) struct Room<'c> {
    contents: &'c Contents,
    left: usize,
    full: bool,
    /// What is larger is left out of a page.
    each_max: u64,
}

impl<'c> Room<'c> {
    pub(crate) const fn of(contents: &'c Contents, (bytes, each_max): (usize, u64)) -> Room<'c> {
        Room {
            contents,
            left: bytes,
            full: false,
            each_max,
        }
    }

    /// The page ends with the resource that goes over: it has one at least.
    pub(crate) const fn is_full(&self) -> bool {
        self.full
    }

    /// What belongs to this resource, in bytes.
    pub(crate) fn brings(&self, json: &[u8]) -> usize {
        self.contents.promised(json, self.each_max)
    }

    /// Takes what belongs to this resource.
    pub(crate) fn take(&mut self, json: &[u8]) {
        self.take_bytes(self.brings(json));
    }

    pub(crate) const fn take_bytes(&mut self, bytes: usize) {
        self.full = self.full || (bytes > 0 && bytes >= self.left);
        self.left = self.left.saturating_sub(bytes);
    }
}

fn of<'s>(stored: &'s Stored) -> Of<'s> {
    Of {
        kind: &stored.kind,
        id: &stored.id,
        version: stored.version,
    }
}

/// One resource with its contents.
///
/// # Errors
/// [`ChartError::Broken`] if one of them is missing or altered.
pub(crate) async fn whole(contents: &Contents, mut stored: Stored) -> Outcome<Stored> {
    let json = std::mem::take(&mut stored.json);
    let json = contents.put_back(of(&stored), json).await;
    stored.json = json.map_err(|why| lost(&stored, &why))?;
    Ok(stored)
}

/// As [`whole`] for one of several resources: what is missing, altered or larger than that is said in its place,
/// so that it keeps nobody from the others.
pub(crate) async fn whole_if_there(
    contents: &Contents,
    (mut stored, each_max): (Stored, u64),
) -> Outcome<Stored> {
    let json = std::mem::take(&mut stored.json);
    let json = contents.put_back_what_is_there(of(&stored), (json, each_max));
    stored.json = json.await.map_err(|why| lost(&stored, &why))?;
    Ok(stored)
}

/// One resource without its contents, which are said to be left out.
pub(crate) fn without(contents: &Contents, mut stored: Stored) -> Stored {
    stored.json = contents.without(stored.json);
    stored
}

/// A page of resources without their contents.
pub(crate) fn page_without(contents: &Contents, mut page: Page) -> Page {
    for stored in page.matches.iter_mut().chain(&mut page.included) {
        stored.json = contents.without(std::mem::take(&mut stored.json));
    }
    page
}

/// What pages bring from the vault at most, in bytes: one content, and all that was included together.
pub(crate) type PageMax = (u64, usize);

/// A page with the contents of its resources.
///
/// # Errors
/// [`ChartError::Broken`].
pub(crate) async fn page(contents: &Contents, (mut page, max): (Page, PageMax)) -> Outcome<Page> {
    let of_included = of_included(contents, (&page, max));
    let matches = page.matches.iter_mut().map(|one| (one, max.0));
    let included = page.included.iter_mut().map(|one| (one, of_included));
    for (stored, each_max) in matches.chain(included) {
        let bare = std::mem::replace(stored, Stored::nothing());
        *stored = whole_if_there(contents, (bare, each_max)).await?;
    }
    Ok(page)
}

/// How many bytes a page brings from the vault.
pub(crate) fn brought(contents: &Contents, (page, max): (&Page, PageMax)) -> usize {
    let of_included = of_included(contents, (page, max));
    sum(contents, (&page.included, of_included))
        .saturating_add(sum(contents, (&page.matches, max.0)))
}

/// How much one content of what was included may have: nobody chose how many those are, so that all are left out if
/// together they are too much.
fn of_included(contents: &Contents, (page, (each_max, max)): (&Page, PageMax)) -> u64 {
    match sum(contents, (&page.included, each_max)) > max {
        true => 0,
        false => each_max,
    }
}

fn sum(contents: &Contents, (all, each_max): (&[Stored], u64)) -> usize {
    let sizes = all.iter().map(|one| contents.promised(&one.json, each_max));
    sizes.fold(0, usize::saturating_add)
}

/// A version of a resource as the chart keeps it, with its contents.
///
/// # Errors
/// [`ChartError::Broken`] if one of them is missing or altered.
pub(crate) async fn json(contents: &Contents, of: Of<'_>, json: Vec<u8>) -> Outcome<Vec<u8>> {
    contents
        .put_back(of, json)
        .await
        .map_err(|why| broken(&why))
}

/// A resource that was read already, without its contents.
pub(crate) fn value_without(contents: &Contents, (json, value): (&[u8], Value)) -> Value {
    if !contents.is_marked(json) {
        return value;
    }
    let json = contents.without(value.to_string().into_bytes());
    serde_json::from_slice(&json).unwrap_or_default()
}

/// The bytes that are the value of `data` of a resource; `None`: they do not lie in the vault.
pub(crate) async fn data(contents: &Contents, stored: &Stored) -> Outcome<Option<Vec<u8>>> {
    let data = contents.data(of(stored), &stored.json).await;
    data.map_err(|why| lost(stored, &why))
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
