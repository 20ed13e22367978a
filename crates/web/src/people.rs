//! What people's sign-in may be set to.

use event::Role;

use crate::Settings;

impl Settings {
    /// The origin of pages on which passkeys work, and the host they are bound to. A passkey needs
    /// a name: for an address of this machine it is `localhost`.
    pub(crate) fn passkey_place(&self) -> (String, String) {
        let base = self
            .fhir_base
            .strip_suffix("/fhir")
            .unwrap_or(&self.fhir_base);
        let (scheme, rest) = base.split_once("://").unwrap_or(("https", base));
        let authority = rest.split('/').next().unwrap_or_default();
        let colon = authority.rfind(':').filter(|_| !authority.ends_with(']'));
        let (host, port) = authority.split_at(colon.unwrap_or(authority.len()));
        let bare = host.trim_start_matches('[').trim_end_matches(']');
        let loopback = bare
            .parse::<std::net::IpAddr>()
            .is_ok_and(|address| address.is_loopback());
        let host = if loopback { "localhost" } else { host };
        let port = if port == ":443" { "" } else { port };
        (format!("{scheme}://{host}{port}"), host.to_owned())
    }
}

/// Whether people need a second factor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SecondFactor {
    /// Whoever has none may set one up, and nothing else.
    Required,
    /// A password alone will do for whoever has set up nothing more.
    Optional,
}

/// What a session is bound to, besides the browser it began in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Binding {
    /// Nothing: people walk from network to network.
    Browser,
    /// The network (IPv4 /24, IPv6 /64): from another one, the session pauses.
    Network,
}

/// How long a session may be idle before it pauses, in milliseconds, by role.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct IdleMs {
    /// Nurses: PCs on wards, where others walk by.
    pub nurse: i64,
    /// Physicians.
    pub physician: i64,
    /// Privacy officers.
    pub privacy_officer: i64,
    /// Administrators.
    pub administrator: i64,
}

impl Default for IdleMs {
    fn default() -> IdleMs {
        const MINUTE: i64 = 60_000;
        IdleMs {
            nurse: 5 * MINUTE,
            physician: 5 * MINUTE,
            privacy_officer: 15 * MINUTE,
            administrator: 10 * MINUTE,
        }
    }
}

impl IdleMs {
    pub(crate) fn of(&self, role: Role) -> i64 {
        match role {
            Role::Physician => self.physician,
            Role::PrivacyOfficer => self.privacy_officer,
            Role::Administrator => self.administrator,
            Role::Nurse | Role::Client | Role::Feed | Role::Operator | Role::Salus => self.nurse,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passkeys_are_bound_to_the_name_of_the_house() {
        for (base, origin, host) in [
            (
                "https://127.0.0.1:8443/fhir",
                "https://localhost:8443",
                "localhost",
            ),
            (
                "https://[::1]:8443/fhir",
                "https://localhost:8443",
                "localhost",
            ),
            (
                "https://salus.hospital.example/fhir",
                "https://salus.hospital.example",
                "salus.hospital.example",
            ),
            (
                "https://salus.hospital.example:443/fhir",
                "https://salus.hospital.example",
                "salus.hospital.example",
            ),
        ] {
            let settings = Settings {
                fhir_base: base.into(),
                ..Settings::default()
            };
            assert_eq!(
                settings.passkey_place(),
                (origin.to_owned(), host.to_owned())
            );
        }
    }
}
