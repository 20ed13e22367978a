//! Tells the subscribers: for each subscription a task finds what happened, numbers and seals it, and
//! posts it if the channel is a `rest-hook`. Where each of them is, the record says.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use axum::http::StatusCode;
use chart::Changes;
use event::{Happening, NotifyStep, Role, Time};
use guard::Identity;
use routes::{Status, Subscriber};
use tokio::sync::Notify;
use tokio::task::JoinHandle;
use tokio::time::{Instant, MissedTickBehavior};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use wire::fhir::subscription::Subscribed;

use super::super::door::{Door, Kept};
use super::super::fault::Fault;
use super::super::format::Layout;
use super::super::held::Held;
use super::super::history::instant;
use super::super::who::Proof;
use super::looks::Look;
use super::notice::{Hold, Notice, Sight, seen};
use super::{hook, read, state};
use crate::App;

/// The longest rest without a look at a subscription.
const IDLE: Duration = Duration::from_secs(10);
/// How long one wait for a view takes.
const FOLD_WAIT: Duration = Duration::from_secs(5);
/// Events of the record after which it is sealed that they were looked through, though nothing was found.
const SEALED_THROUGH: u64 = 100_000;

/// How long a subscription whose client has come to its ceiling waits between two looks.
const CEILING_WAIT: Duration = Duration::from_millis(CEILING_WAIT_MS.unsigned_abs());
const CEILING_WAIT_MS: i64 = 60_000;

/// Those who are told, each with what wakes it.
#[derive(Default)]
struct Tellers {
    running: HashMap<String, (JoinHandle<()>, Arc<Notify>)>,
    /// Who is told of a type.
    by_kind: HashMap<String, Vec<Arc<Notify>>>,
}

/// Tells the subscribers until `stop`. What is written wakes those alone whose types it has.
pub async fn notify(app: Arc<App>, stop: CancellationToken) {
    let tasks = TaskTracker::new();
    let mut tellers = Tellers::default();
    let (mut stirred, mut folded) = (app.routes.stirred(), app.chart.folded());
    let mut looked = *folded.borrow();
    let mut listed = None;
    // INVARIANT: however much happens, one that ended is begun again.
    let mut again = tokio::time::interval(IDLE);
    again.set_missed_tick_behavior(MissedTickBehavior::Delay);
    while !stop.is_cancelled() {
        let subscriptions = stirred.borrow_and_update().subscriptions;
        if listed != Some(subscriptions) {
            match app.routes.subscribers().await {
                Ok(all) => {
                    tellers.take(&app, all, (&tasks, &stop));
                    listed = Some(subscriptions);
                }
                Err(why) => tracing::error!(%why, "subscriptions cannot be listed"),
            }
        }
        folded.borrow_and_update();
        match app.chart.written(looked).await {
            Ok(written) => {
                looked = written.through;
                tellers.wake(&written.kinds);
            }
            Err(why) => tracing::error!(%why, "it cannot be found out what was written"),
        }
        tokio::select! {
            biased;
            () = stop.cancelled() => {}
            _ = again.tick() => listed = None,
            _ = stirred.changed() => {}
            _ = folded.changed() => {
                // What comes together is looked at together.
                let gather = app.settings.subscriptions.look_ms;
                tokio::time::sleep(Duration::from_millis(gather)).await;
            }
        }
    }
    tasks.close();
    tasks.wait().await;
}

impl Tellers {
    /// Begins with those that go and are not told yet.
    fn take(
        &mut self,
        app: &Arc<App>,
        all: Vec<Subscriber>,
        (tasks, stop): (&TaskTracker, &CancellationToken),
    ) {
        self.running.retain(|_, (task, _)| !task.is_finished());
        self.by_kind.clear();
        for one in all {
            let Some(wanted) = read(&one).filter(|_| one.status != "off") else {
                continue;
            };
            let woken = match self.running.get(&one.id) {
                Some((_, woken)) => Arc::clone(woken),
                None => {
                    let woken = Arc::new(Notify::new());
                    app.routes.wake(&one.id, &woken);
                    let teller = Teller::new(app, (&one.id, &woken));
                    let task = tasks.spawn(teller.run(stop.clone()));
                    self.running.insert(one.id, (task, Arc::clone(&woken)));
                    woken
                }
            };
            for kind in wanted.kinds {
                let those = self.by_kind.entry(kind).or_default();
                those.push(Arc::clone(&woken));
            }
        }
    }

    fn wake(&self, kinds: &[String]) {
        let all = kinds.iter().filter_map(|kind| self.by_kind.get(kind));
        all.flatten().for_each(|woken| woken.notify_one());
    }
}

