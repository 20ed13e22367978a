use jiff::civil::Date;

use super::span::Kind;

/// A person's name as the record has it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PersonName {
    /// First and further given names, in their order.
    pub given: Vec<String>,
    /// The family name; several words are allowed.
    pub family: String,
}

/// What the record knows that would identify: of one patient with everybody around them, or of
/// the house with its staff and wards.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Facts {
    /// The patient, relatives, contacts, staff.
    pub names: Vec<PersonName>,
    /// Names in one piece, of which nobody says where the family name begins.
    pub written_names: Vec<String>,
    /// Numbers and codes, with what they are.
    pub identifiers: Vec<(Kind, String)>,
    /// Telephone and fax numbers, mail addresses, web addresses.
    pub telecom: Vec<String>,
    /// Address lines, cities, districts.
    pub address_parts: Vec<String>,
    /// Postal codes.
    pub postal_codes: Vec<String>,
    /// Facilities, organizations, wards, employers.
    pub organizations: Vec<String>,
    /// Birth date and other days that are told without a year too.
    pub dates: Vec<Date>,
}

impl Facts {
    /// Takes over what other facts know.
    pub fn add(&mut self, other: Facts) {
        self.names.extend(other.names);
        self.written_names.extend(other.written_names);
        self.identifiers.extend(other.identifiers);
        self.telecom.extend(other.telecom);
        self.address_parts.extend(other.address_parts);
        self.postal_codes.extend(other.postal_codes);
        self.organizations.extend(other.organizations);
        self.dates.extend(other.dates);
    }
}
