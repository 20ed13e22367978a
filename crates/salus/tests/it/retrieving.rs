//! C-GET, C-MOVE and C-CANCEL over real sockets: the other side takes one object at a time, so that what is
//! cancelled in between is surely not sent.

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, Sender, channel};

use wire::dicom::{
    Answered, Asking, Command, Limits, PDU_HEAD_BYTES, Pdu, Proposed, Role, Syntax, VR, Writer,
    accept, asking, command, data, pdu, pdu_head, released, scan, store_request, tags,
};

use crate::images::CT;
use crate::process::{Server, salus};

const GET: &str = "1.2.840.10008.5.1.4.1.2.2.3";
const MOVE: &str = "1.2.840.10008.5.1.4.1.2.2.2";
const MESSAGE: u16 = 9;

/// A command and what it says beside, and the data set that came with it.
struct Heard {
    context: u8,
    command: Command,
    /// Remaining, completed, failed.
    counts: [Option<u32>; 3],
    set: Vec<u8>,
}

/// An association of ours, or one that came to us.
struct Peer(TcpStream);

impl Peer {
    fn unit(&mut self) -> (u8, Vec<u8>) {
        let mut head = [0; PDU_HEAD_BYTES];
        self.0.read_exact(&mut head).unwrap();
        let (kind, length) = pdu_head(head);
        let mut body = vec![0; length as usize];
        self.0.read_exact(&mut body).unwrap();
        (kind, body)
    }

    fn send(&mut self, bytes: &[u8]) {
        self.0.write_all(bytes).unwrap();
    }

    /// Asks for an association, one context for each class, ids from 1 on.
    fn ask((address, calling): (&str, &str), classes: &[&str]) -> Peer {
        let mut peer = Peer(TcpStream::connect(address).unwrap());
        let contexts: Vec<Proposed> = (1..)
            .step_by(2)
            .zip(classes)
            .map(|(id, class)| Proposed {
                id,
                class: (*class).to_owned(),
                syntaxes: vec![Syntax::IMPLICIT_UID.to_owned()],
            })
            .collect();
        let roles = [Role {
            class: CT.to_owned(),
            user: true,
            provider: true,
        }];
        peer.send(&asking(&Asking {
            called: "SALUS",
            calling,
            contexts: &contexts,
            roles: &roles,
            length_max: 16_384,
        }));
        let (kind, body) = peer.unit();
        assert!(matches!(pdu(kind, &body), Some(Pdu::Accepted(_))));
        peer
    }

    /// The next message; `None`: the association is released.
    fn hears(&mut self) -> Option<Heard> {
        let (mut said, mut set) = (Vec::new(), Vec::new());
        loop {
            let (kind, body) = self.unit();
            let parts = match pdu(kind, &body) {
                Some(Pdu::Data(parts)) => parts,
                Some(Pdu::Release) => return None,
                other => unreachable!("{other:?}"),
            };
            for part in parts {
                match part.command {
                    true => said.extend_from_slice(part.bytes),
                    false => set.extend_from_slice(part.bytes),
                }
                let read = command(&said);
                let whole = read.filter(|command| part.last && command.data != part.command);
                if let Some(command) = whole {
                    let all = scan(&said, Syntax::IMPLICIT, &Limits::default()).unwrap();
                    let counts = [
                        tags::NUMBER_OF_REMAINING_SUBOPERATIONS,
                        tags::NUMBER_OF_COMPLETED_SUBOPERATIONS,
                        tags::NUMBER_OF_FAILED_SUBOPERATIONS,
                    ];
                    let counts = counts.map(|tag| all.number(tag));
                    let context = part.context;
                    return Some(Heard {
                        context,
                        command,
                        counts,
                        set,
                    });
                }
            }
        }
    }

    /// The last answer to a retrieval: its status and counts; what is pending before it is passed over.
    fn last(&mut self) -> (u16, [Option<u32>; 3]) {
        loop {
            let heard = self.hears().unwrap();
            match heard.command.status {
                Some(0xFF00) => {}
                Some(status) => return (status, heard.counts),
                None => unreachable!("no object is given any more"),
            }
        }
    }

