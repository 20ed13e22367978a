//! A primary and its standby as two machines: two network namespaces and a cable that is cut.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;

use crate::process::{Server, json, run, secret};

/// How often a primary asks its peers, and how long each may take.
const ASK_MS: &str = "300";

/// One of two machines: a network namespace with an address of its own.
struct Machine {
    net: String,
    address: &'static str,
    folder: PathBuf,
    /// What stands at the end of its configuration.
    more: String,
}

/// The two, with a cable between them. Taken away with the test.
struct Machines {
    primary: Machine,
    standby: Machine,
    root: tempfile::TempDir,
}

fn ip(args: &[&str]) {
    let output = Command::new("ip").args(args).output().unwrap();
    assert!(
        output.status.success(),
        "ip {args:?}: {output:?} (this test needs root)"
    );
}

impl Machines {
    fn new(name: &str) -> Machines {
        let root = tempfile::tempdir().unwrap();
        let machine = |part: &str, address| Machine {
            net: format!("salus-{name}-{part}-{}", std::process::id()),
            address,
            folder: root.path().join(part),
            more: String::new(),
        };
        let machines = Machines {
            primary: machine("a", "10.77.0.1"),
            standby: machine("b", "10.77.0.2"),
            root,
        };
        let (a, b) = (machines.primary.net.as_str(), machines.standby.net.as_str());
        for net in [a, b] {
            ip(&["netns", "add", net]);
            ip(&["-n", net, "link", "set", "lo", "up"]);
        }
        ip(&[
            "link", "add", "cable", "netns", a, "type", "veth", "peer", "name", "cable", "netns", b,
        ]);
        for machine in [&machines.primary, &machines.standby] {
            let range = format!("{}/24", machine.address);
            ip(&["-n", &machine.net, "addr", "add", &range, "dev", "cable"]);
            machine.make();
        }
        machines.plug("up");
        machines
    }

    /// `down` cuts the cable, `up` mends it.
    fn plug(&self, state: &str) {
        for machine in [&self.primary, &self.standby] {
            ip(&["-n", &machine.net, "link", "set", "cable", state]);
        }
    }

    fn token(&self) -> PathBuf {
        self.root.path().join("token")
    }

    /// Configures both; the primary serves, the standby is known to it and follows.
    fn start(&self) -> (Server, Server) {
        self.start_with("")
    }

    /// The same, with more lines in the primary's `[fence]`.
    fn start_with(&self, fence: &str) -> (Server, Server) {
        let (primary, standby) = (&self.primary, &self.standby);
        primary.configure("");
        let server = primary.serve();
        let made = json(
            &primary.data(),
            &["client", "add", "standby", "--scope", "system/standby"],
        );
        secret(&self.token(), made["token"].as_str().unwrap());
        standby.configure(&format!(
            "[standby]\nfrom = \"https://{}:8443\"\ntoken_file = \"{}\"\nauthorities = \"{}\"\n",
            primary.address,
            self.token().display(),
            primary.certificate().display()
        ));
        // The first start says which key the primary has to know.
        let output = standby.command("standby").output().unwrap();
        assert_eq!(output.status.code(), Some(2), "{output:?}");
        let said = String::from_utf8(output.stderr).unwrap();
        let key = said.trim().lines().last().unwrap().trim().to_owned();
        assert!(server.stop().success());
        let peers = format!(
            "standby_keys = [\"{key}\"]\n[fence]\npeers = [\"https://{}:8443\"]\nauthorities = \"{}\"\nask_ms = {ASK_MS}\n",
            standby.address,
            standby.certificate().display()
        );
        primary.configure(&peers);
        let mut server = primary.serve();
        let follower = Server::spawn(standby.command("standby"), &standby.data());
        assert_eq!(follower.ready["primary"], false);
        if !fence.is_empty() {
            // With a lease it begins only when a peer answers, so the peer comes first.
            assert!(server.stop().success());
            primary.configure(&format!("{peers}{fence}"));
            server = primary.serve();
        }
        (server, follower)
    }
}

