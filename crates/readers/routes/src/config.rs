use std::collections::BTreeSet;
use std::net::IpAddr;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use wire::hl7::rule::Tables;

use crate::rules::{Changed, Must};

/// The section `[routes]`: what is passed on, and where to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Milliseconds a receiver may take to connect, and to answer one message.
    pub wait_ms: u64,
    /// Milliseconds before the first new try; each further one waits twice as long.
    pub retry_ms: u64,
    /// The longest wait between two tries, in milliseconds.
    pub retry_max_ms: u64,
    /// Messages that a receiver has taken and that are not sealed as such yet; after a crash they may
    /// come to it a second time.
    pub unsealed_max: usize,
    /// Patients of one route whose message is to be tried again later; with more, all wait.
    pub held_up_max: usize,
    /// Refused and looped messages that a route lists, the newest.
    pub aside_kept_max: u64,
    /// How long it is remembered what went out, to know what comes back, in milliseconds.
    pub loop_memory_ms: i64,
    /// Messages that one order replays, at most.
    pub replay_messages_max: usize,
    /// Events of one subscription that can be asked for again, the newest.
    pub events_kept_max: u64,
    /// The routes.
    #[serde(rename = "route", skip_serializing_if = "Vec::is_empty")]
    pub routes: Vec<RouteConfig>,
}

impl Default for Config {
    fn default() -> Config {
        Config {
            wait_ms: 30_000,
            retry_ms: 1_000,
            retry_max_ms: 60_000,
            unsealed_max: 100,
            held_up_max: 200,
            aside_kept_max: 1_000,
            loop_memory_ms: 7 * 86_400_000,
            replay_messages_max: 100_000,
            events_kept_max: 10_000,
            routes: Vec::new(),
        }
    }
}

/// One `[[routes.route]]`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RouteConfig {
    /// Its name, in the record and on the Flow page.
    pub name: String,
    /// Where to: `mllp://127.0.0.1:2600`, `mllps://host:2600`, `https://host/fhir`, `file:/folder`.
    pub to: String,
    /// Feeds whose messages it passes on; empty: any.
    pub feeds: Vec<String>,
    /// Message kinds it passes on: `ADT^A01`, `ADT^*`, `ADT` (the same) or `*`.
    pub messages: Vec<String>,
    /// Sending applications (MSH-3) it passes on; empty: any.
    pub applications: Vec<String>,
    /// Sending facilities (MSH-4) it passes on; empty: any.
    pub facilities: Vec<String>,
    /// Types of written FHIR resources that it passes on to a FHIR server, or `*`.
    pub resources: Vec<String>,
    /// What a message must say; all of it must hold.
    #[serde(rename = "where")]
    pub must: Vec<Must>,
    /// What is changed in it, one after the other.
    pub changes: Vec<Changed>,
    /// Tables for `map`, by name.
    pub tables: Tables,
    /// Whether it waits for the application's acknowledgement too, if the message asks for two.
    pub application_ack: bool,
    /// PEM file with the authorities that may vouch for the receiver; empty: the machine's.
    pub authorities: PathBuf,
    /// PEM file with our own certificate chain, for a receiver that asks for one; empty: none.
    pub certificate: PathBuf,
    /// PEM file with its private key.
    pub key: PathBuf,
    /// A file with the bearer token that a FHIR server wants; empty: none.
    pub token_file: PathBuf,
    /// The AE title of a DICOM receiver.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub called: String,
    /// The AE title by which Salus calls it; empty: `SALUS`.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub calling: String,
    /// Objects that are sent to a DICOM receiver at a time, each on an association of its own: 1 to 16.
    #[serde(skip_serializing_if = "is_one")]
    pub associations: usize,
    /// Modalities of objects it passes on, such as `CT`; empty: any.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub modalities: Vec<String>,
    /// SOP classes of objects it passes on, by UID, with `*` at the end for more; empty: any.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub classes: Vec<String>,
    /// AE titles (of DICOMweb: ids of clients) whose objects it passes on; empty: any.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub senders: Vec<String>,
}

