//! A restart of the real server signs nobody out.

use crate::process::Server;
use crate::smart::send;

/// The cookies that an answer sets, as a browser sends them back.
fn cookies(answer: &str) -> Vec<String> {
    let lines = answer.lines().take_while(|line| !line.is_empty());
    let set = lines.filter_map(|line| line.strip_prefix("set-cookie: "));
    let pairs = set.filter_map(|cookie| cookie.split(';').next());
    pairs.map(str::to_owned).collect()
}

pub(crate) fn get(server: &Server, path: &str, cookies: &[String]) -> String {
    let request = format!(
        "GET {path} HTTP/1.1\r\nHost: salus\r\nConnection: close\r\nCookie: {}\r\n\r\n",
        cookies.join("; ")
    );
    send(server, None, request.as_bytes())
}

/// Makes the first administrator through the link; returns the cookies of their session.
pub(crate) fn set_up(server: &Server) -> Vec<String> {
    let link = server.text("setup");
    let path = link.split_once("/setup/").unwrap().1;
    let opened = get(server, &format!("/setup/{path}"), &[]);
    let form = "name=Ada&account=ottilie&password=four+words+of+night&again=four+words+of+night";
    let request = format!(
        "POST /setup HTTP/1.1\r\nHost: salus\r\nConnection: close\r\nCookie: {}\r\n\
         Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {}\r\n\r\n{form}",
        cookies(&opened).join("; "),
        form.len()
    );
    let made = send(server, None, request.as_bytes());
    assert!(made.starts_with("HTTP/1.1 303"), "{made}");
    cookies(&made)
}

#[test]
fn a_restart_signs_nobody_out() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let server = Server::serve(&data);
    let ada = set_up(&server);
    assert!(get(&server, "/account", &ada).starts_with("HTTP/1.1 200"));
    assert!(server.stop().success());

    let server = Server::serve(&data);
    let page = get(&server, "/account", &ada);
    assert!(page.starts_with("HTTP/1.1 200"), "{page}");
    // Nobody else is let in, and the file does not say who is.
    let guess = ["__Host-salus=guess".to_owned()];
    assert!(get(&server, "/account", &guess).starts_with("HTTP/1.1 303"));
    let kept = std::fs::read_to_string(data.join("sessions")).unwrap();
    assert!(!kept.contains("ottilie"), "{kept}");
    assert!(server.stop().success());
}
