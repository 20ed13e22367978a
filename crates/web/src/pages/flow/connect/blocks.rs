//! What to write where, for each kind of system: text that works as it is once the names in it are
//! the hospital's own.

use std::net::SocketAddr;

use crate::doors::{Door, Doors};

/// How to connect one kind of system.
pub(super) struct Block {
    /// For links within the page.
    pub(super) id: &'static str,
    pub(super) title: &'static str,
    /// The door it comes in by; `None`: it asks, and is no feed.
    pub(super) door: Option<Door>,
    pub(super) steps: Vec<Step>,
}

/// One thing to do.
pub(super) struct Step {
    pub(super) words: String,
    /// What to copy.
    pub(super) code: String,
}

/// How this installation is reached.
pub(super) struct Site<'s> {
    host: &'s str,
    /// Scheme, host and port.
    origin: &'s str,
    doors: &'s Doors,
}

impl<'s> Site<'s> {
    /// Of the base of the FHIR door.
    pub(super) fn of(fhir: &'s str, doors: &'s Doors) -> Site<'s> {
        let origin = fhir.trim_end_matches("/fhir");
        let place = origin.split_once("://").map_or(origin, |(_, place)| place);
        let host = match place.rsplit_once(':') {
            Some((host, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => host,
            _ => place,
        };
        Site {
            host,
            origin,
            doors,
        }
    }

    /// A door that is open, as others reach it; or the port that opening it by the block gives it.
    fn at(&self, open: &[SocketAddr], usual: u16) -> String {
        let port = open.first().map_or(usual, SocketAddr::port);
        format!("{}:{port}", self.host)
    }
}

/// Every kind of system, the first of a hospital first.
pub(super) fn all(site: &Site<'_>) -> Vec<Block> {
    vec![
        hl7(site, &EHR),
        hl7(site, &LABORATORY),
        pacs(site),
        app(site),
        firewall(site),
        windows(site),
        linux(site),
        file(),
    ]
}

fn step(words: impl Into<String>, code: impl Into<String>) -> Step {
    Step {
        words: words.into(),
        code: code.into(),
    }
}

/// A system that sends HL7 v2.
struct Sender {
    id: &'static str,
    title: &'static str,
    feed: &'static str,
    messages: &'static str,
    kind: &'static str,
    application: &'static str,
}

const EHR: Sender = Sender {
    id: "ehr",
    title: "Patient administration or EHR (HL7 v2)",
    feed: "ehr",
    messages: "\"ADT^*\", \"SIU^*\", \"MDM^*\", \"ORM^*\"",
    kind: "ADT^A01",
    application: "EHR",
};

const LABORATORY: Sender = Sender {
    id: "laboratory",
    title: "Laboratory (HL7 v2)",
    feed: "lab",
    messages: "\"ORU^*\", \"OML^*\"",
    kind: "ORU^R01",
    application: "LAB",
};

fn hl7(site: &Site<'_>, sender: &Sender) -> Block {
    let Sender { feed, messages, .. } = sender;
    let secure = site.at(&site.doors.mllp_tls, 2576);
    let mut steps = Vec::new();
    let open = match site.doors.mllp_tls.is_empty() {
        true => {
            "[mllp.tls]\nlisten = [\"0.0.0.0:2576\"]\ncertificate = \"/etc/salus/server.pem\"\n\
                 key = \"/etc/salus/server.key\"\nclient_authorities = \"/etc/salus/senders.pem\"\n\n"
        }
        false => "",
    };
    steps.push(step(
        "In salus.toml, then restart Salus. The sender is known by the name in its certificate, and \
         may send these kinds for itself and nobody else.",
        format!(
            "{open}[[mllp.feed]]\nname = \"{feed}\"\nsubjects = [\"{feed}.hospital\"]\n\
             messages = [{messages}]\nzone = \"Europe/Berlin\""
        ),
    ));
    steps.push(step(
        "In the sending system: a new outbound connection. It may repeat what was not acknowledged; \
         Salus takes it once.",
        format!(
            "protocol        MLLP over TLS 1.2 or 1.3, with a client certificate\naddress         \
             {secure}\nacknowledgement original mode (AA, AE, AR); wait for it before the next\n\
             character set   UTF-8 (MSH-18: UNICODE UTF-8)"
        ),
    ));
    steps.push(step(
        "Or try it first: a test message with the sender's certificate.",
        format!(
            "salus send tls://{secure} --kind '{}' --application {} \\\n  --authorities server-ca.pem \
             --certificate {feed}.pem --key {feed}.key",
            sender.kind, sender.application
        ),
    ));
    if let Some(plain) = site.doors.mllp.first() {
        steps.push(step(
            "On this machine alone, for an interface engine beside Salus: MLLP without TLS.",
            format!(
                "salus send {plain} --kind '{}' --application {}",
                sender.kind, sender.application
            ),
        ));
    }
    Block {
        id: sender.id,
        title: sender.title,
        door: Some(Door::Mllp),
        steps,
    }
}

fn pacs(site: &Site<'_>) -> Block {
    let (doors, secure) = (site.doors, site.at(&site.doors.dicom_tls, 2762));
    let (host, port) = secure.rsplit_once(':').unwrap_or((&secure, "2762"));
    let title = match doors.title.as_str() {
        "" => "SALUS",
        title => title,
    };
    let open = match doors.dicom_tls.is_empty() {
        true => {
            "[dicom.tls]\nlisten = [\"0.0.0.0:2762\"]\ncertificate = \"/etc/salus/server.pem\"\n\
                 key = \"/etc/salus/server.key\"\nclient_authorities = \"/etc/salus/senders.pem\"\n\n"
        }
        false => "",
    };
    let mut steps = vec![
        step(
            "In salus.toml, then restart Salus. A title is a name that anybody may say: the certificate must \
             be the same sender's.",
            format!(
                "{open}[[dicom.feed]]\nname = \"pacs\"\ncalling = [\"PACS1\"]\nsubjects = [\"pacs1.hospital\"]"
            ),
        ),
        step(
            "In the PACS or the modality: a new storage destination.",
            format!(
                "AE title        {title}\naddress         {secure}\nsecurity        TLS 1.2 or 1.3 (BCP 195) with \
                 a client certificate\nservices        C-ECHO, C-STORE"
            ),
        ),
        step(
            "Or try it first, with dcmtk.",
            format!(
                "echoscu -aet PACS1 -aec {title} +tls pacs1.key pacs1.pem +cf server-ca.pem {host} {port}"
            ),
        ),
    ];
    if let Some(plain) = doors.dicom.first() {
        steps.push(step(
            "On this machine alone, without TLS.",
            format!(
                "storescu -aet PACS1 -aec {title} {} {} image.dcm",
                plain.ip(),
                plain.port()
            ),
        ));
    }
    Block {
        id: "pacs",
        title: "PACS or modality (DICOM)",
        door: Some(Door::Dicom),
        steps,
    }
}

fn app(site: &Site<'_>) -> Block {
    let origin = site.origin;
    Block {
        id: "fhir",
        title: "System or app that speaks FHIR R4",
        door: None,
        steps: vec![
            step(
                "A token for a system, printed once. Apps that people use register on Settings, and \
                 sign in by SMART.",
                "salus client add bedboard --name 'Bed board' --scope system/Patient.rs \
                 --scope system/Encounter.rs",
            ),
            step(
                "Try it. Every answer is decided and sealed.",
                format!(
                    "curl --cacert salus.pem -H \"Authorization: Bearer $TOKEN\" \\\n  \
                     '{origin}/fhir/Encounter?status=in-progress&_include=Encounter:patient'"
                ),
            ),
        ],
    }
}

fn firewall(site: &Site<'_>) -> Block {
    let (doors, mut opened) = (site.doors, String::new());
    if doors.syslog_tls.is_empty() {
        opened.push_str(
            "[signals.syslog.tls]\nlisten = [\"0.0.0.0:6514\"]\ncertificate = \"/etc/salus/server.pem\"\n\
             key = \"/etc/salus/server.key\"\nclient_authorities = \"/etc/salus/senders.pem\"\n\n",
        );
    }
    Block {
        id: "firewall",
        title: "Firewall, switch or appliance (syslog)",
        door: Some(Door::Syslog),
        steps: vec![
            step(
                "In salus.toml, then restart Salus. A device without TLS is known by its address; \
                 that can be forged.",
                format!(
                    "{opened}[[signals.syslog.feed]]\nname = \"firewall\"\nsubjects = [\"fw1.hospital\"]\n\
                     sources = [\"10.0.0.1\"]"
                ),
            ),
            step(
                "In the device.",
                format!(
                    "format          RFC 5424 (or RFC 3164)\nover TLS        {}\nor, without TLS {} by \
                     UDP (opened by `udp = [\"0.0.0.0:514\"]` under [signals.syslog])",
                    site.at(&doors.syslog_tls, 6514),
                    site.at(&doors.syslog_udp, 514)
                ),
            ),
            step(
                "Try it from the machine that is the source.",
                format!(
                    "logger --rfc5424 --udp --server {} --port {} 'salus: a test'",
                    site.host,
                    doors.syslog_udp.first().map_or(514, SocketAddr::port)
                ),
            ),
        ],
    }
}

fn windows(site: &Site<'_>) -> Block {
    let origin = site.origin;
    Block {
        id: "windows",
        title: "Windows host (JSON lines over HTTPS)",
        door: Some(Door::Lines),
        steps: vec![
            step(
                "In salus.toml, then restart Salus; `sysmon` for Sysmon's own events.",
                "[[signals.https.feed]]\nname = \"windows\"\nformat = \"windows\"\n\
                 client = \"windows-collector\"",
            ),
            step(
                "The collector's token, printed once.",
                "salus client add windows-collector --scope system/signals",
            ),
            step(
                "In PowerShell: the first events. For good, let a collector (NXLog, Logstash, Fluent \
                 Bit) post JSON lines to the same address with the same header.",
                format!(
                    "$lines = Get-WinEvent -LogName System -MaxEvents 20 | ForEach-Object {{\n  \
                     @{{ TimeCreated = $_.TimeCreated.ToUniversalTime().ToString('o'); Computer = \
                     $_.MachineName;\n     Channel = $_.LogName; EventID = $_.Id; Message = $_.Message \
                     }} | ConvertTo-Json -Compress }}\nInvoke-RestMethod -Method Post {origin}/signals/windows \
                     `\n  -Headers @{{ Authorization = \"Bearer $env:TOKEN\" }} `\n  -Body \
                     ([Text.Encoding]::UTF8.GetBytes($lines -join \"`n\"))"
                ),
            ),
        ],
    }
}

fn linux(site: &Site<'_>) -> Block {
    let tls = site.doors.syslog_tls.first();
    let port = tls.map_or(6514, SocketAddr::port);
    let host = site.host;
    Block {
        id: "linux",
        title: "Linux host (rsyslog)",
        door: Some(Door::Syslog),
        steps: vec![
            step(
                "In salus.toml, as for a firewall.",
                "[[signals.syslog.feed]]\nname = \"linux\"\nsubjects = [\"app1.hospital\", \"app2.hospital\"]",
            ),
            step(
                "In /etc/rsyslog.d/salus.conf of the host (package rsyslog-gnutls).",
                format!(
                    "global(defaultNetstreamDriverCAFile=\"/etc/ssl/hospital.pem\"\n       \
                     defaultNetstreamDriverCertFile=\"/etc/ssl/app1.pem\" \
                     defaultNetstreamDriverKeyFile=\"/etc/ssl/app1.key\")\naction(type=\"omfwd\" \
                     target=\"{host}\" port=\"{port}\" protocol=\"tcp\" TCP_Framing=\"octet-counted\"\n       \
                     StreamDriver=\"gtls\" StreamDriverMode=\"1\" StreamDriverAuthMode=\"x509/name\"\n       \
                     StreamDriverPermittedPeers=\"{host}\")"
                ),
            ),
        ],
    }
}

fn file() -> Block {
    Block {
        id: "file",
        title: "Log file on this machine (Suricata, Zeek, auditd)",
        door: Some(Door::File),
        steps: vec![step(
            "In salus.toml, then restart Salus. The user that Salus runs as must be able to read the file \
             and its folder.",
            "[[signals.file]]\nname = \"ids\"\npath = \"/var/log/suricata/eve.json\"\nformat = \"suricata\"",
        )],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_open_is_said_and_what_is_not_is_opened() {
        let doors = Doors {
            mllp: vec!["127.0.0.1:2575".parse().unwrap()],
            ..Doors::default()
        };
        let site = Site::of("https://salus.hospital:8443/fhir", &doors);
        let text = |doors: &Doors, id: &str| -> String {
            let site = Site::of("https://salus.hospital:8443/fhir", doors);
            let blocks = all(&site);
            let block = blocks.iter().find(|block| block.id == id).unwrap();
            let steps = block.steps.iter().map(|step| step.code.clone());
            steps.collect::<Vec<_>>().join("\n")
        };
        assert_eq!(site.host, "salus.hospital");
        let lab = text(&doors, "laboratory");
        assert!(
            lab.contains("[mllp.tls]") && lab.contains("salus.hospital:2576"),
            "{lab}"
        );
        assert!(
            lab.contains("salus send 127.0.0.1:2575 --kind 'ORU^R01'"),
            "{lab}"
        );
        let open = Doors {
            mllp_tls: vec!["0.0.0.0:2600".parse().unwrap()],
            ..doors
        };
        let lab = text(&open, "laboratory");
        assert!(
            !lab.contains("[mllp.tls]") && lab.contains("salus.hospital:2600"),
            "{lab}"
        );
        assert!(text(&open, "windows").contains("https://salus.hospital:8443/signals/windows"));
    }
}
