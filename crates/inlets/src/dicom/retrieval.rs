//! Retrievals: C-GET, which gives objects on the association that asks, and C-MOVE, which has them
//! sent to a destination that an operator named.

use std::io;
use std::pin::pin;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt as _, AsyncRead, AsyncWrite};
use tokio::sync::mpsc;
use tokio::time::{Instant, timeout_at};
use tokio_util::sync::CancellationToken;
use wire::dicom::{
    Answer, Given, Limits, Progress, Status, Syntax, VR, Writer, abort, data, given, store_request,
    tags, units,
};

use super::Destination;
use super::answers::{Delivered, Delivery, Fate, Kept, Object, Retrieval, Unanswered};
use super::association::{Association, Ends};
use super::inquiry::{Inquiry, Said};

const UNEXPECTED: u8 = 2;
/// Reports of sent objects that wait to be told.
const TOLD_MAX: usize = 64;
/// UIDs of objects that failed, in one answer: 64 bytes each in the 65,534 of an element.
const FAILED_MAX: usize = 1_000;

/// How far a retrieval is, and what failed of it.
struct Tally {
    progress: Progress,
    failed: Vec<String>,
    cancelled: bool,
}

/// What happens while objects are moved.
enum Happens {
    Told(Option<Delivered>),
    Said,
    Done(Result<(), String>),
}

impl Tally {
    fn of(count: usize) -> Tally {
        Tally {
            progress: Progress {
                remaining: u16::try_from(count).unwrap_or(u16::MAX),
                ..Progress::default()
            },
            failed: Vec::new(),
            cancelled: false,
        }
    }

    fn add(&mut self, instance: &str, fate: Fate) {
        let progress = &mut self.progress;
        progress.remaining = progress.remaining.saturating_sub(1);
        let count = match fate {
            Fate::Taken => &mut progress.completed,
            Fate::Warned => &mut progress.warned,
            Fate::Failed => {
                self.failed.push(instance.to_owned());
                &mut progress.failed
            }
        };
        *count = count.saturating_add(1);
    }

    /// Of how many objects it is known what became of them.
    fn sent(&self) -> usize {
        usize::from(self.progress.completed) + usize::from(self.progress.warned) + self.failed.len()
    }

    /// What was not sent any more has failed, unless it was cancelled.
    fn rest(&mut self, objects: &[Kept]) {
        if !self.cancelled {
            for one in objects {
                self.add(&one.instance, Fate::Failed);
            }
        }
    }

