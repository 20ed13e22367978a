//! The section `[web.subscriptions]`.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// Where notifications may go, and how many subscriptions there may be; section `[web.subscriptions]`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Subscriptions {
    /// Beginnings of the addresses that a `rest-hook` may post to, such as `https://ehr.hospital/`;
    /// empty: none may.
    pub endpoints: Vec<String>,
    /// PEM file with the authorities that may vouch for them; empty: the machine's.
    pub authorities: PathBuf,
    /// The most subscriptions of one client, those that are off not counted.
    pub per_client_max: usize,
    /// Events of one `rest-hook` that wait; with more it is switched off.
    pub waiting_max: u64,
    /// How long a receiver may take to connect and to answer, unless its subscription says less.
    pub wait_ms: u64,
    /// How long after a failure the first new try waits; each further one waits twice as long.
    pub retry_ms: u64,
    /// The longest wait between two tries.
    pub retry_max_ms: u64,
    /// Failures in a row after which a subscription has the status `error`.
    pub failures_max: u32,
    /// After this time in the status `error` it is switched off.
    pub off_after_ms: i64,
    /// How long what happens is gathered before it is looked at.
    pub look_ms: u64,
    /// How long a token that binds a websocket is good.
    pub token_ms: i64,
    /// The most websockets at a time.
    pub sockets_max: usize,
    /// How long a websocket may take to say what it binds.
    pub bind_ms: u64,
    /// A websocket that does not take a message for this long is closed.
    pub write_ms: u64,
    /// A websocket is asked this often whether it is still there.
    pub ping_ms: u64,
}

impl Default for Subscriptions {
    fn default() -> Subscriptions {
        Subscriptions {
            endpoints: Vec::new(),
            authorities: PathBuf::new(),
            per_client_max: 20,
            waiting_max: 10_000,
            wait_ms: 10_000,
            retry_ms: 1_000,
            retry_max_ms: 60_000,
            failures_max: 5,
            off_after_ms: 86_400_000,
            look_ms: 50,
            token_ms: 300_000,
            sockets_max: 200,
            bind_ms: 10_000,
            write_ms: 10_000,
            ping_ms: 30_000,
        }
    }
}
