//! An HL7 sender as hospitals have them: every connection sends one message, waits for its
//! acknowledgement, checks that it is the right one, and sends the next.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustls::ClientConfig;
use rustls_pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio_rustls::TlsConnector;

use super::oru::id;
use super::{Budget, Figures, LoadError, Tally, Template, Until};

/// What to send, where, and for how long.
#[derive(Debug, Clone)]
pub struct MllpLoad {
    /// Where Salus listens.
    pub address: SocketAddr,
    /// TLS, if the listener wants it.
    pub tls: Option<MllpTls>,
    /// Connections at the same time.
    pub connections: u16,
    /// When to stop.
    pub until: Until,
    /// Messages a second over all connections; `None`: as fast as the answers come. At a given
    /// pace the time of an answer counts from when the message should have been sent.
    pub pace: Option<f64>,
    /// Makes ids of this run different from those of any other; the caller takes it from a clock.
    pub run: u32,
    /// Messages to send in turn; see [`Template::panels`].
    pub templates: Vec<Template>,
    /// How long an answer may take before it counts as an error and the connection ends.
    pub answer_wait: Duration,
}

/// TLS towards an MLLP listener.
#[derive(Debug, Clone)]
pub struct MllpTls {
    /// Whom to trust, and the client's certificate.
    pub config: Arc<ClientConfig>,
    /// The server's name.
    pub name: ServerName<'static>,
}

/// Sends, and says how it went.
///
/// # Errors
/// [`LoadError::Nothing`] if there are no templates or connections.
pub async fn mllp(load: &MllpLoad) -> Result<Figures, LoadError> {
    if load.templates.is_empty() || load.connections == 0 {
        return Err(LoadError::Nothing);
    }
    let began = Instant::now();
    let budget = Arc::new(Budget::new(load.until, began));
    let mut senders = JoinSet::new();
    for number in 0..load.connections {
        let sender = Sender::new(load, number, Arc::clone(&budget));
        senders.spawn(sender.run());
    }
    let mut all = Tally::default();
    while let Some(done) = senders.join_next().await {
        match done {
            Ok(tally) => all.join(tally),
            Err(error) => all.failed(|| error.to_string()),
        }
    }
    Ok(all.figures(began))
}

struct Sender {
    address: SocketAddr,
    tls: Option<MllpTls>,
    templates: Vec<Template>,
    budget: Arc<Budget>,
    gap: Option<Duration>,
    answer_wait: Duration,
    run: u32,
    number: u16,
    tally: Tally,
}

impl Sender {
    fn new(load: &MllpLoad, number: u16, budget: Arc<Budget>) -> Sender {
        // Each connection has its share of the patients, so that templates are not copied N times.
        let step = usize::from(load.connections);
        let mine: Vec<Template> = load
            .templates
            .iter()
            .skip(usize::from(number))
            .step_by(step)
            .cloned()
            .collect();
        let only = load
            .templates
            .iter()
            .cycle()
            .nth(usize::from(number))
            .cloned();
        Sender {
            address: load.address,
            tls: load.tls.clone(),
            templates: if mine.is_empty() {
                only.into_iter().collect()
            } else {
                mine
            },
            budget,
            gap: load
                .pace
                .map(|pace| Duration::from_secs_f64(f64::from(load.connections) / pace)),
            answer_wait: load.answer_wait,
            run: load.run,
            number,
            tally: Tally::default(),
        }
    }

    async fn run(mut self) -> Tally {
        if let Err(error) = self.connect_and_send().await {
            self.tally
                .failed(|| format!("connection {}: {error}", self.number));
        }
        self.tally
    }

    async fn connect_and_send(&mut self) -> std::io::Result<()> {
        let stream = TcpStream::connect(self.address).await?;
        stream.set_nodelay(true)?;
        match self.tls.clone() {
            None => self.send_all(stream).await,
            Some(tls) => {
                let connector = TlsConnector::from(tls.config);
                let stream = connector.connect(tls.name, stream).await?;
                self.send_all(stream).await
            }
        }
    }

    async fn send_all(
        &mut self,
        mut stream: impl AsyncRead + AsyncWrite + Unpin,
    ) -> std::io::Result<()> {
        let mut answer = Vec::with_capacity(1024);
        let mut templates = std::mem::take(&mut self.templates);
        let share = templates.len();
        let first = Instant::now();
        let mut number: u32 = 0;
        while self.budget.take() {
            let due = self.gap.map(|gap| first + gap * number);
            if let Some(due) = due {
                tokio::time::sleep_until(due.into()).await;
            }
            let began = due.unwrap_or_else(Instant::now);
            let control = id(self.run, self.number, number);
            let place = usize::try_from(number).unwrap_or(0) % share.max(1);
            let Some(template) = templates.get_mut(place) else {
                break;
            };
            let frame = template.patched(&control, u8::try_from(number % 10).unwrap_or(0));
            stream.write_all(frame).await?;
            stream.flush().await?;
            read_answer(&mut stream, &mut answer, self.answer_wait).await?;
            self.judge(&answer, &control, began.elapsed());
            number = number.wrapping_add(1);
        }
        Ok(())
    }

    fn judge(&mut self, answer: &[u8], control: &[u8], took: Duration) {
        match acknowledged(answer, control) {
            true => self.tally.answered(took, 1),
            false => self.tally.failed(|| {
                let words = String::from_utf8_lossy(answer).replace('\r', " ");
                format!("not acknowledged: {words}")
            }),
        }
    }
}

/// Reads up to the end of a frame into `answer`.
async fn read_answer(
    stream: &mut (impl AsyncRead + Unpin),
    answer: &mut Vec<u8>,
    wait: Duration,
) -> std::io::Result<()> {
    answer.clear();
    let whole = async {
        while !answer.ends_with(&[0x1C, 0x0D]) {
            if stream.read_buf(answer).await? == 0 {
                return Err(std::io::ErrorKind::UnexpectedEof.into());
            }
        }
        Ok(())
    };
    tokio::time::timeout(wait, whole).await?
}

/// Whether MSA-1 is `AA` or `CA` and MSA-2 is the message's own id.
pub(crate) fn acknowledged(answer: &[u8], control: &[u8]) -> bool {
    let Some(start) = memchr::memmem::find(answer, b"\rMSA|") else {
        return false;
    };
    let msa = answer.get(start + 5..).unwrap_or_default();
    let mut fields = msa.split(|byte| matches!(byte, b'|' | b'\r' | 0x1C));
    let code = fields.next().unwrap_or_default();
    matches!(code, b"AA" | b"CA") && fields.next() == Some(control)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_right_acknowledgement_counts() {
        let answer = b"\x0bMSH|^~\\&|S|||||ACK|1|P|2.5.1\rMSA|AA|77\r\x1c\r";
        assert!(acknowledged(answer, b"77"));
        assert!(!acknowledged(answer, b"78"));
        assert!(!acknowledged(b"\x0bMSH|\rMSA|AE|77\r\x1c\r", b"77"));
        assert!(!acknowledged(b"\x0b\x1c\r", b"77"));
    }
}
