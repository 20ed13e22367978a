//! Where a request comes from: its cookies, its browser, its address. Nothing that a proxy or the
//! sender may write into a header (`X-Forwarded-For`, `Forwarded`, `Host`) counts.

use std::net::{IpAddr, SocketAddr};

use axum::extract::ConnectInfo;
use axum::http::header::{COOKIE, USER_AGENT};
use axum::http::{Extensions, HeaderMap};

use crate::api::smart::ClientCertificate;
use crate::session::hash;

/// The session's cookie: `__Host-` binds it to this host, this path and TLS.
pub(crate) const SESSION_COOKIE: &str = "__Host-salus";
/// The cookie that a browser keeps, by which it is known again.
pub(crate) const DEVICE_COOKIE: &str = "__Host-salus-device";
/// The cookie of a browser in which the set-up link was opened.
pub(crate) const SETUP_COOKIE: &str = "__Host-salus-setup";
/// How long a browser is known again without being used, in seconds: 400 days, the most browsers allow.
const DEVICE_SECONDS: u32 = 400 * 24 * 3_600;

/// Who sent a request, as far as the request shows.
#[derive(Debug, Clone, Default)]
pub(crate) struct Caller {
    pub session: Option<String>,
    pub device: Option<String>,
    /// The browser in words, for instance `Firefox on Windows`.
    pub agent: String,
    /// SHA-256 of all that the browser says of itself.
    pub agent_hash: [u8; 32],
    pub source: String,
    /// The thumbprint of the TLS client certificate it showed.
    pub certificate: Option<String>,
    /// The address of the connection, if there is one.
    pub address: Option<String>,
}

impl Caller {
    pub(crate) fn of(headers: &HeaderMap, extensions: &Extensions) -> Caller {
        let agent = headers
            .get(USER_AGENT)
            .and_then(|agent| agent.to_str().ok());
        let agent = agent.unwrap_or_default();
        Caller {
            session: cookie(headers, SESSION_COOKIE),
            device: cookie(headers, DEVICE_COOKIE),
            agent: in_words(agent),
            agent_hash: hash(agent),
            certificate: extensions
                .get::<ClientCertificate>()
                .map(ClientCertificate::thumbprint),
            source: address(extensions).unwrap_or_else(|| "an unknown address".to_owned()),
            address: address(extensions),
        }
    }

    /// The address that it came from, of IPv6 the network.
    pub(crate) fn place(&self) -> String {
        let address = self.address.as_deref().and_then(|one| one.parse().ok());
        address.map_or_else(|| self.source.clone(), network)
    }

    /// What the record keeps of the device: 16 hex digits of the hash of its cookie.
    pub(crate) fn device_id(&self) -> String {
        self.device.as_deref().map(device_id).unwrap_or_default()
    }
}

