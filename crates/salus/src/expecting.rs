//! What the configuration opens and whom it expects, as the page *Connect* says it.

use web::{Door, Doors, Expected};

use crate::config::Config;

/// The doors of a configuration.
pub(crate) fn doors(config: &Config) -> Doors {
    let (mllp, syslog) = (&config.mllp, &config.signals.syslog);
    let named = |door: Door| {
        move |name: &String| Expected {
            name: name.clone(),
            door,
        }
    };
    let mut feeds: Vec<Expected> = Vec::new();
    let senders = mllp.feeds.iter().map(|feed| &feed.name);
    feeds.extend(senders.map(named(Door::Mllp)));
    let callers = config.dicom.feeds.iter().map(|feed| &feed.name);
    feeds.extend(callers.map(named(Door::Dicom)));
    let hosts = syslog.feeds.iter().map(|feed| &feed.name);
    feeds.extend(hosts.map(named(Door::Syslog)));
    let clients = config.signals.https.feeds.iter().map(|feed| &feed.name);
    feeds.extend(clients.map(named(Door::Lines)));
    let files = config.signals.files.iter().map(|file| &file.name);
    feeds.extend(files.map(named(Door::File)));
    let mllp_tls = mllp.tls.iter().flat_map(|tls| tls.listen.clone());
    let syslog_tls = syslog.tls.iter().flat_map(|tls| tls.listen.clone());
    let dicom = &config.dicom;
    let dicom_tls = dicom.tls.iter().flat_map(|tls| tls.listen.clone());
    Doors {
        dicom: dicom.listen.clone(),
        dicom_tls: dicom_tls.collect(),
        title: dicom.titles.first().cloned().unwrap_or_default(),
        mllp: mllp.listen.clone(),
        mllp_tls: mllp_tls.collect(),
        syslog_udp: syslog.udp.clone(),
        syslog_tcp: syslog.tcp.clone(),
        syslog_tls: syslog_tls.collect(),
        feeds,
    }
}
