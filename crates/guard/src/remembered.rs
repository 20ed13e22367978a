//! What the policies said, remembered for questions that look the same to them.

use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex, PoisonError};

use cedar_policy::{EntityTypeName, Policy, PolicyId, PolicySet};
use event::Subject;
use lru::LruCache;

use crate::counts::Counts;
use crate::posed::{Patient, Posed};

/// Verdicts that are remembered.
const VERDICTS_KEPT: NonZeroUsize = NonZeroUsize::new(4096).unwrap();
/// A question that takes more bytes than this to tell from others is asked anew each time.
const KEY_BYTES_MAX: usize = 1024;

/// What the policies say to a question.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Verdict {
    pub(crate) allowed: bool,
    /// The policies that decided; none: no policy was about it.
    pub(crate) because: Vec<PolicyId>,
    /// Those that say what goes with it, if it is allowed.
    pub(crate) duties: Vec<PolicyId>,
}

/// Verdicts by question.
#[derive(Debug)]
pub(crate) struct Remembered {
    verdicts: Mutex<LruCache<Key, Arc<Verdict>>>,
    counts: Counts,
    /// Whether a policy names a patient, so that two of them cannot be alike.
    names_patients: bool,
}

/// All of a question that can change what is said to it: questions with one key are alike.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Key(Vec<u8>);

impl Verdict {
    /// No policy is about it.
    pub(crate) const fn nobody() -> Verdict {
        Verdict {
            allowed: false,
            because: Vec::new(),
            duties: Vec::new(),
        }
    }
}

impl Remembered {
    /// For questions to these policies.
    pub(crate) fn new(policies: &PolicySet, patient: &EntityTypeName) -> Remembered {
        let names = |policy: &Policy| {
            let literals = policy.entity_literals();
            literals.iter().any(|uid| uid.type_name() == patient)
        };
        Remembered {
            verdicts: Mutex::new(LruCache::new(VERDICTS_KEPT)),
            counts: Counts::of(policies.policies()),
            names_patients: policies.policies().any(names),
        }
    }

    /// By what a question is remembered; `None`: it is not. What somebody typed as a reason is theirs alone.
    pub(crate) fn key(&self, posed: &Posed<'_>) -> Option<Key> {
        if !posed.reason.is_empty() {
            return None;
        }
        let counts = self.counts.outcomes(&posed.taking)?;
        let key = Key::of(posed, &counts, self.names_patients);
        (key.0.len() <= KEY_BYTES_MAX).then_some(key)
    }

    pub(crate) fn get(&self, key: &Key) -> Option<Arc<Verdict>> {
        let mut verdicts = self.verdicts.lock().unwrap_or_else(PoisonError::into_inner);
        verdicts.get(key).map(Arc::clone)
    }

    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.verdicts.lock().map_or(0, |verdicts| verdicts.len())
    }

    pub(crate) fn keep(&self, key: Key, verdict: &Arc<Verdict>) {
        let mut verdicts = self.verdicts.lock().unwrap_or_else(PoisonError::into_inner);
        verdicts.put(key, Arc::clone(verdict));
    }
}

impl Key {
    /// INVARIANT: everything that a question has is taken apart here by name, so that nothing new is left out by mistake.
    fn of(posed: &Posed<'_>, counts: &[bool], names_patients: bool) -> Key {
        let Posed {
            act,
            role,
            account,
            wards,
            shift,
            subject,
            patient,
            purpose,
            reason,
            kinds,
            uncovered,
            stepped_up,
            verdict,
            own_act,
            taking,
        } = posed;
        let mut key = Key(Vec::with_capacity(256));
        key.text(act.word());
        key.text(role.word());
        key.text(account);
        key.texts(wards.iter().map(String::as_str));
        key.text(shift);
        key.subject(subject, names_patients);
        key.flags([patient.is_some()]);
        if let Some(patient) = patient {
            key.patient(patient);
        }
        key.text(purpose);
        key.text(reason);
        key.texts(kinds.iter().map(String::as_str));
        key.texts(uncovered.iter().map(String::as_str));
        key.text(verdict);
        key.flags([*stepped_up, *own_act, taking.new_patient]);
        key.flags(counts.iter().copied());
        key
    }

