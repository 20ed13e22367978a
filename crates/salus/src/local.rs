//! The operator's way to a running server: HTTP over a Unix socket in the data folder, mode 0600.
//! Whoever may open the folder may operate; nobody else can reach it.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context as _, Result, bail};
use axum::Json;
use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use event::App;
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper_util::rt::TokioIo;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use tokio::net::{UnixListener, UnixStream};
use web::{Changed, Compared, Ended, Leaver, Order, RouteOrdered, RouteWanted, Suspect, Undone};

use crate::asking::{Asked, Wanted};
use crate::assemble::House;
use crate::backing::Pinned;
use crate::capturing::{self, Captured};
use crate::cli::View;
use crate::config::Config;
use crate::disclosing::{Disclose, Handed};
use crate::drill::Drilled;
use crate::export::{ExportPart, Exported};
use crate::fence;
use crate::keeping::{Erase, Erased, Pages, Rotated, Shares, Which as WhichKeys};
use crate::operations::{Kind, Taken, operator};
use crate::policies::{Applied, Explained, Replayed, explain};
use crate::promoting::{Became, Promote};
use crate::pulling;
use crate::routing::Listed;
use crate::scrub::Looked;
use crate::study_out;

/// The largest part of a file that is sent at once, in bytes.
pub(crate) const PART_BYTES_MAX: usize = 512 << 20;

/// A client to be added, or ended if there are no scopes.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct NewClient {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) scopes: Option<Vec<String>>,
    /// What more than a token it has.
    #[serde(default)]
    pub(crate) app: Option<App>,
}

/// People whose access ends.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Leavers {
    /// Who says so, for the record.
    pub(crate) source: String,
    pub(crate) people: Vec<Leaver>,
}

/// What a part of a file is.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Part {
    pub(crate) kind: Kind,
    pub(crate) feed: String,
    /// It was begun before, when the record had that many events, and may have been taken.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) begun: Option<u64>,
}

impl Part {
    /// It as the query of a URL.
    fn query(&self) -> Result<String> {
        let kind = serde_json::to_value(self.kind)?;
        let mut query = url::form_urlencoded::Serializer::new(String::new());
        query.append_pair("kind", kind.as_str().unwrap_or_default());
        query.append_pair("feed", &self.feed);
        if let Some(begun) = self.begun {
            query.append_pair("begun", &begun.to_string());
        }
        Ok(query.finish())
    }
}

/// Policies to be tried or put in force.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct NewPolicies {
    pub(crate) files: Vec<(String, String)>,
    pub(crate) schema: String,
    /// Why they are put in force.
    pub(crate) reason: String,
    /// How many days back they are tried.
    pub(crate) days: u32,
    /// Changed decisions to return, at most.
    pub(crate) examples: usize,
}

/// Which view.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Which {
    pub(crate) view: View,
}

/// The house, opened here or behind the socket of a running server.
pub(crate) enum Operator {
    Here(Arc<House>),
    There(std::path::PathBuf),
}

impl Operator {
    /// The running server's, if there is one; else the house is opened here.
    pub(crate) async fn reach(config: Config) -> Result<Operator> {
        let socket = config.socket();
        if UnixStream::connect(&socket).await.is_ok() {
            return Ok(Operator::There(socket));
        }
        Box::pin(fence::may_begin(&config)).await?;
        Ok(Operator::Here(Arc::new(
            Box::pin(House::open(config)).await?,
        )))
    }

    /// Adds a client and returns its token.
    pub(crate) async fn add_client(&self, new: &NewClient) -> Result<String> {
        match self {
            Operator::Here(house) => client(house, new).await,
            Operator::There(socket) => call(socket, "/client", &serde_json::to_vec(new)?).await,
        }
    }

    /// Takes a part of a file.
    pub(crate) async fn take(&self, part: &Part, bytes: Vec<u8>) -> Result<Taken> {
        match self {
            Operator::Here(house) => house.take(part, bytes).await,
            Operator::There(socket) => {
                call(socket, &format!("/take?{}", part.query()?), &bytes).await
            }
        }
    }