impl Drop for Machines {
    fn drop(&mut self) {
        for machine in [&self.primary, &self.standby] {
            let _ = Command::new("ip")
                .args(["netns", "del", &machine.net])
                .output();
        }
    }
}

impl Machine {
    /// Its folder and a certificate for its address.
    fn make(&self) {
        fs::create_dir_all(&self.folder).unwrap();
        let name = format!("subjectAltName=IP:{}", self.address);
        let output = Command::new("openssl")
            .args([
                "req",
                "-x509",
                "-newkey",
                "ec",
                "-pkeyopt",
                "ec_paramgen_curve:P-256",
            ])
            .args([
                "-nodes",
                "-days",
                "2",
                "-subj",
                "/CN=salus",
                "-addext",
                &name,
            ])
            .args(["-addext", "basicConstraints=critical,CA:FALSE", "-keyout"])
            .args([
                &self.folder.join("key.pem"),
                Path::new("-out"),
                &self.certificate(),
            ])
            .output()
            .unwrap();
        assert!(output.status.success(), "{output:?}");
    }

    fn certificate(&self) -> PathBuf {
        self.folder.join("certificate.pem")
    }

    fn data(&self) -> PathBuf {
        self.folder.join("data")
    }

    fn configure(&self, more: &str) {
        let text = format!(
            "[https]\nlisten = \"{}:8443\"\ncertificate = \"{}\"\nkey = \"{}\"\n\
             [mllp]\nlisten = [\"127.0.0.1:0\"]\n\
             [web]\nsecond_factor = \"optional\"\n{more}{}",
            self.address,
            self.certificate().display(),
            self.folder.join("key.pem").display(),
            self.more
        );
        fs::write(self.folder.join("salus.toml"), text).unwrap();
    }

    /// `salus` on this machine.
    fn command(&self, part: &str) -> Command {
        let mut command = Command::new("ip");
        command
            .args(["netns", "exec", &self.net, env!("CARGO_BIN_EXE_salus")])
            .args(["--format", "json", "--data"])
            .arg(self.data())
            .arg("--config")
            .arg(self.folder.join("salus.toml"))
            .arg(part);
        command
    }

    fn serve(&self) -> Server {
        Server::spawn(self.command("serve"), &self.data())
    }

    /// Asks a machine's console from this one.
    fn curl(&self, of: &Machine, path: &str, form: &[&str]) -> Output {
        let jar = self.folder.join("cookies");
        let mut command = Command::new("ip");
        command
            .args([
                "netns",
                "exec",
                &self.net,
                "curl",
                "-sS",
                "-i",
                "--max-time",
                "20",
            ])
            .args(["--cacert", of.certificate().to_str().unwrap()])
            .args(["-b", jar.to_str().unwrap(), "-c", jar.to_str().unwrap()]);
        for field in form {
            command.args(["--data-urlencode", field]);
        }
        command
            .arg(format!("https://{}:8443{path}", of.address))
            .output()
            .unwrap()
    }

    fn page(&self, of: &Machine, path: &str) -> String {
        String::from_utf8_lossy(&self.curl(of, path, &[]).stdout).into_owned()
    }

    /// Asks this machine's own `/readyz` until a line of it fits.
    fn until_ready(&self, fits: impl Fn(&str) -> bool) -> String {
        for _ in 0..2_000 {
            let said = self.page(self, "/readyz");
            if said.lines().any(&fits) {
                return said;
            }
        }
        self.page(self, "/readyz")
    }
}

