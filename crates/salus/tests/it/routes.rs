//! Messages that are passed on, by the real binary, to receivers that behave and others that do not.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver as Heard, Sender, channel};

use serde_json::Value;

use crate::healing::curl;
use crate::process::{Server, json, run, secret};
use crate::serving::send;

/// What a receiver does with a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Does {
    /// It answers with this code.
    Says(&'static str),
    /// It answers with a commit's code and then the application's.
    SaysBoth(&'static str, &'static str),
    /// It answers `AA`, twice.
    SaysTwice,
    /// It answers `AA` for another message.
    SaysOfAnother,
    /// It answers something that is no message.
    Babbles,
    /// It never answers.
    Nothing,
    /// It closes the connection.
    Dies,
}

/// A receiver: a thread for each connection, and what they heard, in order.
pub(crate) struct Destination {
    pub(crate) address: String,
    pub(crate) heard: Heard<(String, Does)>,
    raw: Heard<String>,
}

impl Destination {
    pub(crate) fn listen(
        does: impl Fn(&str, usize) -> Does + Send + Clone + 'static,
    ) -> Destination {
        Destination::at(&TcpListener::bind("127.0.0.1:0").unwrap(), does)
    }

    /// `does` is asked with the id of a message and how often it came before.
    pub(crate) fn at(
        listener: &TcpListener,
        does: impl Fn(&str, usize) -> Does + Send + Clone + 'static,
    ) -> Destination {
        let address = listener.local_addr().unwrap().to_string();
        let listener = listener.try_clone().unwrap();
        let ((say, heard), (say_raw, raw)) = (channel(), channel());
        let times = std::sync::Arc::new(std::sync::Mutex::new(BTreeMap::new()));
        std::thread::spawn(move || {
            while let Ok((stream, _)) = listener.accept() {
                let (does, times) = (does.clone(), times.clone());
                let (say, say_raw) = (say.clone(), say_raw.clone());
                std::thread::spawn(move || {
                    let asked = |control: &str| {
                        let mut times = times.lock().unwrap();
                        let count: &mut usize = times.entry(control.to_owned()).or_default();
                        *count += 1;
                        does(control, *count - 1)
                    };
                    serve(stream, asked, (&say, &say_raw));
                });
            }
        });
        Destination {
            address,
            heard,
            raw,
        }
    }

    /// Waits until `count` different messages were answered `AA` or `CA`; every message that was
    /// heard meanwhile.
    pub(crate) fn until(&self, count: usize) -> Vec<(String, Does)> {
        let (mut taken, mut all) = (BTreeSet::new(), Vec::new());
        while taken.len() < count {
            let (control, does) = self.heard.recv().unwrap();
            if matches!(does, Does::Says("AA" | "CA")) {
                taken.insert(control.clone());
            }
            all.push((control, does));
        }
        all
    }

    /// The next message and what was done with it.
    pub(crate) fn next(&self) -> (String, Does) {
        self.heard.recv().unwrap()
    }
}

fn serve(
    mut stream: TcpStream,
    does: impl Fn(&str) -> Does,
    (say, say_raw): (&Sender<(String, Does)>, &Sender<String>),
) {
    loop {
        let (mut frame, mut byte) = (Vec::new(), [0]);
        while !frame.ends_with(b"\x1c\r") {
            match stream.read(&mut byte) {
                Ok(1) => frame.push(byte[0]),
                _ => return,
            }
        }
        let message = String::from_utf8_lossy(&frame[1..frame.len() - 2]).into_owned();
        let control = message.split('|').nth(9).unwrap().to_owned();
        let does = does(&control);
        let answer = |code: &str, of: &str| {
            format!(
                "\x0bMSH|^~\\&|X|Y|A|B|20260101||ACK|{of}A|P|2.5\rMSA|{code}|{of}|so it is\r\x1c\r"
            )
        };
        let said = match does {
            Does::Says(code) => answer(code, &control),
            Does::SaysBoth(commit, application) => {
                answer(commit, &control) + &answer(application, &control)
            }
            Does::SaysTwice => answer("AA", &control).repeat(2),
            Does::SaysOfAnother => answer("AA", "NOBODY"),
            Does::Babbles => "HTTP/1.1 400 Bad Request\r\n\r\n\x0b\x1c\r".to_owned(),
            Does::Nothing | Does::Dies => String::new(),
        };
        let written = stream.write_all(said.as_bytes());
        let _ = say_raw.send(message);
        if say.send((control, does)).is_err() || written.is_err() || does == Does::Dies {
            return;
        }
    }
}

