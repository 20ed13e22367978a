//! The lines of one file, as they come over the network.

use std::time::Duration;

use aws_lc_rs::digest::{Context, SHA256, SHA256_OUTPUT_LEN};
use axum::http::HeaderMap;
use axum::http::header::{ACCEPT, CONTENT_ENCODING, CONTENT_LENGTH, HOST, TRANSFER_ENCODING};
use bytes::{Bytes, BytesMut};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;

use super::super::address::Place;
use crate::App;
use crate::fetch::Sender;
use tokio::time::Instant;

/// One line, without its end.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Line {
    Text(Bytes),
    /// It is longer than a line may be.
    TooLong,
}

/// How much is read.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bounds {
    pub(super) line_bytes_max: usize,
    pub(super) file_bytes_max: u64,
    pub(super) wait: Duration,
    /// Over as long as `wait`.
    pub(super) bytes_per_second_min: u64,
    /// For the whole file; zero: as long as it lasts.
    pub(super) whole: Duration,
}

impl Bounds {
    fn too_large(&self) -> Broken {
        let max = self.file_bytes_max;
        Broken::Never(format!(
            "the file is larger than {max} bytes (`file_bytes_max`)"
        ))
    }

    /// How long the next piece may be waited for, after so much waiting for this file.
    ///
    /// # Errors
    /// It is over.
    fn left(&self, waited: Duration) -> Result<Duration, Broken> {
        if self.whole.is_zero() {
            return Ok(self.wait);
        }
        match self.whole.checked_sub(waited) {
            Some(left) if !left.is_zero() => Ok(left.min(self.wait)),
            _ => Err(Broken::Never(format!(
                "the file was waited for longer than {} ms in all (`file_ms`)",
                self.whole.as_millis()
            ))),
        }
    }
}

/// Why a file is not read on, in words.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Broken {
    /// It may be read another time.
    Now(String),
    /// However often it is asked for.
    Never(String),
}

impl Broken {
    /// The same, with where the file is.
    fn of(self, host: &str) -> Broken {
        match self {
            Broken::Now(why) => Broken::Now(format!("`{host}`: {why}")),
            Broken::Never(why) => Broken::Never(format!("`{host}`: {why}")),
        }
    }
}

impl From<String> for Broken {
    fn from(why: String) -> Broken {
        Broken::Now(why)
    }
}

/// A file that is being read.
pub(super) struct Lines {
    body: Incoming,
    /// The connection, as long as it is read from.
    _sender: Sender,
    host: String,
    bounds: Bounds,
    buffer: BytesMut,
    /// How much of the buffer has no line end in it.
    searched: usize,
    taken: u64,
    pace: Pace,
    /// How long the source was waited for, in all.
    waited: Duration,
    digest: Context,
    /// The same before the last line that was given out.
    before: Context,
}

impl Lines {
    /// Asks for a file.
    ///
    /// # Errors
    /// In words: it is not there, not as it should be, or not in time.
    pub(super) async fn open(app: &App, place: &Place, bounds: Bounds) -> Result<Lines, Broken> {
        let opened = tokio::time::timeout(bounds.wait, Lines::ask(app, place, bounds)).await;
        let late = || format!("no answer within {} ms", bounds.wait.as_millis());
        let opened = opened.unwrap_or_else(|_| Err(late().into()));
        opened.map_err(|why| why.of(&place.host))
    }

    async fn ask(app: &App, place: &Place, bounds: Bounds) -> Result<Lines, Broken> {
        let authorities = &app.settings.imports.authorities;
        let mut sender = place.open(app, authorities).await?;
        let request = hyper::Request::builder()
            .uri(&place.path)
            .header(HOST, place.authority())
            .header(
                ACCEPT,
                "application/fhir+ndjson, application/ndjson, */*;q=0.1",
            )
            .body(Full::<Bytes>::default());
        let request = request.map_err(|why| why.to_string())?;
        let response = sender.send_request(request).await;
        let response = response.map_err(|why| why.to_string())?;
        if response.status() != 200 {
            return Err(format!("it answered {}", response.status().as_u16()).into());
        }
        let headers = response.headers();
        if headers.contains_key(CONTENT_ENCODING) {
            return Err("it sent something that is compressed".to_owned().into());
        }
        // INVARIANT: what broke off does not look as if it were whole.
        if !says_its_end(headers) {
            return Err("it does not say where its answer ends".to_owned().into());
        }
        let length = headers
            .get(CONTENT_LENGTH)
            .and_then(|length| length.to_str().ok());
        let length = length.and_then(|length| length.parse::<u64>().ok());
        if length.is_some_and(|length| length > bounds.file_bytes_max) {
            return Err(bounds.too_large());
        }
        Ok(Lines {
            body: response.into_body(),
            _sender: sender,
            host: place.host.clone(),
            bounds,
            buffer: BytesMut::new(),
            searched: 0,
            taken: 0,
            pace: Pace::default(),
            waited: Duration::ZERO,
            digest: Context::new(&SHA256),
            before: Context::new(&SHA256),
        })
    }

    /// SHA-256 of the lines that were given out, with their ends, in hex.
    pub(super) fn digest(&self) -> String {
        hex(&self.digest)
    }

