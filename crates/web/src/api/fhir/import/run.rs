//! Carrying imports out: one file after the other, a part of it in each commit.

use std::sync::Arc;
use std::time::Duration;

use axum::http::StatusCode;
use event::{Actor, ImportEnd, ImportInput, ImportStep, Role};
use flow::{Import, ImportFile};
use guard::Identity;
use routes::Status;
use tokio_util::sync::CancellationToken;

use super::super::door::{Door, Kept};
use super::super::draft::Draft;
use super::super::fault::Fault;
use super::super::format::Layout;
use super::super::format::Prefer;
use super::super::held::Held;
use super::super::intent::{Intent, Order, Together};
use super::super::who::Proof;
use super::super::who::still;
use super::super::write::perform_with;
use super::lines::{Bounds, Broken, Lines};
use super::part::Part;
use super::{admitted, told};
use crate::App;

/// How long one wait for a view takes.
const FOLD_WAIT: Duration = Duration::from_secs(5);
/// Events that the chart may be behind while an import goes on: other writers find it fresh enough.
const BEHIND_MAX: u64 = 5_000;

/// What is said of a file of which other lines were taken before.
const CHANGED: &str = "a file is another than when its first lines were taken; import it anew";

/// One import, until it is over or has failed.
pub(super) struct Run {
    door: Door,
    id: String,
    /// Whether anything of it was kept.
    kept: bool,
}

/// What became of one go at an import.
pub(super) enum Went {
    /// It is to be tried again.
    Again {
        /// Why, in words.
        why: String,
        /// Something of it was kept.
        kept: bool,
    },
    /// It is to be tried again, and nothing failed: this machine may not write now, or its views are behind.
    Waits {
        /// Why, in words.
        why: String,
        /// Something of it was kept.
        kept: bool,
    },
    /// It is over, or not ours.
    Over,
}

impl Went {
    /// It ended in a panic, which stands in the program's log.
    pub(super) fn of_panic() -> Went {
        Went::Again {
            why: "a fault of Salus, which stands in the program's log".to_owned(),
            kept: false,
        }
    }
}

/// Why an import does not go on.
enum Halt {
    /// It is over, or another machine carries it out.
    Over,
    /// It is tried again.
    Later(String),
    /// The same, and that is no failure.
    Wait(String),
    /// It cannot go on.
    Never(String),
}

impl From<record::Error> for Halt {
    fn from(why: record::Error) -> Halt {
        use record::Error::{Fenced, Standby, Stopped, Unleased, Uprooted};
        match why {
            Fenced { .. } | Standby | Stopped | Unleased | Uprooted { .. } => {
                Halt::Wait(why.to_string())
            }
            why => Halt::Later(why.to_string()),
        }
    }
}

impl From<Broken> for Halt {
    fn from(why: Broken) -> Halt {
        match why {
            Broken::Now(why) => Halt::Later(why),
            Broken::Never(why) => Halt::Never(why),
        }
    }
}

impl From<Fault> for Halt {
    fn from(fault: Fault) -> Halt {
        match fault.status {
            StatusCode::SERVICE_UNAVAILABLE => Halt::Wait(fault.words()),
            _ => Halt::Later(fault.words()),
        }
    }
}

impl Run {
    pub(super) fn new(app: &Arc<App>, id: &str) -> Run {
        Run {
            door: Door {
                app: Arc::clone(app),
                kept: Arc::new(Kept::default()),
                layout: Layout::AsKept,
                held: Held::default(),
                proof: Proof::default(),
            },
            id: id.to_owned(),
            kept: false,
        }
    }

    /// Goes on until it is over, fails, or `stop` says that it is not wanted any more.
    pub(super) async fn run(mut self, stop: CancellationToken) -> Went {
        let went = tokio::select! {
            biased;
            () = stop.cancelled() => return Went::Over,
            went = Box::pin(self.go()) => went,
        };
        let sealed = match &went {
            Err(Halt::Never(why)) => self.give_up(why.clone()).await,
            Ok(()) | Err(_) => false,
        };
        became((went, sealed, self.kept))
    }