fn message(control: &str, patient: &str) -> String {
    format!(
        "MSH|^~\\&|LAB|GH|SALUS|GH|20261121120000||ORU^R01^ORU_R01|{control}|P|2.5\r\
         PID|1||{patient}^^^GH^MR||Test^One||19500101|M\r\
         OBR|1||{control}F|2823-3^K^LN|||20261121115900\r\
         OBX|1|NM|2823-3^K^LN||4.1|mmol/L|||||F\r"
    )
}

/// A configuration with this route, and the limits that make a test quick.
fn configured(folder: &Path, route: &str) -> PathBuf {
    let file = folder.join("salus.toml");
    // A server has more to do for an answer than a receiver of the test.
    let wait = if route.contains("https://") {
        60_000
    } else {
        400
    };
    let text = format!(
        "[routes]\nwait_ms = {wait}\nretry_ms = 20\nretry_max_ms = 200\n\n[[routes.route]]\nname = \"out\"\n{route}\n"
    );
    std::fs::write(&file, text).unwrap();
    file
}

pub(crate) struct House {
    server: Option<Server>,
    pub(crate) data: PathBuf,
    file: PathBuf,
}

impl House {
    pub(crate) fn open(folder: &Path, route: &str) -> House {
        let (data, file) = (folder.join("data"), configured(folder, route));
        let mut house = House {
            server: None,
            data,
            file,
        };
        house.start();
        house
    }

    pub(crate) fn start(&mut self) {
        let file = self.file.to_str().unwrap();
        self.server = Some(Server::start(&self.data, &["--config", file, "serve"]));
        // The rules are sealed before anything can be passed on by them.
        while self.routes()[0]["name"] != "out" {}
    }

    fn kill(&mut self) {
        let mut server = self.server.take().unwrap();
        server.signal(rustix::process::Signal::KILL);
        server.ended();
    }

    pub(crate) fn stop(&mut self) {
        assert!(self.server.take().unwrap().stop().success());
    }

    pub(crate) fn send(&self, control: &str, patient: &str) -> u64 {
        let mllp = self.server.as_ref().unwrap().mllp();
        let answer = send(&mllp, &message(control, patient));
        assert!(answer.contains("MSA|AA"), "{answer}");
        // Salus names the index of the event in the id of its answer.
        answer.split('|').nth(9).unwrap().parse().unwrap()
    }

    pub(crate) fn route(&self, args: &[&str]) -> std::process::Output {
        let file = self.file.to_str().unwrap();
        let begin = ["--config", file, "--format", "json", "route"];
        run(&self.data, &[&begin[..], args].concat())
    }

    pub(crate) fn routes(&self) -> Value {
        let listed = self.route(&["list"]);
        serde_json::from_slice(&listed.stdout)
            .unwrap_or_else(|_| Value::from(String::from_utf8_lossy(&listed.stderr).into_owned()))
    }

    /// The route, once it has come to this many messages taken.
    pub(crate) fn taken(&self, count: u64) -> Value {
        self.once(|route| route["taken"] == count)
    }

    pub(crate) fn once(&self, is: impl Fn(&Value) -> bool) -> Value {
        loop {
            let route = self.routes()[0].clone();
            if is(&route) {
                return route;
            }
        }
    }
}

