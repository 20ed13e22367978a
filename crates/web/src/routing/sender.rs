//! One route: what waits, in its order, each patient's in theirs.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use event::{Body, RouteOutcome, Routed};
use record::{Error, Sealed};
use routes::{Lane as PatientLane, RouteConfig, Status, Stir, Waiting, mark};
use tokio::sync::{mpsc, watch};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use wire::hl7::{Message, parse};

use super::dicom::Object;
use super::fhir;
use super::line::{Answer, Content, Line, Outgoing};
use super::seal::{Done, Sent, keep_sealing};
use crate::App;

/// Messages that are taken from the queue at once.
const WINDOW: usize = 256;
/// Patients whose tries are counted; with more, they are counted anew.
const TRIES_MAX: usize = 10_000;
/// How long what is being sent may go on after the order to stop.
const GRACE: Duration = Duration::from_secs(2);
/// The longest rest without a look at the queue.
const IDLE: Duration = Duration::from_secs(10);

pub(super) struct Sender {
    app: Arc<App>,
    rules: RouteConfig,
    line: Line,
    stirred: watch::Receiver<Stir>,
    orders: u64,
    paused: bool,
    ready: VecDeque<Waiting>,
    /// Whose message is tried again, and when.
    held: HashMap<PatientLane, Instant>,
    /// How often somebody's message was tried in vain.
    tries: HashMap<PatientLane, u32>,
    /// Failures of the receiver itself in a row, and until when it is left alone.
    failures: u32,
    rests: Option<Instant>,
    sent: Sent,
    done: mpsc::Sender<Done>,
}

/// What can be sent, or why not.
enum Made {
    Out(Outgoing, Option<String>),
    Aside(RouteOutcome, String),
    /// Nobody can tell now whether it may go.
    Later(String),
}

/// One that is to be sent, and whether others of its patient may go at the same time.
struct Ready {
    outgoing: Outgoing,
    beside: bool,
    about: About,
}

impl Ready {
    /// Whether another one waits until this one was answered.
    fn goes_before(&self, other: &Ready) -> bool {
        self.about.lane == other.about.lane && !(self.beside && other.beside)
    }
}

/// What is known of one that waits.
struct About {
    one: Waiting,
    lane: PatientLane,
    subject: event::Subject,
    mark: Option<String>,
}

/// One that waited.
enum Prepared {
    /// It goes out.
    Ready(Box<Ready>),
    /// It does not: it was set aside, or waits on.
    Over,
}

impl Sender {
    /// Ready to send; its outcomes are sealed by a task of its own.
    ///
    /// # Errors
    /// In words: its address is none.
    pub(super) fn open(
        app: &Arc<App>,
        route: &RouteConfig,
        tasks: &TaskTracker,
    ) -> Result<Sender, String> {
        let line = Line::open(app, route)?;
        let sent = Sent::default();
        let (done, queue) = mpsc::channel(app.routes.config().unsealed_max.max(1));
        tasks.spawn(keep_sealing(Arc::clone(app), queue, sent.clone()));
        Ok(Sender {
            app: Arc::clone(app),
            rules: route.clone(),
            line,
            stirred: app.routes.stirred(),
            orders: u64::MAX,
            paused: false,
            ready: VecDeque::new(),
            held: HashMap::new(),
            tries: HashMap::new(),
            failures: 0,
            rests: None,
            sent,
            done,
        })
    }

    /// Sends until `stop`.
    pub(super) async fn run(mut self, stop: CancellationToken) {
        while !stop.is_cancelled() {
            let began = Instant::now();
            let next = match self.next().await {
                Ok(next) => next,
                Err(why) => {
                    self.say(Some(why));
                    None
                }
            };
            let Some(next) = next else {
                let until = self.wakes(began);
                tokio::select! {
                    () = self.line.rest() => {}
                    () = stop.cancelled() => return,
                }
                self.rest(until, &stop).await;
                continue;
            };
            let stopped = async {
                stop.cancelled().await;
                tokio::time::sleep(GRACE).await;
            };
            tokio::select! {
                sent = self.some(next) => if sent.is_none() { return },
                () = stopped => return,
            }
        }
    }