    /// Ends the access of people on a list called `source`.
    pub(crate) async fn leavers(&self, list: &Leavers) -> Result<Vec<(String, Ended)>> {
        match self {
            Operator::Here(house) => house.end_leavers(list).await,
            Operator::There(socket) => call(socket, "/leavers", &serde_json::to_vec(list)?).await,
        }
    }

    /// One part of a de-identified export.
    pub(crate) async fn export(&self, part: &ExportPart) -> Result<Exported> {
        match self {
            Operator::Here(house) => house.export(part).await,
            Operator::There(socket) => call(socket, "/export", &serde_json::to_vec(part)?).await,
        }
    }

    /// Asks for an export if something is wanted; the requests as they stand.
    pub(crate) async fn exports(&self, wanted: Option<&Wanted>) -> Result<Vec<Asked>> {
        match (self, wanted) {
            (Operator::Here(house), Some(wanted)) => house.ask_for_export(wanted).await,
            (Operator::Here(house), None) => house.exports().await,
            (Operator::There(socket), wanted) => {
                call(socket, "/exports", &serde_json::to_vec(&wanted)?).await
            }
        }
    }

    /// Rotates keys.
    pub(crate) async fn rotate(&self, which: WhichKeys) -> Result<Rotated> {
        match self {
            Operator::Here(house) => house.rotate(which).await,
            Operator::There(socket) => {
                call(socket, "/keys/rotate", &serde_json::to_vec(&which)?).await
            }
        }
    }

    /// Cuts the root key into shares.
    pub(crate) async fn escrow(&self, of: Shares) -> Result<Pages> {
        match self {
            Operator::Here(house) => house.escrow(of).await,
            Operator::There(socket) => {
                call(socket, "/keys/escrow", &serde_json::to_vec(&of)?).await
            }
        }
    }

    /// Hands out one event.
    pub(crate) async fn disclose(&self, order: &Disclose) -> Result<Handed> {
        match self {
            Operator::Here(house) => house.disclose(order).await,
            Operator::There(socket) => call(socket, "/disclose", &serde_json::to_vec(order)?).await,
        }
    }

    /// Seals that a backup was made.
    pub(crate) async fn backed_up(&self, made: &Pinned) -> Result<u64> {
        match self {
            Operator::Here(house) => house.backed_up(made).await,
            Operator::There(socket) => call(socket, "/backed-up", &serde_json::to_vec(made)?).await,
        }
    }

    /// The manifests of folders and dumps that were sealed for a place, the newest first.
    pub(crate) async fn pinned(&self, place: &str) -> Result<Vec<String>> {
        match self {
            Operator::Here(house) => house.pinned(place).await,
            Operator::There(socket) => call(socket, "/pinned", &serde_json::to_vec(place)?).await,
        }
    }

    /// Shows what a feed sent.
    pub(crate) async fn capture(&self, wanted: &capturing::Wanted) -> Result<Captured> {
        match self {
            Operator::Here(house) => house.capture(wanted).await,
            Operator::There(socket) => call(socket, "/capture", &serde_json::to_vec(wanted)?).await,
        }
    }

    /// Erases a patient.
    pub(crate) async fn erase(&self, order: &Erase) -> Result<Erased> {
        match self {
            Operator::Here(house) => house.erase(order).await,
            Operator::There(socket) => call(socket, "/erase", &serde_json::to_vec(order)?).await,
        }
    }

    /// Seals what a drill came to.
    pub(crate) async fn note_drill(&self, drill: event::Drill) -> Result<Drilled> {
        match self {
            Operator::Here(house) => house.note_drill(drill).await,
            Operator::There(socket) => call(socket, "/drill", &serde_json::to_vec(&drill)?).await,
        }
    }

    /// What a suspect changed.
    pub(crate) async fn changed_by(&self, suspect: &Suspect) -> Result<Changed> {
        match self {
            Operator::Here(house) => changed(house, suspect).await,
            Operator::There(socket) => {
                call(socket, "/rewind/list", &serde_json::to_vec(suspect)?).await
            }
        }
    }

