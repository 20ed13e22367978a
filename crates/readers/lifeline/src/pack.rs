//! One ward's pack: a single HTML file that opens in any browser, without a server or a network,
//! once its code is typed.

use std::io::{Read, Write};

use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::rand::{SecureRandom, SystemRandom};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use event::Time;
use flate2::Compression;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;
use serde::{Deserialize, Serialize};

use crate::Error;
use crate::code::Code;
use crate::lock::{Lock, NONCE, ROUNDS};

/// What stands around the content, with marks where the parts go.
const FRAME: &str = include_str!("../static/pack.html");
/// What opens it.
const SCRIPT: &str = include_str!("../static/pack.js");
/// What a pack needs beside the console's stylesheet.
const STYLE: &str = include_str!("../static/pack.css");
/// The most bytes that a pack unpacks to: a guard against a file that is made to fill memory.
const CONTENT_BYTES_MAX: u64 = 256 << 20;

/// What a pack shows once it is open.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Content {
    /// The census, the charts and the blank sheets, as HTML.
    pub html: String,
    /// The console's stylesheet.
    pub style: &'static str,
}

/// What a pack says of itself before it is opened. It names no patient.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stamp {
    /// The ward's code.
    pub ward: String,
    /// When it was made, or last found to be up to date: milliseconds since 1970.
    pub made: Time,
    /// The same, as people write it.
    pub made_words: String,
    /// It turns loud when it is older than this.
    pub old_ms: i64,
    /// It locks itself after this long without anybody touching it.
    pub lock_ms: i64,
    /// The record's size and root when it was made, as a C2SP checkpoint says them: a witness that
    /// nobody can rewrite.
    pub head: Head,
}

/// The head of the log that a pack was made at.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Head {
    /// Number of events.
    pub size: u64,
    /// Root hash, base64; empty: none was published yet.
    pub root: String,
}

impl Head {
    /// Of a signed checkpoint: origin, size, root, one line each.
    pub fn of(checkpoint: &str) -> Head {
        let mut lines = checkpoint.lines().skip(1);
        let size = lines.next().and_then(|size| size.parse().ok());
        Head {
            size: size.unwrap_or_default(),
            root: lines.next().unwrap_or_default().to_owned(),
        }
    }
}

/// What the file keeps of the lock beside the stamp.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Meta {
    version: u8,
    rounds: u32,
    salt: String,
    #[serde(flatten)]
    stamp: Stamp,
}

/// The parts of a file, as text.
struct Parts {
    policy: String,
    meta: String,
}

impl Parts {
    /// What the seal is bound to: everything outside it that says something.
    fn around(&self) -> Vec<u8> {
        [self.policy.as_str(), &text_of(front()), &self.meta]
            .join("\n")
            .into_bytes()
    }
}

/// The whole file.
///
/// # Errors
/// [`Error::NotSealed`].
pub(crate) fn make(content: &Content, stamp: &Stamp, lock: &Lock) -> Result<Vec<u8>, Error> {
    let style = format!("{}\n{STYLE}", content.style);
    let meta = Meta {
        version: 1,
        rounds: ROUNDS.get(),
        salt: STANDARD.encode(lock.salt),
        stamp: stamp.clone(),
    };
    let meta = serde_json::to_string(&meta).map_err(|_| Error::NotSealed)?;
    let parts = Parts {
        policy: policy(&style),
        // A ward's name must neither end the element nor look like a mark of the frame.
        meta: meta.replace('<', "\\u003c").replace('@', "\\u0040"),
    };
    let mut nonce = [0; NONCE];
    SystemRandom::new()
        .fill(&mut nonce)
        .map_err(|_| Error::NotSealed)?;
    let sealed = lock.seal(&pressed(&content.html)?, &parts.around(), nonce)?;
    let file = FRAME
        .replacen("@policy@", &parts.policy, 1)
        .replacen("@style@", &style, 1)
        .replacen("@meta@", &parts.meta, 1)
        .replacen("@sealed@", &STANDARD.encode(sealed), 1)
        .replacen("@script@", SCRIPT, 1);
    Ok(file.into_bytes())
}

/// What a pack shows and says, if the code opens it.
///
/// # Errors
/// [`Error::NoPack`], [`Error::NotOpened`].
pub fn open(file: &[u8], code: &Code) -> Result<(String, Stamp), Error> {
    let (parts, sealed, meta) = read(file)?;
    let salt = STANDARD.decode(&meta.salt).ok();
    let salt = salt.and_then(|salt| salt.try_into().ok());
    let lock = Lock::of(code, salt.ok_or(Error::NoPack("its salt is no salt"))?)?;
    unlock((&parts, &sealed), &lock).map(|html| (html, meta.stamp))
}

/// As [`open`], with a lock that is there already.
pub(crate) fn open_with(file: &[u8], lock: &Lock) -> Result<String, Error> {
    let (parts, sealed, _) = read(file)?;
    unlock((&parts, &sealed), lock)
}

fn unlock((parts, sealed): (&Parts, &[u8]), lock: &Lock) -> Result<String, Error> {
    let pressed = lock.open(sealed, &parts.around())?;
    let mut html = String::new();
    GzDecoder::new(pressed.as_slice())
        .take(CONTENT_BYTES_MAX)
        .read_to_string(&mut html)
        .map_err(|_| Error::NotOpened)?;
    Ok(html)
}

