//! Events whose large contents are stored before anybody waits for them: an erasure, and with it all sealing,
//! does not stand still for as long as a storage takes.

use std::sync::Arc;

use event::{Body, Event, Resend, Stored};
use guard::Admitted;

use crate::door::Inner;
use crate::sealed::Outcome;

/// How often contents are stored, at most: their key may go while they are.
pub(crate) const STAGED_MAX: usize = 3;

/// An event that is about to be sealed.
pub(crate) struct Staged {
    pub(crate) event: Event,
    pub(crate) resend: Option<Resend>,
    /// The raw bytes before something was taken out of them, and what the event listed then.
    before: Option<(Arc<Vec<u8>>, usize)>,
}

impl Staged {
    /// One of which nothing was taken out.
    pub(crate) const fn plain(event: Event, resend: Option<Resend>) -> Staged {
        Staged {
            event,
            resend,
            before: None,
        }
    }
}

impl Inner {
    /// Stores what is too large for a row.
    pub(crate) async fn staged(&self, admitted: Admitted) -> Outcome<Staged> {
        let (event, resend) = admitted.into_parts();
        self.stage(Staged::plain(event, resend)).await
    }

    async fn stage(&self, staged: Staged) -> Outcome<Staged> {
        let places = self.large(&staged.event)?;
        if places.is_empty() {
            return Ok(staged);
        }
        self.in_office()?;
        let within = self.within_quiet(&staged.event).await?;
        let listed = listed(&staged.event);
        let (event, raw) = self.take_out(staged.event, (places, &within)).await?;
        Ok(Staged {
            event,
            resend: staged.resend,
            before: Some((raw, listed)),
        })
    }

    /// Whether everything that was taken out is under the key that its event goes under now.
    pub(crate) async fn fit(&self, all: &[Staged]) -> Outcome<bool> {
        for one in all.iter().filter(|one| one.before.is_some()) {
            let stream = self.within(&one.event).await?.stream;
            let now = self.clock.now();
            let mut named = named(&one.event);
            if !named.all(|whole| crate::object::belongs(whole, &stream.name, now).is_ok()) {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Stores again what was taken out: under another key by now.
    pub(crate) async fn stage_again(&self, one: &mut Staged) -> Outcome<()> {
        let Some((raw, listed)) = one.before.take() else {
            return Ok(());
        };
        let mut event = one.event.clone();
        event.raw = Arc::unwrap_or_clone(raw);
        if let Body::Resource(written) = &mut event.body {
            written.contents.truncate(listed);
        }
        let again = Staged::plain(event, one.resend.take());
        *one = self.stage(again).await?;
        Ok(())
    }
}

/// The objects that an event names.
pub(crate) fn named(event: &Event) -> impl Iterator<Item = &Stored> {
    let (image, contents) = match &event.body {
        Body::Image(image) => (Some(&image.whole), [].as_slice()),
        Body::Resource(written) => (None, written.contents.as_slice()),
        _ => (None, [].as_slice()),
    };
    image
        .into_iter()
        .chain(contents.iter().map(|one| &one.whole))
}

fn listed(event: &Event) -> usize {
    named(event).count()
}