    /// When it is worth a look again, as it was when the queue was looked at: what was due since then is due.
    fn wakes(&self, began: Instant) -> Instant {
        let free = self.held.values().min().copied();
        // A moment that was over by then is nothing to wait for: a pause outlasts it.
        let until = self.rests.or(free).filter(|until| *until > began);
        until.unwrap_or(began + IDLE)
    }

    /// Waits until there may be something to send.
    async fn rest(&mut self, until: Instant, stop: &CancellationToken) {
        tokio::select! {
            () = stop.cancelled() => {}
            () = tokio::time::sleep_until(until) => {}
            _ = self.stirred.changed() => {}
            () = self.sent.fewer() => {}
        }
    }

    /// The next message that may be sent now.
    async fn next(&mut self) -> Result<Option<Waiting>, String> {
        let said = |why: routes::Error| why.to_string();
        let orders = self.stirred.borrow_and_update().orders;
        if orders != self.orders {
            self.ready.clear();
            // What they waited for may be what was ordered away.
            self.held.clear();
            self.paused = self
                .app
                .routes
                .paused(&self.rules.name)
                .await
                .map_err(said)?;
            // Noted once it was heeded: what failed is asked again.
            self.orders = orders;
            if self.paused {
                self.say(None);
            }
        }
        let now = Instant::now();
        let many = self.sent.len() >= self.app.routes.config().unsealed_max.max(1);
        // INVARIANT: what cannot be sealed is not sent: another machine may be sending it.
        let away = self.app.record.in_office().is_err();
        if self.paused || many || away || self.rests.is_some_and(|until| now < until) {
            return Ok(None);
        }
        self.rests = None;
        let held = self.held.len();
        self.held.retain(|_, until| now < *until);
        if self.held.len() < held || self.ready.is_empty() {
            self.look().await.map_err(said)?;
            if self.ready.is_empty() && self.held.is_empty() {
                self.say(None);
            }
        }
        Ok(self.ready.pop_front())
    }

    /// Looks into the queue, but for those who are held up.
    async fn look(&mut self) -> Result<(), routes::Error> {
        let held: Vec<PatientLane> = self.held.keys().copied().collect();
        self.ready.clear();
        if held.len() >= self.app.routes.config().held_up_max.max(1) {
            return Ok(());
        }
        // INVARIANT: what was sent is looked at before the queue. The other way round, what leaves the
        // queue in between would be in the rows and no longer among what was sent, and go twice.
        let sent = self.sent.all();
        let rows = WINDOW + sent.len();
        let found = self.app.routes.waiting((&self.rules.name, rows), &held);
        let found = found.await?.into_iter();
        let new = found.filter(|one| !sent.contains(&(one.turn, one.message)));
        self.ready.extend(new);
        Ok(())
    }

    /// Sends some, in order or beside each other; `None`: what became of them cannot be sealed any more.
    async fn some(&mut self, first: Waiting) -> Option<()> {
        let mut ready: Vec<Ready> = Vec::new();
        let mut next = Some(first);
        while let Some(one) = next.take() {
            match self.prepared(one).await? {
                Prepared::Ready(one) if ready.iter().any(|other| other.goes_before(&one)) => {
                    self.ready.push_front(one.about.one);
                }
                Prepared::Ready(one) => {
                    ready.push(*one);
                    next = self.another(ready.len());
                }
                // What failed may keep others waiting: they are looked at anew.
                Prepared::Over => {}
            }
        }
        let (outgoing, about): (Vec<_>, Vec<_>) = ready
            .into_iter()
            .map(|one| (one.outgoing, one.about))
            .unzip();
        let answers = self.line.send_all(&outgoing).await;
        self.answered(about.into_iter().zip(answers).collect())
            .await
    }

    /// The next in line, if it may go at the same time as so many before it.
    fn another(&mut self, beside: usize) -> Option<Waiting> {
        let unsealed = self.sent.len() + beside;
        let most = self.app.routes.config().unsealed_max;
        let fits = beside < self.line.width() && unsealed < most;
        fits.then(|| self.ready.pop_front()).flatten()
    }

