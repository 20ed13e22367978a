//! Objects that go on to a PACS, which answers as it likes.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use axum::http::StatusCode;
use event::{Act, Actor, Body, Event, Image, Role, RouteOutcome, Subject};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::{CancellationToken, DropGuard};
use wire::dicom::{
    Answered, Command, PDU_HEAD_BYTES, Pdu, Rejection, Request, Syntax, VR, Writer, abort, accept,
    command, data, file, pdu, pdu_head, reject, released, tags,
};

use crate::house::House;

const CT: &str = "1.2.840.10008.5.1.4.1.1.2";
const REPORT: &str = "1.2.840.10008.5.1.4.1.1.88.11";
const MR: &str = "1.2.840.10008.5.1.4.1.1.4";

/// What the PACS does with the next association or object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Does {
    /// It rejects the association.
    Reject,
    /// It takes the association, and no object of this kind.
    Decline,
    /// It takes the object and answers with that status.
    Answer(u16),
    /// It takes the object, and answers once it has two.
    Meet,
    /// It takes the object and says nothing.
    Hang,
    /// It takes the object and is gone.
    Die,
    /// It answers for another object.
    Mistake,
    /// It aborts the association.
    Abort,
}

/// A PACS, and what it got.
struct Pacs {
    address: SocketAddr,
    /// Instance, transfer syntax and data set of each object.
    got: Arc<Got>,
}

/// A PACS that takes objects in that syntax alone, and does these things first.
async fn pacs(syntax: &'static str, does: &[Does]) -> Pacs {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let does = Arc::new(Mutex::new(does.iter().copied().collect::<VecDeque<Does>>()));
    let got = Arc::new(Mutex::new(Vec::new()));
    let kept = Arc::clone(&got);
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let (does, got) = (Arc::clone(&does), Arc::clone(&kept));
            tokio::spawn(async move { serve(stream, syntax, (&does, &got)).await });
        }
    });
    Pacs { address, got }
}

type Plan = Mutex<VecDeque<Does>>;
type Got = Mutex<Vec<(String, String, Vec<u8>)>>;

async fn unit(stream: &mut TcpStream) -> Option<(u8, Vec<u8>)> {
    let mut head = [0; PDU_HEAD_BYTES];
    stream.read_exact(&mut head).await.ok()?;
    let (kind, length) = pdu_head(head);
    let mut body = vec![0; length as usize];
    stream.read_exact(&mut body).await.ok()?;
    Some((kind, body))
}

/// One association; `None`: it ended.
async fn serve(mut stream: TcpStream, syntax: &str, (does, got): (&Plan, &Got)) -> Option<()> {
    let (kind, body) = unit(&mut stream).await?;
    let Some(Pdu::Request(request)) = pdu(kind, &body) else {
        unreachable!("it asks for an association first")
    };
    let next = does.lock().unwrap().front().copied();
    if next == Some(Does::Reject) {
        does.lock().unwrap().pop_front();
        stream.write_all(&reject(Rejection::Limit)).await.ok()?;
        return None;
    }
    let declines = next == Some(Does::Decline);
    if declines {
        does.lock().unwrap().pop_front();
    }
    let answers: Vec<Answered> = answers(&request, syntax, declines);
    stream
        .write_all(&accept(&request, (&answers, &[]), 16_384))
        .await
        .ok()?;
    loop {
        let (id, asked, set) = match object(&mut stream).await? {
            Some(object) => object,
            None => {
                stream.write_all(&released()).await.ok()?;
                return None;
            }
        };
        let taken = answers.iter().find(|one| one.id == id);
        let taken = taken
            .and_then(|one| one.taken.clone().ok())
            .unwrap_or_default();
        got.lock()
            .unwrap()
            .push((asked.instance.clone(), taken, set));
        let next = does.lock().unwrap().pop_front();
        let (status, about) = match next.unwrap_or(Does::Answer(0)) {
            Does::Answer(status) => (status, asked.message),
            Does::Meet => {
                while got.lock().unwrap().len() < 2 {
                    tokio::task::yield_now().await;
                }
                (0, asked.message)
            }
            Does::Mistake => (0, asked.message + 1),
            Does::Hang => {
                std::future::pending::<()>().await;
                return None;
            }
            Does::Abort => {
                stream.write_all(&abort(0)).await.ok()?;
                return None;
            }
            Does::Die | Does::Reject | Does::Decline => return None,
        };
        let answer = Writer::new(Syntax::IMPLICIT)
            .text(tags::AFFECTED_SOP_CLASS_UID, VR::UI, &asked.class)
            .us(tags::COMMAND_FIELD, 0x8001)
            .us(tags::MESSAGE_ID_BEING_RESPONDED_TO, about)
            .us(tags::COMMAND_DATA_SET_TYPE, 0x0101)
            .us(tags::STATUS, status)
            .finish();
        stream.write_all(&data(id, (&answer, None), 0)).await.ok()?;
    }
}