#[test]
fn a_receiver_that_misbehaves_has_nothing_counted_that_it_did_not_take() {
    let folder = tempfile::tempdir().unwrap();
    let odd = |control: &str, times: usize| match (control, times) {
        ("M1", 0) => Does::Nothing,
        ("M2", 0) => Does::SaysTwice,
        ("M3", 0) => Does::SaysOfAnother,
        ("M4", 0) => Does::Dies,
        ("M5", 0 | 1) => Does::Says("AE"),
        ("M6", 0) => Does::Says("AR"),
        ("M7", 0) => Does::Babbles,
        _ => Does::Says("AA"),
    };
    let there = Destination::listen(odd);
    let mut house = House::open(folder.path(), &format!("to = \"mllp://{}\"", there.address));
    let mut refused = 0;
    for (control, patient) in [
        ("M1", "1"),
        ("M2", "2"),
        ("M3", "3"),
        ("M4", "4"),
        ("M5", "5"),
        ("M6", "6"),
        ("M7", "7"),
        ("M8", "5"),
        ("M9", "1"),
    ] {
        let index = house.send(control, patient);
        if control == "M6" {
            refused = index;
        }
    }
    let route = house.taken(8);
    assert_eq!(route["aside"], 1, "{route}");
    assert_eq!(route["depth"], 0, "{route}");
    let aside = &route["set_aside"][0];
    assert_eq!(
        (&aside["message"], &aside["outcome"]),
        (&refused.into(), &"refused".into())
    );
    assert_eq!(aside["answer"], "AR; so it is");
    let heard: Vec<(String, Does)> = there.heard.try_iter().collect();
    let first = |control: &str, does| {
        heard
            .iter()
            .position(|one| *one == (control.to_owned(), does))
    };
    // What it answered twice it has: that was an answer to it, and it was not sent again for that.
    for control in ["M1", "M3", "M4", "M5", "M7", "M8", "M9"] {
        assert!(
            first(control, Does::Says("AA")).is_some(),
            "{control}: {heard:?}"
        );
    }
    // Each patient's come in their order.
    assert!(
        first("M5", Does::Says("AA")) < first("M8", Does::Says("AA")),
        "{heard:?}"
    );
    assert!(
        first("M1", Does::Says("AA")) < first("M9", Does::Says("AA")),
        "{heard:?}"
    );
    assert_eq!(
        heard.iter().filter(|(control, _)| control == "M6").count(),
        1,
        "{heard:?}"
    );

    replayed_once(&mut house, &there, refused);
}

/// A person sends the refused one once more; each order does so once, also after a refold.
fn replayed_once(house: &mut House, there: &Destination, refused: u64) {
    let index = refused.to_string();
    let short = house.route(&["replay", "--route", "out", &index, "--reason", "short"]);
    assert_eq!(short.status.code(), Some(2));
    let ordered = house.route(&[
        "replay",
        "--route",
        "out",
        &index,
        "--reason",
        "they mended it",
    ]);
    assert_eq!(
        ordered.status.code(),
        Some(0),
        "{}",
        String::from_utf8_lossy(&ordered.stderr)
    );
    assert_eq!(there.next(), ("M6".to_owned(), Does::Says("AA")));
    house.taken(9);
    house.stop();
    for end in ["", "-wal", "-shm"] {
        let _ = std::fs::remove_file(house.data.join(format!("views/routes.db{end}")));
    }
    house.start();
    house.taken(9);
    house.send("M10", "6");
    assert_eq!(there.next(), ("M10".to_owned(), Does::Says("AA")));
    let route = house.taken(10);
    assert_eq!((&route["aside"], &route["depth"]), (&1.into(), &0.into()));
    assert!(there.heard.try_recv().is_err());
}

#[test]
fn a_backlog_with_a_kill_in_the_middle_arrives_whole_and_each_patients_in_order() {
    let folder = tempfile::tempdir().unwrap();
    // Nobody listens there yet.
    let port = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let mut house = House::open(folder.path(), &format!("to = \"mllp://{port}\""));
    for number in 0..300 {
        house.send(&format!("{number:03}"), &format!("{}", number % 10));
    }
    house.kill();
    house.start();
    let listener = TcpListener::bind(port).unwrap();
    let there = Destination::at(&listener, |_, _| Does::Says("AA"));
    let mut heard = there.until(100);
    house.kill();
    heard.extend(there.heard.try_iter());
    house.start();
    house.taken(300);
    heard.extend(there.heard.try_iter());
    let mut first: BTreeMap<String, usize> = BTreeMap::new();
    for (at, (control, _)) in heard.iter().enumerate() {
        first.entry(control.clone()).or_insert(at);
    }
    assert_eq!(first.len(), 300);
    for patient in 0..10 {
        let own = (0..30).map(|turn| first[&format!("{:03}", turn * 10 + patient)]);
        let own: Vec<usize> = own.collect();
        assert!(own.is_sorted(), "patient {patient}: {own:?}");
    }
    // What was taken and not sealed yet goes twice, and no more than that (`unsealed_max`).
    let twice = heard.len() - first.len();
    assert!(twice <= 100 + 1, "{twice} came twice");
}

