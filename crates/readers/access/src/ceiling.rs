//! How many different patients an account may come to see: what is usual for its role, or more
//! if its own past shows the need, but never beyond a bound.

use std::collections::BTreeMap;

use event::Role;
use serde::{Deserialize, Serialize};

use crate::meter::Day;

/// The most different patients.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ceiling {
    /// In an hour.
    pub patients_hour: u32,
    /// In 24 hours.
    pub patients_day: u32,
}

/// The ceilings of roles and accounts, and how far an account's own past may raise them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Ceilings {
    /// An account's own past raises its ceiling to at most this part of the role's, in percent.
    pub growth_percent_max: u32,
    /// Days with work among the last 28 that it takes to learn from them.
    pub learned_days_min: usize,
    /// Of a nurse.
    pub nurse: Ceiling,
    /// Of a physician.
    pub physician: Ceiling,
    /// Of a client.
    pub client: Ceiling,
    /// Of single accounts, by id: what stands here is not learned and not raised.
    pub accounts: BTreeMap<String, Ceiling>,
}

impl Default for Ceilings {
    fn default() -> Ceilings {
        let ceiling = |patients_hour, patients_day| Ceiling {
            patients_hour,
            patients_day,
        };
        Ceilings {
            growth_percent_max: 300,
            learned_days_min: 7,
            nurse: ceiling(40, 150),
            physician: ceiling(60, 250),
            client: ceiling(1_000, 10_000),
            accounts: BTreeMap::new(),
        }
    }
}

/// What an account may take, and where that comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Need {
    /// The ceiling that counts.
    pub ceiling: Ceiling,
    /// Days of its own past that it was learned from; 0: the role's or the account's own.
    pub learned_days: usize,
}

impl Ceilings {
    /// What is usual; `None`: nobody counts for this role.
    pub(crate) const fn usual(&self, role: Role) -> Option<Ceiling> {
        match role {
            Role::Nurse => Some(self.nurse),
            Role::Physician => Some(self.physician),
            Role::Client => Some(self.client),
            Role::Administrator
            | Role::Feed
            | Role::Operator
            | Role::PrivacyOfficer
            | Role::Salus => None,
        }
    }

    /// What an account may take, its past considered.
    pub(crate) fn need(&self, (account, role): (&str, Role), past: &[Day]) -> Option<Need> {
        let usual = self.usual(role)?;
        if let Some(own) = self.accounts.get(account) {
            return Some(Need {
                ceiling: *own,
                learned_days: 0,
            });
        }
        let worked: Vec<&Day> = past.iter().filter(|day| day.patients > 0).collect();
        if worked.len() < self.learned_days_min.max(1) {
            return Some(Need {
                ceiling: usual,
                learned_days: 0,
            });
        }
        let raised = |usual: u32, past: Vec<u32>| {
            let most = u64::from(usual) * u64::from(self.growth_percent_max.max(100)) / 100;
            let most = u32::try_from(most).unwrap_or(u32::MAX);
            expected(past).clamp(usual, most)
        };
        let ceiling = Ceiling {
            patients_hour: raised(
                usual.patients_hour,
                worked.iter().map(|day| day.hour_peak).collect(),
            ),
            patients_day: raised(
                usual.patients_day,
                worked.iter().map(|day| day.patients).collect(),
            ),
        };
        let learned = ceiling != usual;
        Some(Need {
            ceiling,
            learned_days: if learned { worked.len() } else { 0 },
        })
    }
}

/// The median and five times the median distance from it: a single day of theft moves neither.
fn expected(days: Vec<u32>) -> u32 {
    let middle = median(days.clone());
    let spread = median(days.iter().map(|day| day.abs_diff(middle)).collect());
    let spread = spread.max(middle / 10).max(1);
    middle.saturating_add(spread.saturating_mul(5))
}

fn median(mut values: Vec<u32>) -> u32 {
    values.sort_unstable();
    values.get(values.len() / 2).copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn past(patients: &[u32]) -> Vec<Day> {
        let days = (0..).zip(patients);
        days.map(|(day, &patients)| Day {
            day,
            patients,
            hour_peak: patients / 4,
        })
        .collect()
    }

    fn day(past: &[Day]) -> (u32, usize) {
        let need = Ceilings::default()
            .need(("anna", Role::Nurse), past)
            .unwrap();
        (need.ceiling.patients_day, need.learned_days)
    }

    #[test]
    fn a_new_account_has_what_is_usual_for_its_role() {
        assert_eq!(day(&[]), (150, 0));
        assert_eq!(day(&past(&[400; 3])), (150, 0));
    }

    #[test]
    fn a_quiet_past_does_not_lower_it_and_a_busy_one_raises_it() {
        assert_eq!(day(&past(&[12; 20])), (150, 0));
        assert_eq!(day(&past(&[200; 20])), (300, 20));
    }

    #[test]
    fn one_day_of_theft_changes_nothing() {
        let mut days = vec![20; 20];
        days.push(5_000);
        assert_eq!(day(&past(&days)), (150, 0));
    }

    #[test]
    fn who_takes_a_little_more_each_day_comes_to_the_bound_and_no_further() {
        let growing: Vec<u32> = (0..28).map(|day| 150 + day * 200).collect();
        assert_eq!(day(&past(&growing)), (450, 28));
    }

    #[test]
    fn an_account_of_its_own_is_neither_learned_nor_raised() {
        let own = Ceiling {
            patients_hour: 5,
            patients_day: 9,
        };
        let ceilings = Ceilings {
            accounts: BTreeMap::from([("anna".to_owned(), own)]),
            ..Ceilings::default()
        };
        let need = ceilings.need(("anna", Role::Nurse), &past(&[400; 28]));
        assert_eq!(need.unwrap().ceiling, own);
        assert_eq!(ceilings.need(("rita", Role::PrivacyOfficer), &[]), None);
    }
}