    /// The same without the last of them.
    pub(super) fn digest_before(&self) -> String {
        hex(&self.before)
    }

    /// The next line; `None`: there is none.
    ///
    /// # Errors
    /// In words: it broke off, stopped, or is too large.
    pub(super) async fn next(&mut self) -> Result<Option<Line>, Broken> {
        let mut cut = false;
        self.before = self.digest.clone();
        loop {
            let rest = self.buffer.get(self.searched..).unwrap_or_default();
            if let Some(at) = rest.iter().position(|byte| *byte == b'\n') {
                return Ok(Some(self.give(self.searched + at + 1, cut)));
            }
            self.searched = self.buffer.len();
            if self.searched > self.bounds.line_bytes_max {
                cut = true;
                self.give(self.searched, cut);
            }
            if !self.more().await? {
                let left = self.buffer.len();
                return Ok((cut || left > 0).then(|| self.give(left, cut)));
            }
        }
    }

    /// Gives out the first bytes of the buffer.
    fn give(&mut self, length: usize, cut: bool) -> Line {
        self.searched = 0;
        let line = self.buffer.split_to(length).freeze();
        self.digest.update(&line);
        if cut || line.len() > self.bounds.line_bytes_max {
            return Line::TooLong;
        }
        let text = line.strip_suffix(b"\n").unwrap_or(&line);
        let text = text.strip_suffix(b"\r").unwrap_or(text);
        Line::Text(line.slice(..text.len()))
    }

    /// Reads on; false: it ended.
    async fn more(&mut self) -> Result<bool, Broken> {
        let failed = |why: String| Broken::from(why).of(&self.host);
        loop {
            let left = self.bounds.left(self.waited);
            let left = left.map_err(|why| why.of(&self.host))?;
            let asked = Instant::now();
            let frame = tokio::time::timeout(left, self.body.frame()).await;
            let waited = asked.elapsed();
            self.pace.waited += waited;
            self.waited += waited;
            if frame.is_err() && left < self.bounds.wait {
                continue;
            }
            let late = |_| format!("nothing came for {} ms", self.bounds.wait.as_millis());
            let Some(frame) = frame.map_err(late).map_err(failed)? else {
                return Ok(false);
            };
            let frame = frame.map_err(|why| failed(format!("it broke off: {why}")))?;
            let Ok(data) = frame.into_data() else {
                continue;
            };
            self.taken = self.taken.saturating_add(data.len() as u64);
            if self.taken > self.bounds.file_bytes_max {
                return Err(self.bounds.too_large().of(&self.host));
            }
            self.pace.came += data.len() as u64;
            self.pace.keeps(&self.bounds).map_err(failed)?;
            self.buffer.extend_from_slice(&data);
            return Ok(true);
        }
    }
}

/// How fast a source is, as far as it was waited for.
#[derive(Debug, Default)]
struct Pace {
    waited: Duration,
    came: u64,
}

impl Pace {
    /// Refuses a source that was too slow for as long as one may wait for it; then a new count begins.
    fn keeps(&mut self, bounds: &Bounds) -> Result<(), String> {
        if self.waited < bounds.wait {
            return Ok(());
        }
        let Pace { waited, came } = std::mem::take(self);
        let (waited, least) = (waited.as_millis(), bounds.bytes_per_second_min);
        if u128::from(came) * 1_000 >= u128::from(least) * waited {
            return Ok(());
        }
        Err(format!(
            "{came} bytes in {waited} ms are fewer than {least} a second (`bytes_per_second_min`)"
        ))
    }
}

/// Whether an answer is whole only when all of it came (RFC 9112 section 6.3): the last transfer coding is
/// `chunked`, or there is none and a length. With any other it ends when the connection does.
fn says_its_end(headers: &HeaderMap) -> bool {
    let last = headers.get_all(TRANSFER_ENCODING).iter().next_back();
    let Some(last) = last else {
        return headers.contains_key(CONTENT_LENGTH);
    };
    let coding = last.to_str().ok().and_then(|all| all.rsplit(',').next());
    coding.is_some_and(|coding| coding.trim().eq_ignore_ascii_case("chunked"))
}

fn hex(digest: &Context) -> String {
    let mut hash = [0; SHA256_OUTPUT_LEN];
    hash.copy_from_slice(digest.clone().finish().as_ref());
    tokens::hex(&hash)
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    #[test]
    fn an_answer_that_ends_with_its_connection_is_none() {
        let says = |length: bool, codings: &[&'static str]| {
            let mut headers = HeaderMap::new();
            if length {
                headers.insert(CONTENT_LENGTH, HeaderValue::from_static("5"));
            }
            for coding in codings {
                headers.append(TRANSFER_ENCODING, HeaderValue::from_static(coding));
            }
            says_its_end(&headers)
        };
        assert!(says(true, &[]) && says(false, &["chunked"]) && says(false, &["gzip, Chunked"]));
        assert!(says(false, &["gzip", "chunked"]));
        assert!(!says(false, &[]) && !says(false, &["gzip"]) && !says(true, &["identity"]));
        assert!(!says(false, &["chunked, gzip"]) && !says(false, &["chunked", "gzip"]));
    }
}
