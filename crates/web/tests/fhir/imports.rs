//! `$import`: what comes from addresses, who may, what is refused, and that nothing is doubled.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::{Method, Request, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use event::{Body as Told, ImportStep};
use futures_util::{StreamExt as _, stream};
use http_body_util::BodyExt as _;
use serde_json::{Value, json};
use tokio::sync::Notify;
use tokio_util::sync::{CancellationToken, DropGuard};
use tower::ServiceExt as _;
use web::{Imports, Settings};

use crate::house::{BASE, House, Reply, nurse, observation, patient};

const WAIT: Duration = Duration::from_secs(120);

/// A place with files, what each is from one question to the next, and how many bytes the first answers
/// give before they break off.
#[derive(Default)]
struct Files {
    files: Mutex<HashMap<String, Vec<String>>>,
    breaks: Mutex<Vec<usize>>,
    /// They break off when somebody pulls the plug.
    plug: Notify,
    asked: AtomicUsize,
}

impl Files {
    async fn open() -> (Arc<Files>, String) {
        let files = Arc::new(Files::default());
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let router = axum::Router::new()
            .route("/files/{name}", get(give))
            .with_state(Arc::clone(&files));
        tokio::spawn(async move { axum::serve(listener, router).await });
        (files, url)
    }

    fn put(&self, name: &str, lines: &[String]) {
        let text = lines.iter().map(|line| format!("{line}\n")).collect();
        let mut files = self.files.lock().unwrap();
        files.entry(name.to_owned()).or_default().push(text);
    }
}

/// A byte now and then, for ever.
fn trickle() -> Response {
    let every = tokio::time::interval(Duration::from_millis(1));
    let bytes = stream::unfold(every, |mut every| async move {
        every.tick().await;
        let byte = bytes::Bytes::from_static(b" ");
        Some((Ok::<_, std::convert::Infallible>(byte), every))
    });
    Body::from_stream(bytes).into_response()
}

async fn give(State(files): State<Arc<Files>>, Path(name): Path<String>) -> Response {
    files.asked.fetch_add(1, Ordering::SeqCst);
    if name == "trickle.ndjson" {
        return trickle();
    }
    let text = match files.files.lock().unwrap().get_mut(&name) {
        Some(texts) if texts.len() > 1 => texts.remove(0),
        Some(texts) => texts[0].clone(),
        None => return StatusCode::NOT_FOUND.into_response(),
    };
    let mut breaks = files.breaks.lock().unwrap();
    if breaks.is_empty() {
        return text.into_response();
    }
    let part = text.as_bytes()[..breaks.remove(0)].to_vec();
    drop(breaks);
    let first = stream::once(async { Ok(bytes::Bytes::from(part)) });
    let then = stream::once(async move {
        files.plug.notified().await;
        Err(std::io::Error::other("the plug was pulled"))
    });
    Body::from_stream(first.chain(then)).into_response()
}

fn settings(url: &str) -> Settings {
    Settings {
        imports: Imports {
            sources: vec![format!("{url}/files/")],
            batch_lines_max: 3,
            retry_ms: 1,
            retry_max_ms: 2,
            ..Imports::default()
        },
        ..Settings::default()
    }
}

fn importing(house: &House) -> DropGuard {
    let stop = CancellationToken::new();
    tokio::spawn(web::imports(house.app.clone(), stop.clone()));
    stop.drop_guard()
}

fn person(id: &str) -> String {
    let mut body = patient(id);
    body["id"] = id.into();
    body.to_string()
}

fn manifest(inputs: &[(&str, String)]) -> Value {
    let inputs = inputs
        .iter()
        .map(|(kind, url)| json!({"type": kind, "url": url}));
    json!({
        "inputFormat": "application/fhir+ndjson",
        "inputSource": "https://old.hospital/fhir",
        "storageDetail": {"type": "https"},
        "input": inputs.collect::<Vec<_>>(),
    })
}

