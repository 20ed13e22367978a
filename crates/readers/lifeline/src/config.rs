use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// Limits of packs and paper; each is an option in `salus.toml`, section `[lifeline]`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Limits {
    /// A pack older than this is an alarm, and says so itself in large letters.
    pub pack_old_ms: i64,
    /// An open pack that nobody touches locks itself after this long.
    pub pack_lock_ms: i64,
    /// How long one code opens the packs that are made.
    pub pack_code_days: u32,
    /// Reports of one patient in a pack, the newest.
    pub pack_reports_max: usize,
    /// Results of one report in a pack.
    pub pack_results_max: usize,
    /// Blank sheets for each patient in a pack.
    pub pack_sheets: u16,
    /// Rows of a blank sheet.
    pub sheet_rows: u16,
    /// A drill must have shown that all is back within this long.
    pub restore_within_ms: i64,
    /// A copy that was last proved longer ago than this is an alarm.
    pub copy_proved_ms: i64,
    /// Entries of the queue that one page shows.
    pub entries_shown_max: u32,
    /// What speaks of an intrusion is shown for this long, with the last clean point before it.
    pub evidence_days: u32,
}

impl Default for Limits {
    fn default() -> Limits {
        const MINUTE: i64 = 60_000;
        Limits {
            pack_old_ms: MINUTE,
            pack_lock_ms: 15 * MINUTE,
            pack_code_days: 30,
            pack_reports_max: 12,
            pack_results_max: 40,
            pack_sheets: 2,
            sheet_rows: 16,
            restore_within_ms: 72 * 60 * MINUTE,
            copy_proved_ms: 7 * 24 * 60 * MINUTE,
            entries_shown_max: 200,
            evidence_days: 30,
        }
    }
}

impl Limits {
    /// The length of one code's period, in milliseconds; at least a day.
    pub(crate) fn period_ms(&self) -> i64 {
        i64::from(self.pack_code_days.max(1)) * 86_400_000
    }
}

/// Which ward's pack goes where: one `[[packs]]` of `salus.toml`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PackConfig {
    /// The ward's code; `*`: every ward.
    pub ward: String,
    /// Where the file `ward-CODE.html` is put: a share, a synchronised folder, a stick. Empty: it
    /// is only served, at `/packs/CODE`.
    #[serde(default)]
    pub folders: Vec<PathBuf>,
    /// How often it is made if anything changed.
    #[serde(default = "ten_seconds")]
    pub every_ms: u64,
}

const fn ten_seconds() -> u64 {
    10_000
}
