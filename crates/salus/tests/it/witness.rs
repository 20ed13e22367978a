//! Two real servers that witness each other, and other people's witness.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use crate::check::copy;
use crate::people::installed;
use crate::process::{Server, json, run, salus};
use crate::serving::send;

/// A server's folder with its configuration.
struct Place {
    folder: PathBuf,
}

impl Place {
    /// Makes the keys of a record that is a witness by this name.
    fn new(root: &Path, name: &str) -> Place {
        let place = Place {
            folder: root.join(name),
        };
        fs::create_dir_all(&place.folder).unwrap();
        place.configure(&format!(
            "[witness]\nname = \"{name}.test/w1\"\n[record]\norigin = \"{name}.test/record\"\n"
        ));
        assert!(place.serve().stop().success());
        place
    }

    fn configure(&self, text: &str) {
        fs::write(self.folder.join("salus.toml"), text).unwrap();
    }

    fn data(&self) -> PathBuf {
        self.folder.join("data")
    }

    fn key(&self, name: &str) -> String {
        let text = fs::read_to_string(self.data().join("keys").join(name)).unwrap();
        text.trim().to_owned()
    }

    fn serve(&self) -> Server {
        let config = self.folder.join("salus.toml");
        Server::start(
            &self.data(),
            &["--config", config.to_str().unwrap(), "serve"],
        )
    }

    /// A witness of `log` that is asked nothing itself.
    fn witnessing(&self, log: &str) {
        let name = self.folder.file_name().unwrap().to_str().unwrap();
        self.configure(&format!(
            "[witness]\nname = \"{name}.test/w1\"\nlogs = [\"{log}\"]\n[record]\norigin = \"{name}.test/record\"\n"
        ));
    }

    /// Asks the witness at `url`.
    fn asking(&self, url: &str, (key, authorities): (&str, &str)) {
        self.asking_and_witnessing((url, key, authorities), "");
    }

    fn asking_and_witnessing(&self, (url, key, authorities): (&str, &str, &str), log: &str) {
        let name = self.folder.file_name().unwrap().to_str().unwrap();
        let logs = if log.is_empty() {
            String::new()
        } else {
            format!("\"{log}\"")
        };
        self.configure(&format!(
            "witnesses_needed = 1\n\
             witnesses = [{{ url = \"{url}\", key = \"{key}\", authorities = \"{authorities}\" }}]\n\
             [witness]\nname = \"{name}.test/w1\"\nlogs = [{logs}]\n\
             [record]\norigin = \"{name}.test/record\"\n"
        ));
    }
}

fn admission(control: &str) -> String {
    format!(
        "MSH|^~\\&|ADT|ST|SALUS|ST|20261121120000||ADT^A01^ADT_A01|{control}|P|2.5\r\
         EVN|A01|20261121120000\rPID|1||4711^^^ST^MR||M^J||19500101|M\rPV1|1|I|MED1\r"
    )
}

/// What `salus check` says of the first event's proof, with this witness required.
fn cosigned(place: &Place, witness: &str) -> Option<i32> {
    let out = place.folder.join("out");
    json(
        &place.data(),
        &["proof", "0", "--out", out.to_str().unwrap()],
    );
    let proof = out.join("0.tlog-proof");
    let output = salus()
        .args([
            "check",
            proof.to_str().unwrap(),
            "--key",
            &place.key("log.pub"),
        ])
        .args(["--witness", witness])
        .output();
    output.unwrap().status.code()
}

#[test]
fn two_servers_witness_each_other_and_an_older_copy_is_found_out() {
    let root = tempfile::tempdir().unwrap();
    let (north, south) = (
        Place::new(root.path(), "north"),
        Place::new(root.path(), "south"),
    );
    south.witnessing(&north.key("log.pub"));
    let mut witness = south.serve();
    let url = witness.text("url");
    let authorities = witness.certificate().display().to_string();
    let older = root.path().join("older");
    copy(&north.data(), &older);
    north.asking(&url, (&south.key("witness.pub"), &authorities));
    let mut server = north.serve();
    server.until("witnesses cosigned");
    assert!(send(&server.mllp(), &admission("A1")).contains("MSA|AA|A1"));
    server.until("witnesses cosigned");
    // The other way round, from a second start of the witness.
    let back = server.text("url");
    let own = server.certificate().display().to_string();
    assert!(witness.stop().success());
    south.asking_and_witnessing(
        (&back, &north.key("witness.pub"), &own),
        &north.key("log.pub"),
    );
    north.asking_and_witnessing(
        (&url, &south.key("witness.pub"), &authorities),
        &south.key("log.pub"),
    );
    assert!(server.stop().success());
    assert_eq!(cosigned(&north, &south.key("witness.pub")), Some(0));
    assert_eq!(cosigned(&north, &north.key("witness.pub")), Some(1));
    // An older copy of the whole folder comes back: verify is content, the witness is not.
    fs::remove_dir_all(north.data()).unwrap();
    copy(&older, &north.data());
    assert_eq!(run(&north.data(), &["verify"]).status.code(), Some(0));
    witness = again(&south, &url);
    let mut server = north.serve();
    let said = server.until("rolled back");
    assert!(said.contains("rolled back"), "{said}");
    // Whoever sends is answered all the same.
    assert!(send(&server.mllp(), &admission("A2")).contains("MSA|AA|A2"));
    assert!(server.stop().success());
    assert!(witness.stop().success());
}