fn answers(request: &Request, syntax: &str, declines: bool) -> Vec<Answered> {
    let answer = |taken: bool, id| Answered {
        id,
        taken: if taken { Ok(syntax.to_owned()) } else { Err(4) },
    };
    let contexts = request.contexts.iter();
    contexts
        .map(|one| {
            let offered = one.syntaxes.iter().any(|own| own == syntax);
            answer(offered && !declines, one.id)
        })
        .collect()
}

/// The next object: context, command and data set; `None` within: it is released.
async fn object(stream: &mut TcpStream) -> Option<Option<(u8, Command, Vec<u8>)>> {
    let (mut said, mut set) = (Vec::new(), Vec::new());
    loop {
        let (kind, body) = unit(stream).await?;
        let parts = match pdu(kind, &body) {
            Some(Pdu::Data(parts)) => parts,
            Some(Pdu::Release) => return Some(None),
            _ => return None,
        };
        for part in parts {
            match part.command {
                true => said.extend_from_slice(part.bytes),
                false => set.extend_from_slice(part.bytes),
            }
            if part.last && !part.command {
                return Some(Some((part.context, command(&said)?, set)));
            }
        }
    }
}

/// A house with a route to a PACS, and that sends.
async fn sending(pacs: &Pacs, rules: &str) -> (House, DropGuard) {
    let text = format!(
        "wait_ms = 500\nretry_ms = 1\nretry_max_ms = 2\n[[route]]\nname = \"pacs\"\n\
         to = \"dicom://{}\"\ncalled = \"PACS\"\n{rules}",
        pacs.address
    );
    let house = House::routing(toml::from_str(&text).unwrap()).await;
    let stop = CancellationToken::new();
    tokio::spawn(web::pass_on(house.app.clone(), stop.clone()));
    until(&house, |_| true).await;
    (house, stop.drop_guard())
}

async fn until(house: &House, is: impl Fn(&routes::RouteState) -> bool) {
    let mut stirred = house.app.routes.stirred();
    loop {
        let states = house.app.routes.list(house.now()).await.unwrap();
        if states.first().is_some_and(&is) {
            return;
        }
        stirred.changed().await.unwrap();
    }
}

fn set(class: &str, instance: &str, syntax: Syntax) -> Vec<u8> {
    Writer::new(syntax)
        .text(tags::SOP_CLASS_UID, VR::UI, class)
        .text(tags::SOP_INSTANCE_UID, VR::UI, instance)
        .text(tags::PATIENT_ID, VR::LO, "4711")
        .text(tags::STUDY_INSTANCE_UID, VR::UI, "1.2")
        .text(tags::SERIES_INSTANCE_UID, VR::UI, "1.2.1")
        .bytes(tags::PIXEL_DATA, VR::OW, &[7; 40_000])
        .finish()
}