async fn begin(house: &House, token: &str, body: &Value) -> Reply {
    let headers = [
        ("prefer", "respond-async"),
        ("content-type", "application/json"),
    ];
    let body = (&headers[..], body.to_string().into_bytes());
    house.ask(token, (Method::POST, "/$import"), body).await
}

/// Where its status is, relative to the base.
fn place(begun: &Reply) -> String {
    assert_eq!(begun.code(), 202, "{}", begun.json());
    let place = begun.header("content-location");
    place.strip_prefix(BASE).unwrap().to_owned()
}

/// Waits until an import has read so many lines of its first file.
async fn read(house: &House, lines: u64) {
    let waiting = async {
        let mut stirred = house.app.flow.imports_stirred();
        loop {
            stirred.borrow_and_update();
            let all = house
                .app
                .flow
                .imports(flow::Imports::Newest(9))
                .await
                .unwrap();
            if all.iter().any(|one| one.inputs[0].lines >= lines) {
                return;
            }
            stirred.changed().await.unwrap();
        }
    };
    tokio::time::timeout(WAIT, waiting).await.unwrap();
}

/// Its last status.
async fn ended(house: &House, place: &str) -> Reply {
    let waiting = async {
        let mut stirred = house.app.flow.imports_stirred();
        loop {
            stirred.borrow_and_update();
            let status = house.get(place).await;
            if status.code() != 202 {
                return status;
            }
            assert!(status.header("x-progress").contains("files read"));
            stirred.changed().await.unwrap();
        }
    };
    tokio::time::timeout(WAIT, waiting).await.unwrap()
}

/// How often each resource was written, by `Type/id`, and the steps of imports.
async fn sealed(house: &House) -> (HashMap<String, usize>, Vec<ImportStep>) {
    let (mut written, mut steps) = (HashMap::new(), Vec::new());
    let mut next = 0;
    while next < house.app.record.size() {
        let (events, after) = house.app.record.read_until(next, 1_000).await.unwrap();
        for sealed in events {
            match &sealed.event().body {
                Told::Resource(one) => {
                    let name = format!("{}/{}", one.kind, one.id);
                    *written.entry(name).or_default() += 1;
                }
                Told::Import(import) => steps.push(import.step.clone()),
                _ => {}
            }
        }
        next = after;
    }
    (written, steps)
}

#[tokio::test]
async fn files_are_taken_in_and_what_is_refused_is_told_line_by_line() {
    let (files, url) = Files::open().await;
    let house = House::with(settings(&url)).await;
    let _going = importing(&house);
    let mut wrong = patient("Schmidt");
    wrong["id"] = "wrong".into();
    wrong["gender"] = "Geheim".into();
    let patients = [
        person("a"),
        person("b"),
        wrong.to_string(),
        String::new(),
        person("c"),
        "not JSON".to_owned(),
        person("a"),
        patient("nameless").to_string(),
    ];
    files.put("patients.ndjson", &patients);
    let mut pulse = observation("Patient/b", "70.10");
    pulse["id"] = "pulse".into();
    files.put("observations.ndjson", &[pulse.to_string(), person("x")]);
    let inputs = [
        ("Patient", format!("{url}/files/patients.ndjson")),
        ("Observation", format!("{url}/files/observations.ndjson")),
    ];
    let place = place(&begin(&house, &house.token, &manifest(&inputs)).await);
    let done = ended(&house, &place).await;
    assert_eq!(done.code(), 200, "{}", done.json());
    let done = done.json();
    assert_eq!(done["request"], format!("{BASE}/$import"));
    let counts = |list: &str| -> Vec<u64> {
        let all = done[list].as_array().unwrap();
        all.iter()
            .map(|one| one["count"].as_u64().unwrap())
            .collect()
    };
    assert_eq!(counts("output"), [5, 1], "{done}");
    assert_eq!(counts("error"), [2, 1], "{done}");
    assert_eq!(done["output"][1]["inputUrl"], inputs[1].1);
    // All of it is there by now, and a line that stands twice is two versions.
    let found = house.get("/Patient?_summary=count").await.json();
    assert_eq!(found["total"], 4);
    assert_eq!(house.get("/Patient/a/_history").await.names().len(), 2);
    let pulse = house.get("/Observation/pulse").await.json();
    assert_eq!(pulse["valueQuantity"]["value"].to_string(), "70.10");
    let file = done["error"][0]["url"].as_str().unwrap();
    let file = file.strip_prefix(BASE).unwrap();
    let refused = house.get(file).await;
    assert_eq!(refused.header("content-type"), "application/fhir+ndjson");
    let text = String::from_utf8(refused.bytes).unwrap();
    let lines: Vec<Value> = text
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(lines.len(), 2, "{text}");
    assert_eq!(lines[0]["resourceType"], "OperationOutcome");
    assert!(text.contains("line 3:") && text.contains("Patient.gender"));
    assert!(text.contains("line 6:"), "{text}");
    assert!(
        !text.contains("Geheim") && !text.contains("Schmidt"),
        "{text}"
    );
    // Somebody else's import is none.
    let other = house.client("other", &["system/*.cruds"]).await;
    assert_eq!(house.get_as(&other, &place).await.code(), 404);
    assert_eq!(house.get_as(&other, file).await.code(), 404);
}