/// One subscription.
struct Teller {
    door: Door,
    id: String,
    /// Something happened that may concern it.
    woken: Arc<Notify>,
    /// Everything before this index was looked at, sealed or not.
    looked: u64,
    /// What it asks, and the look that it shares.
    asks: Option<(String, Arc<Look>)>,
    /// Failures of its receiver in a row, and until when it is left alone.
    failures: u32,
    rests: Option<Instant>,
    /// Since when its receiver has not taken what waits, whatever it said to handshakes.
    failing: Option<Time>,
    /// The event that waits since its client has come to its ceiling.
    over_ceiling: bool,
    /// When that was sealed.
    hold: Hold,
    /// What has its number already waits for the ceiling: it goes before what has none yet.
    tell_held: bool,
    /// Until when what waits is not looked at again: nothing that came since goes before it.
    waits: Option<Time>,
    /// What the event of the record that waits wrote besides, and what was decided of it.
    decided: HashMap<Happening, bool>,
    /// When its receiver was told something last.
    told: Instant,
}

/// What comes next.
enum Next {
    /// There is something to do right away.
    Again,
    /// It is off, or gone.
    Over,
    /// Nothing until something happens, or until then.
    Rest(Option<Instant>),
}

impl Teller {
    fn new(app: &Arc<App>, (id, woken): (&str, &Arc<Notify>)) -> Teller {
        Teller {
            door: Door {
                app: Arc::clone(app),
                kept: Arc::new(Kept::default()),
                layout: Layout::AsKept,
                held: Held::default(),
                proof: Proof::default(),
            },
            id: id.to_owned(),
            woken: Arc::clone(woken),
            looked: 0,
            asks: None,
            failures: 0,
            rests: None,
            failing: None,
            over_ceiling: false,
            tell_held: false,
            hold: Hold::default(),
            waits: None,
            decided: HashMap::new(),
            told: Instant::now(),
        }
    }

    async fn run(mut self, stop: CancellationToken) {
        let woken = Arc::clone(&self.woken);
        while !stop.is_cancelled() {
            let next = tokio::select! {
                biased;
                () = stop.cancelled() => return,
                next = Box::pin(self.step()) => next,
            };
            let until = match next {
                Ok(Next::Again) => continue,
                Ok(Next::Over) => break,
                Ok(Next::Rest(until)) => until,
                Err(why) => {
                    self.say(Some(why));
                    let again = self.door.app.settings.subscriptions.retry_ms;
                    Some(Instant::now() + Duration::from_millis(again))
                }
            };
            let until = until.unwrap_or_else(|| Instant::now() + IDLE);
            // INVARIANT: woken while it looked, it looks again: the notification waits for it.
            tokio::select! {
                biased;
                () = stop.cancelled() => return,
                () = woken.notified() => {}
                () = tokio::time::sleep_until(until) => {}
            }
        }
    }

    async fn step(&mut self) -> Result<Next, String> {
        let app = Arc::clone(&self.door.app);
        // INVARIANT: what cannot be sealed is not told: another machine may be telling it.
        if app.record.in_office().is_err() {
            return Ok(Next::Rest(None));
        }
        if !app.routes.caught_up(app.record.size(), FOLD_WAIT).await {
            return Ok(Next::Again);
        }
        let as_of = app.routes.folded();
        let found = app.routes.subscriber(&self.id).await;
        let found = found.map_err(|why| why.to_string())?;
        let Some((one, wanted)) = found.and_then(super::with_read) else {
            return Ok(Next::Over);
        };
        if one.status == "off" {
            return Ok(Next::Over);
        }
        let ends = wanted.end.as_deref().and_then(instant);
        if ends.is_some_and(|ends| ends <= app.clock.now()) {
            return self.off((&one, as_of), None).await;
        }
        if !app.staff.caught_up(app.record.size(), FOLD_WAIT).await {
            return Ok(Next::Again);
        }
        let who = app.staff.identity(&one.maker);
        let Some(who) = who.filter(|who| who.role() == Role::Client) else {
            let why = "the client that made this subscription is gone";
            return self.off((&one, as_of), Some(why)).await;
        };
        let max = app.settings.subscriptions.waiting_max;
        let waiting = one.number.saturating_sub(one.taken);
        if wanted.channel.endpoint.is_some() && waiting > max {
            let why = format!("more than {max} events wait (`waiting_max`)");
            return self.off((&one, as_of), Some(&why)).await;
        }
        let found = !self.tell_held && self.find(&who, (&one, &wanted)).await?;
        // However much happens, what waits is told.
        let next = match &wanted.channel.endpoint {
            Some(endpoint) => {
                let endpoint = endpoint.clone();
                self.tell(&who, (&one, &wanted, as_of), &endpoint).await?
            }
            None if one.status == "active" => Next::Rest(None),
            None => self.becomes((&one, as_of), ("active", None)).await?,
        };
        let over = self.over_ceiling.then(|| Instant::now() + CEILING_WAIT);
        match (found, next) {
            (true, Next::Rest(_)) => Ok(Next::Again),
            (_, Next::Rest(until)) => Ok(Next::Rest([until, over].into_iter().flatten().min())),
            (_, next) => Ok(next),
        }
    }

