//! A standby's side: it asks the primary for what is new, believes only what is signed, and tells
//! it afterwards what people saw here while it was gone.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use event::Time;
use hyper::body::Bytes;
use record::{Error, KeyCopy, Record, install_keys};
use rustls::crypto::aws_lc_rs::hpke::DH_KEM_X25519_HKDF_SHA256_AES_256 as SUITE;
use rustls::crypto::hpke::{EncapsulatedSecret, Hpke as _, HpkePrivateKey};
use seal::Key;
use serde::Deserialize;
use serde_json::Value;
use tokio_util::sync::CancellationToken;
use web::App;
use web::api::log::{Beside, KEYS_INFO, unframe};

use crate::certificate;
use crate::config::Config;
use crate::remote::Remote;

/// How long one question waits at the primary for something new: the lag is known to this.
const ASK_MS: u64 = 400;
/// How long after a failure the primary is asked again.
const RETRY: Duration = Duration::from_millis(500);
/// How long after something was refused.
const REFUSED_RETRY: Duration = Duration::from_secs(5);
/// Events of the own record that are joined in one go.
const JOIN_EVENTS: usize = 200;
/// The mark of a standby's data folder.
const MARK: &str = "standby";

/// Whether a data folder is a standby's.
pub(crate) fn is_standby(data: &Path) -> bool {
    data.join(MARK).exists()
}

/// From now on it is a primary's.
pub(crate) fn unmark(data: &Path) -> Result<()> {
    let mark = data.join(MARK);
    fs::remove_file(&mark).with_context(|| format!("cannot remove `{}`", mark.display()))?;
    fs::File::open(data)?.sync_all()?;
    Ok(())
}

/// The primary, as the configuration names it.
pub(crate) fn primary(config: &Config) -> Result<Remote> {
    let own = &config.standby;
    if own.from.is_empty() {
        bail!("name the primary: `--from URL`, or `from` in `[standby]`");
    }
    let token = match own.token_file.as_os_str().is_empty() {
        true => bail!(
            "name the file with the token: `token_file` in `[standby]`; the primary makes one with \
             `salus client add NAME --scope system/standby`"
        ),
        false => web::secret_in(&own.token_file).map_err(anyhow::Error::msg)?,
    };
    Ok(Remote::new(&own.from, &own.authorities)?.with_token(&token))
}

/// Makes the data folder a standby's, if it is not yet: fetches the keys, sealed for it alone.
pub(crate) async fn enrol(config: &Config) -> Result<()> {
    let record = config.record();
    if is_standby(&config.data) {
        return Ok(());
    }
    if record.data.join("journal.db").exists() {
        bail!(
            "`{}` holds a record of its own; a standby needs an empty folder",
            config.data.display()
        );
    }
    let copy = fetch_keys(config, &primary(config)?).await?;
    install_keys(&record, &copy).await?;
    certificate::write(&config.data.join(MARK), config.standby.from.as_bytes())?;
    Ok(())
}

/// What the primary answers to whoever asks for the keys.
#[derive(Deserialize)]
struct SealedKeys {
    secret: String,
    sealed: String,
}

async fn fetch_keys(config: &Config, primary: &Remote) -> Result<KeyCopy> {
    let (private, public) = own_key(config)?;
    let query: String = public.bytes().map(|byte| format!("%{byte:02X}")).collect();
    let answer = primary.get(&format!("/log/keys?key={query}")).await?;
    let said = String::from_utf8_lossy(&answer.body).into_owned();
    match answer.status {
        200 => {}
        403 => bail!(
            "the primary does not know this standby ({}): add its key to `standby_keys` in `[web]` \
             there, restart it, and start this again. The key is\n  {public}",
            said.trim()
        ),
        status => bail!("the primary answered {status}: {}", said.trim()),
    }
    let sealed: SealedKeys = serde_json::from_str(&said).context("the primary's answer")?;
    let secret = EncapsulatedSecret(STANDARD.decode(sealed.secret)?);
    let text = SUITE
        .open(
            &secret,
            KEYS_INFO,
            public.as_bytes(),
            &STANDARD.decode(sealed.sealed)?,
            &HpkePrivateKey::from(private),
        )
        .ok()
        .context("the keys are sealed for somebody else")?;
    let copy = read_keys(&text).context("the primary's keys cannot be read")?;
    let pinned = config.standby.log_key.trim();
    let own = seal::LogKey::from_secret(&copy.log).context("the primary's log key")?;
    let known = seal::LogVerifier::new(own.public())?;
    if !pinned.is_empty() && !known.leads_from(pinned) {
        bail!(
            "the primary's log is `{}`, not the one of `log_key` in `[standby]`",
            own.vkey()
        );
    }
    Ok(copy)
}

/// The standby's own key pair (X25519), made at its first start: private, and public in base64.
fn own_key(config: &Config) -> Result<(Vec<u8>, String)> {
    let path = config.data.join("keys/standby.key");
    if !path.exists() {
        let (public, private) = SUITE.generate_key_pair().ok().context("no randomness")?;
        let text = format!(
            "{}\n{}\n",
            STANDARD.encode(private.secret_bytes()),
            STANDARD.encode(public.0)
        );
        certificate::write(&path, text.as_bytes())?;
    }
    let text = fs::read_to_string(&path)
        .with_context(|| format!("cannot read the key `{}`", path.display()))?;
    let mut lines = text.lines();
    let private = lines.next().and_then(|line| STANDARD.decode(line).ok());
    let public = lines.next().map(str::to_owned);
    private
        .zip(public)
        .with_context(|| format!("`{}` is no key", path.display()))
}