    /// What is to be sent of one that waits.
    async fn prepared(&mut self, one: Waiting) -> Option<Prepared> {
        let sealed = match self.app.record.get(one.message).await {
            Ok(sealed) => sealed,
            Err(Error::Erased(_) | Error::NoSuchIndex(_)) => {
                let subject = event::Subject::Feed(self.rules.name.clone());
                let words = "it cannot be read any more".to_owned();
                let routed = self.routed(&one, (RouteOutcome::Refused, words, None));
                self.tell(&one, subject, routed).await?;
                return Some(Prepared::Over);
            }
            Err(why) => {
                self.down(one.lane, format!("message {}: {why}", one.message));
                return Some(Prepared::Over);
            }
        };
        let lane = routes::lane(sealed.event(), sealed.stream());
        if one.lane.is_none() {
            let _ = self.app.routes.belongs(&self.rules.name, &one, lane).await;
            if self.is_held(&lane) {
                return Some(Prepared::Over);
            }
        }
        let subject = sealed.event().subject.clone();
        match self.made(&one, &sealed).await {
            Made::Aside(outcome, words) => {
                let about = About {
                    one,
                    lane,
                    subject,
                    mark: None,
                };
                self.settled(about, (outcome, words)).await?;
                Some(Prepared::Over)
            }
            Made::Later(why) => {
                self.down(Some(lane), why);
                Some(Prepared::Over)
            }
            Made::Out(outgoing, mark) => Some(Prepared::Ready(Box::new(Ready {
                beside: matches!(&sealed.event().body, Body::Image(image) if Object::goes_beside(image)),
                outgoing,
                about: About {
                    one,
                    lane,
                    subject,
                    mark,
                },
            }))),
        }
    }

    /// What was answered to each. If a receiver took some, it is there: of the others each waits for itself.
    async fn answered(&mut self, answers: Vec<(About, Answer)>) -> Option<()> {
        let took = |one: &(About, Answer)| matches!(one.1, Answer::Taken(_) | Answer::Refused(_));
        let is_there = answers.iter().any(took);
        let mut left = Vec::new();
        for (about, answer) in answers {
            let outcome = match answer {
                Answer::Taken(words) => {
                    // It may come back before it is sealed that it went.
                    if let Some(mark) = &about.mark {
                        let out = (self.rules.name.as_str(), mark.as_str());
                        self.app.routes.went_out(out, about.one.message);
                    }
                    (RouteOutcome::Taken, words)
                }
                Answer::Refused(words) => (RouteOutcome::Refused, words),
                other => {
                    left.push((about, other));
                    continue;
                }
            };
            self.settled(about, outcome).await?;
        }
        for (about, answer) in left {
            let message = about.one.message;
            match answer {
                Answer::Down(words) if !is_there => {
                    // Whoever was sent beside it waits on too: what is behind them may not go first.
                    self.ready.clear();
                    self.down(Some(about.lane), words);
                    return Some(());
                }
                Answer::Down(words) | Answer::Again(words) => {
                    self.hold(about.lane, format!("message {message}: {words}"));
                }
                Answer::Taken(_) | Answer::Refused(_) => {}
            }
        }
        Some(())
    }

    /// It is over with one: what became of it is sealed.
    async fn settled(
        &mut self,
        about: About,
        (outcome, words): (RouteOutcome, String),
    ) -> Option<()> {
        let About {
            one,
            lane,
            subject,
            mark,
        } = about;
        self.tries.remove(&lane);
        self.failures = 0;
        if self.held.is_empty() {
            self.say(None);
        }
        let routed = self.routed(&one, (outcome, words, mark));
        self.tell(&one, subject, routed).await
    }

    /// What goes out.
    async fn made(&self, one: &Waiting, sealed: &Sealed) -> Made {
        let refused = |why: String| Made::Aside(RouteOutcome::Refused, format!("not sent: {why}"));
        let event = sealed.event();
        if let Body::Resource(written) = &event.body
            && self.line.is_fhir()
        {
            let raw = match self.app.record.raw(sealed).await {
                Ok(raw) => raw,
                // It stays so until somebody puts it right, and the patient's others do not wait for that.
                Err(Error::Lost { path, what }) => {
                    return refused(format!(
                        "its content {what} (`vault/{path}`): put it back, and replay this one"
                    ));
                }
                // Erased just now, too: looked at again it is known to be, and nothing is sealed about the patient.
                Err(why) => return Made::Later(why.to_string()),
            };
            return match fhir::of_resource(written, &raw) {
                Ok(parts) => out(one, (Content::Fhir(parts), None)),
                Err(why) => refused(why),
            };
        }
        let message = match &event.body {
            Body::Message(message) => message,
            Body::Image(image) => {
                let object = Object::of(one.message, image);
                return out(one, (Content::Object(object), None));
            }
            _ => return refused("it is no message".to_owned()),
        };
        let parsed = parse(&event.raw, &message.charset);
        match self.came_back(one, &parsed.message).await {
            Ok(None) => {}
            Ok(Some(first)) => {
                let words = format!("not sent: it is event {first}, which went out before");
                return Made::Aside(RouteOutcome::Looped, words);
            }
            Err(why) => return Made::Later(why.to_string()),
        }
        let bytes = match self.rules.made(&parsed) {
            Ok(bytes) => bytes,
            Err(why) => return refused(why),
        };
        if self.line.is_fhir() {
            return match fhir::of_message(&self.app, &bytes, message) {
                Ok(parts) => out(one, (Content::Fhir(parts), None)),
                Err(why) => refused(why),
            };
        }
        let mark = mark(&parse(&bytes, &message.charset).message);
        out(one, (Content::Hl7(bytes), mark))
    }

