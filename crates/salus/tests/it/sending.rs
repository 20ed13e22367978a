//! Studies from a PACS that gives nothing (C-GET) and sends (C-MOVE): one that does it, and some that do not.

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};

use serde_json::{Value, json as value};
use wire::dicom::{
    Answer, Answered, Command, Limits, PDU_HEAD_BYTES, Pdu, Proposed, Service, Status, Syntax, VR,
    Writer, accept, command, data, pdu, pdu_head, released, scan, store_request, tags,
};

use crate::images::CT;
use crate::process::{Server, with_config};
use crate::pulling::{REASON, serve, set, store_for};
use crate::sessions::{get, set_up};
use crate::smart::send;

const STUDY: (&str, &str) = ("1.2", "A1");
const INSTANCES: [&str; 2] = ["1.2.1.1", "1.2.1.2"];
const GET: &str = "1.2.840.10008.5.1.4.1.2.2.3";
const MOVE: &str = "1.2.840.10008.5.1.4.1.2.2.2";

/// What a PACS does when it is to send.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Does {
    /// Sends all, and says so.
    Sends,
    /// Says that it is done, and sends then.
    Late,
    /// Sends the first alone, and says that it sent all.
    Fewer,
    /// Sends nothing, and says that it sent all.
    Elsewhere,
    /// Says nothing at all.
    Nothing,
    /// Says again and again that it goes on.
    Pending,
    /// Does not know the destination.
    Unknown,
    /// Sends an object of another study under the first UID.
    Another,
    /// Sends all, and says for whom.
    Names,
    /// The same, but names itself in the place of who asked.
    NamesItself,
    /// Sends the first alone, of another study, for a C-MOVE of somebody else.
    ForAnother,
    /// The same, for an earlier one of the same AE title.
    ForAnotherMove,
    /// Sends the first, and then nothing until that is cancelled.
    SendsUntilCancelled,
    /// The same with C-GET, which the others do not serve.
    GivesUntilCancelled,
}

/// A PACS that gives nothing.
struct Pacs {
    does: Does,
    /// Where it sends to.
    here: Arc<Mutex<String>>,
    /// Told when the first object went out.
    went: Sender<()>,
}

/// An association that somebody asked it for.
struct Peer(TcpStream);

impl Peer {
    fn unit(&mut self) -> Option<(u8, Vec<u8>)> {
        let mut head = [0; PDU_HEAD_BYTES];
        self.0.read_exact(&mut head).ok()?;
        let (kind, length) = pdu_head(head);
        let mut body = vec![0; length as usize];
        self.0.read_exact(&mut body).ok()?;
        Some((kind, body))
    }

    /// The next command and its data set; `None`: it is over.
    fn hears(&mut self) -> Option<(u8, Command, Vec<u8>)> {
        let (mut said, mut set) = (Vec::new(), Vec::new());
        loop {
            let (kind, body) = self.unit()?;
            let parts = match pdu(kind, &body) {
                Some(Pdu::Data(parts)) => parts,
                Some(Pdu::Release) => {
                    let _ = self.0.write_all(&released());
                    return None;
                }
                _ => return None,
            };
            for part in parts {
                match part.command {
                    true => said.extend_from_slice(part.bytes),
                    false => set.extend_from_slice(part.bytes),
                }
                let whole = command(&said).filter(|one| part.last && one.data != part.command);
                if let Some(whole) = whole {
                    return Some((part.context, whole, set));
                }
            }
        }
    }

    /// Whether the other side still listens.
    fn says(&mut self, (id, to): (u8, &Command), status: Status, set: Option<&[u8]>) -> bool {
        let answer = to.answered(&Answer {
            status,
            comment: "",
            data: set.is_some(),
            progress: None,
        });
        self.0.write_all(&data(id, (&answer, set), 0)).is_ok()
    }
}

