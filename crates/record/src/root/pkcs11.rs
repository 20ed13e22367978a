//! The root key in a token that speaks PKCS#11 (OASIS PKCS #11 v2.40): an AES-256 key that never
//! leaves it. Wrapped keys are AES-GCM ciphertexts made inside the token.
//!
//! What is wrapped names the key that wrapped it, so that keys can be rotated one after the other:
//! `p11:` | length of the label (1) | label | nonce (12) | AES-256-GCM.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::sync::Mutex;

use aws_lc_rs::rand::{SecureRandom, SystemRandom};
use cryptoki::context::{CInitializeArgs, CInitializeFlags, Pkcs11};
use cryptoki::error::{Error as TokenError, RvError};
use cryptoki::mechanism::Mechanism;
use cryptoki::mechanism::aead::GcmParams;
use cryptoki::object::{Attribute, KeyType, ObjectClass, ObjectHandle};
use cryptoki::session::{Session, UserType};
use cryptoki::slot::Slot;
use cryptoki::types::AuthPin;
use seal::Key;

use super::{Pkcs11Config, RootKey, broken};
use crate::sealed::Outcome;

const MARK: &[u8] = b"p11:";
const NONCE_BYTES: usize = 12;
const TAG_BITS: u64 = 128;
/// Labels that are tried for a new key before it is given up.
const LABELS_MAX: u32 = 10_000;

/// Whether a token wrapped this.
pub(super) fn is_ours(wrapped: &[u8]) -> bool {
    // A file's root makes exactly nonce, key and tag.
    wrapped.starts_with(MARK) && wrapped.len() > NONCE_BYTES + 32 + 16
}

pub(crate) struct Pkcs11Root {
    config: Pkcs11Config,
    /// The label of the key that wraps.
    label: String,
    /// A session is for one thread at a time.
    session: Mutex<Session>,
}

impl Pkcs11Root {
    /// Opens the token; the key that wrapped `sample` is the root.
    pub(super) fn open(config: &Pkcs11Config, sample: &[u8]) -> Outcome<Pkcs11Root> {
        let label = parts(sample).map_or(config.key.as_str(), |(label, ..)| label);
        Ok(Pkcs11Root {
            session: Mutex::new(signed_in(config)?),
            label: label.to_owned(),
            config: config.clone(),
        })
    }

    /// Opens the token and makes its key if it is not there: for a new record.
    pub(super) fn open_or_make(config: &Pkcs11Config) -> Outcome<Pkcs11Root> {
        let session = signed_in(config)?;
        if find(&session, &config.key)?.is_none() {
            make(&session, &config.key)?;
        }
        Ok(Pkcs11Root {
            session: Mutex::new(session),
            label: config.key.clone(),
            config: config.clone(),
        })
    }

    /// Opens the token and makes one more key in it, under the first label that is free.
    pub(super) fn make_next(config: &Pkcs11Config) -> Outcome<Pkcs11Root> {
        let session = signed_in(config)?;
        let mut label = config.key.clone();
        for number in 2..LABELS_MAX {
            if find(&session, &label)?.is_none() {
                break;
            }
            label = format!("{}-{number}", config.key);
        }
        make(&session, &label)?;
        Ok(Pkcs11Root {
            session: Mutex::new(session),
            label,
            config: config.clone(),
        })
    }

    fn with<T>(&self, work: impl FnOnce(&Session) -> Outcome<T>) -> Outcome<T> {
        let session = self
            .session
            .lock()
            .map_err(|_| broken("the token's session was lost"))?;
        work(&session)
    }
}

impl RootKey for Pkcs11Root {
    fn wrap(&self, key: &Key, context: &[u8]) -> Outcome<Vec<u8>> {
        let mut nonce = [0; NONCE_BYTES];
        SystemRandom::new()
            .fill(&mut nonce)
            .map_err(|_| broken("the system has no randomness"))?;
        let body = self.with(|session| {
            let outer = found(session, &self.label)?;
            let mut iv = nonce;
            let mechanism = gcm(&mut iv, context)?;
            session
                .encrypt(&mechanism, outer, key.bytes())
                .map_err(|why| failed("wrap a key", &why))
        })?;
        let length = u8::try_from(self.label.len())
            .map_err(|_| broken("the key's label is longer than 255 bytes"))?;
        Ok([MARK, &[length], self.label.as_bytes(), &nonce, &body].concat())
    }

    fn unwrap(&self, wrapped: &[u8], context: &[u8]) -> Outcome<Key> {
        let (label, nonce, body) =
            parts(wrapped).ok_or_else(|| broken("this key was not wrapped by a PKCS#11 token"))?;
        let plain = self.with(|session| {
            let outer = found(session, label)?;
            let mut iv = nonce;
            let mechanism = gcm(&mut iv, context)?;
            session.decrypt(&mechanism, outer, body).map_err(|why| {
                let what = format!("the key `{label}` in the token does not open this keyring");
                broken(format!("{what}: {why}"))
            })
        })?;
        let bytes: [u8; 32] = plain
            .try_into()
            .map_err(|_| broken("the token gave back something that is no key"))?;
        Ok(Key::new(bytes))
    }

    fn place(&self) -> String {
        format!("key `{}` in token `{}`", self.label, self.config.token)
    }

    fn derived(&self, _label: &str) -> Option<Key> {
        None
    }
}

