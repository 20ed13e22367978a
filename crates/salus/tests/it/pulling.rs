//! Studies from a PACS. The PACS is another Salus, which answers C-FIND and C-GET.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::path::Path;

use serde_json::{Value, json as value};
use wire::dicom::{
    Asking, Command, PDU_HEAD_BYTES, Pdu, Proposed, Syntax, VR, Writer, asking, command, data, pdu,
    pdu_head, store_request, tags,
};

use crate::images::CT;
use crate::process::{Server, salus, with_config};

pub(crate) const REASON: [&str; 2] = ["--reason", "prior images for the tumour board"];

pub(crate) fn serve(folder: &Path, dicom: &str) -> Server {
    std::fs::create_dir_all(folder).unwrap();
    let file = folder.join("salus.toml");
    let config = format!("data = {:?}\n{dicom}", folder.join("data"));
    std::fs::write(&file, config).unwrap();
    let mut command = salus();
    command.args(["--format", "json", "--config"]).arg(&file);
    command.args(["serve", "--listen", "127.0.0.1:0", "--mllp", "127.0.0.1:0"]);
    Server::spawn(command, &folder.join("data"))
}

/// A PACS whose viewer is the house that pulls, and where it listens.
fn pacs(folder: &Path) -> (Server, String) {
    let server = serve(
        folder,
        "[dicom]\ntitles = [\"PACS\"]\nlisten = [\"127.0.0.1:0\"]\nauthority = \"A\"\n\
         [[dicom.feed]]\nname = \"ct\"\ncalling = [\"CT1\"]\n\
         [[dicom.feed]]\nname = \"salus\"\ncalling = [\"SALUS\"]\nclasses = []\n\
         queries = [\"system/ImagingStudy.rs\", \"system/Patient.rs\"]\n",
    );
    let address = server.ready["dicom"][0].as_str().unwrap().to_owned();
    (server, address)
}

/// A house that pulls from it.
fn house(folder: &Path, pacs: &str) -> Server {
    let port = pacs.rsplit_once(':').unwrap().1;
    serve(
        folder,
        &format!(
            "[dicom]\nlisten = [\"127.0.0.1:0\"]\nauthority = \"A\"\n\
             [[dicom.feed]]\nname = \"archive\"\ncalling = [\"PACS\"]\n\
             [[dicom.destination]]\ntitle = \"PACS\"\nhost = \"127.0.0.1\"\nport = {port}\n\
             feed = \"archive\"\n\
             [[dicom.destination]]\ntitle = \"TAKER\"\nhost = \"127.0.0.1\"\nport = 1\n"
        ),
    )
}

pub(crate) fn set(instance: &str, (study, number): (&str, &str)) -> Vec<u8> {
    Writer::new(Syntax::IMPLICIT)
        .text(tags::SOP_CLASS_UID, VR::UI, CT)
        .text(tags::SOP_INSTANCE_UID, VR::UI, instance)
        .text(tags::ACCESSION_NUMBER, VR::SH, number)
        .text(tags::MODALITY, VR::CS, "CT")
        .text(tags::PATIENT_ID, VR::LO, "4711")
        .text(tags::STUDY_INSTANCE_UID, VR::UI, study)
        .text(tags::SERIES_INSTANCE_UID, VR::UI, &format!("{study}.1"))
        .bytes(tags::PIXEL_DATA, VR::OW, &[7; 50_000])
        .finish()
}

/// Stores objects at an address, by the titles that are called and that call; the answers.
pub(crate) fn store(parties: (&str, &str, &str), sets: &[(&str, Vec<u8>)]) -> Vec<Option<u16>> {
    store_for(None, parties, sets)
}