impl Pacs {
    /// Answers for ever; the address.
    fn open(self) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                self.serve(Peer(stream));
            }
        });
        address
    }

    /// Takes contexts for questions and for moving, and none for giving.
    fn serve(&self, mut peer: Peer) {
        let Some((kind, body)) = peer.unit() else {
            return;
        };
        let Some(Pdu::Request(request)) = pdu(kind, &body) else {
            return;
        };
        let gives = self.does == Does::GivesUntilCancelled;
        let takes = |one: &Proposed| match one.class.as_str() {
            MOVE => true,
            GET => gives,
            CT => gives && one.syntaxes == [Syntax::IMPLICIT_UID],
            class => class.ends_with(".1.2.2.1"),
        };
        let answers: Vec<Answered> = request
            .contexts
            .iter()
            .map(|one| Answered {
                id: one.id,
                taken: match takes(one) {
                    true => Ok(one.syntaxes[0].clone()),
                    false => Err(3),
                },
            })
            .collect();
        let accepted = accept(&request, (&answers, &[]), 16_384);
        peer.0.write_all(&accepted).unwrap();
        while let Some((id, command, set)) = peer.hears() {
            match command.service {
                Service::Find => found(&mut peer, (id, &command), &set),
                Service::Get => self.gives(&mut peer, (id, &command), &answers),
                Service::Move if !self.moves(&mut peer, (id, &command)) => return,
                Service::Move => {}
                other => unreachable!("{other:?}"),
            }
        }
    }

    /// One object, and no more once that is cancelled.
    fn gives(&self, peer: &mut Peer, asked: (u8, &Command), contexts: &[Answered]) {
        let taken = contexts.iter().filter(|one| one.taken.is_ok());
        let id = taken.map(|one| one.id).max().unwrap();
        let set = set(INSTANCES[0], STUDY);
        let command = store_request(1, (CT, INSTANCES[0]), None);
        let object = data(id, (&command, Some(&set)), 16_384);
        peer.0.write_all(&object).unwrap();
        let stored = peer.hears().unwrap().1;
        assert_eq!((stored.service, stored.status), (Service::Stored, Some(0)));
        self.until_cancelled(peer, asked);
    }

    fn until_cancelled(&self, peer: &mut Peer, asked: (u8, &Command)) {
        let _ = self.went.send(());
        let cancel = peer.hears().unwrap().1;
        assert_eq!(
            (cancel.service, cancel.about),
            (Service::Cancel, asked.1.message)
        );
        peer.says(asked, Status::Cancelled, None);
    }

    /// Whether the association goes on.
    fn moves(&self, peer: &mut Peer, asked: (u8, &Command)) -> bool {
        let here = self.here.lock().unwrap().clone();
        let send_for = |origin, some: &[&'static str], study| {
            let all: Vec<_> = some.iter().map(|uid| (*uid, set(uid, study))).collect();
            store_for(origin, (&here, "SALUS", "PACS"), &all)
        };
        let send = |some: &[&'static str], study| drop(send_for(None, some, study));
        let own = asked.1.message;
        let of_another = |title| {
            let message = own.wrapping_add(u16::from(title == "SALUS"));
            let told = send_for(Some((title, message)), &INSTANCES[..1], ("1.9", "A9"));
            assert_eq!(told, [Some(0)], "it is the feed's own");
        };
        match self.does {
            Does::Sends => send(&INSTANCES, STUDY),
            Does::Names => drop(send_for(Some(("SALUS", own)), &INSTANCES, STUDY)),
            Does::NamesItself => drop(send_for(Some(("PACS", own)), &INSTANCES, STUDY)),
            Does::SendsUntilCancelled => {
                send(&INSTANCES[..1], STUDY);
                self.until_cancelled(peer, asked);
                return true;
            }
            Does::GivesUntilCancelled => unreachable!("it gives"),
            Does::ForAnother => of_another("WS1"),
            Does::ForAnotherMove => of_another("SALUS"),
            Does::Fewer => send(&INSTANCES[..1], STUDY),
            Does::Another => send(&INSTANCES[..1], ("1.9", "A9")),
            Does::Elsewhere | Does::Late => {}
            Does::Unknown => return peer.says(asked, Status::DestinationUnknown, None),
            // Until the other side ends it.
            Does::Nothing => return peer.unit().is_some(),
            Does::Pending => {
                while peer.says(asked, Status::Pending, None) {}
                return false;
            }
        }
        let goes_on = peer.says(asked, Status::Success, None);
        if self.does == Does::Late {
            send(&INSTANCES, STUDY);
        }
        goes_on
    }
}

