//! The websocket of subscriptions: bound by a token, told what happens from then on. What it missed before,
//! and what it did not read, `$events` tells.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use axum::Extension;
use axum::extract::State;
use axum::extract::ws::{Message, WebSocket, WebSocketUpgrade};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use guard::Identity;
use routes::{Happened, Subscriber};
use tokio::sync::Notify;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep_until, timeout};
use wire::fhir::subscription::Subscribed;

use super::super::door::{Door, Kept};
use super::super::format::Layout;
use super::super::held::Held;
use super::super::who::{Proof, still};
use super::notice::{Hold, Notice};
use crate::App;

/// The largest message that a client may send, in bytes: it binds, and says nothing else.
const MESSAGE_BYTES_MAX: usize = 4096;
/// Subscriptions that one websocket may bind.
const BOUND_MAX: usize = 100;
/// The longest wait without a look at heartbeats.
const IDLE: Duration = Duration::from_secs(60);
/// How long one wait for a view takes.
const FOLD_WAIT: Duration = Duration::from_secs(5);

/// How many websockets there are. Those that have bound nothing yet count by themselves: they take no place
/// from anybody who has.
#[derive(Debug, Default)]
pub(crate) struct Sockets {
    strangers: Count,
    bound: Count,
}

#[derive(Debug, Default)]
struct Count(Arc<AtomicUsize>);

/// One of them, until it is dropped.
struct Place(Arc<AtomicUsize>);

impl Count {
    fn take(&self, max: usize) -> Option<Place> {
        let before = self.0.fetch_add(1, Ordering::SeqCst);
        let place = Place(Arc::clone(&self.0));
        (before < max).then_some(place)
    }

