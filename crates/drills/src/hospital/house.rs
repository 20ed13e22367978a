//! The house: wards, rooms, beds, and who works there.

use event::Role;

use crate::dice::Dice;
use crate::hospital::people::Person;

/// A ward with its rooms; every room has the same number of beds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ward {
    /// Its code, as PV1-3.1 and accounts name it.
    pub code: &'static str,
    /// Its name in words.
    pub name: &'static str,
    /// Number of rooms.
    pub rooms: usize,
    /// Beds in each room.
    pub beds: usize,
    /// Hospital service (HL7 table 0069).
    pub service: &'static str,
}

/// The six wards of St. Salus.
pub const WARDS: [Ward; 6] = [
    Ward {
        code: "ICU",
        name: "Intensive care",
        rooms: 14,
        beds: 1,
        service: "MED",
    },
    Ward {
        code: "MED1",
        name: "Medicine 1, heart and lung",
        rooms: 20,
        beds: 2,
        service: "CAR",
    },
    Ward {
        code: "MED2",
        name: "Medicine 2, general",
        rooms: 20,
        beds: 2,
        service: "MED",
    },
    Ward {
        code: "SURG",
        name: "Surgery",
        rooms: 18,
        beds: 2,
        service: "SUR",
    },
    Ward {
        code: "MAT",
        name: "Maternity",
        rooms: 12,
        beds: 2,
        service: "OBG",
    },
    Ward {
        code: "PED",
        name: "Children",
        rooms: 12,
        beds: 2,
        service: "PED",
    },
];

/// Place of a ward in [`WARDS`] by code; the first ward for an unknown code.
pub(crate) fn ward_place(code: &str) -> usize {
    WARDS.iter().position(|ward| ward.code == code).unwrap_or(0)
}

/// A bed: place of the ward in [`WARDS`], room and bed counted from 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Bed {
    pub(crate) ward: usize,
    pub(crate) room: usize,
    pub(crate) bed: usize,
}

impl Bed {
    /// Every bed of a ward, in order.
    pub(crate) fn of(ward: usize) -> impl Iterator<Item = Bed> {
        let (rooms, beds) = WARDS
            .get(ward)
            .map_or((0, 0), |known| (known.rooms, known.beds));
        (0..rooms).flat_map(move |room| (0..beds).map(move |bed| Bed { ward, room, bed }))
    }

    /// As PV1-3 names it: `MED1^104^B^STSALUS`.
    pub(crate) fn point(self) -> String {
        let code = WARDS.get(self.ward).map_or("", |ward| ward.code);
        let letter = if self.bed == 0 { 'A' } else { 'B' };
        format!("{code}^{}^{letter}^STSALUS", 101 + self.room)
    }

    pub(crate) fn service(self) -> &'static str {
        WARDS.get(self.ward).map_or("MED", |ward| ward.service)
    }
}

/// Somebody who works at St. Salus and may sign in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Staff {
    /// Sign-in name.
    pub login: String,
    /// Name as people say it.
    pub name: String,
    /// Family name, as XCN.2 carries it.
    pub family: String,
    /// Given name, as XCN.3 carries it.
    pub given: String,
    /// What the account is for.
    pub role: Role,
    /// Codes of the wards they work on.
    pub wards: Vec<&'static str>,
    /// Nurses and physicians: the identifier under which messages name them (XCN.1).
    pub practitioner: Option<String>,
}

impl Staff {
    /// As XCN: `P1003^Krüger^Lena^^^Dr.^^^STSALUS`.
    pub(crate) fn xcn(&self) -> String {
        let id = self.practitioner.as_deref().unwrap_or("");
        let title = if self.role == Role::Physician {
            "Dr."
        } else {
            ""
        };
        format!("{id}^{}^{}^^^{title}^^^STSALUS", self.family, self.given)
    }
}

/// Two physicians and three nurses a ward, a privacy officer and an administrator.
pub(crate) fn staff(dice: &mut Dice) -> Vec<Staff> {
    let mut all = Vec::new();
    for ward in WARDS {
        for (role, count) in [(Role::Physician, 2), (Role::Nurse, 3)] {
            for number in 1..=count {
                all.push(clinician(dice, (ward.code, role, number), all.len()));
            }
        }
    }
    for (login, role) in [
        ("privacy", Role::PrivacyOfficer),
        ("admin", Role::Administrator),
    ] {
        let person = somebody(dice);
        all.push(Staff {
            login: login.to_owned(),
            name: format!("{} {}", person.given, person.family),
            family: person.family,
            given: person.given,
            role,
            wards: Vec::new(),
            practitioner: None,
        });
    }
    all
}

fn clinician(dice: &mut Dice, post: (&'static str, Role, usize), place: usize) -> Staff {
    let (ward, role, number) = post;
    let person = somebody(dice);
    let title = if role == Role::Physician { "Dr. " } else { "" };
    Staff {
        login: format!("{}.{}{number}", role.word(), ward.to_lowercase()),
        name: format!("{title}{} {}", person.given, person.family),
        family: person.family,
        given: person.given,
        role,
        wards: vec![ward],
        practitioner: Some(format!("P{}", 1001 + place)),
    }
}

fn somebody(dice: &mut Dice) -> Person {
    let sex = if dice.chance(600) { 'F' } else { 'M' };
    Person::of_sex(dice, sex)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_ward_has_beds_and_people() {
        assert_eq!((0..WARDS.len()).flat_map(Bed::of).count(), 178);
        let staff = staff(&mut Dice::new(1));
        for ward in WARDS {
            let here = staff
                .iter()
                .filter(|one| one.wards.contains(&ward.code))
                .count();
            assert_eq!(here, 5, "{}", ward.code);
        }
        let mut logins: Vec<&str> = staff.iter().map(|one| one.login.as_str()).collect();
        logins.sort_unstable();
        logins.dedup();
        assert_eq!(logins.len(), 32);
    }

    #[test]
    fn a_bed_is_named_as_pv1_names_it() {
        assert_eq!(
            Bed {
                ward: 1,
                room: 3,
                bed: 1
            }
            .point(),
            "MED1^104^B^STSALUS"
        );
    }
}