/// The witness again at the address it had.
fn again(place: &Place, url: &str) -> Server {
    let address = url.strip_prefix("https://").unwrap();
    let config = place.folder.join("salus.toml");
    let text = fs::read_to_string(&config).unwrap();
    fs::write(
        &config,
        text + &format!("[https]\nlisten = \"{address}\"\n"),
    )
    .unwrap();
    Server::start_at(
        &place.data(),
        &["--config", config.to_str().unwrap(), "serve"],
        address,
    )
}

#[test]
fn a_witness_that_is_gone_stops_nothing() {
    let root = tempfile::tempdir().unwrap();
    let north = Place::new(root.path(), "north");
    let key = seal::WitnessKey::new("gone.test/w1", &[4; 32])
        .unwrap()
        .public();
    // Nobody listens there.
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", free.local_addr().unwrap());
    drop(free);
    north.asking(&url, (&key, ""));
    let mut server = north.serve();
    assert!(send(&server.mllp(), &admission("A1")).contains("MSA|AA|A1"));
    server.until("a witness did not cosign");
    assert!(send(&server.mllp(), &admission("A2")).contains("MSA|AA|A2"));
    assert!(server.stop().success());
}

/// Somebody else's program, ended with the test.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn another_program_witnesses_us() {
    let home = installed();
    let root = tempfile::tempdir().unwrap();
    let north = Place::new(root.path(), "north");
    let aics = home.join("venv/bin/aics-witness");
    let config = root.path().join("witness.json");
    let ask = |args: &[&str]| {
        let output = Command::new(&aics)
            .args(args)
            .args(["--config"])
            .arg(&config)
            .output()
            .unwrap();
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    };
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = free.local_addr().unwrap().to_string();
    drop(free);
    let key = ask(&["init", "--name", "aics.test/w1", "--listen", &address]);
    ask(&[
        "add-log",
        "--origin",
        "north.test/record",
        "--vkey",
        &north.key("log.pub"),
    ]);
    let child = Command::new(&aics)
        .args(["serve", "--config"])
        .arg(&config)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let _running = Running(child);
    north.asking(&format!("http://{address}"), (&key, ""));
    let mut server = north.serve();
    server.until("witnesses cosigned");
    assert!(send(&server.mllp(), &admission("A1")).contains("MSA|AA|A1"));
    server.until("witnesses cosigned");
    assert!(server.stop().success());
    assert_eq!(cosigned(&north, &key), Some(0));
}

#[test]
fn we_witness_the_log_of_another_program_and_refuse_its_fork() {
    let home = installed();
    let root = tempfile::tempdir().unwrap();
    let scripts = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/real");
    let log = root.path().join("log");
    let python = |args: &[&str]| {
        let mut command = Command::new(home.join("venv/bin/python"));
        command
            .arg(scripts.join("aics_log.py"))
            .arg(&log)
            .args(args);
        let output = command.output().unwrap();
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).unwrap()
    };
    let vkey = python(&["make"]);
    let south = Place::new(root.path(), "south");
    south.witnessing(vkey.trim());
    let witness = south.serve();
    let authorities = witness.certificate();
    let said = python(&[
        "feed",
        &witness.text("url"),
        &south.key("witness.pub"),
        authorities.to_str().unwrap(),
    ]);
    for line in [
        "cosigned 5",
        "cosigned 12",
        "fork refused",
        "rollback refused",
    ] {
        assert!(said.contains(line), "{said}");
    }
    assert!(witness.stop().success());
}
