//! Lines of machines by other people's programs, and a log file that is read by a server that is
//! killed again and again.

use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use event::{Body, Clock, Time};

use crate::process::{Server, salus, with_config};
use crate::smart::send;

struct Later;

/// Later than anything the server's own clock has said.
impl Clock for Later {
    fn now(&self) -> Time {
        Time::from_millis(4_000_000_000_000)
    }
}

fn configured(folder: &Path, signals: &str) -> PathBuf {
    let file = folder.join("salus.toml");
    let data = folder.join("data");
    fs::write(&file, format!("data = \"{}\"\n{signals}", data.display())).unwrap();
    file
}

fn serve(file: &Path, folder: &Path) -> Server {
    let mut command = salus();
    command.args(["--format", "json", "--config"]).arg(file);
    command.args(["serve", "--listen", "127.0.0.1:0", "--mllp", "127.0.0.1:0"]);
    Server::spawn(command, &folder.join("data"))
}

/// Every line that was sealed for a feed, in its order, and what could not be read of them.
async fn lines(data: &Path, feed: &str) -> (Vec<String>, u64) {
    let config = record::Config::new(data.to_owned());
    let record = record::Record::open(config, std::sync::Arc::new(Later))
        .await
        .unwrap();
    let (mut found, mut unread, mut next) = (Vec::new(), 0, 0);
    while next < record.size() {
        let (events, after) = record.read_until(next, 1_000).await.unwrap();
        for one in &events {
            let Body::Signals(told) = &one.event().body else {
                continue;
            };
            if told.feed == feed {
                unread += told.unread;
                let lines = wire::signals::lines(&one.event().raw);
                found.extend(lines.map(|line| String::from_utf8_lossy(line.bytes).into_owned()));
            }
        }
        next = after;
    }
    record.stop().await;
    (found, unread)
}

/// Events in the record of a running server.
fn events(server: &Server) -> u64 {
    let ask = b"GET /readyz HTTP/1.1\r\nHost: salus\r\nConnection: close\r\n\r\n";
    let answer = send(server, None, ask);
    let line = answer
        .lines()
        .find_map(|line| line.strip_prefix("record_events "));
    line.unwrap().trim().parse().unwrap()
}

fn port<'s>(server: &'s Server, kind: &str) -> &'s str {
    let addresses = server.ready["syslog"].as_array().unwrap();
    let addresses = addresses.iter().filter_map(|one| one.as_str());
    let mut found = addresses.filter_map(|one| one.strip_prefix(kind));
    found.next().unwrap().rsplit_once(':').unwrap().1
}

fn logger(port: &str, options: &[&str]) {
    let mut command = Command::new("logger");
    command
        .args(["--server", "127.0.0.1", "--port", port])
        .args(options);
    let done = command.status().unwrap();
    assert!(done.success(), "{options:?}");
}

/// Posts lines, and says with which status they were answered.
fn curl(server: &Server, token: &str, body: &str) -> String {
    let url = format!("{}/signals/edr", server.text("url"));
    let mut command = Command::new("curl");
    command.args([
        "--silent",
        "--show-error",
        "--output",
        "/dev/null",
        "--write-out",
        "%{http_code}",
    ]);
    command.arg("--cacert").arg(server.certificate());
    command.args(["--header", &format!("Authorization: Bearer {token}")]);
    let done = command
        .args(["--data-binary", body, &url])
        .output()
        .unwrap();
    let why = String::from_utf8_lossy(&done.stderr);
    assert!(why.is_empty(), "{why}");
    String::from_utf8(done.stdout).unwrap()
}

/// What `logger` wrote says when, where and what.
fn are_read(heard: &[String]) {
    for (text, tag) in [
        ("over UDP, 5424", "one"),
        ("over UDP, 3164", "two"),
        ("over TCP, 5424", "three"),
        ("over TCP, 3164, counted", "four"),
    ] {
        let line = heard.iter().find(|line| line.ends_with(text)).unwrap();
        let near = (Later.now().millis(), &jiff::tz::TimeZone::UTC);
        let entry = wire::syslog::read(line.as_bytes(), near).unwrap();
        assert_eq!(entry.app.as_deref(), Some(tag), "{line}");
        assert_eq!(&line[entry.text..], text);
        assert!(entry.at.is_some() && entry.host.is_some(), "{line}");
    }
}

