use serde::{Deserialize, Serialize};

/// A drill was carried out and measured.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Drill {
    /// Which: `power-cut`, `full-loss`, `ransomware`, `restore` ...
    pub name: String,
    /// The seed that repeats it.
    pub seed: u64,
    /// Acknowledged events that were lost.
    pub lost: u64,
    /// How old the newest event was that the copy held, in seconds: the recovery point.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seconds_back: Option<f64>,
    /// Until the first chart could be read again, in seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seconds_to_read: Option<f64>,
    /// Until the first event was sealed again, in seconds: the recovery time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seconds_to_write: Option<f64>,
    /// Things that the drill altered.
    pub altered: u64,
    /// How many of them were named.
    pub named: u64,
}