/// What is as before says nothing: the rules of a route are sealed as they are written.
#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands it over so")]
const fn is_one(number: &usize) -> bool {
    *number == 1
}

impl Default for RouteConfig {
    fn default() -> RouteConfig {
        RouteConfig {
            name: String::new(),
            to: String::new(),
            feeds: Vec::new(),
            messages: vec!["*".into()],
            applications: Vec::new(),
            facilities: Vec::new(),
            resources: Vec::new(),
            must: Vec::new(),
            changes: Vec::new(),
            tables: Tables::new(),
            application_ack: false,
            authorities: PathBuf::new(),
            certificate: PathBuf::new(),
            key: PathBuf::new(),
            token_file: PathBuf::new(),
            called: String::new(),
            calling: String::new(),
            associations: 1,
            modalities: Vec::new(),
            classes: Vec::new(),
            senders: Vec::new(),
        }
    }
}

/// Where a route leads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// HL7 v2 over MLLP.
    Mllp {
        /// The host, without brackets.
        host: String,
        /// The port.
        port: u16,
        /// Over TLS.
        tls: bool,
    },
    /// Objects over DICOM (C-STORE).
    Dicom {
        /// The host, without brackets.
        host: String,
        /// The port.
        port: u16,
        /// Over TLS.
        tls: bool,
    },
    /// The base of a FHIR R4 server.
    Fhir(String),
    /// A folder on this machine: a file for each message.
    Folder(PathBuf),
}

impl RouteConfig {
    /// Where it leads.
    ///
    /// # Errors
    /// In words: it is no such address, or it leads elsewhere in the clear.
    pub fn target(&self) -> Result<Target, String> {
        let (name, to) = (&self.name, &self.to);
        let wrong = || {
            format!(
                "route `{name}`: `{to}` is nowhere that messages can be sent to; write \
                 `mllps://host:2600`, `mllp://127.0.0.1:2600`, `dicoms://host:2762`, `https://host/fhir` \
                 or `file:/folder`"
            )
        };
        if let Some(folder) = to.strip_prefix("file:") {
            let folder = PathBuf::from(folder);
            return match folder.is_absolute() {
                true => Ok(Target::Folder(folder)),
                false => Err(wrong()),
            };
        }
        let (scheme, place) = to.split_once("://").ok_or_else(wrong)?;
        let clear = || {
            format!(
                "route `{name}`: `{to}` would send patients' data in the clear to another machine; use TLS"
            )
        };
        match scheme {
            "mllp" | "mllps" | "dicom" | "dicoms" => {
                let (host, port) = place.rsplit_once(':').ok_or_else(wrong)?;
                let host = host.trim_start_matches('[').trim_end_matches(']');
                let port = port.parse().map_err(|_| wrong())?;
                let fits = |letter: char| {
                    letter.is_ascii_alphanumeric() || matches!(letter, '.' | '-' | ':' | '_')
                };
                if host.is_empty() || !host.chars().all(fits) {
                    return Err(wrong());
                }
                let (host, tls) = (host.to_owned(), scheme.ends_with('s'));
                if !tls && !is_here(&host) {
                    return Err(clear());
                }
                Ok(match scheme.starts_with("dicom") {
                    true => Target::Dicom { host, port, tls },
                    false => Target::Mllp { host, port, tls },
                })
            }
            "https" if !place.is_empty() => Ok(Target::Fhir(to.trim_end_matches('/').to_owned())),
            "http" => {
                let authority = place
                    .split(['/', '?', '#', '\\'])
                    .next()
                    .unwrap_or_default();
                // Behind a name and a password another host would stand.
                if authority.contains('@') {
                    return Err(wrong());
                }
                let host = authority
                    .rsplit_once(':')
                    .map_or(authority, |(host, _)| host);
                match is_here(host.trim_matches(['[', ']'])) {
                    true => Ok(Target::Fhir(to.trim_end_matches('/').to_owned())),
                    false => Err(clear()),
                }
            }
            _ => Err(wrong()),
        }
    }

