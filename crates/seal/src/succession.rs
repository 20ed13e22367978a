//! One key of a log follows another: a note (C2SP signed-note) that both of them sign.
//!
//! ```text
//! salus/log-succession/v1
//! <origin>
//! <size up to which the earlier key signed alone>
//! <vkey of the earlier key>
//! <vkey of the later key>
//!
//! — <origin> <signature of the earlier key>
//! — <origin> <signature of the later key>
//! ```

use signed_note::{Note, Signer, StandardVerifier, VerifierList};

use crate::checkpoint::NoteFault;

const HEAD: &str = "salus/log-succession/v1";

/// That one key follows another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Succession {
    /// The log's name.
    pub(crate) origin: String,
    /// No checkpoint beyond this size counts that the earlier key alone signed.
    pub(crate) size: u64,
    /// The earlier public key.
    pub(crate) before: String,
    /// The later one.
    pub(crate) after: String,
}

impl Succession {
    /// The note, signed by both.
    pub(crate) fn sign(&self, both: [&dyn Signer; 2]) -> Result<String, NoteFault> {
        let text = format!(
            "{HEAD}\n{}\n{}\n{}\n{}\n",
            self.origin, self.size, self.before, self.after
        );
        let mut note = Note::new(text.as_bytes(), &[]).map_err(|_| NoteFault::Form)?;
        note.add_sigs(&both).map_err(|_| NoteFault::Form)?;
        String::from_utf8(note.to_bytes()).map_err(|_| NoteFault::Form)
    }

    /// Reads a note and holds it against the two keys that it names.
    pub(crate) fn read(text: &str) -> Result<Succession, NoteFault> {
        let note = Note::from_bytes(text.as_bytes()).map_err(|_| NoteFault::Form)?;
        let said = std::str::from_utf8(note.text()).map_err(|_| NoteFault::Form)?;
        let lines: Vec<&str> = said.lines().collect();
        let [HEAD, origin, size, before, after] = lines.as_slice() else {
            return Err(NoteFault::Form);
        };
        let key = |vkey: &str| StandardVerifier::new(vkey).map_err(|_| NoteFault::Key);
        let both = VerifierList::new(vec![Box::new(key(before)?), Box::new(key(after)?)]);
        let (signed, _) = note.verify(&both).map_err(|_| NoteFault::Signature)?;
        if signed.len() < 2 || before == after {
            return Err(NoteFault::Signature);
        }
        Ok(Succession {
            origin: (*origin).to_owned(),
            size: size.parse().map_err(|_| NoteFault::Form)?,
            before: (*before).to_owned(),
            after: (*after).to_owned(),
        })
    }
}

/// Notes that stand one after another: each ends with its signatures.
pub(crate) fn notes(text: &str) -> Vec<String> {
    let mut all: Vec<String> = Vec::new();
    let mut ended = true;
    for line in text.lines() {
        let signature = line.starts_with('\u{2014}');
        if ended && !signature {
            if line.is_empty() {
                continue;
            }
            all.push(String::new());
        }
        ended = signature;
        if let Some(note) = all.last_mut() {
            note.push_str(line);
            note.push('\n');
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use crate::{LogKey, LogVerifier, NoteFault};

    const ORIGIN: &str = "log.example";

    fn key(byte: u8) -> LogKey {
        LogKey::new(ORIGIN, &[byte; 32]).unwrap()
    }

    #[test]
    fn who_knows_either_key_checks_what_either_signed() {
        let first = key(1);
        let early = first.sign(7, &[7; 32]).unwrap();
        let second = first.succeeded(&[2; 32], 10).unwrap();
        let late = second.sign(12, &[9; 32]).unwrap();
        let all = LogVerifier::new(second.public()).unwrap();
        assert_eq!(all.verify(&early).unwrap(), (7, [7; 32]));
        assert_eq!(all.verify(&late).unwrap(), (12, [9; 32]));
        assert!(all.leads_from(first.vkey()) && all.leads_from(second.vkey()));
        let old = LogVerifier::new(first.public()).unwrap();
        assert_eq!(
            old.verify(&late).unwrap(),
            (12, [9; 32]),
            "both sign for a time"
        );
        let alone = second.retired().unwrap();
        let later = alone.sign(20, &[3; 32]).unwrap();
        assert!(old.verify(&later).is_err());
        assert_eq!(all.verify(&later).unwrap().0, 20);
        let pinned = format!("{}\n\n{}", first.vkey(), alone.successions());
        assert_eq!(
            LogVerifier::new(&pinned).unwrap().verify(&later).unwrap().0,
            20
        );
    }

    #[test]
    fn after_the_succession_the_earlier_key_alone_signs_nothing_new() {
        let first = key(1);
        let second = first.succeeded(&[2; 32], 10).unwrap();
        let all = LogVerifier::new(second.public()).unwrap();
        assert!(all.verify(&first.sign(10, &[0; 32]).unwrap()).is_ok());
        let forged = first.sign(11, &[0; 32]).unwrap();
        assert!(matches!(all.verify(&forged), Err(NoteFault::Signature)));
    }

    #[test]
    fn a_key_comes_back_from_its_file_with_all_that_led_to_it() {
        let third = key(1)
            .succeeded(&[2; 32], 10)
            .and_then(|second| second.succeeded(&[3; 32], 20))
            .unwrap();
        let again = LogKey::from_secret(third.secret()).unwrap();
        assert_eq!(
            (again.public(), again.secret()),
            (third.public(), third.secret())
        );
        let all = LogVerifier::new(again.public()).unwrap();
        assert!(all.leads_from(key(1).vkey()));
        assert_eq!(all.verify(&key(1).sign(9, &[1; 32]).unwrap()).unwrap().0, 9);
        assert!(all.verify(&key(1).sign(19, &[1; 32]).unwrap()).is_err());
        assert_eq!(all.vkey(), third.vkey());
    }

    #[test]
    fn nobody_succeeds_without_both_signatures() {
        let second = key(1).succeeded(&[2; 32], 10).unwrap();
        let note = second.successions();
        let stranger = key(9);
        // A key that is not the one before cannot be put in front.
        let forged = note.replace(key(1).vkey(), stranger.vkey());
        let text = format!("{}\n\n{forged}", stranger.vkey());
        assert!(LogVerifier::new(&text).is_err());
        let wider = note.replacen("\n10\n", "\n99\n", 1);
        assert!(LogVerifier::new(&format!("{}\n\n{wider}", second.vkey())).is_err());
        let unsigned: String = note
            .lines()
            .filter(|line| !line.starts_with('\u{2014}'))
            .map(|line| format!("{line}\n"))
            .collect();
        assert!(LogVerifier::new(&format!("{}\n\n{unsigned}", second.vkey())).is_err());
        // A true succession of others leads nowhere.
        let other = format!("{}\n\n{note}", stranger.vkey());
        let other = LogVerifier::new(&other).unwrap();
        assert!(!other.leads_from(second.vkey()));
        assert!(other.verify(&second.sign(12, &[0; 32]).unwrap()).is_err());
    }

    #[test]
    fn a_head_says_that_there_is_a_key_that_is_not_known_yet() {
        let second = key(1).succeeded(&[2; 32], 10).unwrap();
        let note = second.sign(12, &[0; 32]).unwrap();
        let old = LogVerifier::new(key(1).public()).unwrap();
        assert!(old.misses_a_key(&note));
        assert!(
            !LogVerifier::new(second.public())
                .unwrap()
                .misses_a_key(&note)
        );
        assert!(!old.misses_a_key(&key(1).sign(12, &[0; 32]).unwrap()));
    }
}