    fn subject(&mut self, subject: &Subject, names_patients: bool) {
        let (kind, id) = match subject {
            Subject::Account(id) => (0, id.as_str()),
            Subject::Feed(name) => (1, name.as_str()),
            Subject::Kind(kind) => (2, kind.as_str()),
            Subject::Patient(id) if names_patients => (3, id.as_str()),
            Subject::Patient(_) => (3, ""),
            Subject::Record => (4, ""),
            Subject::Ward(code) => (5, code.as_str()),
        };
        self.0.push(kind);
        self.text(id);
    }

    fn patient(&mut self, patient: &Patient<'_>) {
        let Patient {
            wards,
            labels,
            team,
            flags,
        } = patient;
        self.texts(wards.iter().copied());
        self.texts(labels.iter().map(String::as_str));
        self.flags([*team]);
        self.flags(flags.iter().map(|(_, flag)| *flag));
    }

    /// Its length before it, so that two texts are not mistaken for two others.
    fn text(&mut self, text: &str) {
        self.0.extend((text.len() as u64).to_le_bytes());
        self.0.extend(text.as_bytes());
    }

    fn texts<'t>(&mut self, texts: impl ExactSizeIterator<Item = &'t str>) {
        self.0.extend((texts.len() as u64).to_le_bytes());
        texts.for_each(|text| self.text(text));
    }

    /// As many as there always are at this place.
    fn flags(&mut self, flags: impl IntoIterator<Item = bool>) {
        self.0.extend(flags.into_iter().map(u8::from));
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;
    use std::sync::LazyLock;

    use event::{Act, Role, Taking};

    use super::*;

    static TWO: LazyLock<Vec<String>> = LazyLock::new(|| vec!["a".into(), "b".into()]);
    static ONE: LazyLock<Vec<String>> = LazyLock::new(|| vec!["ab".into()]);

    fn patient() -> Patient<'static> {
        Patient {
            wards: Vec::new(),
            labels: &[],
            team: false,
            flags: [("flag", false); 8],
        }
    }

    fn posed(subject: &Subject) -> Posed<'_> {
        Posed {
            act: Act::Read,
            role: Role::Nurse,
            account: "u",
            wards: &[],
            shift: "on",
            subject,
            patient: Some(patient()),
            purpose: "TREAT",
            reason: "",
            kinds: &[],
            uncovered: Vec::new(),
            stepped_up: false,
            verdict: "",
            own_act: false,
            taking: Taking::default(),
        }
    }

    /// Questions that differ from each other in one thing each.
    #[test]
    fn each_part_of_a_question_tells_it_from_others() {
        let (anna, kind) = (
            Subject::Patient("anna".into()),
            Subject::Kind("anna".into()),
        );
        let of = |change: &dyn Fn(&mut Posed<'_>)| {
            let mut posed = posed(&anna);
            change(&mut posed);
            Key::of(&posed, &[true], true)
        };
        let of_patient = |change: &dyn Fn(&mut Patient<'_>)| {
            let mut patient = patient();
            change(&mut patient);
            let posed = Posed {
                patient: Some(patient),
                ..posed(&anna)
            };
            Key::of(&posed, &[true], true)
        };
        let flag = |at: usize| of_patient(&|it| it.flags[at].1 = true);
        let mut keys = vec![
            Key::of(&posed(&anna), &[true], true),
            Key::of(&posed(&anna), &[false], true),
            Key::of(&posed(&anna), &[true], false),
            Key::of(&posed(&kind), &[true], true),
            of(&|it| it.act = Act::Search),
            of(&|it| it.role = Role::Physician),
            of(&|it| it.account = "v"),
            of(&|it| it.shift = "off"),
            of(&|it| it.patient = None),
            of(&|it| it.purpose = "HOPERAT"),
            of(&|it| it.reason = "r"),
            of(&|it| it.stepped_up = true),
            of(&|it| it.verdict = "v"),
            of(&|it| it.own_act = true),
            of(&|it| it.taking.new_patient = true),
            of_patient(&|it| it.team = true),
        ];
        keys.extend((0..8).map(flag));
        for (texts, words) in [(&TWO, vec!["a", "b"]), (&ONE, vec!["ab"])] {
            let texts: &'static [String] = texts;
            let words = || words.clone();
            keys.extend([
                of(&|it| it.wards = texts),
                of(&|it| it.kinds = texts),
                of(&|it| it.uncovered = texts.to_vec()),
                of_patient(&|it| it.labels = texts),
                of_patient(&|it| it.wards = words()),
            ]);
        }
        let distinct: HashSet<&Key> = keys.iter().collect();
        assert_eq!(distinct.len(), keys.len());
        assert_eq!(keys.len(), 34);
    }
}