/// Brings a patient in by the operator's socket, which no cable is needed for.
fn import(machine: &Machine, id: &str) -> Value {
    let file = machine.folder.join(format!("{id}.json"));
    let patient =
        format!(r#"{{"resourceType":"Patient","id":"{id}","name":[{{"family":"Åberg"}}]}}"#);
    fs::write(&file, patient).unwrap();
    json(&machine.data(), &["import", file.to_str().unwrap()])
}

fn events(machine: &Machine) -> u64 {
    json(&machine.data(), &["verify"])["events"]
        .as_u64()
        .unwrap()
}

/// An administrator, made on the primary.
fn administrator(machines: &Machines, server: &Server) {
    let setup = server.text("setup");
    let path = setup.split(":8443").nth(1).unwrap();
    // The link is exchanged for a cookie.
    machines.primary.page(&machines.primary, path);
    let form = [
        "name=Tomas",
        "account=tomas",
        "password=correct horse battery",
        "again=correct horse battery",
    ];
    let output = machines.primary.curl(&machines.primary, "/setup", &form);
    assert!(
        String::from_utf8_lossy(&output.stdout).contains("303"),
        "{output:?}"
    );
}

#[test]
fn a_cut_cable_a_reader_on_the_standby_and_a_mended_cable() {
    let machines = Machines::new("cut");
    let (primary, standby) = (&machines.primary, &machines.standby);
    let (server, mut follower) = machines.start();
    administrator(&machines, &server);
    assert_eq!(import(primary, "a1")["accepted"], 1);
    let sealed = events(primary);
    let said = standby.until_ready(|line| *line == format!("record_events {sealed}"));
    assert!(said.contains(&format!("record_events {sealed}")), "{said}");
    let lag = standby.until_ready(|line| {
        let lag = line
            .strip_prefix("standby_lag_ms ")
            .and_then(|lag| lag.parse::<u64>().ok());
        lag.is_some_and(|lag| lag < 1_000)
    });
    assert!(lag.contains("standby_lag_ms"), "{lag}");
    machines.plug("down");
    follower.until("cannot be followed");
    // People sign in with what the standby knows, and look; that is sealed there.
    let form = ["account=tomas", "password=correct horse battery"];
    let signed_in = standby.curl(standby, "/sign-in", &form);
    assert!(
        String::from_utf8_lossy(&signed_in.stdout).contains("303"),
        "{signed_in:?}"
    );
    let page = standby.page(standby, "/record");
    assert!(page.contains("This is the standby"), "{page}");
    assert!(standby.page(standby, "/patients/a1").contains("HTTP/2 403"));
    assert_ne!(import(standby, "b1")["accepted"], 1, "it takes nothing");
    // The primary goes on meanwhile.
    assert_eq!(import(primary, "a2")["accepted"], 1);
    machines.plug("up");
    let joined = |machine: &Machine| machine.page(primary, "/record");
    administrator_signs_in(primary);
    let mut page = String::new();
    for _ in 0..2_000 {
        page = joined(primary);
        if page.contains("sealed by the standby") {
            break;
        }
    }
    assert!(page.contains("sealed by the standby"), "{page}");
    // And each look is accounted for, under the moment it happened.
    let mut looks = String::new();
    for _ in 0..2_000 {
        looks = primary.page(primary, "/access?account=tomas");
        if looks.contains("a1") {
            break;
        }
    }
    assert!(looks.contains("a1"), "{looks}");
    let sealed = json(&primary.data(), &["verify"]);
    assert_eq!(sealed["alterations"].as_array().map(Vec::len), Some(0));
    assert!(follower.stop().success());
    assert!(server.stop().success());
    assert_eq!(run(&standby.data(), &["verify"]).status.code(), Some(0));
    assert_eq!(
        run(&standby.data().join("side"), &["verify"]).status.code(),
        Some(0)
    );
}

fn administrator_signs_in(machine: &Machine) {
    let form = ["account=tomas", "password=correct horse battery"];
    let output = machine.curl(machine, "/sign-in", &form);
    assert!(
        String::from_utf8_lossy(&output.stdout).contains("303"),
        "{output:?}"
    );
}

#[test]
fn a_promoted_standby_goes_on_and_the_old_primary_never_acknowledges_again() {
    let machines = Machines::new("promote");
    let (primary, standby) = (&machines.primary, &machines.standby);
    let (mut server, mut follower) = machines.start();
    assert_eq!(import(primary, "a1")["accepted"], 1);
    let sealed = events(primary);
    standby.until_ready(|line| *line == format!("record_events {sealed}"));
    machines.plug("down");
    follower.until("cannot be followed");
    let silent = run(&standby.data(), &["promote", "--reason", "no"]);
    assert_eq!(silent.status.code(), Some(2), "it has to say why");
    let became = json(
        &standby.data(),
        &["promote", "--reason", "fire in server room A"],
    );
    assert_eq!(became["epoch"], 2, "{became}");
    assert_eq!(follower.next()["primary"], true);
    assert_eq!(import(standby, "b1")["accepted"], 1);
    let again = json(
        &standby.data(),
        &["promote", "--reason", "once more, please"],
    );
    assert!(
        again
            .as_str()
            .unwrap_or_default()
            .contains("primary already"),
        "{again}"
    );
    // The old primary still runs, cut off. The cable is mended: it hears of the other one.
    machines.plug("up");
    server.until("nothing is taken any more");
    let refused = import(primary, "a2");
    assert_eq!(
        refused["accepted"].as_u64().unwrap_or_default(),
        0,
        "{refused}"
    );
    let _ = server.stop();
    // It comes back, with the cable and without it.
    let output = primary.command("serve").output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&output.stderr).contains("another machine is the primary"));
    machines.plug("down");
    let output = primary.command("serve").output().unwrap();
    assert_eq!(output.status.code(), Some(2), "it remembers");
    assert!(follower.stop().success());
    assert_eq!(run(&standby.data(), &["verify"]).status.code(), Some(0));
}