/// Seals an object of patient 4711 that a sender gave, as the inlet does.
async fn came(house: &House, (class, instance, calling): (&str, &str, &str)) -> u64 {
    let whole = set(class, instance, Syntax::IMPLICIT);
    let modality = if class == CT { "CT" } else { "MR" };
    let image = Image {
        feed: "modality".into(),
        authority: "HOSP".into(),
        zone: "UTC".into(),
        calling: calling.into(),
        class: class.into(),
        instance: instance.into(),
        study: "1.2".into(),
        series: "1.2.1".into(),
        modality: modality.into(),
        syntax: Syntax::IMPLICIT_UID.into(),
        ..Image::default()
    };
    let subject = Subject::Patient("4711".into());
    let mut event = Event::new(
        Actor::feed("modality"),
        Act::Send,
        subject,
        Body::Image(image),
    );
    let head = file(class, instance, Syntax::IMPLICIT_UID, calling);
    let kept = house
        .app
        .record
        .keep(&event, [head, whole.clone()].concat())
        .await;
    if let Body::Image(image) = &mut event.body {
        image.whole = kept.unwrap();
    }
    let header = whole[..whole.len() - 40_008].to_vec();
    house.seal(event.with_raw(header)).await
}

fn got(pacs: &Pacs) -> Vec<String> {
    let got = pacs.got.lock().unwrap();
    got.iter().map(|(instance, ..)| instance.clone()).collect()
}

#[tokio::test]
async fn objects_that_fit_go_on_in_their_order_and_what_was_answered_is_sealed() {
    let pacs = pacs(Syntax::IMPLICIT_UID, &[]).await;
    let (house, _sending) = sending(&pacs, "modalities = [\"CT\"]\n").await;
    let first = came(&house, (CT, "1.2.1.1", "CT1")).await;
    came(&house, (MR, "1.2.1.2", "MR1")).await;
    // What came from there does not go back there.
    came(&house, (CT, "1.2.1.3", "PACS")).await;
    came(&house, (CT, "1.2.1.4", "CT1")).await;
    until(&house, |route| route.taken == 2).await;
    assert_eq!(got(&pacs), ["1.2.1.1", "1.2.1.4"]);
    let (_, syntax, whole) = pacs.got.lock().unwrap()[0].clone();
    assert_eq!(syntax, Syntax::IMPLICIT_UID);
    assert_eq!(
        whole,
        set(CT, "1.2.1.1", Syntax::IMPLICIT),
        "it went as it is kept"
    );
    let sealed = house.sealed().await;
    let routed = sealed.iter().find_map(|one| match &one.event().body {
        Body::Routed(routed) => Some((one.event().subject.clone(), routed.clone())),
        _ => None,
    });
    let (subject, routed) = routed.unwrap();
    assert_eq!(subject, Subject::Patient("4711".into()));
    assert_eq!(
        (routed.message, routed.outcome),
        (first, RouteOutcome::Taken)
    );
    assert_eq!(routed.answer, "status 0000");
}

#[tokio::test]
async fn what_is_not_compressed_is_written_as_the_receiver_takes_it() {
    let pacs = pacs(Syntax::EXPLICIT_UID, &[]).await;
    let (house, _sending) = sending(&pacs, "").await;
    came(&house, (CT, "1.2.1.1", "CT1")).await;
    until(&house, |route| route.taken == 1).await;
    let (_, syntax, whole) = pacs.got.lock().unwrap()[0].clone();
    assert_eq!(syntax, Syntax::EXPLICIT_UID);
    assert_eq!(whole, set(CT, "1.2.1.1", Syntax::EXPLICIT));
}

#[tokio::test]
async fn whatever_a_receiver_does_the_object_gets_there_and_the_next_one_after_it() {
    let fails = [
        Does::Reject,
        Does::Die,
        Does::Mistake,
        Does::Hang,
        Does::Abort,
        Does::Answer(0xA700),
        Does::Answer(0x0110),
        Does::Answer(0x0124),
    ];
    let pacs = pacs(Syntax::IMPLICIT_UID, &fails).await;
    let (house, _sending) = sending(&pacs, "").await;
    came(&house, (CT, "1.2.1.1", "CT1")).await;
    came(&house, (CT, "1.2.1.2", "CT1")).await;
    until(&house, |route| route.taken == 2).await;
    let got = got(&pacs);
    assert!(got.len() > fails.len(), "{got:?}");
    let first = got.iter().rposition(|one| one == "1.2.1.1").unwrap();
    assert_eq!(got.get(first + 1).map(String::as_str), Some("1.2.1.2"));
    assert_eq!(got.len(), first + 2, "{got:?}");
    let states = house.app.routes.list(house.now()).await.unwrap();
    assert_eq!((states[0].depth, states[0].aside), (0, 0));
}