#[test]
fn a_backlog_arrives_once_if_nothing_fails() {
    let folder = tempfile::tempdir().unwrap();
    let there = Destination::listen(|_, _| Does::Says("AA"));
    let house = House::open(folder.path(), &format!("to = \"mllp://{}\"", there.address));
    let why = ["--route", "out", "--reason", "to have a backlog"];
    house.route(&[&["pause"][..], &why].concat());
    const MANY: usize = 3_000;
    let mut stream = TcpStream::connect(house.server.as_ref().unwrap().mllp()).unwrap();
    for number in 0..MANY {
        let message = message(&format!("{number:04}"), &format!("{}", number % 200));
        stream
            .write_all(&[b"\x0b", message.as_bytes(), b"\x1c\r"].concat())
            .unwrap();
        if number % 100 == 99 {
            let (mut ends, mut part) = (0, [0; 4_096]);
            while ends < 100 {
                let read = stream.read(&mut part).unwrap();
                ends += part[..read].iter().filter(|byte| **byte == 0x1c).count();
            }
        }
    }
    house.route(&[&["resume"][..], &why].concat());
    house.taken(MANY as u64);
    let heard: Vec<String> = there.heard.try_iter().map(|(control, _)| control).collect();
    let different: BTreeSet<&String> = heard.iter().collect();
    assert_eq!((heard.len(), different.len()), (MANY, MANY));
}

#[test]
fn a_route_sends_what_its_rules_say_and_waits_when_a_person_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let there = Destination::listen(|_, _| Does::Says("CA"));
    let rules = format!(
        "to = \"mllp://{}\"\nmessages = [\"ORU\"]\napplications = [\"LAB\"]\n\
         where = ['PID-3.1 != \"13\"']\n\
         changes = ['set MSH-5 to \"EHR\"', 'clear PID-7', 'map PID-3.4 by houses', 'set MSH-15 to \"AL\"']\n\
         [routes.route.tables.houses]\nGH = \"General Hospital\"\n",
        there.address
    );
    let house = House::open(folder.path(), &rules);
    let sample = folder.path().join("one.hl7");
    std::fs::write(&sample, message("T1", "7")).unwrap();
    let tried = house.route(&["test", sample.to_str().unwrap(), "--route", "out"]);
    let tried: Value = serde_json::from_slice(&tried.stdout).unwrap();
    let expected = message("T1", "7")
        .replace("|SALUS|", "|EHR|")
        .replace("^^^GH^MR", "^^^General Hospital^MR")
        .replace("||19500101|", "|||")
        .replacen("|P|2.5\r", "|P|2.5|||AL\r", 1);
    assert_eq!(tried["message"], Value::from(expected.clone()));
    house.send("T0", "13");
    house.send("T1", "7");
    assert_eq!(there.raw.recv().unwrap(), expected);
    std::fs::write(&sample, message("T0", "13")).unwrap();
    let tried = house.route(&["test", sample.to_str().unwrap(), "--route", "out"]);
    assert_eq!(tried.status.code(), Some(1));
    house.taken(1);

    let why = ["--route", "out", "--reason", "their machine moves"];
    let done = house.route(&[&["pause"][..], &why].concat());
    assert_eq!(
        done.status.code(),
        Some(0),
        "{}",
        String::from_utf8_lossy(&done.stderr)
    );
    let skipped = house.send("T2", "7").to_string();
    house.send("T3", "7");
    let route = house.routes()[0].clone();
    assert_eq!(
        (&route["depth"], &route["paused"]),
        (&2.into(), &"their machine moves".into())
    );
    let done = house.route(&[&["skip", &skipped][..], &why].concat());
    assert_eq!(
        done.status.code(),
        Some(0),
        "{}",
        String::from_utf8_lossy(&done.stderr)
    );
    let done = house.route(&[&["skip", "999999"][..], &why].concat());
    assert_eq!(done.status.code(), Some(2));
    house.route(&[&["resume"][..], &why].concat());
    house.taken(2);
    // A span of time takes what the conditions let through, and nothing that they do not.
    let span = [
        "replay",
        "--since",
        "2020-01-01T00:00:00Z",
        "--until",
        "2099-01-01T00:00:00Z",
    ];
    let done = house.route(&[&span[..], &why].concat());
    let done: Value = serde_json::from_slice(&done.stdout).unwrap();
    assert_eq!(done["messages"], 3, "{done}");
    house.taken(5);
    let controls: Vec<String> = there.heard.try_iter().map(|(control, _)| control).collect();
    assert_eq!(controls, ["T1", "T3", "T1", "T2", "T3"]);
}

