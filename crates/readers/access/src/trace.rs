use std::fmt;

use event::{Actor, Time};

/// One thing that somebody did, as far as it bears on who looked: one row of the view.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trace {
    /// Where it is sealed.
    pub id: TraceId,
    /// When it was sealed.
    pub at: Time,
    /// Who did it.
    pub actor: Actor,
    /// What they did.
    pub what: What,
    /// The patient it is about, by id of the Patient resource.
    pub patient: Option<String>,
    /// Whether it was allowed, or worked.
    pub allowed: bool,
    /// The policies or grants that decided, by id.
    pub because: Vec<String>,
    /// HL7 v3 PurposeOfUse.
    pub purpose: String,
    /// The reason that was typed; empty: none.
    pub reason: String,
    /// The network address it was done from; empty: this machine, or it was not kept.
    pub from: String,
    /// What exactly was touched: `Type/id`, a query, `ward/ICU`; empty: the whole chart.
    pub detail: String,
}

/// Where a trace is sealed: the index of the event and, if it is about several patients, which.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TraceId {
    /// Index of the event in the record.
    pub index: u64,
    /// Which of the event's patients, from 1; 0: the event as a whole.
    pub part: u32,
}

/// Bits of a key that say which of an event's patients it is.
const PART_BITS: u32 = 20;
/// The most patients of one event that are told apart.
pub(crate) const PARTS_MAX: usize = (1 << PART_BITS) - 1;

impl TraceId {
    /// One number in the order of the record.
    pub(crate) fn key(self) -> i64 {
        let index = i64::try_from(self.index).unwrap_or(i64::MAX >> PART_BITS);
        (index << PART_BITS) | i64::from(self.part)
    }

    pub(crate) fn of_key(key: i64) -> TraceId {
        let part = key & ((1 << PART_BITS) - 1);
        TraceId {
            index: (key >> PART_BITS).unsigned_abs(),
            part: u32::try_from(part).unwrap_or_default(),
        }
    }

    /// An audit message that stands alone in its event.
    pub const fn of_message(index: u64) -> TraceId {
        TraceId {
            index,
            part: crate::heard::PATIENTS_MAX,
        }
    }

    /// Reads `4711` or `4711-2`.
    pub fn parse(text: &str) -> Option<TraceId> {
        let (index, part) = match text.split_once('-') {
            None => (text, 0),
            Some((index, part)) => (index, number(part).filter(|part| *part > 0)?),
        };
        let part = u32::try_from(part).ok()?;
        let index = number(index).filter(|index| *index < 1 << (63 - PART_BITS))?;
        (part as usize <= PARTS_MAX).then_some(TraceId { index, part })
    }
}

/// Digits as they would be written: no sign, no leading zero.
fn number(text: &str) -> Option<u64> {
    let plain = text.bytes().all(|byte| byte.is_ascii_digit());
    let leading = text.len() > 1 && text.starts_with('0');
    (plain && !leading).then(|| text.parse().ok()).flatten()
}

impl fmt::Display for TraceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.part {
            0 => write!(f, "{}", self.index),
            part => write!(f, "{}-{part}", self.index),
        }
    }
}

macro_rules! whats {
    ($($(#[$doc:meta])* $name:ident => $word:literal,)*) => {
        /// What somebody did.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum What { $($(#[$doc])* $name,)* }

        impl What {
            /// All of them.
            pub const ALL: &'static [What] = &[$(What::$name,)*];

            /// Its one word.
            pub const fn word(self) -> &'static str {
                match self { $(What::$name => $word,)* }
            }

            /// By its word.
            pub fn of(word: &str) -> Option<What> {
                match word { $($word => Some(What::$name),)* _ => None }
            }
        }
    };
}

whats! {
    /// Looked at who looked.
    Audit => "audit",
    /// Broke the glass for a patient, or tried.
    BreakGlass => "break-glass",
    /// Typed in what was written while systems were away.
    Capture => "capture",
    /// Took a ward's charts along in a pack.
    Carry => "carry",
    /// Came to the most patients an account may see.
    Ceiling => "ceiling",
    /// Made a resource.
    Create => "create",
    /// Deleted a resource.
    Delete => "delete",
    /// Ended, before its time, what broken glass had opened.
    EndGlass => "end-glass",
    /// Asked for, or agreed to, data of many patients leaving.
    Export => "export",
    /// Had images fetched from a PACS, or tried to.
    Fetch => "fetch",
    /// Read what a chart or a resource has been.
    History => "history",
    /// Changed an account, or tried to.
    Manage => "manage",
    /// Read a chart or a resource.
    Read => "read",
    /// Read the body of a message.
    ReadMessage => "read-message",
    /// Decided what becomes of an entry that was typed in.
    Reconcile => "reconcile",
    /// Judged what had been opened in an emergency.
    Review => "review",
    /// Asked which patients or resources there are.
    Search => "search",
    /// Was shown a patient in a list.
    Shown => "shown",
    /// Was shown who a patient is, in a list.
    Listed => "listed",
    /// Signed in, or tried.
    SignIn => "sign-in",
    /// Signed out.
    SignOut => "sign-out",
    /// The server began.
    Started => "started",
    /// The server ended.
    Stopped => "stopped",
    /// Learned the code that opens a ward's packs.
    Unlock => "unlock",
    /// Took a merge of two patients back.
    Unmerge => "unmerge",
    /// Replaced a resource.
    Update => "update",
    /// Read an earlier version of a resource.
    Vread => "vread",
}

impl What {
    /// What looks at a patient's data, and changes nothing.
    pub const LOOKS: [What; 7] = [
        What::Read,
        What::Vread,
        What::History,
        What::Search,
        What::Shown,
        What::Listed,
        What::ReadMessage,
    ];
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_read_as_it_is_written_and_in_no_other_way() {
        for (index, part) in [(0, 0), (4711, 0), (4711, 2), (1 << 42, 1_048_575)] {
            let id = TraceId { index, part };
            assert_eq!(TraceId::parse(&id.to_string()), Some(id));
            assert_eq!(TraceId::of_key(id.key()), id);
        }
        for bad in [
            "",
            "-1",
            "+1",
            "01",
            "1-",
            "1-0",
            "1-01",
            "1-1048576",
            "99999999999999",
            "1.0",
        ] {
            assert_eq!(TraceId::parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn a_word_names_what_it_came_from() {
        for what in What::ALL {
            assert_eq!(What::of(what.word()), Some(*what));
        }
    }
}
