//! The client certificate of a connection (RFC 8705), and what it proves.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

/// A certificate of a trusted authority that the other end of this connection has the key of. Put
/// among a request's extensions by whoever made the connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientCertificate {
    /// SHA-256 of the certificate.
    pub sha256: [u8; 32],
    /// Common names and DNS names.
    pub names: Vec<String>,
}

impl ClientCertificate {
    /// `x5t#S256`: the hash as a token's confirmation carries it (RFC 8705 section 3.1).
    pub(crate) fn thumbprint(&self) -> String {
        URL_SAFE_NO_PAD.encode(self.sha256)
    }

    /// Whether it is one of those a client is registered with: by hash, or by a name in it.
    pub(crate) fn is_one_of(&self, registered: &[String]) -> bool {
        let hash = tokens::hex(&self.sha256);
        let same = |one: &String| {
            one.replace(':', "").eq_ignore_ascii_case(&hash) || self.names.contains(one)
        };
        registered.iter().any(same)
    }
}