    /// The message as which this one went out before; a person who replays it knows.
    async fn came_back(
        &self,
        one: &Waiting,
        message: &Message<'_>,
    ) -> Result<Option<u64>, routes::Error> {
        let Some(mark) = mark(message).filter(|_| one.decision() == 0) else {
            return Ok(None);
        };
        let out = (self.rules.name.as_str(), mark.as_str());
        self.app.routes.went_out_as(out, one.message).await
    }

    fn routed(
        &self,
        one: &Waiting,
        (outcome, answer, mark): (RouteOutcome, String, Option<String>),
    ) -> Routed {
        Routed {
            route: self.rules.name.clone(),
            message: one.message,
            decision: one.decision(),
            to: self.rules.to.clone(),
            outcome,
            answer,
            mark: mark.unwrap_or_default(),
        }
    }

    async fn tell(&self, one: &Waiting, subject: event::Subject, routed: Routed) -> Option<()> {
        // INVARIANT: it is among what was sent before it is sealed, and until the queue is without it.
        self.sent.add((one.turn, one.message));
        let done = Done {
            turn: one.turn,
            subject,
            routed,
        };
        self.done.send(done).await.ok()
    }

    fn is_held(&self, lane: &PatientLane) -> bool {
        self.held.contains_key(lane)
    }

    /// This patient waits; others do not.
    fn hold(&mut self, lane: PatientLane, why: String) {
        let tries = self.tried(lane);
        self.held.insert(lane, Instant::now() + self.pause(tries));
        self.failures = 0;
        self.ready.retain(|one| one.lane != Some(lane));
        self.say(Some(why));
    }

    /// The receiver is not there, or makes no sense: it is left alone for a while, and then somebody
    /// else's message goes first, so that one that it cannot bear does not keep it from all others.
    fn down(&mut self, lane: Option<PatientLane>, why: String) {
        self.failures = self.failures.saturating_add(1);
        let rest = self.pause(self.failures);
        let now = Instant::now();
        if let Some(lane) = lane {
            let tries = self.tried(lane);
            self.held.insert(lane, now + rest + self.pause(tries));
            self.ready.retain(|one| one.lane != Some(lane));
        } else {
            self.ready.clear();
        }
        self.rests = Some(now + rest);
        tracing::warn!(
            route = self.rules.name,
            tries = self.failures,
            "a route cannot send"
        );
        self.say(Some(why));
    }

    fn tried(&mut self, lane: PatientLane) -> u32 {
        if self.tries.len() >= TRIES_MAX {
            self.tries.clear();
        }
        let tries = self.tries.entry(lane).or_default();
        *tries = tries.saturating_add(1);
        *tries
    }

    /// The wait before the next try: twice as long each time.
    fn pause(&self, tries: u32) -> Duration {
        let config = self.app.routes.config();
        let doubled = config
            .retry_ms
            .max(1)
            .saturating_mul(1 << tries.saturating_sub(1).min(30));
        Duration::from_millis(doubled.min(config.retry_max_ms.max(1)))
    }

    fn say(&self, trouble: Option<String>) {
        let status = Status {
            trouble,
            held_up: self.held.len(),
        };
        self.app.routes.note(&self.rules.name, status);
    }
}

fn out(one: &Waiting, (content, mark): (Content, Option<String>)) -> Made {
    let message = one.message;
    Made::Out(Outgoing { message, content }, mark)
}
