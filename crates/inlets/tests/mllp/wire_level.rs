use event::Subject;

use crate::house::{House, as_message, code, config, framed, message, oru, reasons};

#[tokio::test]
async fn a_burst_of_three_in_one_packet() {
    let house = House::open(config()).await;
    let mut line = house.connect().await;
    line.send([framed(oru("1")), framed(oru("2")), framed(oru("3"))].concat())
        .await;
    assert_eq!(line.codes(3).await, ["AA 1", "AA 2", "AA 3"]);
    let sealed = house.sealed().await;
    let raw: Vec<&[u8]> = sealed.iter().map(|event| event.raw.as_slice()).collect();
    assert_eq!(raw, [oru("1"), oru("2"), oru("3")]);
    house.close().await;
}

#[tokio::test]
async fn what_is_sealed_of_a_result() {
    let house = House::open(config()).await;
    let mut line = house.connect().await;
    line.send(framed(oru("1"))).await;
    let answer = line.answer().await.unwrap();
    let expected = "MSH|^~\\&|SALUS|H|LAB|NORTH|20231114221320.007+0000||ACK^R01^ACK|1|P|2.5\r\
                    MSA|AA|1\r";
    assert_eq!(String::from_utf8(answer).unwrap(), expected);
    let sealed = house.sealed().await;
    let message = as_message(&sealed[0]);
    assert_eq!(
        (message.kind.as_str(), message.control.as_str()),
        ("ORU^R01", "1")
    );
    assert_eq!(
        (message.feed.as_str(), message.zone.as_str()),
        ("loopback", "UTC")
    );
    assert!(message.mapped && message.complaints.is_empty());
    assert_eq!(sealed[0].because, ["feed:loopback"]);
    let parsed = wire::hl7::parse(&sealed[0].raw, "");
    let (system, value) = wire::v2::patient_identifier(&parsed.message, "hospital").unwrap();
    let id = house.record.blind().id("Patient", &system, &value);
    assert_eq!(sealed[0].subject, Subject::Patient(id));
    house.close().await;
}

#[tokio::test]
async fn one_byte_at_a_time() {
    let house = House::open(config()).await;
    let mut line = house.connect().await;
    for byte in framed(oru("1")) {
        line.send([byte]).await;
    }
    assert_eq!(line.codes(1).await, ["AA 1"]);
    house.close().await;
}

#[tokio::test]
async fn a_message_cut_off_by_the_next() {
    let house = House::open(config()).await;
    let mut line = house.connect().await;
    let cut = [b"\x0b", &oru("1")[..90]].concat();
    line.send([cut.clone(), framed(oru("2"))].concat()).await;
    assert_eq!(line.codes(2).await, ["AR 1", "AA 2"]);
    let sealed = house.sealed().await;
    assert_eq!(
        reasons(&sealed),
        ["a new start block came before the end block"]
    );
    assert_eq!(sealed[0].raw, &cut[1..]);
    assert_eq!(sealed[0].subject, Subject::Feed("loopback".into()));
    assert_eq!(sealed[1].raw, oru("2"));
    house.close().await;
}

#[tokio::test]
async fn an_end_block_without_its_carriage_return() {
    let house = House::open(config()).await;
    let mut line = house.connect().await;
    let frame = framed(oru("1"));
    line.send(&frame[..frame.len() - 1]).await;
    assert_eq!(line.codes(1).await, ["AA 1"]);
    line.send(framed(oru("2"))).await;
    assert_eq!(line.codes(1).await, ["AA 2"]);
    house.close().await;
}

#[tokio::test]
async fn bytes_that_are_no_message() {
    let house = House::open(config()).await;
    let mut line = house.connect().await;
    for bytes in [
        &b"GET / HTTP/1.1\r\n\r\n"[..],
        b"\x0b\x1c\r",
        b"\x0bhello\x1c\r",
        b"\x0bMSHabcdef\x1c\r",
        b"\x0b\xff\xfe\x00\x1c\r",
        b"\x0bFHS|^~\\&|\rBHS|^~\\&|\rBTS|0\rFTS|1\r\x1c\r",
    ] {
        line.send(bytes).await;
        assert_eq!(line.codes(1).await, ["AR"], "{bytes:?}");
    }
    line.send(framed(oru("1"))).await;
    assert_eq!(line.codes(1).await, ["AA 1"]);
    let sealed = house.sealed().await;
    assert_eq!(
        reasons(&sealed),
        [
            "these bytes stood outside a frame",
            "the frame is empty",
            "the message does not begin with MSH",
            "MSH-2: these cannot be separators",
            "the message does not begin with MSH",
            "there is no message in the batch",
        ]
    );
    assert_eq!(sealed[0].raw, b"GET / HTTP/1.1\r\n\r\n");
    assert!(sealed[1].raw.is_empty());
    house.close().await;
}

