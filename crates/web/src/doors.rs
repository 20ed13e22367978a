//! The doors of this installation, and who is expected at them: what the page *Connect* says.

use std::net::SocketAddr;

/// The kinds of doors that feeds come through.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Door {
    /// HL7 v2 over MLLP.
    Mllp,
    /// DICOM associations.
    Dicom,
    /// Syslog.
    Syslog,
    /// JSON lines over HTTPS.
    Lines,
    /// A file on this machine.
    File,
}

/// A feed that the configuration names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Expected {
    /// Its name.
    pub name: String,
    /// Where it comes in.
    pub door: Door,
}

/// What is listened at, as configured.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Doors {
    /// MLLP in the clear: this machine alone.
    pub mllp: Vec<SocketAddr>,
    /// MLLP over TLS.
    pub mllp_tls: Vec<SocketAddr>,
    /// DICOM in the clear: this machine alone.
    pub dicom: Vec<SocketAddr>,
    /// DICOM over TLS.
    pub dicom_tls: Vec<SocketAddr>,
    /// The AE title by which images are sent here.
    pub title: String,
    /// Syslog by datagrams (RFC 5426).
    pub syslog_udp: Vec<SocketAddr>,
    /// Syslog over TCP (RFC 6587).
    pub syslog_tcp: Vec<SocketAddr>,
    /// Syslog over TLS (RFC 5425).
    pub syslog_tls: Vec<SocketAddr>,
    /// Who may come.
    pub feeds: Vec<Expected>,
}
