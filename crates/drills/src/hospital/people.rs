//! Names, streets and insurers to make people of. Invented combinations; no real person is meant.

use jiff::civil::Date;

use crate::dice::Dice;

/// A human being who is not there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Person {
    pub(crate) family: String,
    pub(crate) given: String,
    pub(crate) middle: String,
    /// HL7 table 0001: `F`, `M` or `O`.
    pub(crate) sex: char,
    pub(crate) birth: Date,
    pub(crate) street: String,
    pub(crate) city: &'static str,
    pub(crate) zip: String,
    pub(crate) phone: String,
}

impl Person {
    /// Somebody whose age on `today` is between the two given, in years.
    pub(crate) fn born(dice: &mut Dice, today: Date, ages: (i64, i64)) -> Person {
        let sex = if dice.chance(515) { 'F' } else { 'M' };
        let days = dice.between(ages.0 * 365, ages.1 * 365 + 360);
        let span = jiff::Span::new().try_days(days).unwrap_or_default();
        Person {
            birth: today.checked_sub(span).unwrap_or(today),
            ..Person::of_sex(dice, sex)
        }
    }

    /// Somebody of the given sex, born on some day that the caller replaces.
    pub(crate) fn of_sex(dice: &mut Dice, sex: char) -> Person {
        let origin = ORIGINS.get(weighted(dice)).copied().unwrap_or_default();
        let given = if sex == 'F' { origin.women } else { origin.men };
        let middle = if dice.chance(300) {
            dice.pick(given)
        } else {
            ""
        };
        Person {
            family: family(dice, origin),
            given: dice.pick(given).to_owned(),
            middle: middle.to_owned(),
            sex,
            birth: Date::constant(1970, 1, 1),
            street: format!("{} {}", dice.between(1, 180), dice.pick(&STREETS)),
            city: dice.pick(&CITIES),
            zip: format!("{:05}", dice.between(10_000, 99_000)),
            phone: format!("+1-555-{:03}-{:04}", dice.below(1000), dice.below(10_000)),
        }
    }

    /// Next of kin: the same family name and address, a person of its own.
    pub(crate) fn kin(&self, dice: &mut Dice) -> Person {
        let sex = if dice.chance(500) { 'F' } else { 'M' };
        let other = Person::of_sex(dice, sex);
        Person {
            family: self.family.clone(),
            street: self.street.clone(),
            city: self.city,
            zip: self.zip.clone(),
            ..other
        }
    }
}

fn family(dice: &mut Dice, origin: Origin) -> String {
    let first = dice.pick(origin.families);
    if dice.chance(40) {
        return format!("{first}-{}", dice.pick(origin.families));
    }
    first.to_owned()
}

fn weighted(dice: &mut Dice) -> usize {
    // Half of the people come from the first two origins.
    let place = if dice.chance(400) {
        dice.below(2)
    } else {
        dice.below(ORIGINS.len() as u64)
    };
    usize::try_from(place).unwrap_or(0)
}

/// An insurer: its id and name.
pub(crate) const INSURERS: [(&str, &str); 4] = [
    ("NHC01", "Northern Health Cooperative"),
    ("UMU02", "Union Mutual"),
    ("CITY3", "City & County Health Plan"),
    ("SEA04", "Seafarers' Fund"),
];

#[derive(Debug, Clone, Copy, Default)]
struct Origin {
    families: &'static [&'static str],
    women: &'static [&'static str],
    men: &'static [&'static str],
}

