//! A caller that says what it is told to, byte for byte.

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use wire::dicom::{
    Limits, PDU_HEAD_BYTES, Pdu, Syntax, VR, Writer, data, pdu, pdu_head, scan, store_request, tags,
};

pub(crate) const VERIFICATION: &str = wire::dicom::VERIFICATION_UID;

pub(crate) struct Caller<S>(S);

/// What came back.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    /// An association, with the result of each presentation context.
    Taken(Vec<u8>),
    /// None: result, source, reason.
    Rejected([u8; 3]),
    /// Released.
    Released,
    /// Aborted, with the reason.
    Aborted(u8),
    /// A status.
    Status(u16),
    /// The stream ended.
    Ended,
}

/// A unit: type, length, body.
pub(crate) fn unit(kind: u8, body: &[u8]) -> Vec<u8> {
    let length = u32::try_from(body.len()).unwrap().to_be_bytes();
    [&[kind, 0][..], &length, body].concat()
}

fn item(kind: u8, body: &[u8]) -> Vec<u8> {
    let length = u16::try_from(body.len()).unwrap().to_be_bytes();
    [&[kind, 0][..], &length, body].concat()
}

/// A request for an association with one context for each class, ids from 1 on.
pub(crate) fn request(called: &str, calling: &str, classes: &[&str]) -> Vec<u8> {
    let mut body = vec![0, 1, 0, 0];
    body.extend(format!("{called:16}{calling:16}").bytes());
    body.extend([0; 32]);
    body.extend(item(0x10, b"1.2.840.10008.3.1.1.1"));
    for (id, class) in (1..).step_by(2).zip(classes) {
        let mut context = vec![id, 0, 0, 0];
        context.extend(item(0x30, class.as_bytes()));
        context.extend(item(0x40, Syntax::EXPLICIT_UID.as_bytes()));
        body.extend(item(0x20, &context));
    }
    body.extend(item(0x50, &item(0x51, &16_384_u32.to_be_bytes())));
    unit(1, &body)
}

/// A command: C-STORE-RQ or C-ECHO-RQ.
pub(crate) fn command(field: u16, (class, instance): (&str, &str), has_data: bool) -> Vec<u8> {
    Writer::new(Syntax::IMPLICIT)
        .text(tags::AFFECTED_SOP_CLASS_UID, VR::UI, class)
        .us(tags::COMMAND_FIELD, field)
        .us(tags::MESSAGE_ID, 7)
        .us(
            tags::COMMAND_DATA_SET_TYPE,
            if has_data { 0 } else { 0x0101 },
        )
        .text(tags::AFFECTED_SOP_INSTANCE_UID, VR::UI, instance)
        .finish()
}

impl<S: AsyncRead + AsyncWrite + Unpin> Caller<S> {
    pub(crate) fn new(stream: S) -> Caller<S> {
        Caller(stream)
    }

    pub(crate) async fn send(&mut self, bytes: &[u8]) {
        // The other side may have ended it.
        let _ = self.0.write_all(bytes).await;
    }

    pub(crate) async fn ask(&mut self, called: &str, calling: &str, classes: &[&str]) -> Answer {
        self.send(&request(called, calling, classes)).await;
        self.answer().await
    }

    /// Stores a data set in the first context, for a C-MOVE.
    pub(crate) async fn store_for(
        &mut self,
        origin: (&str, u16),
        named: (&str, &str),
        set: &[u8],
    ) -> Answer {
        let command = store_request(7, named, Some(origin));
        self.send(&data(1, (&command, Some(set)), 4_096)).await;
        self.answer().await
    }

    /// Stores a data set in the first context.
    pub(crate) async fn store(&mut self, (class, instance): (&str, &str), set: &[u8]) -> Answer {
        let command = command(1, (class, instance), true);
        self.send(&data(1, (&command, Some(set)), 4_096)).await;
        self.answer().await
    }

    pub(crate) async fn echo(&mut self, context: u8) -> Answer {
        let command = command(0x30, (VERIFICATION, ""), false);
        self.send(&data(context, (&command, None), 0)).await;
        self.answer().await
    }

    pub(crate) async fn answer(&mut self) -> Answer {
        let mut head = [0; PDU_HEAD_BYTES];
        if self.0.read_exact(&mut head).await.is_err() {
            return Answer::Ended;
        }
        let (kind, length) = pdu_head(head);
        let mut body = vec![0; length as usize];
        self.0.read_exact(&mut body).await.unwrap();
        match (kind, body.as_slice()) {
            (2, body) => Answer::Taken(results(&body[68..])),
            (3, [_, result, source, reason]) => Answer::Rejected([*result, *source, *reason]),
            (6, _) => Answer::Released,
            (7, [.., reason]) => Answer::Aborted(*reason),
            (4, body) => {
                let Some(Pdu::Data(parts)) = pdu(4, body) else {
                    unreachable!("an answer is data");
                };
                let set = scan(parts[0].bytes, Syntax::IMPLICIT, &Limits::default()).unwrap();
                Answer::Status(u16::try_from(set.number(tags::STATUS).unwrap()).unwrap())
            }
            other => unreachable!("{other:?}"),
        }
    }
}

fn results(mut items: &[u8]) -> Vec<u8> {
    let mut found = Vec::new();
    while let [kind, _, high, low, rest @ ..] = items {
        let (body, behind) = rest.split_at(usize::from(u16::from_be_bytes([*high, *low])));
        if *kind == 0x21 {
            found.push(body[2]);
        }
        items = behind;
    }
    found
}
