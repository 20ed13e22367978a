//! Transfer syntaxes (PS3.5 annex A, PS3.6 annex A).

/// How a data set is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Syntax {
    /// Each element says its value representation.
    pub explicit: bool,
    /// Numbers begin with their big end.
    pub big_endian: bool,
    /// The data set is deflated (RFC 1951).
    pub deflated: bool,
    /// Pixel data is in fragments.
    pub encapsulated: bool,
}

impl Syntax {
    /// Implicit VR Little Endian.
    pub const IMPLICIT: Syntax = Syntax {
        explicit: false,
        ..Syntax::EXPLICIT
    };
    /// Explicit VR Little Endian.
    pub const EXPLICIT: Syntax = Syntax {
        explicit: true,
        big_endian: false,
        deflated: false,
        encapsulated: false,
    };

    /// UID of Implicit VR Little Endian.
    pub const IMPLICIT_UID: &'static str = "1.2.840.10008.1.2";
    /// UID of Explicit VR Little Endian.
    pub const EXPLICIT_UID: &'static str = "1.2.840.10008.1.2.1";

    /// The syntax with that UID; `None`: it is not read here. Pixel data that lies elsewhere (JPIP)
    /// is none that could be kept.
    pub fn named(uid: &str) -> Option<Syntax> {
        let rest = uid.strip_prefix("1.2.840.10008.1.2")?;
        let encapsulated = Syntax {
            encapsulated: true,
            ..Syntax::EXPLICIT
        };
        match rest {
            "" => Some(Syntax::IMPLICIT),
            ".1" => Some(Syntax::EXPLICIT),
            ".1.99" => Some(Syntax {
                deflated: true,
                ..Syntax::EXPLICIT
            }),
            ".2" => Some(Syntax {
                big_endian: true,
                ..Syntax::EXPLICIT
            }),
            ".1.98" | ".5" | ".8.1" => Some(encapsulated),
            ".4.94" | ".4.95" | ".4.204" | ".4.205" => None,
            _ => {
                let part = rest
                    .strip_prefix(".4.")
                    .or_else(|| rest.strip_prefix(".7."))?;
                let digits = !part.is_empty() && part.len() <= 3;
                (digits && part.bytes().all(|byte| byte.is_ascii_digit())).then_some(encapsulated)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn syntaxes_are_told_apart() {
        assert_eq!(Syntax::named("1.2.840.10008.1.2"), Some(Syntax::IMPLICIT));
        assert_eq!(Syntax::named("1.2.840.10008.1.2.1"), Some(Syntax::EXPLICIT));
        assert!(Syntax::named("1.2.840.10008.1.2.1.99").unwrap().deflated);
        assert!(Syntax::named("1.2.840.10008.1.2.2").unwrap().big_endian);
        let jpeg = Syntax::named("1.2.840.10008.1.2.4.50").unwrap();
        assert!(jpeg.encapsulated && jpeg.explicit && !jpeg.big_endian);
        for other in [
            "",
            "1.2.840.10008.1.2.4.94",
            "1.2.840.10008.1.2.4.5x",
            "1.2.840.113619.5.2",
        ] {
            assert_eq!(Syntax::named(other), None, "{other}");
        }
    }
}