/// What waited on a route of the primary goes out from the standby that takes its place.
#[test]
fn a_promoted_standby_passes_on_what_waited() {
    const MANY: u64 = 40;
    let mut machines = Machines::new("routes");
    let out = machines.root.path().join("out");
    let route = format!(
        "[routes]\nretry_ms = 20\nretry_max_ms = 100\n[[routes.route]]\nname = \"out\"\nto = \"file:{}\"\n",
        out.display()
    );
    machines.primary.more.clone_from(&route);
    machines.standby.more = route;
    let (primary, standby) = (&machines.primary, &machines.standby);
    let (server, mut follower) = machines.start();
    // The folder is not there yet: all of it waits.
    let file = primary.folder.join("backlog.hl7");
    let message = |number: u64| {
        format!(
            "MSH|^~\\&|LAB|GH|SALUS|GH|20261121120000||ORU^R01^ORU_R01|M{number}|P|2.5\r\
             PID|1||{}^^^GH^MR||Test^One||19500101|M\r\
             OBR|1||F{number}|2823-3^K^LN|||20261121115900\r\
             OBX|1|NM|2823-3^K^LN||4.1|mmol/L|||||F\r",
            number % 7
        )
    };
    fs::write(&file, (0..MANY).map(message).collect::<String>()).unwrap();
    let imported = json(&primary.data(), &["import", file.to_str().unwrap()]);
    assert_eq!(imported["accepted"], MANY, "{imported}");
    let config = primary.folder.join("salus.toml");
    let list = ["--config", config.to_str().unwrap(), "route", "list"];
    let waiting = json(&primary.data(), &list);
    assert_eq!(waiting[0]["depth"], MANY, "{waiting}");
    let sealed = events(primary);
    standby.until_ready(|line| *line == format!("record_events {sealed}"));
    server.signal(rustix::process::Signal::KILL);
    drop(server);
    json(
        &standby.data(),
        &["promote", "--reason", "fire in server room A"],
    );
    assert_eq!(follower.next()["primary"], true);
    fs::create_dir(&out).unwrap();
    let state = loop {
        let state = json(&standby.data(), &list)[0].clone();
        if state["depth"] == 0 {
            break state;
        }
    };
    assert_eq!(
        (&state["taken"], &state["aside"]),
        (&MANY.into(), &0.into())
    );
    let mut texts: Vec<String> = fs::read_dir(&out)
        .unwrap()
        .map(|one| fs::read_to_string(one.unwrap().path()).unwrap())
        .collect();
    texts.sort();
    let mut wanted: Vec<String> = (0..MANY).map(message).collect();
    wanted.sort();
    assert_eq!(texts, wanted);
    assert!(follower.stop().success());
}