    /// Undoes it.
    pub(crate) async fn rewind(&self, order: &Order) -> Result<Undone> {
        match self {
            Operator::Here(house) => undo(house, order).await,
            Operator::There(socket) => call(socket, "/rewind", &serde_json::to_vec(order)?).await,
        }
    }

    /// Looks over record and charts.
    pub(crate) async fn scrub(&self) -> Result<Looked> {
        match self {
            Operator::Here(house) => house.look_over().await,
            Operator::There(socket) => call(socket, "/scrub", &[]).await,
        }
    }

    /// Compares what the other FHIR server has with what was sealed.
    pub(crate) async fn compare(&self) -> Result<Compared> {
        match self {
            Operator::Here(house) => house.compare_upstream().await,
            Operator::There(socket) => call(socket, "/compare", &[]).await,
        }
    }

    /// Resources that the comparison has read so far.
    pub(crate) async fn compare_progress(&self) -> Result<u64> {
        match self {
            Operator::Here(house) => Ok(web::compare_progress(&house.app)),
            Operator::There(socket) => call(socket, "/compare/progress", &[]).await,
        }
    }

    /// How each route does.
    pub(crate) async fn routes(&self) -> Result<Vec<Listed>> {
        match self {
            Operator::Here(house) => house.routes().await,
            Operator::There(socket) => call(socket, "/routes", &[]).await,
        }
    }

    /// Orders something about a route.
    pub(crate) async fn order_route(&self, wanted: &RouteWanted) -> Result<RouteOrdered> {
        match self {
            Operator::Here(house) => house.order_route(wanted).await,
            Operator::There(socket) => {
                call(socket, "/routes/order", &serde_json::to_vec(wanted)?).await
            }
        }
    }

    /// Starts to fold a view again.
    pub(crate) async fn refold(&self, view: View) -> Result<u64> {
        match self {
            Operator::Here(house) => house.refold(view).await,
            Operator::There(socket) => call(socket, "/refold?view=chart", &[]).await,
        }
    }

    /// Decides a question by the policies in force.
    pub(crate) async fn explain(&self, question: &str) -> Result<Explained> {
        match self {
            Operator::Here(house) => explain(&house.app.policies, question),
            Operator::There(socket) => call(socket, "/policy/explain", question.as_bytes()).await,
        }
    }

    /// Decides again what was decided, by other policies.
    pub(crate) async fn replay(&self, new: &NewPolicies) -> Result<Replayed> {
        match self {
            Operator::Here(house) => house.replay(new).await,
            Operator::There(socket) => {
                call(socket, "/policy/replay", &serde_json::to_vec(new)?).await
            }
        }
    }

    /// Puts policies in force.
    pub(crate) async fn apply(&self, new: &NewPolicies) -> Result<Applied> {
        match self {
            Operator::Here(house) => house.apply_policies(new).await,
            Operator::There(socket) => {
                call(socket, "/policy/apply", &serde_json::to_vec(new)?).await
            }
        }
    }

    /// How far a view is: (events folded, events in the record).
    pub(crate) async fn progress(&self, view: View) -> Result<(u64, u64)> {
        match self {
            Operator::Here(house) => Ok(house.progress(view)),
            Operator::There(socket) => call(socket, "/progress?view=chart", &[]).await,
        }
    }

    /// Closes the house, if it was opened here.
    pub(crate) async fn done(self) {
        if let Operator::Here(house) = self
            && let Some(house) = Arc::into_inner(house)
        {
            house.close().await;
        }
    }
}

/// Tells a running standby to become the primary; `None`: none runs.
pub(crate) async fn promote(socket: &Path, order: &Promote) -> Result<Option<Became>> {
    if UnixStream::connect(socket).await.is_err() {
        return Ok(None);
    }
    call(socket, "/promote", &serde_json::to_vec(order)?)
        .await
        .map(Some)
}

