use std::fmt;

/// Something that was odd about a message. The message was read all the same.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Complaint {
    /// Where, if it is about one place.
    pub place: Option<Place>,
    /// What kind of fault it is, as HL7 table 0357 numbers it.
    pub code: Code,
    /// What, in words.
    pub words: String,
}

impl Complaint {
    /// A complaint about the whole message.
    pub fn whole(code: Code, words: impl Into<String>) -> Complaint {
        Complaint {
            place: None,
            code,
            words: words.into(),
        }
    }

    /// A complaint about one place in it.
    pub fn at(place: Place, code: Code, words: impl Into<String>) -> Complaint {
        Complaint {
            place: Some(place),
            code,
            words: words.into(),
        }
    }
}

/// `PID-5: ...`, or the words alone.
impl fmt::Display for Complaint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.place {
            Some(place) => write!(f, "{place}: {}", self.words),
            None => f.write_str(&self.words),
        }
    }
}

/// A place in a message, as ERR-2 names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// Segment name, for instance `OBX`.
    pub segment: String,
    /// Which segment of that name, from 1.
    pub occurrence: usize,
    /// Field number, from 1; 0: the segment as such.
    pub field: usize,
}

/// `OBX-5`, and `OBX[3]-5` from the second of its name on.
impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.segment)?;
        if self.occurrence > 1 {
            write!(f, "[{}]", self.occurrence)?;
        }
        match self.field {
            0 => Ok(()),
            field => write!(f, "-{field}"),
        }
    }
}

/// Message error condition codes (HL7 table 0357), those that Salus gives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Code {
    /// 100: segments are missing or in the wrong place.
    SegmentSequence,
    /// 101: a field that must be there is not.
    RequiredFieldMissing,
    /// 102: a value is not what its type allows.
    DataType,
    /// 103: a value is not in its table.
    TableValue,
    /// 200: this kind of message is not taken.
    UnsupportedMessageType,
    /// 207: our own fault.
    InternalError,
}

impl Code {
    /// The number in table 0357.
    pub const fn number(self) -> &'static str {
        match self {
            Code::SegmentSequence => "100",
            Code::RequiredFieldMissing => "101",
            Code::DataType => "102",
            Code::TableValue => "103",
            Code::UnsupportedMessageType => "200",
            Code::InternalError => "207",
        }
    }

    /// The name in table 0357.
    pub const fn name(self) -> &'static str {
        match self {
            Code::SegmentSequence => "Segment sequence error",
            Code::RequiredFieldMissing => "Required field missing",
            Code::DataType => "Data type error",
            Code::TableValue => "Table value not found",
            Code::UnsupportedMessageType => "Unsupported message type",
            Code::InternalError => "Application internal error",
        }
    }
}