#[tokio::test]
async fn what_breaks_off_goes_on_where_it_was_and_doubles_nothing() {
    let (files, url) = Files::open().await;
    let lines: Vec<String> = (0..20).map(|at| person(&format!("p{at}"))).collect();
    files.put("p.ndjson", &lines);
    let half = lines[..8].iter().map(|line| line.len() + 1).sum::<usize>() + 5;
    let late = lines[..14].iter().map(|line| line.len() + 1).sum::<usize>() + 1;
    *files.breaks.lock().unwrap() = vec![half, 3, late];
    let house = House::with(settings(&url)).await;
    let going = importing(&house);
    let inputs = [("Patient", format!("{url}/files/p.ndjson"))];
    let place = place(&begin(&house, &house.token, &manifest(&inputs)).await);
    read(&house, 6).await;
    // The second answer breaks off before anything of it is new.
    files.plug.notify_one();
    while files.asked.load(Ordering::SeqCst) < 2 {
        tokio::task::yield_now().await;
    }
    files.plug.notify_one();
    read(&house, 12).await;
    files.plug.notify_one();
    let done = ended(&house, &place).await;
    assert_eq!(done.code(), 200, "{}", done.json());
    assert_eq!(done.json()["output"][0]["count"], 20);
    assert_eq!(files.asked.load(Ordering::SeqCst), 4);
    let (written, steps) = sealed(&house).await;
    assert_eq!(written.len(), 20);
    assert!(written.values().all(|times| *times == 1), "{written:?}");
    let read: Vec<u64> = steps
        .iter()
        .filter_map(|step| match step {
            ImportStep::Took { lines, .. } => Some(*lines),
            _ => None,
        })
        .collect();
    assert!(read.is_sorted() && read.last() == Some(&20), "{read:?}");
    drop(going);
}

#[tokio::test]
async fn a_file_that_is_another_than_before_is_not_gone_on_with() {
    let (files, url) = Files::open().await;
    let lines: Vec<String> = (0..9).map(|at| person(&format!("p{at}"))).collect();
    files.put("p.ndjson", &lines);
    let house = House::with(settings(&url)).await;
    let inputs = [("Patient", format!("{url}/files/p.ndjson"))];
    let half = lines[..5].iter().map(|line| line.len() + 1).sum::<usize>();
    *files.breaks.lock().unwrap() = vec![half];
    let mut other = lines.clone();
    other[1] = person("somebody-else");
    files.put("p.ndjson", &other);
    let place = place(&begin(&house, &house.token, &manifest(&inputs)).await);
    let going = importing(&house);
    read(&house, 3).await;
    files.plug.notify_one();
    let failed = ended(&house, &place).await;
    assert_eq!(failed.code(), 502, "{}", failed.json());
    assert!(failed.words().contains("another"), "{}", failed.json());
    let (written, _) = sealed(&house).await;
    assert_eq!(written.len(), 3, "{written:?}");
    assert!(!written.contains_key("Patient/somebody-else"));
    drop(going);
}