async fn changed(house: &House, suspect: &Suspect) -> Result<Changed> {
    house
        .app
        .changed_by(suspect)
        .await
        .map_err(anyhow::Error::msg)
}

async fn undo(house: &House, order: &Order) -> Result<Undone> {
    let undone = house.app.rewind(order, &operator(), |_, _| {}).await;
    undone.map_err(anyhow::Error::msg)
}

async fn client(house: &House, new: &NewClient) -> Result<String> {
    match &new.scopes {
        Some(_) => house.add_client(new).await,
        None => house.remove_client(&new.id).await.map(|()| String::new()),
    }
}

/// Listens on the socket. A socket that a dead server left behind is replaced.
pub(crate) fn listen(path: &Path) -> Result<UnixListener> {
    let _ = std::fs::remove_file(path);
    let listener = UnixListener::bind(path)
        .with_context(|| format!("cannot listen on `{}`", path.display()))?;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600))?;
    Ok(listener)
}

/// What a running server answers on the socket.
pub(crate) fn router(house: Arc<House>) -> axum::Router {
    axum::Router::new()
        .route("/backed-up", post(backed_up))
        .route("/capture", post(capture))
        .route("/client", post(add_client))
        .route("/compare", post(compare))
        .route("/compare/progress", post(compare_progress))
        .route("/disclose", post(disclose))
        .route("/drill", post(note_drill))
        .route("/erase", post(erase))
        .route("/held-up", post(held_up_views))
        .route("/keys/rotate", post(rotate))
        .route("/keys/escrow", post(escrow))
        .route("/leavers", post(leavers))
        .route("/take", post(take))
        .route("/export", post(export))
        .route("/exports", post(exports))
        .route("/pinned", post(pinned))
        .merge(pulling::mounted())
        .merge(study_out::mounted())
        .route("/refold", post(refold))
        .route("/routes", post(routes))
        .route("/routes/order", post(order_route))
        .route("/rewind", post(rewind))
        .route("/rewind/list", post(changed_by))
        .route("/scrub", post(scrub))
        .route("/progress", get(progress).post(progress))
        .route("/promote", post(promote_it))
        .route("/policy/explain", post(explain_one))
        .route("/policy/replay", post(replay))
        .route("/policy/apply", post(apply))
        .layer(DefaultBodyLimit::max(PART_BYTES_MAX))
        .with_state(house)
}

async fn add_client(State(house): State<Arc<House>>, Json(new): Json<NewClient>) -> Response {
    answer(client(&house, &new).await)
}

async fn capture(
    State(house): State<Arc<House>>,
    Json(wanted): Json<capturing::Wanted>,
) -> Response {
    answer(house.capture(&wanted).await)
}

async fn disclose(State(house): State<Arc<House>>, Json(order): Json<Disclose>) -> Response {
    answer(house.disclose(&order).await)
}

async fn backed_up(State(house): State<Arc<House>>, Json(made): Json<Pinned>) -> Response {
    answer(house.backed_up(&made).await)
}

async fn pinned(State(house): State<Arc<House>>, Json(place): Json<String>) -> Response {
    answer(house.pinned(&place).await)
}

async fn erase(State(house): State<Arc<House>>, Json(order): Json<Erase>) -> Response {
    answer(house.erase(&order).await)
}

async fn rotate(State(house): State<Arc<House>>, Json(which): Json<WhichKeys>) -> Response {
    answer(house.rotate(which).await)
}

async fn escrow(State(house): State<Arc<House>>, Json(of): Json<Shares>) -> Response {
    answer(house.escrow(of).await)
}

async fn leavers(State(house): State<Arc<House>>, Json(list): Json<Leavers>) -> Response {
    answer(house.end_leavers(&list).await)
}

async fn take(State(house): State<Arc<House>>, Query(part): Query<Part>, bytes: Bytes) -> Response {
    answer(house.take(&part, bytes.to_vec()).await)
}