    /// Answers a C-STORE.
    fn takes(&mut self, heard: &Heard) {
        let answer = Writer::new(Syntax::IMPLICIT)
            .text(tags::AFFECTED_SOP_CLASS_UID, VR::UI, &heard.command.class)
            .us(tags::COMMAND_FIELD, 0x8001)
            .us(tags::MESSAGE_ID_BEING_RESPONDED_TO, heard.command.message)
            .us(tags::COMMAND_DATA_SET_TYPE, 0x0101)
            .us(tags::STATUS, 0)
            .finish();
        self.send(&data(heard.context, (&answer, None), 0));
    }

    /// The next object that is given, passing over what is pending.
    fn object(&mut self) -> Heard {
        loop {
            let heard = self.hears().unwrap();
            if heard.command.status != Some(0xFF00) {
                assert_eq!(heard.command.status, None, "it ended early");
                return heard;
            }
        }
    }

    /// Has study 1.2 given (C-GET) or moved to a destination.
    fn retrieve(&mut self, destination: Option<&str>) {
        let (class, field) = match destination {
            Some(_) => (MOVE, 0x0021),
            None => (GET, 0x0010),
        };
        let mut command = Writer::new(Syntax::IMPLICIT)
            .text(tags::AFFECTED_SOP_CLASS_UID, VR::UI, class)
            .us(tags::COMMAND_FIELD, field)
            .us(tags::MESSAGE_ID, MESSAGE);
        if let Some(title) = destination {
            command = command.text(tags::MOVE_DESTINATION, VR::AE, title);
        }
        let command = command
            .us(tags::PRIORITY, 0)
            .us(tags::COMMAND_DATA_SET_TYPE, 1)
            .finish();
        let set = Writer::new(Syntax::IMPLICIT)
            .text(tags::QUERY_RETRIEVE_LEVEL, VR::CS, "STUDY")
            .text(tags::STUDY_INSTANCE_UID, VR::UI, "1.2")
            .finish();
        self.send(&data(1, (&command, Some(&set)), 0));
    }

    fn cancel(&mut self) {
        let command = Writer::new(Syntax::IMPLICIT)
            .us(tags::COMMAND_FIELD, 0x0FFF)
            .us(tags::MESSAGE_ID_BEING_RESPONDED_TO, MESSAGE)
            .us(tags::COMMAND_DATA_SET_TYPE, 0x0101)
            .finish();
        self.send(&data(1, (&command, None), 0));
    }
}

fn set(instance: &str) -> Vec<u8> {
    Writer::new(Syntax::IMPLICIT)
        .text(tags::SOP_CLASS_UID, VR::UI, CT)
        .text(tags::SOP_INSTANCE_UID, VR::UI, instance)
        .text(tags::MODALITY, VR::CS, "CT")
        .text(tags::PATIENT_ID, VR::LO, "4711")
        .text(tags::STUDY_INSTANCE_UID, VR::UI, "1.2")
        .text(tags::SERIES_INSTANCE_UID, VR::UI, "1.2.1")
        .bytes(tags::PIXEL_DATA, VR::OW, &[7; 50_000])
        .finish()
}

/// A server that has three objects of study 1.2, and where it listens.
fn hospital(data: &std::path::Path, taker: u16) -> (Server, String) {
    let file = data.join("salus.toml");
    let config = format!(
        "data = {:?}\n[dicom]\nlisten = [\"127.0.0.1:0\"]\n\
         [[dicom.feed]]\nname = \"ct\"\ncalling = [\"CT1\"]\n\
         [[dicom.feed]]\nname = \"viewer\"\ncalling = [\"VIEWER\"]\nclasses = []\n\
         queries = [\"system/ImagingStudy.rs\", \"system/Patient.rs\"]\ndestinations = [\"TAKER\"]\n\
         [[dicom.destination]]\ntitle = \"TAKER\"\nhost = \"127.0.0.1\"\nport = {taker}\n",
        data.join("data")
    );
    std::fs::write(&file, config).unwrap();
    let mut command = salus();
    command.args(["--format", "json", "--config"]).arg(&file);
    command.args(["serve", "--listen", "127.0.0.1:0", "--mllp", "127.0.0.1:0"]);
    let server = Server::spawn(command, &data.join("data"));
    let address = server.ready["dicom"][0].as_str().unwrap().to_owned();
    let mut modality = Peer::ask((&address, "CT1"), &[CT]);
    for (number, instance) in (1..).zip(["1.2.1.1", "1.2.1.2", "1.2.1.3"]) {
        let command = store_request(number, (CT, instance), None);
        modality.send(&wire::dicom::data(
            1,
            (&command, Some(&set(instance))),
            16_384,
        ));
        assert_eq!(modality.hears().unwrap().command.status, Some(0));
    }
    (server, address)
}