#[tokio::test]
async fn only_what_an_operator_listed_is_read_and_only_by_who_may_write() {
    let (files, url) = Files::open().await;
    files.put("p.ndjson", &[person("a")]);
    let house = House::with(settings(&url)).await;
    let good = manifest(&[("Patient", format!("{url}/files/p.ndjson"))]);
    for wrong in [
        format!("{url}/elsewhere/p.ndjson"),
        "https://169.254.169.254/latest/meta-data".to_owned(),
        "http://localhost:1/files/p.ndjson".to_owned(),
        "file:///etc/passwd".to_owned(),
    ] {
        let reply = begin(&house, &house.token, &manifest(&[("Patient", wrong)])).await;
        assert_eq!(reply.code(), 400, "{}", reply.json());
    }
    let reads = house.client("reads", &["system/Patient.rs"]).await;
    assert_eq!(begin(&house, &reads, &good).await.code(), 403);
    let people = Request::builder()
        .method(Method::POST)
        .uri("/$import")
        .extension(nurse(&["3W"]))
        .header("prefer", "respond-async")
        .header("content-type", "application/json");
    let body = Body::from(good.to_string());
    let people = house.send(people.body(body).unwrap()).await;
    assert_eq!(people.code(), 403);
    let waits = [("content-type", "application/json")];
    let body = (&waits[..], good.to_string().into_bytes());
    let sync = house
        .ask(&house.token, (Method::POST, "/$import"), body)
        .await;
    assert_eq!(sync.code(), 400, "{}", sync.json());
    assert_eq!(house.get("/$import").await.code(), 405);
    assert_eq!(files.asked.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn a_client_has_so_many_and_may_end_one() {
    let (files, url) = Files::open().await;
    files.put("p.ndjson", &[person("a")]);
    let house = House::with(settings(&url)).await;
    let wanted = manifest(&[("Patient", format!("{url}/files/p.ndjson"))]);
    // Nothing carries them out yet. However many ask at once, no more get in.
    let asked = (0..12).map(|_| begin(&house, &house.token, &wanted));
    let replies = futures_util::future::join_all(asked).await;
    let taken: Vec<&Reply> = replies.iter().filter(|one| one.code() == 202).collect();
    assert_eq!(taken.len(), 2);
    let full = replies.iter().find(|one| one.code() == 429).unwrap();
    assert_eq!(full.header("retry-after"), "60");
    let (first, second) = (place(taken[0]), place(taken[1]));
    assert_eq!(house.delete(&first).await.code(), 202);
    assert_eq!(house.get(&first).await.code(), 404);
    let _going = importing(&house);
    assert_eq!(ended(&house, &second).await.code(), 200);
    let (written, steps) = sealed(&house).await;
    assert_eq!(written["Patient/a"], 1);
    let took = |step: &&ImportStep| matches!(step, ImportStep::Took { .. });
    assert_eq!(steps.iter().filter(took).count(), 1);
}

#[tokio::test]
async fn an_import_goes_no_further_than_its_client() {
    let (files, url) = Files::open().await;
    let mut line = observation("Patient/a", "1");
    line["id"] = "o".into();
    files.put("o.ndjson", &[line.to_string()]);
    let house = House::with(settings(&url)).await;
    let token = house.client("moves", &["system/Observation.cu"]).await;
    let wanted = manifest(&[("Observation", format!("{url}/files/o.ndjson"))]);
    assert_eq!(begin(&house, &token, &wanted).await.code(), 202);
    house.change("moves", None).await;
    let _going = importing(&house);
    let waiting = async {
        let mut stirred = house.app.flow.imports_stirred();
        loop {
            stirred.borrow_and_update();
            let all = house
                .app
                .flow
                .imports(flow::Imports::Newest(9))
                .await
                .unwrap();
            if let Some(one) = all.first().filter(|one| one.ended.is_some()) {
                return one.clone();
            }
            stirred.changed().await.unwrap();
        }
    };
    let over = tokio::time::timeout(WAIT, waiting).await.unwrap();
    assert_eq!(over.ended, Some(event::ImportEnd::Failed));
    assert!(over.why.contains("gone"), "{}", over.why);
    assert_eq!(files.asked.load(Ordering::SeqCst), 0);
    assert!(sealed(&house).await.0.is_empty());
}

#[tokio::test]
async fn a_file_that_is_too_large_is_asked_for_once() {
    let (files, url) = Files::open().await;
    files.put("whole.ndjson", &[person("a"), person("b")]);
    files.put("parts.ndjson", &[person("a"), person("b")]);
    let mut settings = settings(&url);
    settings.imports.file_bytes_max = person("a").len() as u64;
    let house = House::with(settings).await;
    let _going = importing(&house);
    for (name, broken) in [
        ("whole.ndjson", None),
        ("parts.ndjson", Some(person("a").len() + 10)),
    ] {
        // With a length, and without one.
        files.breaks.lock().unwrap().extend(broken);
        let before = files.asked.load(Ordering::SeqCst);
        let inputs = [("Patient", format!("{url}/files/{name}"))];
        let large = place(&begin(&house, &house.token, &manifest(&inputs)).await);
        let failed = ended(&house, &large).await;
        assert_eq!(failed.code(), 502);
        assert!(
            failed.words().contains("file_bytes_max"),
            "{}",
            failed.json()
        );
        assert_eq!(files.asked.load(Ordering::SeqCst) - before, 1, "{name}");
    }
}

#[tokio::test]
async fn an_import_of_nonsense_is_given_up() {
    let (files, url) = Files::open().await;
    let lines: Vec<String> = (0..40).map(|_| "nonsense".to_owned()).collect();
    files.put("p.ndjson", &lines);
    let mut settings = settings(&url);
    settings.imports.refused_max = 10;
    settings.imports.tries_max = 3;
    let house = House::with(settings).await;
    let _going = importing(&house);
    let inputs = [("Patient", format!("{url}/files/p.ndjson"))];
    let nonsense = place(&begin(&house, &house.token, &manifest(&inputs)).await);
    let failed = ended(&house, &nonsense).await;
    assert_eq!(failed.code(), 502);
    assert!(failed.words().contains("refused_max"), "{}", failed.json());
    let inputs = [("Patient", format!("{url}/files/absent.ndjson"))];
    let absent = place(&begin(&house, &house.token, &manifest(&inputs)).await);
    let failed = ended(&house, &absent).await;
    assert!(failed.words().contains("404"), "{}", failed.json());
}

#[tokio::test]
async fn a_source_that_sends_a_byte_now_and_then_is_given_up() {
    let (_files, url) = Files::open().await;
    let mut settings = settings(&url);
    settings.imports.wait_ms = 20;
    settings.imports.bytes_per_second_min = 1_000_000;
    settings.imports.tries_max = 2;
    let house = House::with(settings).await;
    let _going = importing(&house);
    let inputs = [("Patient", format!("{url}/files/trickle.ndjson"))];
    let slow = place(&begin(&house, &house.token, &manifest(&inputs)).await);
    let failed = ended(&house, &slow).await;
    assert_eq!(failed.code(), 502);
    let words = failed.words();
    assert!(words.contains("bytes_per_second_min"), "{words}");
}

#[tokio::test]
async fn a_file_that_takes_too_long_in_all_is_given_up_and_the_next_import_goes_on() {
    let (files, url) = Files::open().await;
    files.put("p.ndjson", &[person("a")]);
    let mut settings = settings(&url);
    settings.imports.bytes_per_second_min = 0;
    settings.imports.file_ms = 50;
    let house = House::with(settings).await;
    let of = |name: &str| manifest(&[("Patient", format!("{url}/files/{name}"))]);
    let slow = place(&begin(&house, &house.token, &of("trickle.ndjson")).await);
    let _going = importing(&house);
    let next = place(&begin(&house, &house.token, &of("p.ndjson")).await);
    let failed = ended(&house, &slow).await;
    assert_eq!(failed.code(), 502);
    let words = failed.words();
    assert!(words.contains("50 ms in all (`file_ms`)"), "{words}");
    assert_eq!(ended(&house, &next).await.code(), 200);
}

#[tokio::test]
async fn what_was_refused_is_told_commit_by_commit() {
    let (files, url) = Files::open().await;
    let wrong = r#"{"resourceType":"Patient","id":"x","gender":"banana"}"#.to_owned();
    files.put("p.ndjson", &[wrong.clone(), wrong.clone(), wrong]);
    let mut settings = settings(&url);
    settings.imports.batch_lines_max = 1;
    let house = House::with(settings).await;
    let _going = importing(&house);
    let inputs = [("Patient", format!("{url}/files/p.ndjson"))];
    let done = place(&begin(&house, &house.token, &manifest(&inputs)).await);
    let done = ended(&house, &done).await.json();
    let file = done["error"][0]["url"].as_str().unwrap();
    let request = Request::get(file.strip_prefix(BASE).unwrap())
        .header("authorization", format!("Bearer {}", house.token));
    let request = request.body(Body::empty()).unwrap();
    let mut answer = house.router.clone().oneshot(request).await.unwrap();
    let (mut pieces, mut text) = (0, Vec::new());
    while let Some(frame) = answer.body_mut().frame().await {
        pieces += 1;
        text.extend(frame.unwrap().into_data().unwrap());
    }
    let text = String::from_utf8(text).unwrap();
    assert_eq!((pieces, text.lines().count()), (3, 3), "{text}");
    assert!(
        text.contains("line 1:") && text.contains("line 3:"),
        "{text}"
    );
}

#[tokio::test]
async fn an_import_that_waits_for_its_next_try_holds_no_place() {
    let (files, url) = Files::open().await;
    files.put("p.ndjson", &[person("a")]);
    let mut settings = settings(&url);
    settings.imports.retry_ms = 3_600_000;
    settings.imports.retry_max_ms = 3_600_000;
    let house = House::with(settings).await;
    let of = |name: &str| manifest(&[("Patient", format!("{url}/files/{name}"))]);
    let waits = place(&begin(&house, &house.token, &of("absent.ndjson")).await);
    let goes = place(&begin(&house, &house.token, &of("p.ndjson")).await);
    let _going = importing(&house);
    assert_eq!(ended(&house, &goes).await.code(), 200);
    assert_eq!(house.get(&waits).await.code(), 202);
}

#[tokio::test]
async fn an_import_that_its_client_ends_stops_at_once() {
    let (files, url) = Files::open().await;
    files.put("endless.ndjson", &[person("a"), person("b")]);
    files.put("p.ndjson", &[person("c")]);
    // The first answer stops in the middle, and nobody pulls the plug.
    files.breaks.lock().unwrap().push(10);
    let mut settings = settings(&url);
    settings.imports.wait_ms = 3_600_000;
    let house = House::with(settings).await;
    let _going = importing(&house);
    let of = |name: &str| manifest(&[("Patient", format!("{url}/files/{name}"))]);
    let endless = place(&begin(&house, &house.token, &of("endless.ndjson")).await);
    let asked = async {
        while files.asked.load(Ordering::SeqCst) == 0 {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(WAIT, asked).await.unwrap();
    let next = place(&begin(&house, &house.token, &of("p.ndjson")).await);
    assert_eq!(house.delete(&endless).await.code(), 202);
    assert_eq!(ended(&house, &next).await.code(), 200);
    let (written, _) = sealed(&house).await;
    assert_eq!(written.len(), 1, "{written:?}");
}