    fn is_full(&self, max: usize) -> bool {
        self.0.load(Ordering::SeqCst) >= max
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

/// `GET [base]/$subscription-socket`. Who asks is known by the token that it binds.
pub(crate) async fn socket(
    State(app): State<Arc<App>>,
    Extension(kept): Extension<Arc<Kept>>,
    upgrade: WebSocketUpgrade,
) -> Response {
    let max = app.settings.subscriptions.sockets_max;
    let place = kept.sockets.strangers.take(max);
    let Some(place) = place.filter(|_| !kept.sockets.bound.is_full(max)) else {
        return StatusCode::SERVICE_UNAVAILABLE.into_response();
    };
    upgrade
        .max_message_size(MESSAGE_BYTES_MAX)
        .max_frame_size(MESSAGE_BYTES_MAX)
        .on_upgrade(move |socket| async move {
            let session = Session {
                door: Door {
                    app,
                    kept,
                    layout: Layout::AsKept,
                    held: Held::default(),
                    proof: Proof::default(),
                },
                socket,
                client: String::new(),
                bound: Vec::new(),
                woken: Arc::new(Notify::new()),
                held: false,
                heard: true,
            };
            // However it ends, what it did not get is there for `$events`.
            Box::pin(session.run(place)).await;
        })
}

struct Session {
    door: Door,
    socket: WebSocket,
    /// Who bound it; empty: nobody yet.
    client: String,
    bound: Vec<Bound>,
    /// Something of a subscription that it has bound was folded.
    woken: Arc<Notify>,
    /// What waits until its client is no more at its ceiling.
    held: bool,
    /// Whether anything came since it was asked whether it is there.
    heard: bool,
}

struct Bound {
    id: String,
    /// The scopes of whoever asked for the token that bound it.
    scopes: Vec<String>,
    /// The number of the last event that it was told.
    number: u64,
    told: Instant,
    heartbeat: Option<Duration>,
    /// The token by which that was asked for.
    proof: Proof,
    /// What waits for the ceiling of its client, and when that was sealed.
    hold: Hold,
}

/// `None`: the websocket is to be closed, or is.
type Goes = Option<()>;

impl Session {
    async fn run(mut self, stranger: Place) {
        let settings = &self.door.app.settings.subscriptions;
        let bind = Duration::from_millis(settings.bind_ms);
        let mut ping = interval(Duration::from_millis(settings.ping_ms.max(1)));
        ping.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let max = settings.sockets_max;
        let first = async {
            while self.bound.is_empty() {
                let message = self.socket.recv().await?.ok()?;
                self.hear(message).await?;
            }
            Some(())
        };
        if !matches!(timeout(bind, first).await, Ok(Some(()))) {
            return;
        }
        let Some(_place) = self.door.kept.sockets.bound.take(max) else {
            return;
        };
        drop(stranger);
        let woken = Arc::clone(&self.woken);
        while self.stands() {
            let (beats, ends) = (self.beats(), self.ends());
            let goes = tokio::select! {
                message = self.socket.recv() => match message {
                    Some(Ok(message)) => self.hear(message).await,
                    Some(Err(_)) | None => None,
                },
                () = woken.notified() => self.tell().await,
                () = sleep_until(ends) => continue,
                _ = ping.tick() => match self.ping().await {
                    Some(()) if self.held => self.tell().await,
                    goes => goes,
                },
                () = sleep_until(beats) => self.beat().await,
            };
            if goes.is_none() {
                break;
            }
        }
        let _ = self.send(Message::Close(None)).await;
    }

    /// What came: a token, or nothing that matters.
    async fn hear(&mut self, message: Message) -> Goes {
        self.heard = true;
        let text = match message {
            Message::Text(text) => text,
            Message::Close(_) => return None,
            Message::Binary(_) | Message::Ping(_) | Message::Pong(_) => return Some(()),
        };
        let token = text.trim().strip_prefix("bind-with-token ")?;
        let now = self.door.app.clock.now();
        let bound = self.door.kept.tokens.take(token.trim(), now)?;
        if !self.client.is_empty() && self.client != bound.client {
            return None;
        }
        self.client = bound.client;
        for id in bound.subscriptions {
            self.bind(id, (bound.scopes.clone(), bound.proof.clone()))
                .await?;
        }
        Some(())
    }

    async fn bind(&mut self, id: String, (scopes, proof): (Vec<String>, Proof)) -> Goes {
        if self.bound.len() >= BOUND_MAX {
            return None;
        }
        // INVARIANT: before it is looked at, so that nothing that comes after is missed.
        self.door.app.routes.wake(&id, &self.woken);
        let place = (id.as_str(), scopes.as_slice());
        let Some((who, one, wanted)) = look(&self.door.app, &self.client, place).await? else {
            return Some(());
        };
        self.bound.retain(|bound| bound.id != id);
        self.bound.push(Bound {
            id,
            scopes,
            number: one.number,
            told: Instant::now(),
            heartbeat: wanted.channel.heartbeat_seconds.map(Duration::from_secs),
            proof,
            hold: Hold::default(),
        });
        let notice = ("handshake", [].as_slice());
        self.notify(&who, (&one, &wanted), notice).await.map(drop)
    }

    /// Lets go what was bound by a token that has ended; false: nothing is left.
    fn stands(&mut self) -> bool {
        let now = self.door.app.clock.now();
        let lasts = |bound: &Bound| bound.proof.until.is_none_or(|until| until > now);
        self.bound.retain(lasts);
        !self.bound.is_empty()
    }

    /// Lets go what was bound by a token that stands for nobody any more, and those that have ended.
    ///
    /// INVARIANT: called before anything is told, and once it is current.
    async fn proves(&mut self) -> Goes {
        let app = Arc::clone(&self.door.app);
        let mut stands = Vec::with_capacity(self.bound.len());
        for bound in std::mem::take(&mut self.bound) {
            let good = match &bound.proof.bearer {
                Some(bearer) => bearer.again(&app).await.ok()?.is_some(),
                None => true,
            };
            stands.extend(good.then_some(bound));
        }
        self.bound = stands;
        self.stands().then_some(())
    }

    /// When the first of the tokens ends.
    fn ends(&self) -> Instant {
        let now = self.door.app.clock.now();
        let first = self
            .bound
            .iter()
            .filter_map(|bound| bound.proof.until)
            .min();
        let left = first.map(|until| u64::try_from(until.since(now)).unwrap_or(0));
        let left = left.map(Duration::from_millis);
        Instant::now() + left.unwrap_or(IDLE).min(IDLE)
    }

    /// Tells what happened since.
    async fn tell(&mut self) -> Goes {
        self.held = false;
        // Nothing is told by what the client was: `$events` tells it later.
        is_current(&self.door.app).await.then_some(())?;
        self.proves().await?;
        for (id, scopes) in self.those(|_| true) {
            let place = (id.as_str(), scopes.as_slice());
            let Some((who, one, wanted)) = look(&self.door.app, &self.client, place).await? else {
                self.bound.retain(|bound| bound.id != id);
                continue;
            };
            loop {
                let told = self.bound.iter().find(|bound| bound.id == id)?.number;
                if told >= one.number {
                    break;
                }
                let numbers = (id.as_str(), told + 1, one.number);
                let events = self
                    .door
                    .app
                    .routes
                    .happened(numbers, wanted.channel.events_max);
                let events = events.await.ok()?;
                // What was erased meanwhile has a number and nothing else.
                let last = match events.is_empty() {
                    true => one.number,
                    false => {
                        let notice = ("event-notification", events.as_slice());
                        self.notify(&who, (&one, &wanted), notice).await?
                    }
                };
                if last <= told {
                    self.held = true;
                    break;
                }
                let bound = self.bound.iter_mut().find(|bound| bound.id == id)?;
                (bound.number, bound.told) = (last, Instant::now());
            }
        }
        (!self.bound.is_empty()).then_some(())
    }

    /// The ids of some that are bound, each with its scopes.
    fn those(&self, wanted: impl Fn(&Bound) -> bool) -> Vec<(String, Vec<String>)> {
        let some = self.bound.iter().filter(|bound| wanted(bound));
        some.map(|bound| (bound.id.clone(), bound.scopes.clone()))
            .collect()
    }

    /// When the next heartbeat is due.
    fn beats(&self) -> Instant {
        let all = self.bound.iter();
        let due = all.filter_map(|bound| Some(bound.told + bound.heartbeat?));
        due.min().unwrap_or_else(|| Instant::now() + IDLE)
    }

    async fn beat(&mut self) -> Goes {
        is_current(&self.door.app).await.then_some(())?;
        self.proves().await?;
        let now = Instant::now();
        let due = |bound: &Bound| {
            let beats = bound.heartbeat.map(|period| bound.told + period);
            beats.is_some_and(|beats| beats <= now)
        };
        for (id, scopes) in self.those(due) {
            let place = (id.as_str(), scopes.as_slice());
            if let Some((who, one, wanted)) = look(&self.door.app, &self.client, place).await? {
                let notice = ("heartbeat", [].as_slice());
                self.notify(&who, (&one, &wanted), notice).await?;
            }
            let bound = self.bound.iter_mut().find(|bound| bound.id == id)?;
            bound.told = now;
        }
        Some(())
    }

    /// Sends one notification; the number of its last event, 0: it has none, or its client has come to its
    /// ceiling and nothing was sent.
    async fn notify(
        &mut self,
        who: &Identity,
        (one, wanted): (&Subscriber, &Subscribed),
        (what, events): (&'static str, &[Happened]),
    ) -> Option<u64> {
        let notice = Notice::of((one, wanted), what).with_status("active");
        let mut fresh = Hold::default();
        let bound = self.bound.iter_mut().find(|bound| bound.id == one.id);
        let hold = bound.map_or(&mut fresh, |bound| &mut bound.hold);
        let (bundle, last) = match notice.bundle(&self.door, who, (events, hold)).await {
            Ok(made) => made,
            Err(fault) if fault.status == StatusCode::TOO_MANY_REQUESTS => return Some(0),
            Err(_) => return None,
        };
        self.send(Message::Text(bundle.to_string().into())).await?;
        Some(last)
    }

    async fn ping(&mut self) -> Goes {
        if !std::mem::take(&mut self.heard) {
            return None;
        }
        if is_current(&self.door.app).await {
            self.proves().await?;
        }
        self.send(Message::Ping(bytes::Bytes::new())).await
    }

    /// INVARIANT: one message at a time goes out, and whoever does not read it in time is let go.
    async fn send(&mut self, message: Message) -> Goes {
        let wait = self.door.app.settings.subscriptions.write_ms;
        let sent = timeout(Duration::from_millis(wait), self.socket.send(message)).await;
        matches!(sent, Ok(Ok(()))).then_some(())
    }
}

/// Whether it is known by now whose token stands for whom.
async fn is_current(app: &App) -> bool {
    let size = app.record.size();
    app.tokens.caught_up(size, FOLD_WAIT).await && app.staff.caught_up(size, FOLD_WAIT).await
}

/// The subscription with whoever made it, as far as the scopes go; inner `None`: it is off, gone, or
/// somebody else's by now.
async fn look(
    app: &App,
    client: &str,
    (id, scopes): (&str, &[String]),
) -> Option<Option<(Identity, Subscriber, Subscribed)>> {
    // Nothing is told by what the client was: `$events` tells it later.
    if !app.staff.caught_up(app.record.size(), FOLD_WAIT).await {
        return None;
    }
    // The client is gone: so is its websocket.
    let mut who = app.staff.identity(client)?;
    who.scopes = still(scopes, &who.scopes);
    let found = app.routes.subscriber(id).await.ok()?;
    let found = found.filter(|one| one.maker == client && one.status != "off");
    let found = found.and_then(super::with_read);
    Some(found.map(|(one, wanted)| (who, one, wanted)))
}