fn read(file: &[u8]) -> Result<(Parts, Vec<u8>, Meta), Error> {
    let text = std::str::from_utf8(file).map_err(|_| Error::NoPack("it is not UTF-8"))?;
    let parts = Parts {
        policy: between(text, "Content-Security-Policy\" content=\"", "\"")?.to_owned(),
        meta: between(text, "id=\"meta\">", "</script>")?.to_owned(),
    };
    let meta: Meta =
        serde_json::from_str(&parts.meta).map_err(|_| Error::NoPack("it does not say what of"))?;
    if (meta.version, meta.rounds) != (1, ROUNDS.get()) {
        return Err(Error::NoPack("it was made by another version"));
    }
    let sealed = between(text, "id=\"sealed\">", "</script>")?;
    let sealed = STANDARD.decode(sealed).map_err(|_| Error::NotOpened)?;
    if between(text, "<main id=\"front\">", "</main>")? != front() {
        return Err(Error::NotOpened);
    }
    Ok((parts, sealed, meta))
}

fn between<'t>(text: &'t str, before: &str, after: &str) -> Result<&'t str, Error> {
    let missing = Error::NoPack("a part of it is missing");
    let Some((_, rest)) = text.split_once(before) else {
        return Err(missing);
    };
    rest.split_once(after).map(|(part, _)| part).ok_or(missing)
}

/// Only this very style and script may be used, and nothing may be fetched from anywhere.
fn policy(style: &str) -> String {
    let hash = |text: &str| STANDARD.encode(digest(&SHA256, text.as_bytes()));
    format!(
        "default-src 'none'; script-src 'sha256-{}'; style-src 'sha256-{}'; img-src data:; \
         base-uri 'none'; form-action 'none'",
        hash(SCRIPT),
        hash(style)
    )
}

/// What the file shows before it is opened.
fn front() -> &'static str {
    let after = FRAME.split_once("<main id=\"front\">");
    let inside = after.and_then(|(_, rest)| rest.split_once("</main>"));
    inside.map_or("", |(inside, _)| inside)
}

/// The text of the frame's own HTML, which has no entities: what `textContent` gives.
fn text_of(html: &str) -> String {
    let mut out = String::with_capacity(html.len());
    let mut inside = false;
    for letter in html.chars() {
        match letter {
            '<' => inside = true,
            '>' => inside = false,
            other if !inside => out.push(other),
            _ => {}
        }
    }
    out
}

fn pressed(html: &str) -> Result<Vec<u8>, Error> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::new(6));
    encoder
        .write_all(html.as_bytes())
        .map_err(|_| Error::NotSealed)?;
    encoder.finish().map_err(|_| Error::NotSealed)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::code::{PackKey, Which};

    fn stamp() -> Stamp {
        Stamp {
            ward: "ICU </script><b> @sealed@".into(),
            made: Time::from_millis(1_795_269_802_000),
            made_words: "2026-11-21 13:23:22".into(),
            old_ms: 60_000,
            lock_ms: 900_000,
            head: Head::of("salus.invalid/record\n48211\nAAAA=\n\n- x y\n"),
        }
    }

    fn made() -> (Vec<u8>, Code, Lock) {
        let which = Which {
            ward: "ICU".into(),
            period: 3,
            generation: 0,
        };
        let key = PackKey::of([7; 32]);
        let code = key.code(&which);
        let lock = Lock::of(&code, key.salt(&which)).unwrap();
        let content = Content {
            html: "<h1>Müller, Jürgen</h1>".repeat(50),
            style: "body { color: red }",
        };
        (make(&content, &stamp(), &lock).unwrap(), code, lock)
    }

    #[test]
    fn the_code_opens_it_and_nothing_is_readable_without() {
        let (file, code, _) = made();
        let text = String::from_utf8(file.clone()).unwrap();
        assert!(!text.contains("Müller") && !text.contains("</script><b>"));
        let (html, said) = open(&file, &code).unwrap();
        assert!(html.starts_with("<h1>Müller, Jürgen</h1>"));
        assert_eq!(said, stamp());
        assert_eq!(said.head.size, 48_211);
        let wrong = open(&file, &Code::typed("7K3M-7K3M-7K3M-7K3M-7K3M"));
        assert!(matches!(wrong, Err(Error::NotOpened)));
    }

    #[test]
    fn whichever_byte_of_what_it_says_is_altered_it_is_refused() {
        let (file, _, lock) = made();
        assert!(open_with(&file, &lock).is_ok());
        let text = String::from_utf8(file.clone()).unwrap();
        let says = [
            ("Content-Security-Policy\" content=\"", "\""),
            ("<main id=\"front\">", "</main>"),
            ("id=\"meta\">", "</script>"),
            ("id=\"sealed\">", "</script>"),
        ];
        for (before, after) in says {
            let start = text.find(before).unwrap() + before.len();
            let length = text[start..].find(after).unwrap();
            assert!(length > 20, "{before}");
            for place in start..start + length {
                let mut altered = file.clone();
                altered[place] ^= 1;
                assert!(
                    open_with(&altered, &lock).is_err(),
                    "byte {place} of {before}"
                );
            }
        }
    }

    #[test]
    fn what_is_no_pack_is_said_to_be_none() {
        let (_, code, _) = made();
        for bad in [&b""[..], b"<html></html>", &[0xff, 0xfe]] {
            assert!(matches!(open(bad, &code), Err(Error::NoPack(_))));
        }
    }
}
