//! The encryption of the repository format (restic, "Keys, Encryption and MAC"): AES-256 in counter
//! mode, then Poly1305-AES over the ciphertext. A sealed message is IV, ciphertext, MAC.

use aws_lc_rs::cipher::{
    AES_128, AES_256, DecryptingKey, DecryptionContext, EncryptingKey, EncryptionContext,
    UnboundCipherKey,
};
use aws_lc_rs::constant_time;
use aws_lc_rs::iv::FixedLength;
use aws_lc_rs::rand::{SecureRandom as _, SystemRandom};
use poly1305::Poly1305;
use poly1305::universal_hash::KeyInit as _;
use zeroize::Zeroizing;

use crate::error::Error;

const IV: usize = 16;
const MAC: usize = 16;
/// What sealing adds to a message, in bytes.
pub(crate) const OVERHEAD: usize = IV + MAC;
/// Bytes of a key: 32 to encrypt, 16 and 16 to authenticate (`k` and `r` of Poly1305-AES).
pub(crate) const KEY: usize = 64;

/// A key with everything derived from it once.
pub(crate) struct Key {
    bytes: Zeroizing<[u8; KEY]>,
    seal: EncryptingKey,
    open: DecryptingKey,
    nonce: EncryptingKey,
}

impl Key {
    /// A key of these bytes.
    pub(crate) fn of(bytes: Zeroizing<[u8; KEY]>) -> Result<Key, Error> {
        let wrong = |_| Error::of("the system's cipher cannot be used");
        let (encrypt, mac) = bytes.split_at(32);
        let (k, _) = mac.split_at(16);
        let cipher = |key: &[u8]| UnboundCipherKey::new(&AES_256, key).map_err(wrong);
        Ok(Key {
            seal: EncryptingKey::ctr(cipher(encrypt)?).map_err(wrong)?,
            open: DecryptingKey::ctr(cipher(encrypt)?).map_err(wrong)?,
            nonce: EncryptingKey::ctr(UnboundCipherKey::new(&AES_128, k).map_err(wrong)?)
                .map_err(wrong)?,
            bytes,
        })
    }

    /// A new key.
    pub(crate) fn new() -> Result<Key, Error> {
        let mut bytes = Zeroizing::new([0; KEY]);
        fill(bytes.as_mut_slice())?;
        Key::of(bytes)
    }

    /// Its bytes.
    pub(crate) fn bytes(&self) -> &[u8; KEY] {
        &self.bytes
    }

    /// Seals a message.
    pub(crate) fn seal(&self, plain: &[u8]) -> Result<Vec<u8>, Error> {
        let mut iv = [0; IV];
        fill(&mut iv)?;
        let mut out = Vec::with_capacity(plain.len() + OVERHEAD);
        out.extend_from_slice(&iv);
        out.extend_from_slice(plain);
        let (_, body) = out.split_at_mut(IV);
        let context = EncryptionContext::Iv128(FixedLength::from(iv));
        let sealed = self.seal.less_safe_encrypt(body, context);
        sealed.map_err(|_| Error::of("a message cannot be encrypted"))?;
        let mac = self.mac(&iv, body)?;
        out.extend_from_slice(&mac);
        Ok(out)
    }

    /// Opens a sealed message; refused if a bit of it was changed.
    pub(crate) fn open(&self, sealed: &[u8]) -> Result<Vec<u8>, Error> {
        let wrong =
            || Error::of("what was sealed with this key was changed, or another key sealed it");
        let (iv, rest) = sealed.split_first_chunk::<IV>().ok_or_else(wrong)?;
        let (body, mac) = rest.split_last_chunk::<MAC>().ok_or_else(wrong)?;
        let expected = self.mac(iv, body)?;
        constant_time::verify_slices_are_equal(&expected, mac).map_err(|_| wrong())?;
        let mut plain = body.to_vec();
        let context = DecryptionContext::Iv128(FixedLength::from(*iv));
        self.open
            .decrypt(&mut plain, context)
            .map_err(|_| wrong())?;
        Ok(plain)
    }

    /// Poly1305-AES: the one-time key is `r` and the IV encrypted under `k`.
    fn mac(&self, iv: &[u8; IV], body: &[u8]) -> Result<[u8; MAC], Error> {
        // The first block of a key stream that begins at the IV is the IV, encrypted.
        let mut pad = [0; IV];
        let context = EncryptionContext::Iv128(FixedLength::from(*iv));
        let done = self.nonce.less_safe_encrypt(&mut pad, context);
        done.map_err(|_| Error::of("a message cannot be authenticated"))?;
        let mut key = Zeroizing::new([0; 32]);
        let (r, s) = key.split_at_mut(16);
        r.copy_from_slice(self.bytes.split_at(48).1);
        s.copy_from_slice(&pad);
        let one_time = Poly1305::new(poly1305::Key::from_slice(key.as_slice()));
        Ok(one_time.compute_unpadded(body).into())
    }
}

/// The key that a password stands for.
pub(crate) fn derived(password: &str, (salt, cost): (&[u8], [u32; 3])) -> Result<Key, Error> {
    let wrong = |_| Error::of("the key file asks for what this machine cannot do");
    let [n, r, p] = cost;
    if !n.is_power_of_two() || n > COST_MAX || r > 32 || p > 16 {
        return Err(wrong(()));
    }
    let log_n = u8::try_from(n.trailing_zeros()).map_err(|_| wrong(()))?;
    let params = scrypt::Params::new(log_n, r, p, KEY).map_err(|_| wrong(()))?;
    let mut bytes = Zeroizing::new([0; KEY]);
    let done = scrypt::scrypt(password.as_bytes(), salt, &params, bytes.as_mut_slice());
    done.map_err(|_| wrong(()))?;
    Key::of(bytes)
}

/// The most that a key file may ask for: a file that somebody added must not hold the machine.
const COST_MAX: u32 = 1 << 20;

/// Randomness of the system.
pub(crate) fn fill(bytes: &mut [u8]) -> Result<(), Error> {
    let filled = SystemRandom::new().fill(bytes);
    filled.map_err(|_| Error::of("the system has no randomness"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_sealed_opens_and_nothing_else_does() {
        let key = Key::new().unwrap();
        for plain in [&b""[..], b"x", &[7; 1000]] {
            let sealed = key.seal(plain).unwrap();
            assert_eq!(sealed.len(), plain.len() + OVERHEAD);
            assert_eq!(key.open(&sealed).unwrap(), plain);
            for at in 0..sealed.len() {
                let mut changed = sealed.clone();
                changed[at] ^= 1;
                assert!(key.open(&changed).is_err(), "byte {at}");
            }
        }
        assert!(key.open(b"short").is_err());
        assert!(Key::new().unwrap().open(&key.seal(b"x").unwrap()).is_err());
    }

    #[test]
    fn a_key_file_cannot_ask_for_too_much() {
        assert!(derived("x", (b"salt".as_slice(), [1 << 30, 8, 1])).is_err());
        assert!(derived("x", (b"salt".as_slice(), [1 << 10, 8, 1])).is_ok());
    }
}