/// What a receiver of enhanced mode heard, and how the route did, after E1 to E4 were sent.
fn enhanced(
    rules: &str,
    does: impl Fn(&str, usize) -> Does + Send + Clone + 'static,
    (taken, aside): (u64, u64),
) -> (Vec<String>, Value) {
    let folder = tempfile::tempdir().unwrap();
    let there = Destination::listen(does);
    let house = House::open(
        folder.path(),
        &format!("to = \"mllp://{}\"\n{rules}", there.address),
    );
    for (control, patient) in [("E1", "1"), ("E2", "2"), ("E3", "3"), ("E4", "4")] {
        house.send(control, patient);
    }
    let route = house.once(|route| route["taken"] == taken && route["aside"] == aside);
    let mut heard: Vec<String> = there.heard.try_iter().map(|(control, _)| control).collect();
    heard.sort();
    (heard, route)
}

#[test]
fn in_enhanced_mode_the_commit_counts_and_the_applications_answer_if_the_route_says_so() {
    let both = "changes = ['set MSH-15 to \"AL\"', 'set MSH-16 to \"AL\"']";
    // Nobody waits for what the application says; when it comes it is no answer to the next message.
    let (heard, _) = enhanced(both, |_, _| Does::SaysBoth("CA", "AE"), (4, 0));
    assert_eq!(heard, ["E1", "E2", "E3", "E4"]);
    let odd = |control: &str, times: usize| match (control, times) {
        ("E1", 0) => Does::SaysBoth("CA", "AE"),
        ("E2", _) => Does::SaysBoth("CA", "AR"),
        ("E3", 0) => Does::Says("CE"),
        ("E4", _) => Does::Says("CR"),
        _ => Does::SaysBoth("CA", "AA"),
    };
    let (heard, route) = enhanced(&format!("application_ack = true\n{both}"), odd, (2, 2));
    assert_eq!(heard, ["E1", "E1", "E2", "E3", "E3", "E4"], "{route}");
    // Nothing that is taken without a word can be told from what is lost.
    let silent = "changes = ['set MSH-15 to \"NE\"', 'set MSH-16 to \"ER\"']";
    let (heard, route) = enhanced(silent, |_, _| Does::Nothing, (0, 4));
    assert!(heard.is_empty(), "{heard:?}");
    let why = route["set_aside"][0]["answer"].as_str().unwrap();
    assert!(why.contains("asks for no answer"), "{why}");
}

#[test]
fn what_comes_back_is_not_passed_on_again() {
    let folder = tempfile::tempdir().unwrap();
    let there = Destination::listen(|_, _| Does::Says("AA"));
    let rules = format!(
        "to = \"mllp://{}\"\nchanges = ['set MSH-6 to \"X\"']",
        there.address
    );
    let house = House::open(folder.path(), &rules);
    house.send("L1", "1");
    let out = there.raw.recv().unwrap();
    assert!(out.contains("|SALUS|X|"), "{out}");
    // The receiver passes it on to us, as engines do that know of no loop.
    let answer = send(&house.server.as_ref().unwrap().mllp(), &out);
    assert!(answer.contains("MSA|AA|L1"), "{answer}");
    house.send("L2", "1");
    let route = house.taken(2);
    assert_eq!(route["set_aside"][0]["outcome"], "looped", "{route}");
    let heard: Vec<String> = there.heard.try_iter().map(|(control, _)| control).collect();
    assert_eq!(heard, ["L1", "L2"]);
}

#[test]
fn rules_that_cannot_be_read_and_a_route_to_an_own_door_stop_the_start() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let said = |route: &str| {
        let file = configured(folder.path(), route);
        let args = [
            "--config",
            file.to_str().unwrap(),
            "serve",
            "--listen",
            "127.0.0.1:0",
        ];
        let output = run(&data, &[&args[..], &["--mllp", "127.0.0.1:27999"]].concat());
        assert_eq!(output.status.code(), Some(2));
        String::from_utf8(output.stderr).unwrap()
    };
    let why = said("to = \"mllp://127.0.0.1:1\"\nchanges = ['run rm']");
    assert!(why.contains("line 9") && why.contains("`run`"), "{why}");
    let why = said("to = \"mllp://10.0.0.1:1\"");
    assert!(why.contains("in the clear"), "{why}");
    let why = said("to = \"mllp://localhost:27999\"");
    assert!(why.contains("our own door"), "{why}");
}

#[test]
fn a_folder_gets_each_message_as_a_file() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("out");
    let house = House::open(folder.path(), &format!("to = \"file:{}\"", out.display()));
    // A folder that is not there is a receiver that is not there.
    let index = house.send("F1", "1");
    while house.routes()[0]["trouble"].is_null() {}
    std::fs::create_dir(&out).unwrap();
    house.taken(1);
    let files: Vec<String> = std::fs::read_dir(&out)
        .unwrap()
        .map(|one| one.unwrap().file_name().into_string().unwrap())
        .collect();
    assert_eq!(files, [format!("{index:012}.hl7")]);
    let text = std::fs::read_to_string(out.join(&files[0])).unwrap();
    assert_eq!(text, message("F1", "1"));
}

