//! Folders and dumps of other systems: kept by Salus, opened by restic, against somebody who has the
//! server's own keys to the place.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;

use crate::process::{Server, salus, with_config};
use crate::real;

/// A hospital's other systems, and a place.
struct House {
    folder: tempfile::TempDir,
    place: String,
}

impl House {
    /// With a folder as the place.
    fn on_disk() -> House {
        let folder = tempfile::tempdir().unwrap();
        let place = folder.path().join("disk");
        fs::create_dir(&place).unwrap();
        let place = place.display().to_string();
        House::of(folder, place)
    }

    fn of(folder: tempfile::TempDir, place: String) -> House {
        let house = House { folder, place };
        let lab = house.path("lab");
        fs::create_dir_all(lab.join("results/2026")).unwrap();
        fs::write(lab.join("results/2026/a.txt"), "potassium 4.1").unwrap();
        fs::write(lab.join("empty"), "").unwrap();
        fs::write(lab.join("a \"quoted\" name"), "x").unwrap();
        fs::write(lab.join("image.raw"), noise(3 << 20)).unwrap();
        fs::set_permissions(lab.join("empty"), fs::Permissions::from_mode(0o640)).unwrap();
        symlink("results/2026", lab.join("newest")).unwrap();
        let text = format!(
            "data = \"{data}\"\n\
             [[backups.files]]\nname = \"lab\"\nto = \"{to}\"\npaths = [\"{lab}\"]\n\
             [[backups.files]]\nname = \"pacs.sql\"\nto = \"{to}\"\n\
             dump = [\"sh\", \"-c\", \"cat {sql}\"]\n",
            data = house.path("data").display(),
            to = house.place,
            lab = lab.display(),
            sql = house.path("sql").display(),
        );
        fs::write(house.path("salus.toml"), text).unwrap();
        fs::write(house.path("sql"), "INSERT 1").unwrap();
        house
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn salus(&self, line: &str) -> Value {
        with_config(
            &self.path("salus.toml"),
            &line.split_whitespace().collect::<Vec<_>>(),
        )
    }

    fn code(&self, line: &str) -> Option<i32> {
        let mut command = salus();
        command.arg("--config").arg(self.path("salus.toml"));
        command
            .args(line.split_whitespace())
            .output()
            .unwrap()
            .status
            .code()
    }

    fn restic(&self, args: &[&str]) -> Output {
        Command::new("restic")
            .args(["--no-cache", "--repo"])
            .arg(Path::new(&self.place).join("repository"))
            .arg("--password-file")
            .arg(self.path("data/keys/files.key"))
            .args(args)
            .output()
            .expect("restic is not installed: run ./test")
    }

    fn back_up(&self) -> Value {
        let made = self.salus("backup files");
        assert_eq!(made[0]["failed"], Value::Array(vec![]), "{made}");
        made
    }

    /// What was kept of the laboratory, somewhere else.
    fn same_as_lab(&self, top: &Path) {
        let back = top.join(self.path("lab").strip_prefix("/").unwrap());
        let compared = Command::new("diff")
            .args(["-r", "--no-dereference"])
            .arg(self.path("lab"))
            .arg(&back)
            .output()
            .unwrap();
        assert!(compared.status.success(), "{compared:?}");
        let rights = |path: &Path| path.join("empty").metadata().unwrap().permissions().mode();
        assert_eq!(rights(&back), rights(&self.path("lab")));
        let changed = |path: &Path| {
            path.join("image.raw")
                .metadata()
                .unwrap()
                .modified()
                .unwrap()
        };
        assert_eq!(changed(&back), changed(&self.path("lab")));
    }
}

fn noise(length: usize) -> Vec<u8> {
    let mut state = 7_u64;
    let next = || {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        (state >> 33) as u8
    };
    std::iter::repeat_with(next).take(length).collect()
}

fn text(output: &Output) -> String {
    let all = [output.stdout.clone(), output.stderr.clone()].concat();
    String::from_utf8_lossy(&all).into_owned()
}

#[test]
fn what_was_kept_comes_back_by_salus_and_by_restic() {
    let house = House::on_disk();
    let first = house.back_up();
    let server = Server::start(
        &house.path("data"),
        &[
            "--config",
            house.path("salus.toml").to_str().unwrap(),
            "serve",
        ],
    );
    fs::write(house.path("lab/results/2026/b.txt"), "sodium 139").unwrap();
    fs::write(house.path("sql"), "INSERT 2").unwrap();
    let second = house.back_up();
    let lab = &second[0]["snapshots"][0];
    assert_eq!(lab["name"], "lab", "{second}");
    let added = lab["added"].as_u64().unwrap();
    assert!(added < 100_000, "what is there is not sent again: {added}");
    assert_ne!(first[0]["manifest"], second[0]["manifest"]);

    let checked = house.restic(&["check", "--read-data"]);
    assert!(checked.status.success(), "{}", text(&checked));
    assert!(
        text(&checked).contains("no errors were found"),
        "{}",
        text(&checked)
    );
    let to = house.path("by-restic");
    let lab = [
        "restore",
        "latest",
        "--tag",
        "lab",
        "--target",
        to.to_str().unwrap(),
    ];
    let restored = house.restic(&lab);
    assert!(restored.status.success(), "{}", text(&restored));
    house.same_as_lab(&to);
    let dumped = house.restic(&["dump", "--tag", "pacs.sql", "latest", "pacs.sql"]);
    assert_eq!(dumped.stdout, b"INSERT 2", "{}", text(&dumped));

    let to = house.path("by-salus");
    let line = format!("restore files --from {} --to {}", house.place, to.display());
    let back = house.salus(&line);
    assert_eq!(back["manifest"], second[0]["manifest"], "{back}");
    house.same_as_lab(&to.join("lab"));
    assert_eq!(fs::read(to.join("pacs.sql/pacs.sql")).unwrap(), b"INSERT 2");
    let again = house.salus(&line);
    let written = |back: &Value| back["names"][0]["written"].as_u64().unwrap();
    assert_eq!(written(&back), 5, "{back}");
    assert_eq!(
        written(&again),
        0,
        "what is there and right is left: {again}"
    );
    assert_eq!(server.stop().code(), Some(0));
}

#[test]
fn fake_snapshots_and_garbage_neither_hide_nor_age_out_what_was_pinned() {
    let house = House::on_disk();
    let made = house.back_up();
    let emptied = house.path("emptied");
    fs::create_dir(&emptied).unwrap();
    for time in ["2099-01-01 23:59:59", "2099-01-02 23:59:59"] {
        let fake = [
            "backup",
            "--tag",
            "lab",
            "--time",
            time,
            emptied.to_str().unwrap(),
        ];
        let fake = house.restic(&fake);
        assert!(fake.status.success(), "{}", text(&fake));
    }
    let repository = Path::new(&house.place).join("repository");
    let named = "0f".repeat(32);
    fs::write(repository.join("index").join(&named), "garbage").unwrap();
    fs::write(repository.join("snapshots").join(&named), "garbage").unwrap();
    fs::create_dir_all(repository.join("data/0f")).unwrap();
    fs::write(repository.join("data/0f").join(&named), "garbage").unwrap();
    let manifest = Path::new(&house.place)
        .join("pins")
        .join(format!("{:020}-{named}", 99));
    fs::write(manifest, "salus backup v1\nprevious -\ndepth 0\nedge \n\n").unwrap();
    let to = house.path("by-restic");
    let lost = house.restic(&[
        "restore",
        "latest",
        "--tag",
        "lab",
        "--target",
        to.to_str().unwrap(),
    ]);
    assert!(!lost.status.success(), "the attack works: {}", text(&lost));

    let to = house.path("by-salus");
    let line = format!("restore files --from {} --to {}", house.place, to.display());
    let back = house.salus(&line);
    assert_eq!(back["manifest"], made[0]["manifest"], "{back}");
    house.same_as_lab(&to.join("lab"));
    // And it goes on: the next snapshot builds on what was pinned.
    fs::write(house.path("lab/results/2026/b.txt"), "sodium 139").unwrap();
    let next = house.back_up();
    assert!(
        next[0]["snapshots"][0]["added"].as_u64().unwrap() < 100_000,
        "{next}"
    );
    let back = house.salus(&line);
    assert_eq!(back["manifest"], next[0]["manifest"], "{back}");
    house.same_as_lab(&to.join("lab"));
}

#[test]
fn a_damaged_pack_is_named_and_the_backup_before_comes_back() {
    let house = House::on_disk();
    house.back_up();
    let before = noise(3 << 20);
    let changed: Vec<u8> = before.iter().map(|byte| byte ^ 0x5a).collect();
    fs::write(house.path("lab/image.raw"), changed).unwrap();
    let known = packs(&house);
    let second = house.back_up();
    for pack in packs(&house).difference(&known) {
        let mut bytes = fs::read(pack).unwrap();
        bytes[100] ^= 1;
        fs::write(pack, bytes).unwrap();
    }
    let to = house.path("by-salus");
    let line = format!(
        "restore files lab --from {} --to {}",
        house.place,
        to.display()
    );
    let back = house.salus(&line);
    let passed = back["passed_over"][0].as_str().unwrap_or_default();
    assert!(
        passed.contains(second[0]["manifest"].as_str().unwrap()),
        "{back}"
    );
    assert!(passed.contains("is not what was pinned"), "{back}");
    fs::remove_dir_all(&to).unwrap();
    assert_eq!(house.code(&line), Some(1), "something was passed over");
    let image = to
        .join("lab")
        .join(house.path("lab/image.raw").strip_prefix("/").unwrap());
    assert_eq!(fs::read(image).unwrap(), before);
}

fn packs(house: &House) -> std::collections::BTreeSet<PathBuf> {
    let data = Path::new(&house.place).join("repository/data");
    let folders = fs::read_dir(data).unwrap().flatten();
    let files = folders.flat_map(|folder| fs::read_dir(folder.path()).unwrap().flatten());
    files.map(|file| file.path()).collect()
}

#[test]
fn a_dump_that_fails_is_not_kept_and_what_cannot_be_read_is_named() {
    let house = House::on_disk();
    fs::remove_file(house.path("sql")).unwrap();
    let made = house.salus("backup files");
    let (name, why) = (
        &made[0]["failed"][0][0],
        made[0]["failed"][0][1].as_str().unwrap(),
    );
    assert_eq!(name, "pacs.sql", "{made}");
    assert!(why.contains("nothing of it is kept"), "{why}");
    assert_eq!(made[0]["snapshots"].as_array().unwrap().len(), 1, "{made}");
    assert_eq!(
        house.code("backup files lab"),
        Some(1),
        "a folder has no lock"
    );
    let to = house.path("by-salus");
    let line = format!(
        "restore files pacs.sql --from {} --to {}",
        house.place,
        to.display()
    );
    assert_eq!(house.code(&line), Some(2), "there is none");
    // Somebody without the record needs to know which manifest counts.
    let without = format!(
        "restore files --from {} --to {} --data {}",
        house.place,
        to.display(),
        house.path("new").display()
    );
    let said = house.salus(&without);
    assert!(
        said.as_str().unwrap_or_default().contains("--manifest"),
        "{said}"
    );
    let manifest = made[0]["manifest"].as_str().unwrap();
    let key = house.path("data/keys/files.key");
    let back = house.salus(&format!(
        "{without} --manifest {manifest} --password-file {}",
        key.display()
    ));
    assert_eq!(back["manifest"], manifest, "{back}");
    house.same_as_lab(&to.join("lab"));
}

#[test]
fn a_first_backup_that_fails_does_not_ruin_its_place() {
    let house = House::on_disk();
    fs::remove_file(house.path("sql")).unwrap();
    assert_eq!(
        house.code("backup files pacs.sql"),
        Some(2),
        "nothing is kept"
    );
    fs::write(house.path("sql"), "INSERT 1").unwrap();
    house.back_up();
    let checked = house.restic(&["check", "--read-data"]);
    assert!(checked.status.success(), "{}", text(&checked));
}

#[test]
fn a_restore_that_goes_back_to_the_manifest_before_has_nothing_of_the_newer_one() {
    let house = House::on_disk();
    let first = house.back_up();
    let known = packs(&house);
    let newer = house.path("lab/results/2026/b.txt");
    fs::write(&newer, "sodium 139").unwrap();
    fs::write(house.path("sql"), noise(1 << 20)).unwrap();
    house.back_up();
    fs::remove_file(newer).unwrap();
    // The laboratory, which comes first, is whole in the newer one; the dump, its largest pack, is not.
    let added = packs(&house);
    let added = added.difference(&known);
    let dump = added.max_by_key(|pack| pack.metadata().unwrap().len());
    let dump = dump.unwrap();
    let mut bytes = fs::read(dump).unwrap();
    bytes[20] ^= 1;
    fs::write(dump, bytes).unwrap();
    let to = house.path("by-salus");
    let line = format!("restore files --from {} --to {}", house.place, to.display());
    let back = house.salus(&line);
    assert_eq!(back["manifest"], first[0]["manifest"], "{back}");
    house.same_as_lab(&to.join("lab"));
    assert_eq!(fs::read(to.join("pacs.sql/pacs.sql")).unwrap(), b"INSERT 1");
}

#[test]
fn files_that_could_not_be_read_are_in_the_report_the_exit_code_and_the_ladder() {
    let house = House::on_disk();
    let config = fs::read_to_string(house.path("salus.toml")).unwrap();
    let lab = format!("paths = [\"{}\"", house.path("lab").display());
    // It opens, and its first byte cannot be read, whoever asks.
    let config = config.replace(&lab, &format!("{lab}, \"/proc/self/mem\""));
    fs::write(house.path("salus.toml"), config).unwrap();
    let made = house.salus("backup files");
    assert_eq!(made[0]["failed"], Value::Array(vec![]), "{made}");
    let lab = &made[0]["snapshots"][0];
    assert_eq!(
        (&lab["files"], &lab["unread"]["files"]),
        (&4.into(), &1.into())
    );
    let named = lab["unread"]["named"][0].as_str().unwrap();
    assert!(named.starts_with("`/proc/self/mem`: "), "{made}");
    assert_eq!(house.code("backup files lab"), Some(3), "not all is in it");
    let to = house.path("by-salus");
    let line = format!("restore files --from {} --to {}", house.place, to.display());
    let back = house.salus(&line);
    assert_eq!(back["names"][0]["unread"], lab["unread"], "{back}");
    house.same_as_lab(&to.join("lab"));
    let ladder = ladder(&house);
    assert!(ladder.contains("a file could not be read"), "{ladder}");
    assert!(ladder.contains("/proc/self/mem"), "{ladder}");
}

/// How the copy of the folders and dumps stands, as the page *Lifeline* shows it.
fn ladder(house: &House) -> String {
    let code = "import sqlite3, sys; base = sqlite3.connect(sys.argv[1], timeout=20); \
                print(base.execute(\"SELECT body FROM copy WHERE kind = 'files'\").fetchone()[0])";
    let view = house.path("data/views/lifeline.db");
    let read = Command::new("python3")
        .args(["-c", code])
        .arg(view)
        .output()
        .unwrap();
    text(&read)
}

#[test]
fn a_backup_of_some_names_by_hand_says_nothing_of_the_others() {
    let house = House::on_disk();
    fs::remove_file(house.path("sql")).unwrap();
    assert_eq!(house.code("backup files"), Some(3), "the dump is lacking");
    // A restore waits until the view knows of all that is sealed.
    let restore = |to: &str| {
        house.salus(&format!(
            "restore files lab --from {} --to {}",
            house.place,
            house.path(to).display()
        ))
    };
    restore("first");
    let before = ladder(&house);
    assert!(before.contains("`pacs.sql`"), "{before}");
    let made = house.salus("backup files lab");
    assert_eq!(made[0]["failed"], Value::Array(vec![]), "{made}");
    let back = restore("second");
    assert_eq!(ladder(&house), before);
    assert_eq!(back["manifest"], made[0]["manifest"], "it is the newest");
    fs::write(house.path("sql"), "INSERT 1").unwrap();
    house.back_up();
    restore("third");
    let after = ladder(&house);
    assert!(!after.contains("wrong"), "{after}");
}

#[test]
fn a_dump_that_does_not_end_is_ended_and_the_others_are_kept() {
    let house = House::on_disk();
    let config = fs::read_to_string(house.path("salus.toml")).unwrap();
    let config = config.replace(
        "[[backups.files]]\nname = \"lab\"",
        "[backups]\ndump_ms_max = 300\n[[backups.files]]\nname = \"lab\"",
    );
    let config = config.replace("\"cat ", "\"sleep 1000; cat ");
    fs::write(house.path("salus.toml"), config).unwrap();
    let made = house.salus("backup files");
    let why = made[0]["failed"][0][1].as_str().unwrap_or_default();
    assert!(
        why.contains("did not end within 300 ms (`dump_ms_max`)"),
        "{made}"
    );
    assert_eq!(made[0]["snapshots"][0]["name"], "lab", "{made}");
    assert_eq!(house.code("backup files"), Some(3), "not all is in it");
    let to = house.path("by-salus");
    house.salus(&format!(
        "restore files lab --from {} --to {}",
        house.place,
        to.display()
    ));
    assert!(ladder(&house).contains("dump_ms_max"), "{}", ladder(&house));
}

#[test]
fn the_server_tries_again_what_failed_and_not_what_has_an_unreadable_file() {
    let house = House::on_disk();
    let (config, tries) = (house.path("salus.toml"), house.path("tries"));
    let text = fs::read_to_string(&config).unwrap();
    let lab = format!("paths = [\"{}\"", house.path("lab").display());
    let text = text.replace(&lab, &format!("{lab}, \"/proc/self/mem\""));
    let dump = format!("\"echo x >>{}; exit 1; cat ", tries.display());
    let text = text.replace("\"cat ", &dump);
    fs::write(&config, format!("{text}\n[backups]\nretry_ms = 1\n")).unwrap();
    let args = ["--config", config.to_str().unwrap(), "serve"];
    let server = Server::start(&house.path("data"), &args);
    while fs::read_to_string(&tries).map_or(0, |lines| lines.lines().count()) < 5 {
        std::thread::yield_now();
    }
    assert_eq!(server.stop().code(), Some(0));
    let manifests = fs::read_dir(Path::new(&house.place).join("pins")).unwrap();
    assert_eq!(manifests.count(), 1, "the laboratory was backed up once");
    let to = house.path("by-salus");
    house.salus(&format!(
        "restore files lab --from {} --to {}",
        house.place,
        to.display()
    ));
    house.same_as_lab(&to.join("lab"));
    let ladder = ladder(&house);
    assert!(ladder.contains("exit status: 1"), "{ladder}");
    assert!(ladder.contains("a file could not be read"), "{ladder}");
}

#[test]
fn what_is_deleted_and_replaced_in_a_locked_bucket_comes_back() {
    let folder = tempfile::tempdir().unwrap();
    let bucket = real::locked_bucket();
    let credentials = real::credentials(folder.path());
    let place = real::bucket_line(&bucket, &credentials);
    let house = House::of(folder, place);
    assert_eq!(house.code("backup files"), Some(0), "it is locked");
    let made = house.back_up();
    let url = format!("{}/{bucket}", real::endpoint());
    let listed = real::curl(&[&format!("{url}?list-type=2")]);
    let keys = listed
        .split("<Key>")
        .skip(1)
        .filter_map(|part| part.split('<').next());
    for (number, key) in keys.enumerate() {
        match number % 2 {
            0 => real::curl(&["-X", "DELETE", &format!("{url}/{key}")]),
            _ => real::curl(&["-X", "PUT", "-d", "garbage", &format!("{url}/{key}")]),
        };
    }
    let to = house.path("by-salus");
    let line = format!("restore files --from {} --to {}", house.place, to.display());
    let back = house.salus(&line);
    assert_eq!(back["manifest"], made[0]["manifest"], "{back}");
    house.same_as_lab(&to.join("lab"));
}