async fn export(State(house): State<Arc<House>>, Json(part): Json<ExportPart>) -> Response {
    answer(house.export(&part).await)
}

async fn exports(State(house): State<Arc<House>>, Json(wanted): Json<Option<Wanted>>) -> Response {
    match wanted {
        Some(wanted) => answer(house.ask_for_export(&wanted).await),
        None => answer(house.exports().await),
    }
}

async fn changed_by(State(house): State<Arc<House>>, Json(suspect): Json<Suspect>) -> Response {
    answer(changed(&house, &suspect).await)
}

async fn note_drill(State(house): State<Arc<House>>, Json(drill): Json<event::Drill>) -> Response {
    answer(house.note_drill(drill).await)
}

async fn rewind(State(house): State<Arc<House>>, Json(order): Json<Order>) -> Response {
    answer(undo(&house, &order).await)
}

async fn held_up_views(State(house): State<Arc<House>>) -> Response {
    answer(Ok(house.app.record.held_up()))
}

async fn scrub(State(house): State<Arc<House>>) -> Response {
    answer(house.look_over().await)
}

async fn compare(State(house): State<Arc<House>>) -> Response {
    answer(house.compare_upstream().await)
}

async fn compare_progress(State(house): State<Arc<House>>) -> Response {
    answer(Ok(web::compare_progress(&house.app)))
}

async fn routes(State(house): State<Arc<House>>) -> Response {
    answer(house.routes().await)
}

async fn order_route(State(house): State<Arc<House>>, Json(wanted): Json<RouteWanted>) -> Response {
    answer(house.order_route(&wanted).await)
}

async fn refold(State(house): State<Arc<House>>, Query(which): Query<Which>) -> Response {
    answer(house.refold(which.view).await)
}

async fn promote_it(State(house): State<Arc<House>>, Json(order): Json<Promote>) -> Response {
    answer(house.become_primary(&order))
}

async fn explain_one(State(house): State<Arc<House>>, question: String) -> Response {
    answer(explain(&house.app.policies, &question))
}

async fn replay(State(house): State<Arc<House>>, Json(new): Json<NewPolicies>) -> Response {
    answer(house.replay(&new).await)
}

async fn apply(State(house): State<Arc<House>>, Json(new): Json<NewPolicies>) -> Response {
    answer(house.apply_policies(&new).await)
}

async fn progress(State(house): State<Arc<House>>, Query(which): Query<Which>) -> Response {
    answer(Ok(house.progress(which.view)))
}

pub(crate) fn answer<T: Serialize>(done: Result<T>) -> Response {
    match done {
        Ok(value) => Json(value).into_response(),
        Err(why) => (StatusCode::CONFLICT, format!("{why:#}")).into_response(),
    }
}

/// The views of a running server that do not go on.
///
/// # Errors
/// It does not answer.
pub(crate) async fn held_up(socket: &Path) -> Result<Vec<record::HeldUp>> {
    call(socket, "/held-up", &[]).await
}

pub(crate) async fn call<T: DeserializeOwned>(socket: &Path, path: &str, body: &[u8]) -> Result<T> {
    let body = streamed(socket, path, body).await?;
    Ok(serde_json::from_slice(&body.collect().await?.to_bytes())?)
}

/// Asks, and gives the answer as it comes.
pub(crate) async fn streamed(socket: &Path, path: &str, body: &[u8]) -> Result<Incoming> {
    let stream = UnixStream::connect(socket)
        .await
        .context("the server has gone away")?;
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
    // It ends when the answer was read or is not wanted any more.
    tokio::spawn(connection);
    let request = hyper::Request::post(path)
        .header("host", "salus")
        .header("content-type", "application/json")
        .body(Full::new(Bytes::copy_from_slice(body)))?;
    let response = sender.send_request(request).await?;
    let (status, body) = (response.status(), response.into_body());
    if !status.is_success() {
        let bytes = body.collect().await?.to_bytes();
        bail!("{}", String::from_utf8_lossy(&bytes));
    }
    Ok(body)
}