#[test]
fn objects_are_given_on_the_association_that_asks() {
    let folder = tempfile::tempdir().unwrap();
    let (_server, address) = hospital(folder.path(), 1);
    let mut viewer = Peer::ask((&address, "VIEWER"), &[GET, CT]);
    viewer.retrieve(None);
    for instance in ["1.2.1.1", "1.2.1.2", "1.2.1.3"] {
        let object = viewer.object();
        assert_eq!(object.command.instance, instance);
        assert!(
            object.set == set(instance),
            "{instance} came otherwise than it went"
        );
        viewer.takes(&object);
    }
    assert_eq!(viewer.last(), (0, [None, Some(3), Some(0)]));
}

#[test]
fn what_is_cancelled_is_not_given_any_more() {
    let folder = tempfile::tempdir().unwrap();
    let (_server, address) = hospital(folder.path(), 1);
    let mut viewer = Peer::ask((&address, "VIEWER"), &[GET, CT]);
    viewer.retrieve(None);
    let first = viewer.object();
    viewer.cancel();
    viewer.takes(&first);
    // Nothing but the last answer comes.
    assert_eq!(viewer.last(), (0xFE00, [Some(2), Some(1), Some(0)]));
    // The association goes on.
    viewer.retrieve(None);
    let again = viewer.object();
    assert_eq!(again.command.instance, "1.2.1.1");
}

/// A destination that tells of each object, and answers when it is told to; it says when it is released.
fn taker(listener: TcpListener, (got, answer): (Sender<Option<String>>, Receiver<()>)) {
    let mut peer = Peer(listener.accept().unwrap().0);
    let (kind, body) = peer.unit();
    let Some(Pdu::Request(request)) = pdu(kind, &body) else {
        unreachable!("it asks for an association")
    };
    let answers: Vec<Answered> = request
        .contexts
        .iter()
        .map(|one| Answered {
            id: one.id,
            taken: Ok(Syntax::IMPLICIT_UID.to_owned()),
        })
        .collect();
    peer.send(&accept(&request, (&answers, &[]), 16_384));
    while let Some(object) = peer.hears() {
        got.send(Some(object.command.instance.clone())).unwrap();
        answer.recv().unwrap();
        peer.takes(&object);
    }
    peer.send(&released());
    got.send(None).unwrap();
}

#[test]
fn objects_are_moved_until_it_is_cancelled() {
    for cancels in [false, true] {
        let folder = tempfile::tempdir().unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let ((tell, got), (may, answer)) = (channel(), channel());
        let taking = std::thread::spawn(move || taker(listener, (tell, answer)));
        let (_server, address) = hospital(folder.path(), port);
        let mut viewer = Peer::ask((&address, "VIEWER"), &[MOVE]);
        viewer.retrieve(Some("TAKER"));
        assert_eq!(got.recv().unwrap().as_deref(), Some("1.2.1.1"));
        if cancels {
            viewer.cancel();
        }
        // Who is released after the first waits for no more leave.
        may.send(()).unwrap();
        for _ in 0..2 {
            let _ = may.send(());
        }
        let told = viewer.last();
        let mut others = 0;
        while got.recv().unwrap().is_some() {
            others += 1;
        }
        taking.join().unwrap();
        match cancels {
            true => {
                assert_eq!(others, 0, "nothing goes once it is cancelled");
                assert_eq!(told, (0xFE00, [Some(2), Some(1), Some(0)]));
            }
            false => {
                assert_eq!(others, 2);
                assert_eq!(told, (0, [None, Some(3), Some(0)]));
            }
        }
    }
}
