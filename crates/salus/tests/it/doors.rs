//! The edge of HTTPS: how many may come, how long they may take, and what is sealed of it.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::path::Path;
use std::time::Duration;

use crate::process::{Server, json};
use crate::smart::{line, send};

fn server(folder: &Path, https: &str) -> Server {
    let file = folder.join("salus.toml");
    fs::write(&file, format!("[https]\n{https}\n")).unwrap();
    let args = ["--config", file.to_str().unwrap(), "serve"];
    Server::start(&folder.join("data"), &args)
}

fn address(server: &Server) -> String {
    let url = server.text("url");
    url.trim_start_matches("https://").to_owned()
}

/// Reads until the other side closes, for half a minute at most.
fn to_the_end(stream: &mut TcpStream) -> Vec<u8> {
    let wait = Some(Duration::from_secs(30));
    stream.set_read_timeout(wait).unwrap();
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    answer
}

fn healthy(server: &Server) -> bool {
    let ask = b"GET /healthz HTTP/1.1\r\nHost: salus\r\nConnection: close\r\n\r\n";
    send(server, None, ask).contains("alive")
}

#[test]
fn one_address_has_so_many_connections_and_no_more() {
    let folder = tempfile::tempdir().unwrap();
    let mut server = server(folder.path(), "connections_per_source_max = 2");
    let (first, _second) = (line(&server, None), line(&server, None));
    let mut third = TcpStream::connect(address(&server)).unwrap();
    assert!(to_the_end(&mut third).is_empty(), "it was not closed");
    assert!(server.until("turned away").contains("too many connections"));
    // A place that is given back can be taken.
    drop(first);
    while !healthy(&server) {}
    assert!(server.stop().success());
}

#[test]
fn a_handshake_that_fails_is_logged_and_sealed_and_a_knock_is_not() {
    let folder = tempfile::tempdir().unwrap();
    let mut server = server(folder.path(), "");
    // Somebody looks whether the port is open, which is nothing.
    drop(TcpStream::connect(address(&server)).unwrap());
    let mut plain = TcpStream::connect(address(&server)).unwrap();
    plain
        .write_all(b"GET / HTTP/1.1\r\nHost: salus\r\n\r\n")
        .unwrap();
    to_the_end(&mut plain);
    let said = server.until("turned away");
    assert!(said.contains("TLS handshake"), "{said}");
    let data = server.data.clone();
    assert!(server.stop().success());
    let verified = json(&data, &["verify"]);
    // The record was opened, the server began, somebody was turned away, the server ended.
    assert_eq!(verified["events"], 4, "{verified}");
}

#[test]
fn a_body_that_does_not_come_is_not_waited_for() {
    let folder = tempfile::tempdir().unwrap();
    let server = server(folder.path(), "body_ms = 200");
    let slow = b"POST /oauth/token HTTP/1.1\r\nHost: salus\r\n\
        Content-Type: application/x-www-form-urlencoded\r\nContent-Length: 900\r\n\r\ngrant";
    let answer = send(&server, None, slow);
    assert!(answer.starts_with("HTTP/1.1 400"), "{answer}");
    assert!(healthy(&server));
}

#[test]
fn a_connection_that_is_still_is_closed() {
    let folder = tempfile::tempdir().unwrap();
    let server = server(folder.path(), "idle_ms = 200");
    // It never begins TLS, and it never says what it wants.
    let mut silent = TcpStream::connect(address(&server)).unwrap();
    assert!(to_the_end(&mut silent).is_empty());
    assert_eq!(send(&server, None, b""), "");
    assert!(healthy(&server));
}
