//! Posting to a `rest-hook`. Where to is a client's word, so only addresses go that an operator listed,
//! and only machines that such an address may mean.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use axum::http::Uri;
use axum::http::header::{CONTENT_TYPE, HOST};
use bytes::Bytes;
use http_body_util::Full;
use tokio::net::{TcpStream, lookup_host};
use wire::fhir::subscription::Channel;

use super::settings::Subscriptions;
use crate::App;
use crate::fetch;
use crate::trust::Keys;

/// What a server between may read as another path than was compared: `/`, `\`, `.` and `%`, encoded.
const ENCODED: [&str; 4] = ["%2f", "%5c", "%2e", "%25"];

/// Where a post goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Place {
    tls: bool,
    host: String,
    port: u16,
    path: String,
}

/// The place that an address means, if it is one that notifications may go to.
///
/// # Errors
/// In words.
pub(super) fn place(settings: &Subscriptions, endpoint: &str) -> Result<Place, String> {
    let place = read(endpoint)?;
    let listed = settings.endpoints.iter().any(|listed| {
        read(listed).is_ok_and(|listed| {
            let below = place.path.strip_prefix(&listed.path);
            let whole = below.is_some_and(|rest| {
                listed.path.ends_with('/') || rest.is_empty() || rest.starts_with(['/', '?'])
            });
            (place.tls, &place.host, place.port) == (listed.tls, &listed.host, listed.port) && whole
        })
    });
    match listed {
        true => Ok(place),
        false => Err(format!(
            "nothing may be sent to `{}`: an operator lists where notifications may go (`endpoints` in \
             `[web.subscriptions]`)",
            place.host
        )),
    }
}

impl Subscriptions {
    /// Whether each of `endpoints` is an address.
    ///
    /// # Errors
    /// In words: which is none, and why.
    pub fn check(&self) -> Result<(), String> {
        for listed in &self.endpoints {
            let wrong = |why| format!("`endpoints` in `[web.subscriptions]`: `{listed}`: {why}");
            read(listed).map_err(wrong)?;
        }
        Ok(())
    }
}

fn read(endpoint: &str) -> Result<Place, String> {
    let none = || "it is no address of the form https://host/path".to_owned();
    let uri: Uri = endpoint.parse().map_err(|_| none())?;
    let authority = uri.authority().ok_or_else(none)?;
    let path = uri.path_and_query().map_or("/", |path| path.as_str());
    let lower = uri.path().to_ascii_lowercase();
    let encoded = ENCODED.iter().any(|one| lower.contains(one));
    let climbs = encoded || path.contains("..") || path.contains('\\');
    if authority.as_str().contains('@') || climbs {
        let words = "an address with a name, a password, `..`, `\\` or an encoded `/`, `\\`, `.` or `%` is \
                     not taken";
        return Err(words.to_owned());
    }
    let host = authority
        .host()
        .trim_matches(['[', ']'])
        .to_ascii_lowercase();
    let tls = match uri.scheme_str() {
        Some("https") => true,
        Some("http") if is_here(&host) => false,
        _ => return Err("only `https://` is posted to, or `http://` on this machine".to_owned()),
    };
    Ok(Place {
        tls,
        port: uri.port_u16().unwrap_or(if tls { 443 } else { 80 }),
        host,
        path: path.to_owned(),
    })
}

/// Whether a host means this machine by its name.
fn is_here(host: &str) -> bool {
    let address = host.parse::<IpAddr>();
    host == "localhost" || address.is_ok_and(|address| address.to_canonical().is_loopback())
}

/// Posts a notification; a 2xx means that it was taken.
///
/// # Errors
/// In words: why it was not.
pub(super) async fn post(
    app: &App,
    (place, channel): (&Place, &Channel),
    body: String,
) -> Result<(), String> {
    let own = app.settings.subscriptions.wait_ms;
    let said = channel.timeout_seconds.map(|seconds| seconds * 1_000);
    let wait = said.unwrap_or(own).min(own);
    let posted = tokio::time::timeout(
        Duration::from_millis(wait),
        post_now(app, (place, channel), body),
    );
    match posted.await {
        Ok(Ok(200..=299)) => Ok(()),
        Ok(Ok(status)) => Err(format!("`{}` answered {status}", place.host)),
        Ok(Err(why)) => Err(format!("`{}`: {why}", place.host)),
        Err(_) => Err(format!("`{}`: no answer within {wait} ms", place.host)),
    }
}