/// One study of one series.
fn found(peer: &mut Peer, asked: (u8, &Command), set: &[u8]) {
    let keys = scan(set, Syntax::IMPLICIT, &Limits::default()).unwrap();
    let answers: &[&str] = match keys.ascii(tags::QUERY_RETRIEVE_LEVEL) {
        "IMAGE" => &INSTANCES,
        _ => &[""],
    };
    for instance in answers {
        let set = Writer::new(Syntax::IMPLICIT)
            .text(tags::SOP_CLASS_UID, VR::UI, CT)
            .text(tags::SOP_INSTANCE_UID, VR::UI, instance)
            .text(tags::STUDY_INSTANCE_UID, VR::UI, STUDY.0)
            .text(tags::SERIES_INSTANCE_UID, VR::UI, "1.2.1")
            .finish();
        peer.says(asked, Status::Pending, Some(&set));
    }
    peer.says(asked, Status::Success, None);
}

/// A house that may pull from such a PACS.
fn house(folder: &Path, does: Does) -> Server {
    house_and_news(folder, does).0
}

/// The same, with news of the first object that went out.
fn house_and_news(folder: &Path, does: Does) -> (Server, Receiver<()>) {
    let here = Arc::default();
    let (went, news) = channel();
    let pacs = Pacs {
        does,
        here: Arc::clone(&here),
        went,
    };
    let port = pacs.open().rsplit_once(':').unwrap().1.to_owned();
    let still = match does {
        Does::Nothing | Does::Pending => 500,
        _ => 60_000,
    };
    let late = match does {
        Does::Late => 60_000,
        _ => 2_000,
    };
    let server = serve(
        folder,
        &format!(
            "[web]\nsecond_factor = \"optional\"\n[dicom]\nlisten = [\"127.0.0.1:0\"]\nauthority = \"A\"\nmove_still_ms = {still}\n\
             answer_ms = {late}\n\
             [[dicom.feed]]\nname = \"archive\"\ncalling = [\"PACS\"]\n\
             [[dicom.destination]]\ntitle = \"PACS\"\nhost = \"127.0.0.1\"\nport = {port}\n\
             feed = \"archive\"\n"
        ),
    );
    server.ready["dicom"][0]
        .as_str()
        .unwrap()
        .clone_into(&mut here.lock().unwrap());
    (server, news)
}

fn pull(folder: &Path, by: &[&str]) -> Value {
    let args = [&["pull", "--from", "PACS", "--study", "1.2"], by, &REASON].concat();
    with_config(&folder.join("salus.toml"), &args)
}

/// What is told of each object that lacks, for a PACS that does so.
fn lacking(does: Does) -> (u64, Vec<String>) {
    let folder = tempfile::tempdir().unwrap();
    let _server = house(folder.path(), does);
    let pulled = pull(folder.path(), &[]);
    let Some(lacking) = pulled["lacking"].as_array() else {
        unreachable!("{pulled}");
    };
    let why = lacking
        .iter()
        .map(|one| one[1].as_str().unwrap().to_owned());
    (pulled["came"].as_u64().unwrap(), why.collect())
}

#[test]
fn what_is_not_given_is_sent_here_and_counted() {
    for does in [Does::Sends, Does::Late, Does::Names, Does::NamesItself] {
        let folder = tempfile::tempdir().unwrap();
        let server = house(folder.path(), does);
        let came = |came, there| value!({"series": 1, "there": there, "came": came, "lacking": []});
        assert_eq!(pull(folder.path(), &[]), came(2, 0), "{does:?}");
        assert_eq!(
            pull(folder.path(), &["--by", "move"]),
            came(0, 2),
            "{does:?}"
        );
        assert!(server.stop().success());
    }
}

#[test]
fn what_a_pacs_did_not_send_lacks_and_says_why() {
    let (came, why) = lacking(Does::Fewer);
    assert_eq!((came, why.len()), (1, 1));
    assert!(why[0].contains("it says that it was sent"), "{why:?}");
    let (came, why) = lacking(Does::Elsewhere);
    assert_eq!((came, why.len()), (0, 2));
    assert!(why[0].contains("the address of `SALUS`"), "{why:?}");
    let (came, why) = lacking(Does::Unknown);
    assert_eq!((came, why.len()), (0, 2));
    assert!(why[0].contains("it knows no `SALUS`"), "{why:?}");
}

#[test]
fn a_pacs_that_never_ends_is_given_up() {
    for does in [Does::Nothing, Does::Pending] {
        let (came, why) = lacking(does);
        assert_eq!((came, why.len()), (0, 2), "{does:?}");
        assert!(why[0].contains("`move_still_ms`"), "{does:?}: {why:?}");
    }
}