    /// Whether it passes objects on, and no messages.
    pub fn is_dicom(&self) -> bool {
        self.to.starts_with("dicom")
    }

    /// What is wrong with it as a route to a DICOM receiver, or as one to another.
    fn check_dicom(&self) -> Result<(), String> {
        let name = &self.name;
        if !self.is_dicom() {
            let own = [&self.modalities, &self.classes, &self.senders];
            let titles = [&self.called, &self.calling];
            return match own.iter().all(|one| one.is_empty())
                && titles.iter().all(|one| one.is_empty())
            {
                true => Ok(()),
                false => Err(format!(
                    "route `{name}`: `called`, `calling`, `modalities`, `classes` and `senders` are of routes to `dicoms://` alone"
                )),
            };
        }
        if !is_title(&self.called) || !(self.calling.is_empty() || is_title(&self.calling)) {
            return Err(format!(
                "route `{name}`: say which AE title is called: `called`; a title is 1 to 16 ASCII characters without `\\`"
            ));
        }
        let of_messages = [&self.applications, &self.facilities, &self.resources];
        if !self.must.is_empty()
            || !self.changes.is_empty()
            || of_messages.iter().any(|one| !one.is_empty())
        {
            return Err(format!(
                "route `{name}`: objects are chosen by `feeds`, `modalities`, `classes` and `senders`, and not changed"
            ));
        }
        Ok(())
    }

    /// What is wrong with it by itself.
    fn check(&self) -> Result<(), String> {
        let name = &self.name;
        let plain =
            |letter: char| letter.is_ascii_alphanumeric() || matches!(letter, '-' | '_' | '.');
        if name.is_empty() || name.len() > 60 || !name.chars().all(plain) {
            return Err(format!(
                "`{name}` is no name of a route: it takes letters, digits, `-`, `_` and `.`, at most 60"
            ));
        }
        let target = self.target()?;
        self.check_dicom()?;
        if !self.resources.is_empty() && !matches!(target, Target::Fhir(_)) {
            return Err(format!(
                "route `{name}`: `resources` go to a FHIR server alone"
            ));
        }
        if matches!(target, Target::Fhir(_)) && !self.certificate.as_os_str().is_empty() {
            return Err(format!(
                "route `{name}`: a `certificate` is shown to MLLP receivers alone; a FHIR server gets a token (`token_file`)"
            ));
        }
        for change in &self.changes {
            if let Some(table) = change
                .0
                .table()
                .filter(|table| !self.tables.contains_key(*table))
            {
                return Err(format!(
                    "route `{name}`, `{}`: there is no table `{table}`; write it under `[routes.route.tables.{table}]`",
                    change.0
                ));
            }
        }
        Ok(())
    }
}

impl Config {
    /// What is wrong with the routes.
    ///
    /// # Errors
    /// In words, naming the route.
    pub fn check(&self) -> Result<(), String> {
        let mut names = BTreeSet::new();
        let mut folders = Vec::new();
        for route in &self.routes {
            route.check()?;
            if let Target::Folder(folder) = route.target()? {
                if folders.contains(&folder) {
                    return Err(format!(
                        "route `{}`: another route leads into this folder, and their files have the same names",
                        route.name
                    ));
                }
                folders.push(folder);
            }
            if !names.insert(&route.name) {
                return Err(format!("there are two routes `{}`", route.name));
            }
        }
        Ok(())
    }
}

/// Whether that is an AE title (PS3.5 section 6.2).
fn is_title(title: &str) -> bool {
    let fits = |letter: char| (letter.is_ascii_graphic() || letter == ' ') && letter != '\\';
    (1..=16).contains(&title.len()) && title.trim() == title && title.chars().all(fits)
}