#[tokio::test]
async fn a_stream_that_ends_within_a_message() {
    let house = House::open(config()).await;
    let mut line = house.connect().await;
    line.send(&framed(oru("1"))[..100]).await;
    line.finish().await;
    assert_eq!(line.codes(1).await, ["AR 1"]);
    assert_eq!(line.answer().await, None);
    let sealed = house.sealed().await;
    assert_eq!(reasons(&sealed), ["the stream ended before the end block"]);
    house.close().await;
}

#[tokio::test]
async fn a_batch_has_one_answer_for_each_message() {
    let house = House::open(config()).await;
    let mut line = house.connect().await;
    let (head, tail) = (b"FHS|^~\\&|LAB\rBHS|^~\\&|LAB\r", b"BTS|3\rFTS|1\r");
    let file = [&head[..], &oru("1"), &oru("2"), tail].concat();
    line.send(framed(file)).await;
    assert_eq!(line.codes(2).await, ["AA 1", "AA 2"]);
    line.send(framed([oru("3"), oru("4")].concat())).await;
    assert_eq!(line.codes(2).await, ["AA 3", "AA 4"]);
    let sealed = house.sealed().await;
    assert!(as_message(&sealed[0]).complaints.is_empty());
    assert_eq!(
        as_message(&sealed[1]).complaints,
        ["BTS-1 says `3`, but there were 2"]
    );
    assert_eq!(sealed[3].raw, oru("4"));
    house.close().await;
}

#[tokio::test]
async fn a_name_in_latin_1_stays_as_it_is() {
    let house = House::open(config()).await;
    let mut line = house.connect().await;
    let raw = b"MSH|^~\\&|K\xDCCHE||||2023||ADT^A08|1|P|2.5||||||8859/1\rPID|1||7||M\xDCLLER^Jo\r";
    line.send(framed(raw)).await;
    let answer = line.answer().await.unwrap();
    assert_eq!(code(&answer), "AA 1");
    assert!(answer.windows(5).any(|bytes| bytes == b"K\xDCCHE"));
    let sealed = house.sealed().await;
    assert_eq!(sealed[0].raw, raw);
    assert!(as_message(&sealed[0]).complaints.is_empty());
    let parsed = wire::hl7::parse(&sealed[0].raw, "");
    assert_eq!(parsed.message.get("PID", 5).string().unwrap(), "MÜLLER");
    house.close().await;
}

#[tokio::test]
async fn enhanced_mode() {
    let house = House::open(config()).await;
    let mut line = house.connect().await;
    let asking = |control: &str, accept: &str, application: &str| {
        let text =
            format!("MSH|^~\\&|||||2023||ADT^A04|{control}|P|2.5|||{accept}|{application}\r");
        framed(text)
    };
    let stream = [
        asking("1", "AL", "NE"),
        asking("2", "NE", "NE"),
        asking("3", "AL", "AL"),
        asking("4", "NE", "AL"),
    ];
    line.send(stream.concat()).await;
    assert_eq!(line.codes(4).await, ["CA 1", "CA 3", "AA 3", "AA 4"]);
    house.close().await;
}

#[tokio::test]
async fn a_message_that_names_nobody_says_that_no_chart_has_it() {
    let house = House::open(config()).await;
    let mut line = house.connect().await;
    let with = |kind: &str, control: &str, pid: &str| {
        framed(format!(
            "MSH|^~\\&|LAB|NORTH|||20231114||{kind}|{control}|P|2.5\r{pid}"
        ))
    };
    let stream = [
        with("ADT^A01", "1", ""),
        with("ADT^A40", "2", "PID|||\r"),
        with("ORU^R01", "3", "PID|||1\rPID|||2\r"),
        with("ORU^R01", "4", "PID|||1\r"),
    ];
    line.send(stream.concat()).await;
    assert_eq!(line.codes(4).await, ["AA 1", "AA 2", "AA 3", "AA 4"]);
    let sealed = house.sealed().await;
    let said: Vec<(bool, String)> = sealed
        .iter()
        .map(as_message)
        .map(|message| (message.mapped, message.complaints.join("; ")))
        .collect();
    let kept = |words: &str| (false, words.to_owned());
    assert_eq!(
        said,
        [
            kept("there is no PID, so nothing can be put in a chart"),
            kept("PID-3: names nobody, so nothing can be put in a chart"),
            kept("PID[2]: begins a second patient or message; nothing was mapped"),
            (true, String::new()),
        ]
    );
    house.close().await;
}

#[tokio::test]
async fn a_kind_that_is_not_mapped_is_kept() {
    let house = House::open(config()).await;
    let mut line = house.connect().await;
    line.send([framed(message("ZZZ^Z99", "1")), framed(message("", "2"))].concat())
        .await;
    assert_eq!(line.codes(2).await, ["AA 1", "AR 2"]);
    let sealed = house.sealed().await;
    assert!(!as_message(&sealed[0]).mapped);
    assert_eq!(reasons(&sealed), ["MSH-9: the message type is missing"]);
    house.close().await;
}