#[tokio::test]
async fn logger_and_curl_are_heard() {
    let folder = tempfile::tempdir().unwrap();
    let file = configured(
        folder.path(),
        "[signals]\nbatch_wait_ms = 20\n\
         [signals.syslog]\nudp = [\"127.0.0.1:0\"]\ntcp = [\"127.0.0.1:0\"]\n\
         [[signals.syslog.feed]]\nname = \"here\"\n\
         [[signals.https.feed]]\nname = \"edr\"\nformat = \"json\"\nclient = \"collector\"\n",
    );
    let token = with_config(
        &file,
        &["client", "add", "collector", "--scope", "system/signals"],
    );
    let token = token["token"].as_str().unwrap();
    let server = serve(&file, folder.path());
    let before = events(&server);
    let (udp, tcp) = (port(&server, "udp "), port(&server, "tcp "));
    for (at, options) in [
        (
            udp,
            &["--udp", "--rfc5424", "--tag", "one", "over UDP, 5424"][..],
        ),
        (
            udp,
            &["--udp", "--rfc3164", "--tag", "two", "over UDP, 3164"],
        ),
        (
            tcp,
            &["--tcp", "--rfc5424", "--tag", "three", "over TCP, 5424"],
        ),
        (
            tcp,
            &[
                "--tcp",
                "--rfc3164",
                "--octet-count",
                "--tag",
                "four",
                "over TCP, 3164, counted",
            ],
        ),
    ] {
        logger(at, options);
    }
    assert_eq!(
        curl(
            &server,
            token,
            "{\"type\":\"login\"}\n{\"type\":\"logout\"}\n"
        ),
        "200"
    );
    assert_eq!(curl(&server, "wrong", "{}"), "401");
    // Two of curl's lines are one event, and each message of logger comes by itself.
    while events(&server) < before + 2 {}
    assert!(server.stop().success());
    let data = folder.path().join("data");
    let (heard, unread) = lines(&data, "here").await;
    assert_eq!((heard.len(), unread), (4, 0), "{heard:?}");
    are_read(&heard);
    let (posted, _) = lines(&data, "edr").await;
    assert_eq!(posted, ["{\"type\":\"login\"}", "{\"type\":\"logout\"}"]);
}

fn write(path: &Path, range: std::ops::Range<u64>) {
    let mut file = OpenOptions::new()
        .create(true)
        .append(true)
        .open(path)
        .unwrap();
    let text: String = range
        .map(|number| format!("{{\"n\":{number}}}\n"))
        .collect();
    file.write_all(text.as_bytes()).unwrap();
}

/// Killed in the middle of a file, with a rotation now and then: each line once, in its order.
#[tokio::test]
async fn a_file_is_read_exactly_once_though_the_server_is_killed() {
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("app.log");
    let file = configured(
        folder.path(),
        &format!(
            "[signals]\nfile_look_ms = 1\nfile_settle_ms = 10\nbatch_lines_max = 7\n\
             [[signals.file]]\nname = \"app\"\npath = \"{}\"\nformat = \"json\"\n",
            log.display()
        ),
    );
    let mut written = 0;
    for round in 0..8_u64 {
        write(&log, written..written + 400);
        written += 400;
        let server = serve(&file, folder.path());
        if round % 3 == 2 {
            fs::rename(&log, folder.path().join(format!("app.log.{}", 9 - round))).unwrap();
            write(&log, written..written + 50);
            written += 50;
        }
        // So many batches later, wherever it is then: between a commit and the next, or within one.
        let until = events(&server) + 3 + 5 * round;
        while events(&server) < until {}
        server.signal(rustix::process::Signal::KILL);
        drop(server);
    }
    let server = serve(&file, folder.path());
    let (mut before, mut still) = (0, 0);
    while still < 50 {
        let now = events(&server);
        still = if now == before { still + 1 } else { 0 };
        before = now;
    }
    assert!(server.stop().success());
    let wanted: Vec<String> = (0..written)
        .map(|number| format!("{{\"n\":{number}}}"))
        .collect();
    let (found, unread) = lines(&folder.path().join("data"), "app").await;
    assert_eq!(unread, 0);
    assert_eq!(found.len(), wanted.len());
    assert!(found == wanted, "the lines are not in their order");
}
