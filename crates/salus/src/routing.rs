//! Routes, as the operator of the machine asks for them.

use std::net::{IpAddr, SocketAddr};

use anyhow::Result;
use routes::{Aside, RouteConfig, RouteState, Target};
use serde::{Deserialize, Serialize};
use web::{RouteOrdered, RouteWanted};

use crate::assemble::House;
use crate::operations::{SETTLE, operator};

/// A route, and what was set aside on it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Listed {
    #[serde(flatten)]
    pub(crate) state: RouteState,
    pub(crate) set_aside: Vec<Aside>,
}

impl House {
    /// Every route that was ever there.
    pub(crate) async fn routes(&self) -> Result<Vec<Listed>> {
        let routes = &self.app.routes;
        routes.caught_up(self.app.record.size(), SETTLE).await;
        let mut listed = Vec::new();
        for state in routes.list(self.clock.now()).await? {
            let set_aside = routes.aside(&state.name).await?;
            listed.push(Listed { state, set_aside });
        }
        Ok(listed)
    }

    /// Orders something about a route.
    pub(crate) async fn order_route(&self, wanted: &RouteWanted) -> Result<RouteOrdered> {
        let ordered = self.app.order_route(wanted, &operator()).await;
        ordered.map_err(anyhow::Error::msg)
    }
}

/// Whether a route leads to another system and not back to one of our own doors.
///
/// # Errors
/// In words, to which.
pub(crate) fn leads_away(route: &RouteConfig, own: &[SocketAddr]) -> Result<(), String> {
    let (host, port) = match route.target()? {
        Target::Mllp { host, port, .. } | Target::Dicom { host, port, .. } => (host, port),
        Target::Fhir(base) => {
            let place = url::Url::parse(&base).map_err(|why| format!("`{base}`: {why}"))?;
            let host = place
                .host_str()
                .unwrap_or_default()
                .trim_matches(['[', ']']);
            (
                host.to_owned(),
                place.port_or_known_default().unwrap_or(443),
            )
        }
        Target::Folder(_) => return Ok(()),
    };
    match own
        .iter()
        .find(|door| door.port() == port && is_at(&host, door.ip()))
    {
        None => Ok(()),
        Some(door) => Err(format!(
            "route `{}`: `{}` is our own door at {door}: what goes out there comes in again",
            route.name, route.to
        )),
    }
}

/// Whether a host means the address that a door listens at.
fn is_at(host: &str, door: IpAddr) -> bool {
    let here = match host {
        "localhost" => Some(IpAddr::from([127, 0, 0, 1])),
        host => host.parse::<IpAddr>().ok(),
    };
    here.is_some_and(|here| {
        let here = here.to_canonical();
        here == door.to_canonical()
            || door.is_unspecified()
            || here.is_unspecified()
            || here.is_loopback() && door.is_loopback()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_route_to_an_own_door_is_refused() {
        let own: Vec<SocketAddr> = ["127.0.0.1:2575", "0.0.0.0:2576", "[::1]:8443"]
            .iter()
            .map(|one| one.parse().unwrap())
            .collect();
        let leads = |to: &str| {
            let route = RouteConfig {
                name: "x".into(),
                to: to.into(),
                ..RouteConfig::default()
            };
            leads_away(&route, &own)
        };
        for back in [
            "mllp://127.0.0.1:2575",
            "mllp://localhost:2575",
            "mllp://[::1]:2575",
            "mllps://10.0.0.7:2576",
            "dicoms://10.0.0.7:2576",
            "https://localhost:8443/fhir",
        ] {
            assert!(leads(back).unwrap_err().contains("our own door"), "{back}");
        }
        for away in [
            "mllp://127.0.0.1:2600",
            "mllps://10.0.0.7:2575",
            "https://ehr.example/fhir",
            "file:/out",
        ] {
            assert_eq!(leads(away), Ok(()), "{away}");
        }
    }
}