    /// Goes on from where the record says that it is, to the end.
    async fn go(&mut self) -> Result<(), Halt> {
        let (import, _) = self.now().await?;
        let (scopes, inputs) = told::begun(&self.door, &import).await?;
        let files = import.inputs.iter().zip(&inputs).enumerate();
        for (place, (file, input)) in files {
            if !file.done {
                let place = u32::try_from(place).unwrap_or(u32::MAX);
                self.file(&scopes, (place, file, input)).await?;
            }
        }
        let size = self.door.app.record.size();
        if !self.door.app.chart.caught_up(size, FOLD_WAIT).await {
            return Err(Halt::Wait("the chart is behind".to_owned()));
        }
        self.end(ImportEnd::Done, String::new()).await
    }

    /// How far it is and whoever asked for it, unless it is over.
    async fn now(&self) -> Result<(Import, Identity), Halt> {
        let app = &self.door.app;
        app.record.in_office()?;
        let size = app.record.size();
        let behind = || Halt::Wait("a view is behind".to_owned());
        if !app.flow.caught_up(size, FOLD_WAIT).await || !app.staff.caught_up(size, FOLD_WAIT).await
        {
            return Err(behind());
        }
        let found = app.flow.import(&self.id).await;
        let found = found.map_err(|why| Halt::Later(why.to_string()))?;
        let import = found.filter(|one| one.ended.is_none());
        let import = import.ok_or(Halt::Over)?;
        let who = app.staff.identity(&import.client);
        let who = who.filter(|who| who.role() == Role::Client);
        let gone = || Halt::Never("the client that asked for it is gone".to_owned());
        Ok((import, who.ok_or_else(gone)?))
    }

    /// Reads one file from where it was left.
    async fn file(
        &mut self,
        scopes: &[String],
        (place, file, input): (u32, &ImportFile, &ImportInput),
    ) -> Result<(), Halt> {
        let app = Arc::clone(&self.door.app);
        let settings = &app.settings.imports;
        let address = settings.listed().place(&input.url).map_err(Halt::Never)?;
        let bounds = Bounds {
            line_bytes_max: app.settings.body_bytes_max,
            file_bytes_max: settings.file_bytes_max,
            wait: Duration::from_millis(settings.wait_ms),
            bytes_per_second_min: settings.bytes_per_second_min,
            whole: Duration::from_millis(settings.file_ms),
        };
        let mut lines = Lines::open(&app, &address, bounds).await?;
        skip(&mut lines, file).await?;
        let (mut number, mut left) = (file.lines, None);
        loop {
            let mut part = Part::new(number, &input.kind, settings);
            if let Some(line) = left.take() {
                left = part.take(line);
            }
            let mut ends = false;
            // A line that does not fit any more is the first of the next part.
            while left.is_none() && !part.is_full() {
                let Some(line) = lines.next().await? else {
                    ends = true;
                    break;
                };
                left = part.take(line);
            }
            number = part.last();
            let digest = match &left {
                Some(_) => lines.digest_before(),
                None => lines.digest(),
            };
            self.keep(scopes, part, (place, digest, ends)).await?;
            self.kept = true;
            self.say(None);
            if ends {
                return Ok(());
            }
        }
    }

    /// Seals a part with how far the import is with it.
    async fn keep(
        &self,
        scopes: &[String],
        mut part: Part,
        (place, digest, ends): (u32, String, bool),
    ) -> Result<(), Halt> {
        let (import, mut who) = self.now().await?;
        who.scopes = still(scopes, &who.scopes);
        let app = &self.door.app;
        let near = app.record.size().saturating_sub(BEHIND_MAX);
        if !app.chart.caught_up(near, FOLD_WAIT).await {
            return Err(Halt::Wait("the chart is behind".to_owned()));
        }
        let order = Order {
            who,
            together: Together::Each,
            prefer: Prefer::Minimal,
        };
        let (after, lines) = (part.after(), part.last());
        let refused = loop {
            let (numbers, intents): (Vec<u64>, Vec<Intent>) = part.writes.iter().cloned().unzip();
            let also = |drafts: &[Result<Draft, Fault>]| {
                let took = took((&part, &numbers), drafts);
                let step = ImportStep::Took {
                    input: place,
                    after,
                    lines,
                    digest: digest.clone(),
                    accepted: (drafts.len() + part.refused.len()) as u64 - took.0,
                    refused: took.0,
                    ends,
                };
                admitted(&Actor::salus(), &self.id, (step, took.1)).map(Some)
            };
            let done = perform_with(&self.door, &order, (intents, &also)).await;
            match done {
                Ok(answers) => {
                    let failed = answers.iter().filter(|answer| answer.is_err()).count();
                    break (failed + part.refused.len()) as u64;
                }
                Err(fault)
                    if fault.status == StatusCode::PAYLOAD_TOO_LARGE && !part.writes.is_empty() =>
                {
                    part.without_largest(&fault);
                }
                Err(fault) => return Err(fault.into()),
            }
        };
        let (_, before) = import.counts();
        let max = app.settings.imports.refused_max;
        if before.saturating_add(refused) > max {
            let words = format!("more than {max} lines were refused (`refused_max`)");
            return Err(Halt::Never(words));
        }
        Ok(())
    }

