//! The section `[web.imports]`.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::super::address::Listed;

/// Where bulk imports may read from, and how much; section `[web.imports]`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Imports {
    /// Beginnings of the addresses that files may be read from, such as `https://files.hospital/`;
    /// empty: none may.
    pub sources: Vec<String>,
    /// PEM file with the authorities that may vouch for them; empty: the machine's.
    pub authorities: PathBuf,
    /// The most imports of one client that go on or wait.
    pub per_client_max: usize,
    /// The most imports that go on at the same time; others wait.
    pub running_max: usize,
    /// The most files of one import.
    pub files_max: usize,
    /// The largest file, in bytes.
    pub file_bytes_max: u64,
    /// Lines that are refused; with more the import is given up.
    pub refused_max: u64,
    /// Lines of one commit.
    pub batch_lines_max: usize,
    /// Bytes of one commit, but for one line that is larger.
    pub batch_bytes_max: usize,
    /// How long a source may take to connect, to answer, and to send the next piece.
    pub wait_ms: u64,
    /// The slowest that a source may be, in bytes a second, over as long as `wait_ms`; 0: as slow as it likes.
    pub bytes_per_second_min: u64,
    /// How long a source may be waited for over one file in all; then the import is given up; 0: as long as it lasts.
    pub file_ms: u64,
    /// How long after a failure the first new try waits; each further one waits twice as long.
    pub retry_ms: u64,
    /// The longest wait between two tries.
    pub retry_max_ms: u64,
    /// Failures in a row after which an import is given up.
    pub tries_max: u32,
}

impl Default for Imports {
    fn default() -> Imports {
        Imports {
            sources: Vec::new(),
            authorities: PathBuf::new(),
            per_client_max: 2,
            running_max: 1,
            files_max: 1_000,
            file_bytes_max: 64 << 30,
            refused_max: 10_000,
            batch_lines_max: 500,
            batch_bytes_max: 4 << 20,
            wait_ms: 30_000,
            bytes_per_second_min: 1_024,
            file_ms: 43_200_000,
            retry_ms: 1_000,
            retry_max_ms: 60_000,
            tries_max: 20,
        }
    }
}

impl Imports {
    pub(super) fn listed(&self) -> Listed<'_> {
        Listed {
            all: &self.sources,
            option: "sources",
            section: "web.imports",
        }
    }

    /// Whether each of `sources` is an address.
    ///
    /// # Errors
    /// In words: which is none, and why.
    pub fn check(&self) -> Result<(), String> {
        self.listed().check()
    }
}