#[test]
fn a_primary_that_must_ask_and_hears_nothing_does_not_begin() {
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("salus.toml");
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let peer = format!("http://{}", free.local_addr().unwrap());
    drop(free);
    fs::write(
        &config,
        format!("[fence]\npeers = [\"{peer}\"]\nrequired = true\n"),
    )
    .unwrap();
    let args = [
        "--config",
        config.to_str().unwrap(),
        "serve",
        "--listen",
        "127.0.0.1:0",
        "--mllp",
        "127.0.0.1:0",
    ];
    let output = run(&folder.path().join("data"), &args);
    assert_eq!(output.status.code(), Some(2));
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(
        said.contains("nobody knows whether another machine took over"),
        "{said}"
    );
}

/// A signal that comes between two servers of one process is not lost.
#[test]
fn a_standby_that_is_told_to_stop_while_it_becomes_the_primary_stops() {
    let machines = Machines::new("told");
    let (server, follower) = machines.start();
    assert_eq!(import(&machines.primary, "a1")["accepted"], 1);
    let sealed = events(&machines.primary);
    let standby = &machines.standby;
    standby.until_ready(|line| *line == format!("record_events {sealed}"));
    machines.plug("down");
    let order = ["promote", "--reason", "fire in server room A"];
    let became = json(&standby.data(), &order);
    assert_eq!(became["epoch"], 2, "{became}");
    assert!(follower.stop().success());
    assert!(server.stop().success());
    assert_eq!(run(&standby.data(), &["verify"]).status.code(), Some(0));
}

#[test]
fn with_a_lease_a_primary_that_is_cut_off_acknowledges_nothing_until_a_peer_answers() {
    let machines = Machines::new("lease");
    let primary = &machines.primary;
    let (mut server, mut follower) = machines.start_with("lease_ms = 2000\n");
    assert_eq!(import(primary, "a1")["accepted"], 1);
    machines.plug("down");
    follower.until("cannot be followed");
    server.until("nothing is acknowledged until one does");
    let refused = import(primary, "a2");
    assert_eq!(
        refused["accepted"].as_u64().unwrap_or_default(),
        0,
        "{refused}"
    );
    machines.plug("up");
    server.until("a peer answers again");
    let mut again = Value::Null;
    for _ in 0..100 {
        again = import(primary, "a2");
        if again["accepted"] == 1 {
            break;
        }
    }
    assert_eq!(again["accepted"], 1, "{again}");
    assert!(follower.stop().success());
    assert!(server.stop().success());
    assert_eq!(run(&primary.data(), &["verify"]).status.code(), Some(0));
}

/// As after a power failure, when both machines and what is between them come back one after the other.
#[test]
fn a_primary_that_needs_an_answer_waits_for_a_peer_that_comes_back_a_moment_later() {
    let machines = Machines::new("together");
    let primary = &machines.primary;
    let (server, follower) = machines.start_with("required = true\n");
    assert!(server.stop().success());
    let file = primary.folder.join("salus.toml");
    let slower = fs::read_to_string(&file).unwrap();
    let slower = slower.replace(&format!("ask_ms = {ASK_MS}"), "ask_ms = 2000");
    fs::write(&file, slower).unwrap();
    machines.plug("down");
    let server = Server::spawn_and(primary.command("serve"), &primary.data(), |errors| {
        let mut line = String::new();
        while !line.contains("whether another machine took over is not known") {
            line.clear();
            assert!(errors.read_line(&mut line).unwrap() > 0, "it gave up");
        }
        machines.plug("up");
    });
    assert_eq!(import(primary, "a1")["accepted"], 1);
    assert!(follower.stop().success());
    assert!(server.stop().success());
}