fn read_keys(text: &[u8]) -> Option<KeyCopy> {
    let value: Value = serde_json::from_slice(text).ok()?;
    let key = |pair: &Value| {
        let hex = pair.get(1)?.as_str()?;
        let byte = |place: usize| u8::from_str_radix(hex.get(2 * place..2 * place + 2)?, 16).ok();
        let bytes: Vec<u8> = (0..32).map(byte).collect::<Option<_>>()?;
        Some(Key::new(bytes.try_into().ok()?))
    };
    let list = |name: &str| value.get(name).and_then(Value::as_array);
    let wrapping = list("wrapping")?.iter();
    let wrapping = wrapping.map(|pair| Some((pair.get(0)?.as_i64()?, key(pair)?)));
    let fixed = list("fixed")?.iter();
    let fixed = fixed.map(|pair| Some((pair.get(0)?.as_str()?.to_owned(), key(pair)?)));
    Some(KeyCopy {
        wrapping: wrapping.collect::<Option<_>>()?,
        fixed: fixed.collect::<Option<_>>()?,
        log: value.get("log")?.as_str()?.to_owned(),
    })
}

/// Follows the primary.
pub(crate) struct Follower {
    pub(crate) primary: Remote,
    pub(crate) config: Config,
    pub(crate) app: Arc<App>,
}

impl Follower {
    /// Asks until `stop`.
    pub(crate) async fn run(self, stop: CancellationToken) {
        let mut spoken = String::new();
        while !stop.is_cancelled() {
            let step = tokio::select! {
                () = stop.cancelled() => return,
                step = self.step() => step,
            };
            let Err(why) = step else {
                spoken.clear();
                continue;
            };
            let (why, pause) = (format!("{why:#}"), self.pause());
            if why != spoken {
                tracing::warn!(%why, "the primary cannot be followed");
                spoken = why;
            }
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(pause) => {}
            }
        }
    }

    fn pause(&self) -> Duration {
        match self.app.following.contact().refused {
            Some(_) => REFUSED_RETRY,
            None => RETRY,
        }
    }

    /// One question and what follows from its answer.
    async fn step(&self) -> Result<()> {
        let (app, record) = (&self.app, &self.app.record);
        // To ask for what comes is to vouch for what is here.
        record.grounded()?;
        let (from, asked) = (record.size(), app.clock.now());
        let answer = self
            .primary
            .get(&format!("/log/rows?from={from}&wait_ms={ASK_MS}"))
            .await?;
        match answer.status {
            200 => self.take(&answer.body, asked).await?,
            204 => app.following.answered(app.clock.now(), (from, from)),
            409 => {
                let said = String::from_utf8_lossy(&answer.body).trim().to_owned();
                let why = format!("it has {said} events, and {from} are here: it was rolled back");
                return Err(self.refuse(&why));
            }
            status => bail!(
                "it answered {status}: {}",
                String::from_utf8_lossy(&answer.body).trim()
            ),
        }
        join(record, &self.primary, &cursor(&self.config)).await
    }

    /// `asked`: when; what the primary had then is what the answer has at least.
    async fn take(&self, body: &[u8], asked: Time) -> Result<()> {
        let (app, record) = (&self.app, &self.app.record);
        let framed = unframe(body).context("what it showed is not as it should be")?;
        let taken = match record.take(&framed.tail).await {
            Err(Error::KeysMissing) => {
                let copy = fetch_keys(&self.config, &self.primary).await?;
                install_keys(&self.config.record(), &copy).await?;
                record.learn_keys(&copy)?;
                record.take(&framed.tail).await
            }
            taken => taken,
        };
        match taken {
            Ok(here) => {
                record.heard_of(framed.epoch)?;
                app.following.answered(asked, (framed.size, here));
                Ok(())
            }
            Err(Error::Distrusted { why }) => Err(self.refuse(&why)),
            Err(why) => Err(why.into()),
        }
    }

    fn refuse(&self, why: &str) -> anyhow::Error {
        tracing::error!(why, "what the primary shows is refused");
        self.app.following.refused(why);
        anyhow::anyhow!("what the primary shows is refused: {why}")
    }
}

/// Where it stands how much of the own record was joined.
pub(crate) fn cursor(config: &Config) -> PathBuf {
    config.data.join("side/joined")
}

/// Sends the primary what was sealed here, in order; each event is joined once however often it is
/// sent.
async fn join(record: &Record, primary: &Remote, cursor: &Path) -> Result<()> {
    let Some(side) = record.side() else {
        return Ok(());
    };
    let mut done = joined(cursor);
    while done < side.size() {
        let (events, next) = beside(side, done).await?;
        let body = Bytes::from(serde_json::to_vec(&events)?);
        let answer = primary
            .post("/log/joined", "application/json", body)
            .await?;
        if answer.status != 200 {
            bail!(
                "it did not join what was seen here: {}",
                String::from_utf8_lossy(&answer.body).trim()
            );
        }
        done = next;
        fs::write(cursor, done.to_string())?;
    }
    Ok(())
}

/// How much of the own record was joined.
pub(crate) fn joined(cursor: &Path) -> u64 {
    let text = fs::read_to_string(cursor).unwrap_or_default();
    text.trim().parse().unwrap_or_default()
}

/// Events of the own record as they travel, and the index of the next ones.
pub(crate) async fn beside(side: &Record, from: u64) -> Result<(Vec<Beside>, u64)> {
    let (sealed, next) = side.read_until(from, JOIN_EVENTS).await?;
    let told = sealed.iter().map(|sealed| Beside {
        index: sealed.index(),
        at: sealed.at().millis(),
        plaintext: STANDARD.encode(event::encode(sealed.event())),
    });
    Ok((told.collect(), next))
}