    /// The look of all that ask the same as this one by now.
    fn look(&mut self, wanted: &Subscribed) -> Arc<Look> {
        let asked = wanted.asks();
        match &self.asks {
            Some((known, look)) if *known == asked => Arc::clone(look),
            _ => {
                let look = self.door.app.looks.of(wanted);
                self.asks = Some((asked, Arc::clone(&look)));
                (self.waits, self.decided) = (None, HashMap::new());
                look
            }
        }
    }

    /// Looks through what came since; true: something was found and sealed.
    async fn find(
        &mut self,
        who: &Identity,
        (one, wanted): (&Subscriber, &Subscribed),
    ) -> Result<bool, String> {
        let app = Arc::clone(&self.door.app);
        if self.waits.is_some_and(|until| app.clock.now() < until) {
            return Ok(false);
        }
        loop {
            let after = self.looked.max(one.through);
            let look = self.look(wanted);
            let changes = look.changes(&app, (wanted, after)).await;
            let changes = changes.map_err(|why| why.to_string())?;
            let (events, through) = self.events(who, (one, wanted, &changes)).await?;
            let held = through < changes.through;
            let far = through.saturating_sub(one.through) > SEALED_THROUGH;
            self.looked = through;
            if !events.is_empty() || far {
                let step = NotifyStep::Found {
                    through,
                    first: one.number.saturating_add(1),
                    events,
                };
                self.seal(step).await?;
                return Ok(!held);
            }
            if held || !changes.more {
                return Ok(false);
            }
        }
    }

    /// What of some changes is an event, and up to where they were looked at: what the ceiling of the client
    /// holds back waits, with all that comes after it.
    async fn events(
        &mut self,
        who: &Identity,
        (one, wanted, changes): (&Subscriber, &Subscribed, &Changes),
    ) -> Result<(Vec<Happening>, u64), String> {
        let mut events: Vec<Happening> = Vec::new();
        for change in &changes.found {
            let what = Happening {
                index: change.version,
                place: change.place,
            };
            if let Some(is_event) = self.decided.get(&what) {
                events.extend(is_event.then_some(what));
                continue;
            }
            // Whose it is may have changed since it was found.
            let seen = seen(&self.door, who, (one, wanted, what), &mut self.hold).await;
            let is_event = match seen.map_err(|fault| fault.words())? {
                Sight::Shown(_) => true,
                Sight::Nothing => false,
                Sight::Later => {
                    self.over_ceiling = true;
                    self.waits = Some(self.door.app.clock.now().plus_millis(CEILING_WAIT_MS));
                    self.say(Some(Fault::over_ceiling().words()));
                    // What the same event of the record wrote gets its number with it, and was decided once.
                    events.retain(|event| event.index < change.version);
                    return Ok((events, change.version));
                }
            };
            self.decided.retain(|one, _| one.index == what.index);
            self.decided.insert(what, is_event);
            events.extend(is_event.then_some(what));
        }
        (self.waits, self.decided) = (None, HashMap::new());
        if self.over_ceiling {
            self.over_ceiling = false;
            self.hold = Hold::default();
            self.say(None);
        }
        Ok((events, changes.through))
    }

