//! HL7 v2 over MLLP to a receiver: one message at a time, and the answer to that message before the
//! next. Whatever else comes back drops the connection, and the message counts as not delivered.

use std::collections::VecDeque;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use routes::RouteConfig;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpStream;
use wire::hl7::ack::{Mode, Wanted, mode};
use wire::hl7::parse;
use wire::mllp::{Frame, Framer, Limits, wrap};

use super::line::Answer;
use crate::App;
use crate::trust::Keys;

/// The largest answer, in bytes.
const ANSWER_BYTES_MAX: usize = 1 << 20;
/// The most characters of an answer that are kept.
const WORDS_MAX: usize = 300;
/// Messages whose application acknowledgement may still come, though nobody waits for it.
const LATE_MAX: usize = 100;

/// A connection: TLS, or plain.
trait Wire: AsyncRead + AsyncWrite + Unpin + Send + Sync {}
impl<T: AsyncRead + AsyncWrite + Unpin + Send + Sync> Wire for T {}

/// The way to one receiver.
pub(super) struct Line {
    app: Arc<App>,
    host: String,
    port: u16,
    tls: bool,
    keys: [PathBuf; 3],
    wait: Duration,
    application_ack: bool,
    open: Option<Open>,
}

struct Open {
    stream: Box<dyn Wire>,
    framer: Framer,
    /// What was read behind the last frame.
    rest: Vec<u8>,
    /// Messages (MSH-10) whose application acknowledgement nobody waits for.
    late: VecDeque<String>,
}

/// What is waited for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// `AA`, `AE` or `AR`.
    Application,
    /// `CA`, `CE` or `CR`; whether the application's answer is waited for then, and may come.
    Commit { application: bool, late: bool },
}

/// Why a connection is of no use any more.
enum Broken {
    /// It was closed.
    Closed(String),
    /// What came is no answer to what was sent.
    Nonsense(String),
}

/// An acknowledgement.
struct Heard {
    /// MSA-1.
    code: String,
    /// MSA-2.
    control: String,
    words: String,
}

impl Line {
    pub(super) fn open(
        app: &Arc<App>,
        route: &RouteConfig,
        (host, port, tls): (String, u16, bool),
    ) -> Line {
        let keys = [&route.authorities, &route.certificate, &route.key];
        Line {
            app: Arc::clone(app),
            host,
            port,
            tls,
            keys: keys.map(Clone::clone),
            wait: Duration::from_millis(app.routes.config().wait_ms.max(1)),
            application_ack: route.application_ack,
            open: None,
        }
    }

    /// Sends a message and waits for its answer.
    pub(super) async fn send(&mut self, message: &[u8]) -> Answer {
        let parsed = parse(message, "").message;
        let control = parsed.control();
        let Some(stage) = self.stage(mode(&parsed)) else {
            return Answer::Refused(
                "not sent: it asks for no answer (MSH-15, MSH-16), so nobody could tell that it was \
                 delivered; `set MSH-15 to \"AL\"` in `changes` asks for one"
                    .to_owned(),
            );
        };
        let asked =
            tokio::time::timeout(self.wait, self.exchange(message, (&control, stage))).await;
        let answer = asked.unwrap_or_else(|_| {
            let wait = self.wait.as_millis();
            Answer::Down(format!("no answer within {wait} ms (`wait_ms`)"))
        });
        match answer {
            Answer::Down(why) => {
                self.open = None;
                Answer::Down(format!("`{}:{}`: {why}", self.host, self.port))
            }
            other => other,
        }
    }

    /// What is waited for; `None`: nothing would be answered to a message that is taken.
    fn stage(&self, mode: Mode) -> Option<Stage> {
        let told = |wanted| matches!(wanted, Wanted::Always | Wanted::OnSuccess);
        match mode {
            Mode::Original => Some(Stage::Application),
            Mode::Enhanced {
                accept,
                application,
            } if told(accept) => Some(Stage::Commit {
                application: self.application_ack && told(application),
                late: application != Wanted::Never,
            }),
            Mode::Enhanced { application, .. } => told(application).then_some(Stage::Application),
        }
    }

    async fn exchange(&mut self, message: &[u8], (control, stage): (&str, Stage)) -> Answer {
        if let Some(mut open) = self.open.take()
            && open.is_quiet().await
        {
            match open.exchange(message, (control, stage)).await {
                // Many receivers close after each answer, and that may come to be known only now: it
                // goes over a new connection. Whether it was read nobody knows, as after any failure.
                Err(Broken::Closed(_)) => {}
                Err(Broken::Nonsense(why)) => return Answer::Down(why),
                Ok(answer) => {
                    self.open = Some(open);
                    return answer;
                }
            }
        }
        let mut open = match self.connect().await {
            Ok(open) => open,
            Err(why) => return Answer::Down(why),
        };
        match open.exchange(message, (control, stage)).await {
            Err(Broken::Closed(why) | Broken::Nonsense(why)) => Answer::Down(why),
            Ok(answer) => {
                self.open = Some(open);
                answer
            }
        }
    }