async fn post_now(
    app: &App,
    (place, channel): (&Place, &Channel),
    body: String,
) -> Result<u16, String> {
    let stream = connect(place).await?;
    let mut sender = match place.tls {
        false => fetch::shaken(stream).await?,
        true => {
            let keys = Keys::of(&app.settings.subscriptions.authorities);
            fetch::shaken(app.fetch.secured(stream, &place.host, keys).await?).await?
        }
    };
    let host = match place.host.contains(':') {
        true => format!("[{}]", place.host),
        false => place.host.clone(),
    };
    let host = match place.port {
        443 | 80 => host,
        port => format!("{host}:{port}"),
    };
    let mut request = hyper::Request::builder()
        .method("POST")
        .uri(&place.path)
        .header(HOST, host)
        .header(CONTENT_TYPE, "application/fhir+json");
    for (name, value) in &channel.headers {
        request = request.header(name, value);
    }
    let request = request.body(Full::from(Bytes::from(body)));
    let request = request.map_err(|why| why.to_string())?;
    // Nothing in the body matters: it is not waited for.
    let response = sender.send_request(request).await;
    let response = response.map_err(|why| why.to_string())?;
    Ok(response.status().as_u16())
}

/// INVARIANT: the address that was checked is the one that is connected to; a name that means another
/// one a moment later changes nothing.
async fn connect(place: &Place) -> Result<TcpStream, String> {
    let found = lookup_host((place.host.as_str(), place.port)).await;
    let found: Vec<SocketAddr> = found.map_err(|why| why.to_string())?.collect();
    let here = is_here(&place.host);
    let good: Vec<SocketAddr> = found
        .into_iter()
        .filter(|one| may_be_meant(one.ip(), here))
        .collect();
    if good.is_empty() {
        return Err("its name means no machine that notifications may go to".to_owned());
    }
    let stream = TcpStream::connect(good.as_slice()).await;
    stream.map_err(|why| why.to_string())
}

/// Loopback for who is named as such, and nothing else for them; never what is a network's own:
/// link-local (where clouds keep their metadata), unspecified, multicast.
fn may_be_meant(address: IpAddr, here: bool) -> bool {
    let address = address.to_canonical();
    let local = match address {
        IpAddr::V4(address) => address.is_link_local() || address.is_broadcast(),
        IpAddr::V6(address) => address.is_unicast_link_local(),
    };
    let own = local || address.is_unspecified() || address.is_multicast();
    !own && here == address.is_loopback()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn listed(all: &[&str]) -> Subscriptions {
        Subscriptions {
            endpoints: all.iter().map(|&one| one.to_owned()).collect(),
            ..Subscriptions::default()
        }
    }

    #[test]
    fn only_what_an_operator_listed_is_posted_to() {
        let settings = listed(&["https://ehr.hospital/fhir", "http://127.0.0.1:8080/"]);
        for good in [
            "https://ehr.hospital/fhir",
            "https://EHR.hospital:443/fhir/hook?x=1",
            "https://ehr.hospital/fhir?x=1",
            "http://127.0.0.1:8080/any",
        ] {
            assert!(place(&settings, good).is_ok(), "{good}");
        }
        for bad in [
            "https://ehr.hospital/",
            "https://ehr.hospital/fhirx",
            "https://ehr.hospital/fhir/../admin",
            "https://ehr.hospital/fhir/%2E%2e/admin",
            "https://ehr.hospital/fhir/x%2F..%2Fadmin",
            "https://ehr.hospital/fhir/%252e",
            "https://ehr.hospital/fhir/%5Cadmin",
            "https://ehr.hospital/fhir\\admin",
            "https://ehr.hospital:444/fhir",
            "http://ehr.hospital/fhir",
            "https://ehr.hospital@evil.example/fhir",
            "https://ehr.hospital.evil.example/fhir",
            "http://127.0.0.1:8081/any",
            "http://localhost:8080/any",
            "https://169.254.169.254/latest",
            "file:///etc/passwd",
            "",
        ] {
            assert!(place(&settings, bad).is_err(), "{bad}");
        }
        assert!(place(&listed(&[]), "https://ehr.hospital/fhir").is_err());
        assert!(settings.check().is_ok());
        let wrong = listed(&["ehr.hospital"]).check().unwrap_err();
        assert!(wrong.contains("`ehr.hospital`"), "{wrong}");
    }

    #[test]
    fn a_name_may_not_come_to_mean_what_is_inside() {
        let may = |address: &str, here| may_be_meant(address.parse().unwrap(), here);
        assert!(may("10.0.0.7", false) && may("2001:db8::1", false));
        assert!(may("127.0.0.1", true) && !may("127.0.0.1", false));
        assert!(may("::1", true) && !may("10.0.0.7", true));
        for never in [
            "169.254.169.254",
            "::ffff:169.254.169.254",
            "fe80::1",
            "0.0.0.0",
            "::",
            "224.0.0.1",
            "255.255.255.255",
        ] {
            assert!(!may(never, true), "{never}");
        }
    }
}