    /// Posts what its receiver does not have yet.
    async fn tell(
        &mut self,
        who: &Identity,
        (one, wanted, as_of): (&Subscriber, &Subscribed, u64),
        endpoint: &str,
    ) -> Result<Next, String> {
        let app = Arc::clone(&self.door.app);
        let settings = &app.settings.subscriptions;
        let now = app.clock.now();
        // INVARIANT: a restart does not count anew: what was sealed of it goes on.
        self.failing = self.failing.or(one.failing);
        let failing = self.failing.map_or(0, |since| now.since(since));
        let in_error = now.since(one.changed).max(failing);
        if one.status == "error" && in_error >= settings.off_after_ms {
            let why = "its receiver was not there for too long";
            return self.off((one, as_of), Some(why)).await;
        }
        if let Some(until) = self.rests.filter(|until| Instant::now() < *until) {
            return Ok(Next::Rest(Some(until)));
        }
        let heartbeat = wanted.channel.heartbeat_seconds.map(Duration::from_secs);
        let due = heartbeat.map(|period| self.told + period);
        let (what, status, events) = match one.status.as_str() {
            "active" if one.number > one.taken => {
                let numbers = (one.id.as_str(), one.taken + 1, one.number);
                let events = app.routes.happened(numbers, wanted.channel.events_max);
                let events = events.await.map_err(|why| why.to_string())?;
                if events.is_empty() {
                    // They were erased.
                    return self.took(one.number, endpoint).await;
                }
                ("event-notification", "active", events)
            }
            "active" => match due {
                Some(due) if Instant::now() >= due => ("heartbeat", "active", Vec::new()),
                due => return Ok(Next::Rest(due)),
            },
            // INVARIANT: nothing is told to a receiver that has not shaken hands.
            _ => ("handshake", "active", Vec::new()),
        };
        let notice = Notice::of((one, wanted), what).with_status(status);
        let events = (events.as_slice(), &mut self.hold);
        let made = notice.bundle(&self.door, who, events).await;
        let over = |fault: &Fault| fault.status == StatusCode::TOO_MANY_REQUESTS;
        self.tell_held = made.as_ref().is_err_and(over);
        let (bundle, last) = match made {
            Ok(made) => made,
            Err(fault) if self.tell_held => {
                self.say(Some(fault.words()));
                return Ok(Next::Rest(Some(Instant::now() + CEILING_WAIT)));
            }
            Err(fault) => return Err(fault.words()),
        };
        let posted = match hook::place(settings, endpoint) {
            Ok(place) => hook::post(&app, (&place, &wanted.channel), bundle.to_string()).await,
            Err(why) => Err(why),
        };
        if let Err(why) = posted {
            return self.failed((one, as_of), why).await;
        }
        self.told = Instant::now();
        self.failures = 0;
        self.rests = None;
        // A handshake is easily answered: what counts is whether it takes what waits.
        if what != "handshake" || one.number == one.taken {
            self.failing = None;
            // That it took an event says the same.
            if one.failing.is_some() && what != "event-notification" {
                self.seal(NotifyStep::Failing { since: None }).await?;
            }
        }
        if !self.over_ceiling {
            self.say(None);
        }
        match what {
            "event-notification" => self.took(last, endpoint).await,
            "handshake" => self.becomes((one, as_of), ("active", None)).await,
            _ => Ok(Next::Again),
        }
    }

    /// Its receiver has all up to this number: sealed before the next ones go.
    async fn took(&self, number: u64, to: &str) -> Result<Next, String> {
        let to = to.to_owned();
        self.seal(NotifyStep::Taken { number, to }).await?;
        Ok(Next::Again)
    }

    async fn failed(
        &mut self,
        (one, as_of): (&Subscriber, u64),
        why: String,
    ) -> Result<Next, String> {
        let settings = &self.door.app.settings.subscriptions;
        self.failures = self.failures.saturating_add(1);
        self.failing.get_or_insert(self.door.app.clock.now());
        let doubled = 1_u64 << (self.failures - 1).min(20);
        let pause = settings.retry_ms.saturating_mul(doubled);
        let pause = Duration::from_millis(pause.min(settings.retry_max_ms));
        let until = Instant::now() + pause;
        self.rests = Some(until);
        let is_error = match one.status.as_str() {
            "active" => self.failures >= settings.failures_max,
            status => status == "requested",
        };
        self.say(Some(why.clone()));
        if is_error {
            if one.failing.is_none() {
                let since = self.failing;
                self.seal(NotifyStep::Failing { since }).await?;
            }
            return self.becomes((one, as_of), ("error", Some(&why))).await;
        }
        Ok(Next::Rest(Some(until)))
    }

    async fn off(
        &self,
        (one, as_of): (&Subscriber, u64),
        why: Option<&str>,
    ) -> Result<Next, String> {
        self.say(why.map(str::to_owned));
        self.becomes((one, as_of), ("off", why)).await
    }

    async fn becomes(
        &self,
        (one, as_of): (&Subscriber, u64),
        what: (&str, Option<&str>),
    ) -> Result<Next, String> {
        let written = state::write(&self.door.app, (one, as_of), what).await;
        written.map_err(|why| why.to_string())?;
        Ok(Next::Again)
    }

    async fn seal(&self, step: NotifyStep) -> Result<(), String> {
        let sealed = state::step(&self.door.app, &self.id, step).await;
        sealed.map_err(|why| why.to_string())
    }

    /// What keeps it from telling, for the page Flow.
    fn say(&self, trouble: Option<String>) {
        let status = Status {
            trouble,
            held_up: 0,
        };
        let name = format!("Subscription/{}", self.id);
        self.door.app.routes.note(&name, status);
    }
}