/// Stores data sets, for somebody's C-MOVE: its AE title and Message ID.
pub(crate) fn store_for(
    origin: Option<(&str, u16)>,
    (address, called, calling): (&str, &str, &str),
    sets: &[(&str, Vec<u8>)],
) -> Vec<Option<u16>> {
    let mut stream = TcpStream::connect(address).unwrap();
    let contexts = [Proposed {
        id: 1,
        class: CT.to_owned(),
        syntaxes: vec![Syntax::IMPLICIT_UID.to_owned()],
    }];
    let asked = asking(&Asking {
        called,
        calling,
        contexts: &contexts,
        roles: &[],
        length_max: 16_384,
    });
    stream.write_all(&asked).unwrap();
    unit(&mut stream);
    let numbered = (1..).zip(sets);
    let answers = numbered.map(|(number, (instance, set))| {
        let command = store_request(number, (CT, instance), origin);
        stream
            .write_all(&data(1, (&command, Some(set)), 16_384))
            .unwrap();
        unit(&mut stream).and_then(|said| said.status)
    });
    answers.collect()
}

/// The next unit, if it is a command.
fn unit(stream: &mut TcpStream) -> Option<Command> {
    let mut head = [0; PDU_HEAD_BYTES];
    stream.read_exact(&mut head).unwrap();
    let (kind, length) = pdu_head(head);
    let mut body = vec![0; length as usize];
    stream.read_exact(&mut body).unwrap();
    match pdu(kind, &body) {
        Some(Pdu::Data(parts)) => command(parts[0].bytes),
        _ => None,
    }
}

fn pull(folder: &Path, what: &[&str]) -> Value {
    let args = [&["pull", "--from", "PACS"], what, &REASON].concat();
    with_config(&folder.join("salus.toml"), &args)
}

#[test]
fn what_a_pacs_has_and_is_not_here_is_fetched_once() {
    let folder = tempfile::tempdir().unwrap();
    let (_pacs, address) = pacs(&folder.path().join("pacs"));
    let own = folder.path().join("house");
    let server = house(&own, &address);
    let one = |uid: &'static str, of| (uid, set(uid, of));
    let first = ("1.2", "A1");
    let stored = store(
        (&address, "PACS", "CT1"),
        &[
            one("1.2.1.1", first),
            one("1.2.1.2", first),
            one("1.3.1.1", ("1.3", "A2")),
        ],
    );
    assert_eq!(stored, [Some(0); 3]);
    let pulled = pull(&own, &["--study", "1.2"]);
    assert_eq!(
        pulled,
        value!({"series": 1, "there": 0, "came": 2, "lacking": []})
    );
    // Given again it goes on with what lacks.
    let pulled = pull(&own, &["--patient", "4711"]);
    assert_eq!(
        pulled,
        value!({"series": 2, "there": 2, "came": 1, "lacking": []})
    );
    let pulled = pull(&own, &["--accession", "A2"]);
    assert_eq!(
        pulled,
        value!({"series": 1, "there": 1, "came": 0, "lacking": []})
    );
    let nothing = pull(&own, &["--accession", "A3"]);
    assert_eq!(nothing["series"], 0, "{nothing}");
    assert!(server.stop().success());
    let verified = with_config(&own.join("salus.toml"), &["verify"]);
    assert_eq!(verified["alterations"], value!([]), "{verified}");
}

#[test]
fn what_cannot_be_pulled_says_why() {
    let folder = tempfile::tempdir().unwrap();
    let own = folder.path().join("house");
    // Nobody listens there.
    let _server = house(&own, "127.0.0.1:9");
    let why = |args: &[&str]| {
        let args = [&["pull"], args].concat();
        with_config(&own.join("salus.toml"), &args).to_string()
    };
    let unreachable = why(&[&["--from", "PACS", "--study", "1.2"], &REASON[..]].concat());
    assert!(unreachable.contains("cannot be reached"), "{unreachable}");
    let unknown = why(&[&["--from", "TAKER", "--study", "1.2"], &REASON[..]].concat());
    assert!(unknown.contains("nothing is pulled from"), "{unknown}");
    let many = why(&[&["--from", "PACS", "--patient", "47*"], &REASON[..]].concat());
    assert!(many.contains("no single study"), "{many}");
    let short = why(&["--from", "PACS", "--study", "1.2", "--reason", "so"]);
    assert!(short.contains("10 letters"), "{short}");
}