/// 16 hex digits of the hash of a device's cookie.
pub(crate) fn device_id(device: &str) -> String {
    let hash = hash(device);
    hash.iter()
        .take(8)
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

/// The address at the other end of a request's connection.
pub(crate) fn address(extensions: &Extensions) -> Option<String> {
    let connection = extensions.get::<ConnectInfo<SocketAddr>>();
    connection.map(|ConnectInfo(peer)| peer.ip().to_canonical().to_string())
}

/// The address that a request came from, of IPv6 the network: one machine has more addresses than can
/// be counted there.
pub(crate) fn place(extensions: &Extensions) -> String {
    let connection = extensions.get::<ConnectInfo<SocketAddr>>();
    connection.map_or_else(
        || "an unknown address".to_owned(),
        |ConnectInfo(peer)| network(peer.ip()),
    )
}

/// An IPv4 address, or the /64 that an IPv6 address is of.
pub(crate) fn network(address: IpAddr) -> String {
    match address.to_canonical() {
        IpAddr::V4(address) => address.to_string(),
        IpAddr::V6(address) if address.is_loopback() => address.to_string(),
        IpAddr::V6(address) => {
            let [one, two, three, four, ..] = address.segments();
            format!("{one:x}:{two:x}:{three:x}:{four:x}::/64")
        }
    }
}

/// Whether two addresses are of one network: an IPv4 /24 or an IPv6 /64.
pub(crate) fn near(one: &str, other: &str) -> bool {
    match (one.parse(), other.parse()) {
        (Ok(IpAddr::V4(one)), Ok(IpAddr::V4(other))) => one.octets()[..3] == other.octets()[..3],
        (Ok(IpAddr::V6(one)), Ok(IpAddr::V6(other))) => {
            one.segments()[..4] == other.segments()[..4]
        }
        (_, _) => one == other,
    }
}

/// A browser as a person would say it. Only for showing: everything in it is the browser's word.
fn in_words(agent: &str) -> String {
    let pick = |names: &[(&str, &'static str)]| {
        let found = names.iter().find(|(mark, _)| agent.contains(mark));
        found.map(|(_, name)| *name)
    };
    let browser = pick(&[
        ("Edg/", "Edge"),
        ("OPR/", "Opera"),
        ("Firefox/", "Firefox"),
        ("Chrome/", "Chrome"),
        ("Safari/", "Safari"),
    ]);
    let system = pick(&[
        ("Windows", "Windows"),
        ("Android", "Android"),
        ("iPhone", "iPhone"),
        ("iPad", "iPad"),
        ("Mac OS", "Mac"),
        ("CrOS", "ChromeOS"),
        ("Linux", "Linux"),
    ]);
    match (browser, system) {
        (Some(browser), Some(system)) => format!("{browser} on {system}"),
        (Some(browser), None) => browser.to_owned(),
        (None, Some(system)) => format!("a browser on {system}"),
        (None, None) => "an unknown browser".to_owned(),
    }
}

/// The `Set-Cookie` that begins a session.
pub(crate) fn begin_cookie(id: &str) -> String {
    format!("{SESSION_COOKIE}={id}; Path=/; Secure; HttpOnly; SameSite=Lax")
}

/// The `Set-Cookie` that ends one.
pub(crate) fn end_cookie() -> String {
    format!("{SESSION_COOKIE}=; Path=/; Secure; HttpOnly; SameSite=Lax; Max-Age=0")
}

/// The `Set-Cookie` by which a browser is known again.
pub(crate) fn device_cookie(device: &str) -> String {
    format!(
        "{DEVICE_COOKIE}={device}; Path=/; Secure; HttpOnly; SameSite=Lax; Max-Age={DEVICE_SECONDS}"
    )
}

/// The `Set-Cookie` that takes the place of what stood in the set-up link.
pub(crate) fn setup_cookie(token: &str) -> String {
    format!("{SETUP_COOKIE}={token}; Path=/; Secure; HttpOnly; SameSite=Lax")
}

/// The value of a cookie; of two with one name, the first.
pub(crate) fn cookie(headers: &HeaderMap, wanted: &str) -> Option<String> {
    headers
        .get_all(COOKIE)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|line| line.split(';'))
        .filter_map(|pair| pair.trim().split_once('='))
        .find(|(name, value)| *name == wanted && !value.is_empty())
        .map(|(_, value)| value.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_browser_is_named_as_a_person_would() {
        for (agent, words) in [
            (
                "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:140.0) Gecko/20100101 Firefox/140.0",
                "Firefox on Windows",
            ),
            (
                "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 Chrome/140.0 Safari/537.36 Edg/140.0",
                "Edge on Linux",
            ),
            (
                "Mozilla/5.0 (iPhone; CPU iPhone OS 19_0 like Mac OS X) Version/19.0 Safari/604.1",
                "Safari on iPhone",
            ),
            ("curl/8.5", "an unknown browser"),
            ("<script>", "an unknown browser"),
        ] {
            assert_eq!(in_words(agent), words);
        }
    }

    #[test]
    fn a_forwarded_address_does_not_count() {
        let mut headers = HeaderMap::new();
        headers.insert("x-forwarded-for", "10.9.9.9".parse().unwrap());
        headers.insert("forwarded", "for=10.9.9.9".parse().unwrap());
        let mut extensions = Extensions::new();
        let peer: SocketAddr = "[::ffff:192.0.2.7]:50000".parse().unwrap();
        extensions.insert(ConnectInfo(peer));
        assert_eq!(Caller::of(&headers, &extensions).source, "192.0.2.7");
    }

    #[test]
    fn networks() {
        assert!(near("10.0.1.7", "10.0.1.99") && !near("10.0.1.7", "10.0.2.7"));
        assert!(near("2001:db8::1", "2001:db8::2") && !near("2001:db8::1", "2001:db9::1"));
        assert!(!near("10.0.1.7", "2001:db8::1"));
        assert!(near("an unknown address", "an unknown address"));
        let named = |address: &str| network(address.parse().unwrap());
        assert_eq!(named("2001:db8:0:7:1::9"), "2001:db8:0:7::/64");
        assert_eq!(
            (named("::ffff:10.0.0.7"), named("::1")),
            ("10.0.0.7".into(), "::1".into())
        );
    }
}
