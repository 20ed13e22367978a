//! Patient queries over MLLP: what is found, what may not be asked, and that it is sealed.

use crate::process::{Server, salus, with_config};
use crate::serving::send;

fn house(folder: &std::path::Path) -> (Server, std::path::PathBuf) {
    let data = folder.join("data");
    let file = folder.join("salus.toml");
    let settings = format!(
        "data = \"{}\"\n[https]\nlisten = \"127.0.0.1:0\"\n[mllp]\nlisten = [\"127.0.0.1:0\"]\n\
         query_patients_max = 2\n\
         [[mllp.feed]]\nname = \"pas\"\napplications = [\"PAS\"]\nqueries = [\"system/Patient.s\"]\n\
         [[mllp.feed]]\nname = \"mute\"\napplications = [\"MUTE\"]\n\
         [[mllp.feed]]\nname = \"other\"\napplications = [\"OTHER\"]\nqueries = [\"system/Observation.s\"]\n",
        data.display()
    );
    std::fs::write(&file, settings).unwrap();
    let mut command = salus();
    command
        .args(["--format", "json", "--config"])
        .arg(&file)
        .arg("serve");
    (Server::spawn(command, &data), file)
}

fn person(number: u32, name: &str) -> String {
    format!(
        "MSH|^~\\&|PAS|S|||20260101120000||ADT^A28|P{number}|P|2.5\rEVN||20260101120000\r\
         PID|||{number}^^^HOSP&1.2.3&ISO^MR~9{number}^^^LAB^PI||{name}||19500101|F|||^^Rosenau\r"
    )
}

fn ask(application: &str, trigger: &str, what: &str, rest: &str) -> String {
    format!(
        "MSH|^~\\&|{application}|S|SALUS|H|20260101120100||QBP^{trigger}^QBP_Q21|{application}{trigger}{}|P|2.5\r\
         QPD|{trigger}^Query^HL7|T7|{what}\r{rest}",
        what.len()
    )
}

#[test]
fn patients_are_found_by_who_may_ask() {
    let folder = tempfile::tempdir().unwrap();
    let (server, file) = house(folder.path());
    let door = server.mllp();
    for (number, name) in [
        (1, "M\u{fc}ller^Ada"),
        (2, "M\u{fc}ller^Bea"),
        (3, "M\u{fc}ller^Cleo"),
        (4, "Roth^Dora"),
    ] {
        assert!(send(&door, &person(number, name)).contains("MSA|AA"));
    }
    let one = send(&door, &ask("PAS", "Q22", "@PID.5.1^Roth", ""));
    assert!(
        one.contains("RSP^K22^RSP_K21") && one.contains("QAK|T7|OK|Q22^Query^HL7|1|1|0"),
        "{one}"
    );
    assert!(
        one.contains("PID|1||4^^^&1.2.3&ISO^MR~94^^^LAB^PI||Roth^Dora||19500101|F|||^^Rosenau"),
        "{one}"
    );
    let numbers = send(&door, &ask("PAS", "Q23", "94^^^LAB", ""));
    assert!(
        numbers.contains("RSP^K23")
            && numbers.contains("4^^^&1.2.3&ISO^MR")
            && !numbers.contains("Dora"),
        "{numbers}"
    );
    let nobody = send(&door, &ask("PAS", "Q21", "77^^^LAB", ""));
    assert!(
        nobody.contains("MSA|AA") && nobody.contains("QAK|T7|NF"),
        "{nobody}"
    );
    let many = send(&door, &ask("PAS", "Q22", "@PID.5.1^M\u{fc}ller", ""));
    assert!(
        many.contains("QAK|T7|AE")
            && many.contains("more than 2 patients")
            && !many.contains("PID|"),
        "{many}"
    );
    let fewer = send(
        &door,
        &ask("PAS", "Q22", "@PID.5.1^M\u{fc}l", "RCP|I|1^RD\r"),
    );
    assert!(
        fewer.contains("QAK|T7|OK") && fewer.contains("PID|1|") && !fewer.contains("PID|2|"),
        "{fewer}"
    );
    // The answer goes on where it ended, until everybody was named once.
    let mut named = vec![fewer.clone()];
    while let Some((_, rest)) = named.last().and_then(|last| last.split_once("DSC|")) {
        let pointer = rest.split('|').next().unwrap();
        let asked = ask(
            "PAS",
            "Q22",
            "@PID.5.1^M\u{fc}l",
            &format!("RCP|I|1^RD\rDSC|{pointer}|I\r"),
        );
        let asked = asked.replace("PASQ22", &format!("PASQ22-{}-", named.len()));
        named.push(send(&door, &asked));
        assert!(named.len() < 5, "{named:?}");
    }
    assert_eq!(named.len(), 3, "{named:?}");
    for (answer, name) in named.iter().zip(["Ada", "Bea", "Cleo"]) {
        let others = ["Ada", "Bea", "Cleo"]
            .iter()
            .filter(|other| **other != name);
        assert!(answer.contains(name), "{answer}");
        assert!(
            others.clone().all(|other| !answer.contains(*other)),
            "{answer}"
        );
    }
    assert!(
        named[2].contains("|3|1|0\r") && !named[2].contains("DSC|"),
        "{named:?}"
    );
    let nowhere = ask("PAS", "Q22", "@PID.5.1^M\u{fc}l", "RCP|I|1^RD\rDSC|zz|I\r");
    let nowhere = send(&door, &nowhere.replace("PASQ22", "PASQ22-no-"));
    assert!(
        nowhere.contains("QAK|T7|AR") && nowhere.contains("DSC-1"),
        "{nowhere}"
    );
    // Who has no scope for it is told nothing, not even whether there is somebody.
    for application in ["MUTE", "OTHER"] {
        let refused = send(&door, &ask(application, "Q22", "@PID.5.1^Roth", ""));
        assert!(
            refused.contains("MSA|AR")
                && refused.contains("QAK|T7|AR")
                && !refused.contains("Dora"),
            "{refused}"
        );
    }
    let loose = send(&door, &ask("PAS", "Q22", "@PID.16^M", ""));
    assert!(
        loose.contains("QAK|T7|AR") && loose.contains("PID.16"),
        "{loose}"
    );
    assert!(server.stop().success());
    let verified = with_config(&file, &["verify"]);
    assert_eq!(verified["alterations"].as_array().map(Vec::len), Some(0));
    // Eleven messages; the server began and ended; six decisions, and three answers that showed
    // somebody.
    let events = verified["events"].as_u64().unwrap();
    assert!(events >= 12 + 2 + 6 + 3, "{events}");
}