fn is_here(host: &str) -> bool {
    let address: Option<IpAddr> = host.parse().ok();
    host == "localhost" || address.is_some_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Config, String> {
        let config: Config = toml::from_str(text).map_err(|why| why.to_string())?;
        config.check().map(|()| config)
    }

    fn to(to: &str) -> Result<Target, String> {
        let name = "lab".to_owned();
        RouteConfig {
            name,
            to: to.into(),
            ..RouteConfig::default()
        }
        .target()
    }

    #[test]
    fn a_rule_that_cannot_be_read_is_refused_with_its_line() {
        let head = "[[route]]\nname = \"lab\"\nto = \"mllp://127.0.0.1:1\"\n";
        let why = read(&format!("{head}where = ['PV1-2 is I']\n")).unwrap_err();
        assert!(
            why.contains("line 4") && why.contains("here `empty`"),
            "{why}"
        );
        let why = read(&format!("{head}changes = [\n'drop NTE',\n'run rm']\n")).unwrap_err();
        assert!(
            why.contains("line 4") && why.contains("`run rm`: `run`"),
            "{why}"
        );
        let why = read(&format!("{head}changes = ['map PV1-3.1 by wards']\n")).unwrap_err();
        assert!(why.contains("no table `wards`"), "{why}");
        let why = read(&format!("{head}wherever = 1\n")).unwrap_err();
        assert!(why.contains("line 4"), "{why}");
        let why = read(&format!("{head}{head}")).unwrap_err();
        assert!(why.contains("two routes"), "{why}");
        let folder = |name: &str| format!("[[route]]\nname = \"{name}\"\nto = \"file:/out\"\n");
        let why = read(&format!("{}{}", folder("a"), folder("b"))).unwrap_err();
        assert!(
            why.contains("another route leads into this folder"),
            "{why}"
        );
        let fhir = "[[route]]\nname = \"a\"\nto = \"https://h/fhir\"\ncertificate = \"c.pem\"\n";
        assert!(read(fhir).unwrap_err().contains("MLLP receivers alone"));
        let pacs = "[[route]]\nname = \"pacs\"\nto = \"dicoms://pacs:2762\"\n";
        let titled = format!("{pacs}called = \"PACS\"\nmodalities = [\"CT\"]\n");
        assert!(read(&titled).is_ok());
        for (wrong, why) in [
            (pacs.to_owned(), "`called`"),
            (format!("{titled}changes = ['drop NTE']\n"), "not changed"),
            (format!("{titled}resources = [\"*\"]\n"), "not changed"),
            (format!("{head}called = \"PACS\"\n"), "`dicoms://` alone"),
            (format!("{pacs}called = \"seventeen letters\"\n"), "1 to 16"),
        ] {
            assert!(read(&wrong).unwrap_err().contains(why), "{wrong}");
        }
        let good =
            format!("{head}changes = ['map PV1-3.1 by wards']\n[route.tables.wards]\nA = \"B\"\n");
        let config = read(&good).unwrap();
        let json = serde_json::to_string(&config.routes[0]).unwrap();
        assert_eq!(
            serde_json::from_str::<RouteConfig>(&json).unwrap(),
            config.routes[0]
        );
    }

    #[test]
    fn nothing_leaves_in_the_clear_but_to_this_machine() {
        for good in [
            "mllp://127.0.0.1:1",
            "mllp://[::1]:1",
            "mllps://lab.example:2600",
            "dicoms://pacs.example:2762",
            "dicom://[::1]:104",
            "https://a.example/fhir",
            "http://localhost:8080/fhir",
            "file:/var/out",
        ] {
            assert!(to(good).is_ok(), "{good}");
        }
        for clear in [
            "mllp://10.0.0.7:1",
            "dicom://10.0.0.7:104",
            "mllp://127.0.0.1.evil.test:1",
            "http://a.example/fhir",
        ] {
            assert!(to(clear).unwrap_err().contains("in the clear"), "{clear}");
        }
        for bad in [
            "",
            "lab",
            "mllp://lab",
            "dicoms://pacs",
            "mllps://:1",
            "mllps://a b:1",
            "ftp://a/",
            "file:out",
            "https://",
            "http://localhost:80@evil.example/fhir",
        ] {
            assert!(to(bad).unwrap_err().contains("nowhere"), "{bad}");
        }
    }
}