/// A house with a route to a PACS by two associations, to which objects wait of these classes.
async fn beside(pacs: &Pacs, classes: &[&str]) -> (House, DropGuard) {
    let text = format!(
        "retry_ms = 1\nretry_max_ms = 2\n[[route]]\nname = \"pacs\"\nassociations = 2\n\
         to = \"dicom://{}\"\ncalled = \"PACS\"\n",
        pacs.address
    );
    let house = House::routing(toml::from_str(&text).unwrap()).await;
    let stop = CancellationToken::new();
    let rules = tokio::spawn(web::pass_on(house.app.clone(), stop.clone()));
    until(&house, |_| true).await;
    stop.cancel();
    rules.await.unwrap();
    for (number, class) in (1..).zip(classes) {
        came(&house, (class, &format!("1.2.1.{number}"), "CT1")).await;
    }
    let stop = CancellationToken::new();
    tokio::spawn(web::pass_on(house.app.clone(), stop.clone()));
    (house, stop.drop_guard())
}

#[tokio::test]
async fn pictures_go_beside_each_other_and_a_report_after_those_before_it() {
    let pacs = pacs(Syntax::IMPLICIT_UID, &[Does::Meet, Does::Meet]).await;
    let (house, _sending) = beside(&pacs, &[CT, CT, REPORT, CT]).await;
    until(&house, |route| route.taken == 4).await;
    let got = got(&pacs);
    let [.., third, fourth] = &got[..] else {
        unreachable!("it got four");
    };
    assert_eq!((third.as_str(), fourth.as_str()), ("1.2.1.3", "1.2.1.4"));
    assert_eq!(got.len(), 4, "{got:?}");
}

#[tokio::test]
async fn who_takes_one_association_alone_gets_all_the_same() {
    let pacs = pacs(Syntax::IMPLICIT_UID, &[Does::Reject]).await;
    let (house, _sending) = beside(&pacs, &[CT, CT]).await;
    until(&house, |route| route.taken == 2).await;
    let mut got = got(&pacs);
    got.sort();
    assert_eq!(got, ["1.2.1.1", "1.2.1.2"]);
}

#[tokio::test]
async fn what_is_refused_is_set_aside_and_goes_once_more_by_order() {
    let refusals = [Does::Answer(0xC000), Does::Decline];
    let pacs = pacs(Syntax::IMPLICIT_UID, &refusals).await;
    let (house, _sending) = sending(&pacs, "").await;
    house.person("tomas", Role::Administrator, &[]).await;
    let mut tomas = house.browser("tomas").await;
    let first = came(&house, (CT, "1.2.1.1", "CT1")).await;
    until(&house, |route| route.aside == 1).await;
    // The association is released once nothing waits; the next one takes no such object.
    let second = came(&house, (MR, "1.2.1.2", "MR1")).await;
    until(&house, |route| route.aside == 2).await;
    let page = tomas.get("/flow/routes/pacs").await;
    assert!(page.html.contains("status C000"), "{}", page.html);
    assert!(
        page.html.contains("the receiver does not take"),
        "{}",
        page.html
    );
    let both = format!("{first} {second}");
    let why = ("reason", "their archive was mended");
    let to = "/flow/routes/pacs";
    let done = tomas
        .submit(to, to, &[("do", "replay"), ("messages", &both), why])
        .await;
    assert_eq!(done.status, StatusCode::SEE_OTHER, "{}", done.html);
    until(&house, |route| route.taken == 2).await;
    assert_eq!(got(&pacs), ["1.2.1.1", "1.2.1.1", "1.2.1.2"]);
}
