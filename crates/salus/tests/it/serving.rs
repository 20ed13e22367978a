use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt as _;

use crate::process::{Server, json, run};

pub(crate) fn send(address: &str, message: &str) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    stream
        .write_all(&[b"\x0B", message.as_bytes(), b"\x1C\r"].concat())
        .unwrap();
    let (mut answer, mut byte) = (Vec::new(), [0]);
    while !answer.ends_with(b"\x1C\r") {
        stream.read_exact(&mut byte).unwrap();
        answer.push(byte[0]);
    }
    String::from_utf8(answer).unwrap()
}

fn admission(control: &str) -> String {
    format!(
        "MSH|^~\\&|ADT|STSALUS|SALUS|STSALUS|20261121120000||ADT^A01^ADT_A01|{control}|P|2.5\r\
         EVN|A01|20261121120000\r\
         PID|1||4711^^^STSALUS^MR||M\u{fc}ller^J\u{f6}rg||19500101|M\r\
         PV1|1|I|MED1^101^A^STSALUS||||P1^Krueger^Lena|||||||||||V4711|||||||||||||||||||||||||20261121115900\r"
    )
}

#[test]
fn an_empty_folder_becomes_a_running_record_that_only_its_owner_can_read() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let server = Server::serve(&data);
    assert!(server.text("url").starts_with("https://127.0.0.1:"));
    assert!(server.text("setup").contains("/setup/"));
    for path in [
        "",
        "keys",
        "vault",
        "keys/root.key",
        "keys/log.key",
        "tls/key.pem",
    ] {
        let mode = std::fs::metadata(data.join(path))
            .unwrap()
            .permissions()
            .mode();
        assert_eq!(mode & 0o077, 0, "{path}");
    }
    assert!(server.stop().success());
}

#[test]
fn what_was_acknowledged_is_there_after_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let server = Server::serve(&data);
    let first = send(&server.mllp(), &admission("A1"));
    assert!(first.contains("MSA|AA|A1"), "{first}");
    assert!(server.stop().success());
    let events = json(&data, &["verify"])["events"].as_u64().unwrap();

    let server = Server::serve(&data);
    assert_eq!(
        send(&server.mllp(), &admission("A1")),
        first,
        "a resend gets the same answer"
    );
    assert!(send(&server.mllp(), &admission("A2")).contains("MSA|AA|A2"));
    assert!(server.stop().success());
    let verified = json(&data, &["verify"]);
    // The message, and that the server began and ended.
    assert_eq!(verified["events"].as_u64(), Some(events + 3));
    assert_eq!(verified["alterations"].as_array().map(Vec::len), Some(0));
}

#[test]
fn an_unknown_option_is_refused_with_its_line() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("salus.toml");
    std::fs::write(&file, "log = \"info\"\n[web]\nno_such_option = 1\n").unwrap();
    let data = folder.path().join("data");
    let output = run(&data, &["--config", file.to_str().unwrap(), "serve"]);
    let why = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(
        why.contains("line 3") && why.contains("no_such_option"),
        "{why}"
    );
    assert!(!data.exists());
}

#[test]
fn plain_mllp_is_refused_off_loopback() {
    let folder = tempfile::tempdir().unwrap();
    let output = run(
        &folder.path().join("data"),
        &["serve", "--listen", "127.0.0.1:0", "--mllp", "0.0.0.0:0"],
    );
    let why = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(why.contains("mllp.tls") || why.contains("TLS"), "{why}");
}

fn served(folder: &std::path::Path, uprooted_ms: u64) -> Server {
    let config = folder.join("salus.toml");
    let data = folder.join("data");
    let text = format!("data = {data:?}\n[https]\nuprooted_ms = {uprooted_ms}\n");
    std::fs::write(&config, text).unwrap();
    let mut command = crate::process::salus();
    command.args(["--format", "json", "--config"]).arg(&config);
    command.args(["serve", "--listen", "127.0.0.1:0", "--mllp", "127.0.0.1:0"]);
    Server::spawn(command, &data)
}

#[test]
fn a_server_whose_data_folder_is_made_anew_acknowledges_nothing_and_ends() {
    let folder = tempfile::tempdir().unwrap();
    let (data, aside) = (folder.path().join("data"), folder.path().join("aside"));
    let mut server = served(folder.path(), 600_000);
    assert!(send(&server.mllp(), &admission("A1")).contains("MSA|AA|A1"));
    // What is being published at that moment goes to the path that it had.
    let published = || {
        let looked = run(&data, &["--format", "json", "verify"]);
        let looked: serde_json::Value = serde_json::from_slice(&looked.stdout).unwrap_or_default();
        looked["events"].is_u64() && looked["published"] == looked["events"]
    };
    assert!((0..1_000).any(|_| published()));
    std::fs::rename(&data, &aside).unwrap();
    std::fs::create_dir_all(data.join("vault")).unwrap();
    let refused = send(&server.mllp(), &admission("A2"));
    assert!(refused.contains("MSA|AE|A2"), "{refused}");
    assert!(refused.contains("data folder is gone"), "{refused}");
    // Putting it back is for a person to judge: this server takes nothing any more.
    std::fs::rename(&data, folder.path().join("other")).unwrap();
    std::fs::rename(&aside, &data).unwrap();
    assert!(send(&server.mllp(), &admission("A3")).contains("MSA|AE|A3"));
    let said = server.until("Put the data folder back");
    assert!(said.contains("restore a backup"), "{said}");
    server.signal(rustix::process::Signal::TERM);
    assert_eq!(server.ended().code(), Some(4));
    let other = std::fs::read_dir(folder.path().join("other/vault")).unwrap();
    assert_eq!(other.count(), 0, "nothing went into the other folder");
    // What was acknowledged is there, and what was not is taken now.
    let server = served(folder.path(), 600_000);
    assert!(send(&server.mllp(), &admission("A2")).contains("MSA|AA|A2"));
    assert!(server.stop().success());
    let verified = json(&data, &["verify"]);
    assert_eq!(verified["alterations"].as_array().map(Vec::len), Some(0));
}

#[test]
fn a_server_without_its_data_folder_ends_by_itself() {
    let folder = tempfile::tempdir().unwrap();
    let mut server = served(folder.path(), 0);
    std::fs::remove_dir_all(folder.path().join("data/vault")).unwrap();
    assert_eq!(server.ended().code(), Some(4));
}
