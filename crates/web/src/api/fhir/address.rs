//! Addresses outside that somebody names: where notifications are posted to, where files are imported
//! from. Only what an operator listed is reached, and only machines that such an address may mean.

use std::net::{IpAddr, SocketAddr};
use std::path::Path;

use axum::http::Uri;
use tokio::net::{TcpStream, lookup_host};

use crate::App;
use crate::fetch::{self, Sender};
use crate::trust::Keys;

/// What a server between may read as another path than was compared: `/`, `\`, `.` and `%`, encoded.
const ENCODED: [&str; 4] = ["%2f", "%5c", "%2e", "%25"];

/// A place outside.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) tls: bool,
    pub(crate) host: String,
    pub(crate) port: u16,
    pub(crate) path: String,
}

/// What an operator listed, and where: `endpoints` of `[web.subscriptions]`.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Listed<'a> {
    /// Beginnings of addresses.
    pub(crate) all: &'a [String],
    /// The option.
    pub(crate) option: &'static str,
    /// Its section.
    pub(crate) section: &'static str,
}

impl Listed<'_> {
    /// The place that an address means, if it is listed.
    ///
    /// # Errors
    /// In words.
    pub(crate) fn place(&self, address: &str) -> Result<Place, String> {
        let place = read(address)?;
        let listed = self.all.iter().any(|listed| {
            read(listed).is_ok_and(|listed| {
                let below = place.path.strip_prefix(&listed.path);
                let whole = below.is_some_and(|rest| {
                    listed.path.ends_with('/') || rest.is_empty() || rest.starts_with(['/', '?'])
                });
                (place.tls, &place.host, place.port) == (listed.tls, &listed.host, listed.port)
                    && whole
            })
        });
        match listed {
            true => Ok(place),
            false => Err(format!(
                "`{}` may not be reached: an operator lists what may (`{}` in `[{}]`)",
                place.host, self.option, self.section
            )),
        }
    }

    /// Whether each is an address.
    ///
    /// # Errors
    /// In words: which is none, and why.
    pub(crate) fn check(&self) -> Result<(), String> {
        for listed in self.all {
            let wrong = |why| {
                format!(
                    "`{}` in `[{}]`: `{listed}`: {why}",
                    self.option, self.section
                )
            };
            read(listed).map_err(wrong)?;
        }
        Ok(())
    }
}

impl Place {
    /// What stands in `Host`.
    pub(crate) fn authority(&self) -> String {
        let host = match self.host.contains(':') {
            true => format!("[{}]", self.host),
            false => self.host.clone(),
        };
        match self.port {
            443 | 80 => host,
            port => format!("{host}:{port}"),
        }
    }

    /// HTTP with it.
    ///
    /// # Errors
    /// In words.
    pub(crate) async fn open(&self, app: &App, authorities: &Path) -> Result<Sender, String> {
        let stream = connect(self).await?;
        match self.tls {
            false => fetch::shaken(stream).await,
            true => {
                let keys = Keys::of(authorities);
                fetch::shaken(app.fetch.secured(stream, &self.host, keys).await?).await
            }
        }
    }
}

fn read(address: &str) -> Result<Place, String> {
    let none = || "it is no address of the form https://host/path".to_owned();
    let uri: Uri = address.parse().map_err(|_| none())?;
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
        _ => return Err("only `https://` is reached, or `http://` on this machine".to_owned()),
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
        return Err("its name means no machine that may be reached".to_owned());
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

    fn owned(all: &[&str]) -> Vec<String> {
        all.iter().map(|&one| one.to_owned()).collect()
    }

    fn listed(all: &[String]) -> Listed<'_> {
        Listed {
            all,
            option: "endpoints",
            section: "web.subscriptions",
        }
    }

    #[test]
    fn only_what_an_operator_listed_is_reached() {
        let all = owned(&["https://ehr.hospital/fhir", "http://127.0.0.1:8080/"]);
        let listed_here = listed(&all);
        for good in [
            "https://ehr.hospital/fhir",
            "https://EHR.hospital:443/fhir/hook?x=1",
            "https://ehr.hospital/fhir?x=1",
            "http://127.0.0.1:8080/any",
        ] {
            assert!(listed_here.place(good).is_ok(), "{good}");
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
            assert!(listed_here.place(bad).is_err(), "{bad}");
        }
        assert!(listed(&[]).place("https://ehr.hospital/fhir").is_err());
        assert!(listed_here.check().is_ok());
        let wrong = listed(&owned(&["ehr.hospital"])).check().unwrap_err();
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