fn admission(control: &str) -> String {
    format!(
        "MSH|^~\\&|ADT|GH|SALUS|GH|20261121110000||ADT^A01^ADT_A01|{control}|P|2.5\r\
         EVN|A01|20261121110000\r\
         PID|1||4711^^^GH^MR||Lang^Ada||19500101|F\r\
         PV1|1|I|MED1^101^A^GH||||P1^Krueger^Lena|||||||||||V4711|||||||||||||||||||||||||20261121105900\r"
    )
}

#[test]
fn a_fhir_server_gets_what_messages_mean_and_keeps_what_others_wrote_there() {
    let folder = tempfile::tempdir().unwrap();
    let there = Server::serve(&folder.path().join("there"));
    let client = |data: &Path| {
        let made = json(data, &["client", "add", "ehr", "--scope", "system/*.cruds"]);
        made["token"].as_str().unwrap().to_owned()
    };
    let token = client(&there.data);
    let file = folder.path().join("token");
    secret(&file, &token);
    let route = format!(
        "to = \"{}\"\nresources = [\"*\"]\nauthorities = \"{}\"\ntoken_file = \"{}\"",
        there.text("fhir"),
        there.certificate().display(),
        file.display()
    );
    let house = House::open(folder.path(), &route);
    let server = house.server.as_ref().unwrap();
    assert!(send(&server.mllp(), &admission("F1")).contains("MSA|AA"));
    house.send("F2", "4711");
    let route = house.taken(2);
    assert_eq!(route["aside"], 0, "{route}");
    let found = |query: &str| {
        curl(
            &there,
            &token,
            &[&format!("{}/{query}", there.text("fhir"))],
        )
    };
    let patient = found("Patient?identifier=4711")["entry"][0]["resource"].clone();
    assert_eq!(patient["name"][0]["family"], "Lang", "{patient}");
    let result = found("Observation?code=2823-3")["entry"][0]["resource"].clone();
    let id = patient["id"].as_str().unwrap().to_owned();
    assert_eq!(
        result["subject"]["reference"],
        format!("Patient/{id}"),
        "{result}"
    );
    assert_eq!(found("Encounter?status=in-progress")["total"], 1);

    // Somebody writes over there; a result, which tells nothing of it, and an admission leave it.
    let mut patient = patient;
    patient["telecom"] = serde_json::json!([{"system": "phone", "value": "0170 4711"}]);
    let url = format!("{}/Patient/{id}", there.text("fhir"));
    let written = curl(
        &there,
        &token,
        &["-X", "PUT", "-d", &patient.to_string(), &url],
    );
    assert_eq!(written["telecom"][0]["value"], "0170 4711", "{written}");
    house.send("F3", "4711");
    assert!(send(&server.mllp(), &admission("F4")).contains("MSA|AA"));
    house.taken(4);
    let patient = found(&format!("Patient/{id}"));
    assert_eq!(patient["telecom"][0]["value"], "0170 4711", "{patient}");
    assert_eq!(found("Observation?code=2823-3&_summary=count")["total"], 2);

    // What was written here as a resource goes as it is, and goes away as it does.
    let own = client(&server.data);
    let url = format!("{}/Organization/lab", server.text("fhir"));
    let resource = r#"{"resourceType": "Organization", "id": "lab", "name": "Laboratory"}"#;
    curl(server, &own, &["-X", "PUT", "-d", resource, &url]);
    house.taken(5);
    assert_eq!(found("Organization/lab")["name"], "Laboratory");
    curl(server, &own, &["-X", "DELETE", &url]);
    house.taken(6);
    assert_eq!(
        found("Organization/lab")["resourceType"],
        "OperationOutcome"
    );

    // A server that refuses who we are has nothing counted, and gets it once it lets us in.
    secret(&file, "another token");
    house.send("F5", "4711");
    while house.routes()[0]["trouble"].is_null() {}
    let route = house.routes()[0].clone();
    assert!(
        route["trouble"].as_str().unwrap().contains("HTTP 401"),
        "{route}"
    );
    assert_eq!((&route["taken"], &route["depth"]), (&6.into(), &1.into()));
    secret(&file, &token);
    house.taken(7);
}