    /// Seals that it cannot go on, and says whether that is sealed now.
    pub(super) async fn give_up(&self, why: String) -> bool {
        self.say(Some(why.clone()));
        match self.end(ImportEnd::Failed, why).await {
            Err(Halt::Later(why) | Halt::Never(why) | Halt::Wait(why)) => {
                tracing::error!(%why, "the end of an import was not sealed");
                false
            }
            Err(Halt::Over) | Ok(()) => true,
        }
    }

    async fn end(&self, how: ImportEnd, why: String) -> Result<(), Halt> {
        let step = ImportStep::Ended { how, why };
        let admitted = admitted(&Actor::salus(), &self.id, (step, Vec::new()))?;
        self.door.app.record.admit(vec![admitted]).await?;
        Ok(())
    }

    /// What keeps it from going on, for the page Flow.
    fn say(&self, trouble: Option<String>) {
        let status = Status {
            trouble,
            held_up: 0,
        };
        self.door.app.routes.note(&said_as(&self.id), status);
    }
}

/// What a go came to. What cannot go on is over once that is sealed (`true`), and until then is tried again like
/// anything else: at its pace.
fn became((went, sealed, kept): (Result<(), Halt>, bool, bool)) -> Went {
    match went {
        Ok(()) | Err(Halt::Over) => Went::Over,
        Err(Halt::Never(_)) if sealed => Went::Over,
        Err(Halt::Later(why) | Halt::Never(why)) => Went::Again { why, kept },
        Err(Halt::Wait(why)) => Went::Waits { why, kept },
    }
}

/// Under which name it is said what keeps an import from going on.
pub(crate) fn said_as(id: &str) -> String {
    format!("Import/{id}")
}

/// Reads past what was taken before.
async fn skip(lines: &mut Lines, file: &ImportFile) -> Result<(), Halt> {
    for _ in 0..file.lines {
        let line = lines.next().await?;
        if line.is_none() {
            return Err(Halt::Never(CHANGED.to_owned()));
        }
    }
    match file.lines == 0 || lines.digest() == file.digest {
        true => Ok(()),
        false => Err(Halt::Never(CHANGED.to_owned())),
    }
}

/// How many lines of a part are refused, and why each: an `OperationOutcome` a line, in their order.
fn took((part, numbers): (&Part, &[u64]), drafts: &[Result<Draft, Fault>]) -> (u64, Vec<u8>) {
    let drafted = numbers.iter().zip(drafts);
    let drafted = drafted.filter_map(|(line, draft)| Some((*line, draft.as_ref().err()?)));
    let drafted = drafted.map(|(line, fault)| (line, told::refusal(line, fault)));
    let mut all: Vec<(u64, Vec<u8>)> = part.refused.iter().cloned().chain(drafted).collect();
    all.sort_by_key(|(line, _)| *line);
    let count = all.len() as u64;
    (count, all.into_iter().flat_map(|(_, told)| told).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_end_that_is_not_sealed_is_no_end() {
        let never = || Err(Halt::Never("gone".to_owned()));
        assert!(matches!(became((never(), true, false)), Went::Over));
        let Went::Again { why, kept: false } = became((never(), false, false)) else {
            panic!("it would be begun again at once");
        };
        assert_eq!(why, "gone");
    }

    #[test]
    fn a_machine_that_may_not_write_or_is_behind_is_no_failure() {
        let waits = [
            Halt::from(record::Error::Unleased),
            Halt::from(record::Error::Fenced { epoch: 2 }),
            Halt::from(Fault::later("the chart is behind")),
        ];
        for halt in waits {
            assert!(matches!(
                became((Err(halt), false, true)),
                Went::Waits { kept: true, .. }
            ));
        }
        let broken = Halt::from(Fault::broken("a disk"));
        assert!(matches!(
            became((Err(broken), false, true)),
            Went::Again { .. }
        ));
    }
}