    async fn connect(&self) -> Result<Open, String> {
        let said = |why: std::io::Error| why.to_string();
        let stream = TcpStream::connect((self.host.as_str(), self.port)).await;
        let stream = stream.map_err(said)?;
        stream.set_nodelay(true).map_err(said)?;
        let stream: Box<dyn Wire> = match self.tls {
            false => Box::new(stream),
            true => {
                let [authorities, certificate, key] = &self.keys;
                let keys = Keys {
                    authorities,
                    certificate,
                    key,
                };
                Box::new(self.app.fetch.secured(stream, &self.host, keys).await?)
            }
        };
        let limits = Limits {
            frame_bytes_max: ANSWER_BYTES_MAX,
            kept_bytes_max: 1_024,
        };
        Ok(Open {
            stream,
            framer: Framer::new(limits),
            rest: Vec::new(),
            late: VecDeque::new(),
        })
    }
}

impl Open {
    /// Writes one message and reads the answer to it.
    async fn exchange(
        &mut self,
        message: &[u8],
        (control, stage): (&str, Stage),
    ) -> Result<Answer, Broken> {
        let closed = |why: std::io::Error| Broken::Closed(why.to_string());
        self.stream
            .write_all(&wrap(message))
            .await
            .map_err(closed)?;
        self.stream.flush().await.map_err(closed)?;
        self.answer(control, stage).await
    }

    async fn answer(&mut self, control: &str, mut stage: Stage) -> Result<Answer, Broken> {
        let nonsense = |why: &str| Err(Broken::Nonsense(why.to_owned()));
        loop {
            let Some(heard) = heard(&self.frame().await?) else {
                return nonsense("it answers something that is no acknowledgement");
            };
            if heard.control != control {
                if self.is_late(&heard) {
                    continue;
                }
                let code = heard.code;
                return nonsense(&format!("it answers {code} for another message (MSA-2)"));
            }
            return Ok(match (heard.code.as_str(), stage) {
                (
                    "CA",
                    Stage::Commit {
                        application: true, ..
                    },
                ) => {
                    stage = Stage::Application;
                    continue;
                }
                ("CA", Stage::Commit { late, .. }) => {
                    if late {
                        self.late.push_back(control.to_owned());
                        let old = self.late.len().saturating_sub(LATE_MAX);
                        self.late.drain(..old);
                    }
                    Answer::Taken(heard.words)
                }
                ("AA" | "CA", _) => Answer::Taken(heard.words),
                ("AE" | "CE", _) => Answer::Again(heard.words),
                ("AR" | "CR", _) => Answer::Refused(heard.words),
                _ => return nonsense("it answers with no code of table 0008 (MSA-1)"),
            });
        }
    }

    /// Whether nothing has come since the last answer but what may come: a connection on which
    /// something else did, or that was closed, is not written to.
    async fn is_quiet(&mut self) -> bool {
        loop {
            match tokio::time::timeout(Duration::ZERO, self.frame()).await {
                Err(_) => return !self.framer.in_frame(),
                Ok(Ok(frame)) => match heard(&frame) {
                    Some(heard) if self.is_late(&heard) => {}
                    _ => return false,
                },
                Ok(Err(_)) => return false,
            }
        }
    }

    fn is_late(&mut self, heard: &Heard) -> bool {
        let at = self.late.iter().position(|late| *late == heard.control);
        let at = at.filter(|_| matches!(heard.code.as_str(), "AA" | "AE" | "AR"));
        at.is_some_and(|at| self.late.remove(at).is_some())
    }

    /// The next frame. It may be broken off: what was read is kept.
    async fn frame(&mut self) -> Result<Vec<u8>, Broken> {
        let mut part = [0; 4_096];
        loop {
            let mut input = self.rest.as_slice();
            let found = self.framer.next(&mut input);
            self.rest = input.to_vec();
            match found {
                Some(Frame::Message(bytes)) => return Ok(bytes),
                Some(Frame::TooLong(_)) => {
                    let why = format!("its answer is longer than {ANSWER_BYTES_MAX} bytes");
                    return Err(Broken::Nonsense(why));
                }
                Some(_) => {
                    let why = "it answers something that is no MLLP".to_owned();
                    return Err(Broken::Nonsense(why));
                }
                None => {}
            }
            match self.stream.read(&mut part).await {
                Ok(0) => return Err(Broken::Closed("it hung up without an answer".to_owned())),
                Ok(read) => self.rest.extend(part.iter().take(read)),
                Err(why) => return Err(Broken::Closed(why.to_string())),
            }
        }
    }
}

fn heard(frame: &[u8]) -> Option<Heard> {
    let message = parse(frame, "").message;
    let text = |field| message.get("MSA", field).string().unwrap_or_default();
    let code = text(1);
    if code.is_empty() {
        return None;
    }
    let complaints = message.segments("ERR").map(|err| {
        let parts = [2, 3, 8].map(|field| err.field(field).string());
        parts.into_iter().flatten().collect::<Vec<_>>().join(" ")
    });
    let said = [code.clone(), text(3)].into_iter().chain(complaints);
    let said: Vec<String> = said.filter(|one| !one.is_empty()).collect();
    Some(Heard {
        control: text(2),
        words: said.join("; ").chars().take(WORDS_MAX).collect(),
        code,
    })
}