#[test]
fn an_object_of_another_study_is_not_taken_for_what_was_asked() {
    let (came, why) = lacking(Does::Another);
    assert_eq!((came, why.len()), (0, 2));
    assert!(why[0].contains("it is of the study `1.9`"), "{why:?}");
}

/// What a PACS sends meanwhile by its own rule, or for somebody else, is its own: it is not what was asked for.
#[test]
fn an_object_that_is_sent_for_another_is_the_feeds_own() {
    for does in [Does::ForAnother, Does::ForAnotherMove] {
        let (came, why) = lacking(does);
        assert_eq!((came, why.len()), (0, 2), "{does:?}");
        assert!(
            why[0].contains("it says that it was sent"),
            "{does:?}: {why:?}"
        );
    }
}

/// Posts a form of the console; the head of the answer.
fn post(server: &Server, (path, cookies): (&str, &[String]), fields: &str) -> String {
    let page = get(server, path, cookies);
    let csrf = page.split("name=\"csrf\" value=\"").nth(1).unwrap();
    let csrf = csrf.split('"').next().unwrap();
    let form = format!("csrf={csrf}&{fields}");
    let request = format!(
        "POST {path} HTTP/1.1\r\nHost: salus\r\nConnection: close\r\nCookie: {}\r\n\
         Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {}\r\n\r\n{form}",
        cookies.join("; "),
        form.len()
    );
    send(server, None, request.as_bytes())
}

#[test]
fn what_is_ordered_on_a_page_is_fetched() {
    let folder = tempfile::tempdir().unwrap();
    let server = house(folder.path(), Does::Fewer);
    let ada = set_up(&server);
    let order = "from=PACS&study=1.2&reason=prior+images+for+the+board";
    let ordered = post(&server, ("/flow/fetch", &ada), order);
    assert!(ordered.starts_with("HTTP/1.1 303"), "{ordered}");
    let ended = (0..10_000)
        .map(|_| get(&server, "/flow/fetch", &ada))
        .find(|page| page.contains("done, some lack"));
    let page = ended.expect("it ends");
    assert!(page.contains("1 of 1 series; 1 object came"), "{page}");
    // It is here now, and not fetched again.
    let pulled = pull(folder.path(), &["--by", "move"]);
    assert_eq!(
        (&pulled["there"], &pulled["came"]),
        (&value!(1), &value!(0))
    );
}

/// What is under way comes, the PACS is told that no more is wanted, and the page says who took the order back.
#[test]
fn an_order_that_is_taken_back_is_cancelled_after_the_object_that_comes() {
    for does in [Does::SendsUntilCancelled, Does::GivesUntilCancelled] {
        let folder = tempfile::tempdir().unwrap();
        let (server, went) = house_and_news(folder.path(), does);
        let ada = set_up(&server);
        let path = "/flow/fetch";
        post(
            &server,
            (path, &ada),
            "from=PACS&study=1.2&reason=prior+images+for+the+board",
        );
        went.recv().unwrap();
        let page = get(&server, path, &ada);
        let order = page
            .split("name=\"order\" required><option value=\"")
            .nth(1);
        let order = order.unwrap().split('"').next().unwrap();
        let back = format!("do=back&order={order}&reason=it+was+the+wrong+study");
        let taken = post(&server, (path, &ada), &back);
        assert!(taken.starts_with("HTTP/1.1 303"), "{taken}");
        let mut pages = (0..10_000).map(|_| get(&server, path, &ada));
        let ended = pages.find(|page| page.contains("> taken back by"));
        let page = ended.expect("it ends");
        assert!(
            page.contains("1 of 1 series; 1 object came"),
            "{does:?}: {page}"
        );
        assert!(
            page.contains("The order was taken back."),
            "{does:?}: {page}"
        );
        assert!(server.stop().success());
    }
}

#[test]
fn c_get_alone_says_that_it_was_refused() {
    let folder = tempfile::tempdir().unwrap();
    let server = house(folder.path(), Does::Sends);
    let refused = pull(folder.path(), &["--by", "get"]).to_string();
    assert!(refused.contains("C-GET was refused"), "{refused}");
    // Nobody listens to what is sent when no server runs.
    assert!(server.stop().success());
    let alone = pull(folder.path(), &[]).to_string();
    assert!(
        alone.contains("start it with `[dicom]` listening"),
        "{alone}"
    );
}
