//! Codes and tokens: how they are made and what is kept of them. Random bytes are passed in.

use std::fmt::Write as _;

use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

/// SHA-256 of a code or token as it is sent.
pub type Hash = [u8; 32];

/// What a secret is for; its text begins with it, so that a scanner of sources recognises it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sort {
    /// An access token.
    Access,
    /// An authorization code.
    Code,
    /// A refresh token.
    Refresh,
}

/// A new secret: the text goes to its owner once, its hash into the record.
#[derive(Clone, PartialEq, Eq)]
pub struct Minted {
    /// `salus_at_`, `salus_ac_` or `salus_rt_` and 43 characters.
    pub text: String,
    /// Hex SHA-256 of that text.
    pub hash: String,
}

/// A code or token from 256 random bits.
pub fn mint(sort: Sort, random: [u8; 32]) -> Minted {
    let prefix = match sort {
        Sort::Access => "salus_at_",
        Sort::Code => "salus_ac_",
        Sort::Refresh => "salus_rt_",
    };
    let text = format!("{prefix}{}", URL_SAFE_NO_PAD.encode(random));
    let hash = hex(&hash(&text));
    Minted { text, hash }
}

/// SHA-256 of a text.
pub fn hash(text: &str) -> Hash {
    let mut out = [0; 32];
    out.copy_from_slice(digest(&SHA256, text.as_bytes()).as_ref());
    out
}

/// A hash as the record keeps it.
pub fn hex(hash: &Hash) -> String {
    hash.iter()
        .fold(String::with_capacity(64), |mut out, byte| {
            let _ = write!(out, "{byte:02x}");
            out
        })
}

/// The hash that such a text stands for; `None` if it is none.
pub fn unhex(text: &str) -> Option<Hash> {
    if text.len() != 64 || !text.is_ascii() {
        return None;
    }
    let mut hash = [0; 32];
    for (place, byte) in hash.iter_mut().enumerate() {
        *byte = u8::from_str_radix(text.get(2 * place..2 * place + 2)?, 16).ok()?;
    }
    Some(hash)
}