    const fn status(&self) -> Status {
        let Progress {
            completed,
            failed,
            warned,
            ..
        } = self.progress;
        match (self.cancelled, failed, completed, warned) {
            (true, ..) => Status::Cancelled,
            // PS3.4 sections C.4.2.3.1 and C.4.3.3.1: a warning is no success.
            (false, 0, _, 0) => Status::Success,
            (false, 1.., 0, 0) => Status::NotPerformed,
            (false, ..) => Status::SomeFailed,
        }
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin + Send> Association<S> {
    /// Gives the objects on this association.
    pub(super) async fn get(&mut self, of: Inquiry<'_>) -> io::Result<Result<(), Ends>> {
        let said = format!("C-GET {}", of.query.text());
        let mut retrieval = match self.objects(of, &said).await {
            Ok(retrieval) => retrieval,
            Err(why) => return self.said(of.agreed, of.at(), why.status()).await,
        };
        let objects = retrieval.objects().to_vec();
        let mut why = String::new();
        let until = Instant::now() + Duration::from_millis(self.desk.config.retrieve_ms);
        let mut tally = Tally::of(objects.len());
        for (place, one) in objects.iter().enumerate() {
            if tally.cancelled || Instant::now() >= until {
                tally.rest(objects.get(place..).unwrap_or_default());
                break;
            }
            let number = u16::try_from(place % usize::from(u16::MAX)).unwrap_or_default();
            let object = timeout_at(until, retrieval.object(place)).await;
            let object = match object.unwrap_or_else(|_| Err("it took too long".to_owned())) {
                Ok(object) => object,
                Err(said) => {
                    tracing::warn!(index = one.index, why = said, "an object was not given");
                    tally.add(&one.instance, Fate::Failed);
                    why = said;
                    self.pending(of, &tally).await?;
                    continue;
                }
            };
            let give = self.give(of, (one, number.saturating_add(1)), object);
            let given = tokio::select! {
                given = timeout_at(until, give) => given,
                () = of.agreed.stop.cancelled() => return Ok(Err(Ends(abort(0)))),
            };
            // In the midst of an object there is no other way to end.
            let Ok(given) = given else {
                tracing::warn!("a retrieval took too long (`retrieve_ms`)");
                return Ok(Err(Ends(abort(0))));
            };
            match given? {
                Ok((fate, cancelled)) => {
                    tally.add(&one.instance, fate);
                    tally.cancelled |= cancelled;
                }
                Err(ends) => return Ok(Err(ends)),
            }
            if !tally.cancelled {
                self.pending(of, &tally).await?;
            }
        }
        self.ended(of, &tally, &why).await
    }

    /// Has the objects sent to a destination.
    pub(super) async fn moves(&mut self, of: Inquiry<'_>) -> io::Result<Result<(), Ends>> {
        let title = &of.command.destination;
        let known = self.destination(of);
        let (Some(destination), Some(answers)) = (known, self.desk.answers.clone()) else {
            let why = "this destination is none to which the feed may have objects moved";
            let status = (Status::DestinationUnknown, why);
            return self.said(of.agreed, of.at(), status).await;
        };
        let said = format!("C-MOVE to {title} {}", of.query.text());
        let retrieval = match self.objects(of, &said).await {
            Ok(retrieval) => retrieval,
            Err(why) => return self.said(of.agreed, of.at(), why.status()).await,
        };
        let objects = retrieval.objects().to_vec();
        let mut tally = Tally::of(objects.len());
        let (told, mut heard) = mpsc::channel(TOLD_MAX);
        let stop = CancellationToken::new();
        let delivery = Delivery {
            destination: &destination,
            calling: &of.agreed.called,
            origin: (&of.agreed.calling, of.command.message),
            wait_ms: self.desk.config.retrieve_ms,
            answer_ms: self.desk.config.answer_ms,
            stop: &stop,
        };
        let mut work = pin!(answers.deliver((delivery, retrieval), told));
        let why = loop {
            let happens = tokio::select! {
                biased;
                told = heard.recv() => Happens::Told(told),
                there = self.stream.fill_buf(), if !tally.cancelled => {
                    // Whoever hung up gets nothing moved any more.
                    if there?.is_empty() {
                        return Err(io::ErrorKind::UnexpectedEof.into());
                    }
                    Happens::Said
                }
                () = of.agreed.stop.cancelled() => return Ok(Err(Ends(abort(0)))),
                done = &mut work => Happens::Done(done),
            };
            match happens {
                Happens::Told(Some(one)) => {
                    tally.add(&one.instance, one.fate);
                    if !tally.cancelled {
                        self.pending(of, &tally).await?;
                    }
                }
                Happens::Said => match self.hears(of.command.message).await? {
                    Ok(Said::Cancel) => {
                        tally.cancelled = true;
                        stop.cancel();
                    }
                    Ok(Said::Nothing) => {}
                    Ok(Said::Stored(..)) => return Ok(Err(Ends(abort(UNEXPECTED)))),
                    Err(ends) => return Ok(Err(ends)),
                },
                // The channel is closed when the work is about to end.
                Happens::Told(None) => break work.await,
                Happens::Done(done) => break done,
            }
        };
        while let Ok(one) = heard.try_recv() {
            tally.add(&one.instance, one.fate);
        }
        tally.rest(objects.get(tally.sent()..).unwrap_or_default());
        let why = why.err().unwrap_or_default();
        if !why.is_empty() {
            tracing::warn!(title, why, "objects were not moved");
        }
        self.ended(of, &tally, &why).await
    }

    /// The destination that is named, if the feed may have objects moved there.
    fn destination(&self, of: Inquiry<'_>) -> Option<Destination> {
        let title = &of.command.destination;
        let may = of.agreed.feed.destinations.contains(title);
        let mut known = self.desk.config.destinations.iter();
        known.find(|one| one.title == *title && may).cloned()
    }

    /// What the guard lets the caller have of what it names.
    async fn objects(&self, of: Inquiry<'_>, said: &str) -> Result<Box<dyn Retrieval>, Unanswered> {
        let Some(answers) = self.desk.answers.clone() else {
            return Err(Unanswered::Broken("nobody answers".to_owned()));
        };
        let max = self
            .desk
            .config
            .retrieve_objects_max
            .min(usize::from(u16::MAX));
        let found = answers.retrieve(of.asked(said, max)).await;
        if let Err(why) = &found {
            tracing::info!(?why, feed = of.agreed.feed.name(), "nothing is retrieved");
        }
        found
    }

    /// Sends one object and waits for what becomes of it; whether all was cancelled meanwhile.
    async fn give(
        &mut self,
        of: Inquiry<'_>,
        (one, number): (&Kept, u16),
        object: Object,
    ) -> io::Result<Result<(Fate, bool), Ends>> {
        let Some(context) = of.agreed.giving(&one.class, &one.syntax) else {
            return Ok(Ok((Fate::Failed, false)));
        };
        let Object { file, room } = object;
        let limits = self.desk.config.limits();
        let set = match in_syntax(file, (&context.syntax, limits)).await {
            Ok(set) => set,
            Err(why) => {
                tracing::error!(index = one.index, why, "an object could not be given");
                return Ok(Ok((Fate::Failed, false)));
            }
        };
        let command = store_request(number, (&one.class, &one.instance), None);
        for unit in units(
            context.id,
            (&command, Some(set.set())),
            of.agreed.length_max,
        ) {
            self.write(&unit).await?;
        }
        drop((set, room));
        let mut cancelled = false;
        loop {
            match self.hears(of.command.message).await? {
                Ok(Said::Stored(about, status)) if about == number => {
                    return Ok(Ok((Fate::of(status), cancelled)));
                }
                Ok(Said::Cancel) => cancelled = true,
                Ok(Said::Nothing) => {}
                Ok(Said::Stored(..)) => return Ok(Err(Ends(abort(UNEXPECTED)))),
                Err(ends) => return Ok(Err(ends)),
            }
        }
    }

    async fn pending(&mut self, of: Inquiry<'_>, tally: &Tally) -> io::Result<()> {
        let pending = of.command.answered(&Answer {
            status: Status::Pending,
            comment: "",
            data: false,
            progress: Some(tally.progress),
        });
        self.write(&data(of.context.id, (&pending, None), of.agreed.length_max))
            .await
    }

    async fn ended(
        &mut self,
        of: Inquiry<'_>,
        tally: &Tally,
        why: &str,
    ) -> io::Result<Result<(), Ends>> {
        let syntax = Syntax::named(&of.context.syntax).unwrap_or(Syntax::IMPLICIT);
        // As many as an element of UIDs can hold.
        let failed: Vec<&str> = tally
            .failed
            .iter()
            .map(String::as_str)
            .take(FAILED_MAX)
            .collect();
        let failed = failed.join("\\");
        let set = Writer::new(syntax)
            .text(tags::FAILED_SOP_INSTANCE_UID_LIST, VR::UI, &failed)
            .finish();
        let set = Some(&set[..]).filter(|_| !tally.failed.is_empty());
        let last = of.command.answered(&Answer {
            status: tally.status(),
            comment: why,
            data: set.is_some(),
            progress: Some(tally.progress),
        });
        self.write(&data(of.context.id, (&last, set), of.agreed.length_max))
            .await?;
        Ok(Ok(()))
    }
}

/// The data set of an object, in a transfer syntax.
async fn in_syntax(file: Vec<u8>, (syntax, limits): (&str, Limits)) -> Result<Given, String> {
    let syntax = syntax.to_owned();
    let work = tokio::task::spawn_blocking(move || given(file, &syntax, &limits));
    let set = work.await.map_err(|why| why.to_string())?;
    set.map_err(|why| why.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_taken_with_a_warning_is_no_success() {
        for (fates, status) in [
            (&[Fate::Taken][..], Status::Success),
            (&[], Status::Success),
            (&[Fate::Taken, Fate::Warned], Status::SomeFailed),
            (&[Fate::Warned], Status::SomeFailed),
            (&[Fate::Taken, Fate::Failed], Status::SomeFailed),
            (&[Fate::Failed], Status::NotPerformed),
        ] {
            let mut tally = Tally::of(fates.len());
            for fate in fates {
                tally.add("1.2.3", *fate);
            }
            assert_eq!(tally.status(), status, "{fates:?}");
        }
    }
}