/// Label, nonce and ciphertext.
fn parts(wrapped: &[u8]) -> Option<(&str, [u8; NONCE_BYTES], &[u8])> {
    let (length, rest) = wrapped.strip_prefix(MARK)?.split_first()?;
    let (label, rest) = rest.split_at_checked(usize::from(*length))?;
    let (nonce, body) = rest.split_first_chunk::<NONCE_BYTES>()?;
    Some((std::str::from_utf8(label).ok()?, *nonce, body))
}

fn gcm<'a>(nonce: &'a mut [u8], context: &'a [u8]) -> Outcome<Mechanism<'a>> {
    let params = GcmParams::new(nonce, context, TAG_BITS.into());
    params
        .map(Mechanism::AesGcm)
        .map_err(|why| failed("use AES-GCM", &why))
}

fn signed_in(config: &Pkcs11Config) -> Outcome<Session> {
    let module = Pkcs11::new(&config.module).map_err(|why| {
        broken(format!(
            "`module` `{}` cannot be loaded: {why}",
            config.module.display()
        ))
    })?;
    let arguments = CInitializeArgs::new(CInitializeFlags::OS_LOCKING_OK);
    match module.initialize(arguments) {
        // Another part of this process uses the module: that is as good.
        Ok(()) | Err(TokenError::Pkcs11(RvError::CryptokiAlreadyInitialized, _)) => {}
        Err(why) => return Err(failed("begin", &why)),
    }
    let slot = slot(&module, config)?;
    let session = module
        .open_rw_session(slot)
        .map_err(|why| failed("open a session", &why))?;
    let pin = AuthPin::new(pin(config)?.into_boxed_str());
    match session.login(UserType::User, Some(&pin)) {
        Ok(()) | Err(TokenError::Pkcs11(RvError::UserAlreadyLoggedIn, _)) => Ok(session),
        Err(TokenError::Pkcs11(RvError::PinIncorrect, _)) => Err(broken(format!(
            "the PIN in `{}` is not the one of token `{}`; some tokens lock after a few tries",
            config.pin_file.display(),
            config.token
        ))),
        Err(TokenError::Pkcs11(RvError::PinLocked, _)) => Err(broken(format!(
            "token `{}` is locked after too many wrong PINs; its security officer can unlock it",
            config.token
        ))),
        Err(why) => Err(failed("sign in", &why)),
    }
}

fn slot(module: &Pkcs11, config: &Pkcs11Config) -> Outcome<Slot> {
    let slots = module
        .get_slots_with_initialized_token()
        .map_err(|why| failed("list its tokens", &why))?;
    let mut labels = Vec::new();
    for slot in slots {
        let info = module
            .get_token_info(slot)
            .map_err(|why| failed("look at a token", &why))?;
        if info.label().trim() == config.token {
            return Ok(slot);
        }
        labels.push(format!("`{}`", info.label().trim()));
    }
    let there = match labels.as_slice() {
        [] => "there is none".to_owned(),
        _ => format!("there are {}", labels.join(", ")),
    };
    Err(broken(format!(
        "token `{}` is not there ({there}); plug it in, or mend `token` in `[keys.pkcs11]`",
        config.token
    )))
}

fn pin(config: &Pkcs11Config) -> Outcome<String> {
    let path = config.pin_file.display();
    if let Some(name) = path.to_string().strip_prefix("credential:") {
        return Err(broken(format!(
            "no credential `{name}` with the PIN was handed over: only the service has it, with \
             `LoadCredentialEncrypted={name}:FILE`; for this command name a file as `pin_file` in \
             `[keys.pkcs11]`"
        )));
    }
    let open =
        fs::metadata(&config.pin_file).is_ok_and(|meta| meta.permissions().mode() & 0o007 != 0);
    if open {
        return Err(broken(format!(
            "everybody can read the PIN in `{path}`: chmod o-rwx {path}"
        )));
    }
    let text = fs::read_to_string(&config.pin_file)
        .map_err(|why| broken(format!("`pin_file` `{path}` cannot be read: {why}")))?;
    Ok(text.trim().to_owned())
}

fn find(session: &Session, label: &str) -> Outcome<Option<ObjectHandle>> {
    let wanted = [
        Attribute::Class(ObjectClass::SECRET_KEY),
        Attribute::KeyType(KeyType::AES),
        Attribute::Label(label.as_bytes().to_vec()),
    ];
    let found = session
        .find_objects(&wanted)
        .map_err(|why| failed("look for its key", &why))?;
    match found.as_slice() {
        [] => Ok(None),
        [one] => Ok(Some(*one)),
        _ => Err(broken(format!(
            "there are {} keys with the label `{label}` in the token; rename all but one",
            found.len()
        ))),
    }
}

fn found(session: &Session, label: &str) -> Outcome<ObjectHandle> {
    find(session, label)?.ok_or_else(|| {
        broken(format!(
            "there is no AES key `{label}` in the token; restore it from the token's own backup"
        ))
    })
}

fn make(session: &Session, label: &str) -> Outcome<()> {
    let template = [
        Attribute::Token(true),
        Attribute::Private(true),
        Attribute::Sensitive(true),
        Attribute::Extractable(false),
        Attribute::Encrypt(true),
        Attribute::Decrypt(true),
        Attribute::ValueLen(32_u64.into()),
        Attribute::Label(label.as_bytes().to_vec()),
    ];
    let made = session.generate_key(&Mechanism::AesKeyGen, &template);
    made.map(drop).map_err(|why| failed("make a key", &why))
}

fn failed(doing: &str, why: &TokenError) -> crate::Error {
    broken(format!("the PKCS#11 token cannot {doing}: {why}"))
}