const ORIGINS: [Origin; 10] = [
    Origin {
        families: &[
            "Carter",
            "Hughes",
            "Bennett",
            "O'Brien",
            "Sinclair",
            "Whitfield",
            "Doyle",
            "MacLeod",
        ],
        women: &[
            "Grace", "Helen", "Ruth", "Siobhán", "Margaret", "Chloe", "Imogen",
        ],
        men: &[
            "Thomas", "Peter", "George", "Seán", "Edward", "Callum", "Arthur",
        ],
    },
    Origin {
        families: &[
            "Müller", "Schäfer", "Groß", "Jäger", "Vogel", "Krüger", "Weiß", "Brandt",
        ],
        women: &["Käthe", "Ursula", "Heike", "Lena", "Anneliese"],
        men: &[
            "Jürgen",
            "Günther",
            "Lukas",
            "Matthias",
            "Björn",
            "Karl-Heinz",
        ],
    },
    Origin {
        families: &[
            "Åberg",
            "Öberg",
            "Sjöström",
            "Lindqvist",
            "Østergaard",
            "Sørensen",
            "Hämäläinen",
        ],
        women: &["Åsa", "Märta", "Sigrid", "Søs", "Päivi", "Linnéa"],
        men: &["Göran", "Håkan", "Søren", "Jari", "Mikkel", "Åke"],
    },
    Origin {
        families: &["Nguyễn", "Trần", "Phạm", "Lê", "Đặng", "Vũ"],
        women: &["Thị Hương", "Lan", "Mai", "Thảo", "Ngọc"],
        men: &["Văn Đức", "Minh", "Quốc", "Tuấn", "Hải"],
    },
    Origin {
        families: &[
            "García",
            "Núñez",
            "Ibáñez",
            "Peña",
            "Rodríguez",
            "Muñoz",
            "Acuña",
        ],
        women: &["María José", "Lucía", "Inés", "Begoña", "Sofía"],
        men: &["José", "Andrés", "Iñaki", "Martín", "Raúl"],
    },
    Origin {
        families: &[
            "Kowalczyk",
            "Wiśniewska",
            "Zieliński",
            "Dvořák",
            "Novák",
            "Černý",
            "Horváth",
            "Szőke",
        ],
        women: &["Małgorzata", "Zofia", "Božena", "Jiřina", "Erzsébet"],
        men: &["Łukasz", "Wojciech", "Tomáš", "Jiří", "László"],
    },
    Origin {
        families: &[
            "Lefèvre",
            "Gagné",
            "Beauséjour",
            "D'Aubigné",
            "Côté",
            "Françoys",
        ],
        women: &["Hélène", "Zoé", "Élodie", "Françoise", "Maëlle"],
        men: &["Rémi", "François", "Théo", "Loïc", "Jérôme"],
    },
    Origin {
        families: &["Okafor", "Adébáyò", "Mensah", "Diallo", "Nwosu", "Tadesse"],
        women: &["Adaeze", "Yewándé", "Ama", "Aïssatou", "Selam"],
        men: &["Chidi", "Kwame", "Olúwaṣeun", "Ibrahima", "Bekele"],
    },
    Origin {
        families: &[
            "Yılmaz", "Çelik", "Şahin", "Öztürk", "Haddad", "Al-Masri", "Rahmani",
        ],
        women: &["Ayşe", "Gülşen", "Çiğdem", "Leila", "Zaynab"],
        men: &["İbrahim", "Çağrı", "Ömer", "Yusuf", "Karim"],
    },
    Origin {
        families: &["Sato", "Kim", "Wang", "Iyer", "Banerjee", "Kaur", "Tanaka"],
        women: &["Yuki", "Ji-woo", "Li Na", "Priya", "Harpreet"],
        men: &["Kenji", "Min-jun", "Wei", "Arjun", "Gurdeep"],
    },
];

const STREETS: [&str; 10] = [
    "Harbour Lane",
    "Mill Street",
    "Kastanienallee",
    "St. Salus Road",
    "Orchard Close",
    "Rue de l'Écluse",
    "Quarry Hill",
    "Linden Square",
    "Ferry Row",
    "North Embankment",
];

const CITIES: [&str; 6] = [
    "Salusport",
    "Neuhafen",
    "Åmål Bay",
    "Little Harbour",
    "Upper Fells",
    "Côte-Verte",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ages_are_as_asked_and_names_are_mixed() {
        let today = Date::constant(2026, 3, 1);
        let mut dice = Dice::new(3);
        let people: Vec<Person> = (0..300)
            .map(|_| Person::born(&mut dice, today, (20, 30)))
            .collect();
        assert!(
            people
                .iter()
                .all(|p| (1995..=2006).contains(&p.birth.year()))
        );
        assert!(people.iter().any(|p| !p.family.is_ascii()));
        assert!(people.iter().any(|p| p.family.contains('\'')));
        assert!(
            people
                .iter()
                .all(|p| !p.family.is_empty() && !p.given.is_empty())
        );
    }
}
