//! How a repository begins: what it is made of is drawn once, noted on this machine, and only then
//! put at its place. Broken off, it goes on with the same; what somebody else put there is never
//! taken for it.

use std::fs::{self, File};
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::crypt::{self, KEY, Key};
use crate::error::Error;
use crate::format::{ConfigFile, KeyData, KeyFile, MacData, POLYNOMIAL, VERSION};
use crate::store::{Shelf, hex, host, json, now};

/// The cost of the key file's scrypt (N, r, p): restic's own. The password has 256 random bits.
const COST: [u32; 3] = [1 << 15, 8, 1];

/// What lies at the place of a repository before there is any snapshot. No secret: the key in it is
/// sealed under the password, and its configuration under the key.
#[derive(Serialize, Deserialize)]
struct Begun {
    /// A [`KeyFile`], in Base64.
    key: String,
    /// A sealed [`ConfigFile`], in Base64.
    config: String,
}

/// Makes the repository, from what `begun` notes if that is there.
pub(crate) fn make(shelf: &Shelf, password: &str, begun: &Path) -> Result<(), Error> {
    let drawn = match noted(begun, password) {
        Some(drawn) => drawn,
        None => {
            let drawn = drawn(password)?;
            note(begun, &drawn).map_err(Error::at(begun))?;
            drawn
        }
    };
    let bytes = |text: &str| STANDARD.decode(text).map_err(Error::of);
    shelf.add_named("keys", bytes(&drawn.key)?)?;
    shelf.add("config", bytes(&drawn.config)?)
}

/// What was drawn before; `None`: nothing, or what this password does not open.
fn noted(begun: &Path, password: &str) -> Option<Begun> {
    let drawn: Begun = serde_json::from_slice(&fs::read(begun).ok()?).ok()?;
    let key = opened(&STANDARD.decode(&drawn.key).ok()?, password).ok()??;
    key.open(&STANDARD.decode(&drawn.config).ok()?).ok()?;
    Some(drawn)
}

fn note(begun: &Path, drawn: &Begun) -> std::io::Result<()> {
    let next = begun.with_extension("next");
    let mut options = File::options();
    options.create(true).truncate(true).write(true).mode(0o600);
    let mut file = options.open(&next)?;
    file.write_all(&serde_json::to_vec(drawn)?)?;
    file.sync_all()?;
    fs::rename(&next, begun)?;
    begun
        .parent()
        .map_or(Ok(()), |folder| File::open(folder)?.sync_all())
}

fn drawn(password: &str) -> Result<Begun, Error> {
    let key = Key::new()?;
    let [n, r, p] = COST;
    let mut salt = [0; 64];
    crypt::fill(&mut salt)?;
    let (encrypt, mac) = key.bytes().split_at(32);
    let (k, r_part) = mac.split_at(16);
    let data = KeyData {
        mac: MacData {
            k: STANDARD.encode(k),
            r: STANDARD.encode(r_part),
        },
        encrypt: STANDARD.encode(encrypt),
    };
    let data = Zeroizing::new(serde_json::to_vec(&data).map_err(Error::of)?);
    let file = KeyFile {
        created: now(),
        username: "salus".to_owned(),
        hostname: host(),
        kdf: "scrypt".to_owned(),
        n,
        r,
        p,
        salt: STANDARD.encode(salt),
        data: STANDARD.encode(crypt::derived(password, (salt.as_slice(), COST))?.seal(&data)?),
    };
    let mut name = [0; 32];
    crypt::fill(&mut name)?;
    let config = ConfigFile {
        version: VERSION,
        id: hex(&name),
        chunker_polynomial: POLYNOMIAL.to_owned(),
    };
    let config = key.seal(&serde_json::to_vec(&config).map_err(Error::of)?)?;
    Ok(Begun {
        key: STANDARD.encode(serde_json::to_vec(&file).map_err(Error::of)?),
        config: STANDARD.encode(config),
    })
}

/// The repository's key, from the first pinned key file that the password opens.
pub(crate) fn key(shelf: &Shelf, password: &str) -> Result<Key, Error> {
    for name in shelf.names("keys") {
        if let Some(key) = opened(&shelf.read(&format!("keys/{name}"))?, password)? {
            return Ok(key);
        }
    }
    Err(Error::of(
        "the password opens no key of this repository: is it the right `files.key`?",
    ))
}

/// The key in a key file; `None`: the password is another.
fn opened(file: &[u8], password: &str) -> Result<Option<Key>, Error> {
    let file: KeyFile = json(file, "keys")?;
    let salt = STANDARD.decode(&file.salt).map_err(Error::of)?;
    let data = STANDARD.decode(&file.data).map_err(Error::of)?;
    let derived = crypt::derived(password, (salt.as_slice(), [file.n, file.r, file.p]))?;
    match derived.open(&data) {
        Ok(plain) => unwrapped(&json(&Zeroizing::new(plain), "keys")?).map(Some),
        Err(_) => Ok(None),
    }
}

fn unwrapped(data: &KeyData) -> Result<Key, Error> {
    let mut bytes = Zeroizing::new([0; KEY]);
    let parts = [&data.encrypt, &data.mac.k, &data.mac.r];
    let parts = parts.map(|part| STANDARD.decode(part).map(Zeroizing::new));
    let mut rest = bytes.as_mut_slice();
    for part in parts {
        let part = part.map_err(Error::of)?;
        let (into, behind) = rest
            .split_at_mut_checked(part.len())
            .ok_or_else(|| Error::of("the repository's key is too long"))?;
        into.copy_from_slice(&part);
        rest = behind;
    }
    match rest.is_empty() {
        true => Key::of(bytes),
        false => Err(Error::of("the repository's key is too short")),
    }
}
