//! ERR, in both its forms.

use super::escaped;
use crate::hl7::Complaint;
use crate::hl7::part::Rules;

/// How ERR is written: since version 2.5 its fields have other types.
#[derive(Clone, Copy)]
pub(super) enum ErrForm {
    /// ERR-2, 3, 4 and 8.
    Coded,
    /// ERR-1.
    Located,
}

pub(super) fn err_form(version: &str) -> ErrForm {
    let minor = version
        .strip_prefix("2.")
        .and_then(|rest| rest.get(..1)?.parse::<u8>().ok());
    match minor {
        Some(0..=4) => ErrForm::Located,
        _ => ErrForm::Coded,
    }
}

pub(super) fn error_segment(complaint: &Complaint, rules: &Rules, form: ErrForm) -> Vec<u8> {
    let separators = rules.separators;
    let (number, name) = (complaint.code.number(), complaint.code.name());
    let (field, component) = (separators.field, separators.component);
    let mut out = b"ERR".to_vec();
    out.push(field);
    match form {
        ErrForm::Coded => {
            out.push(field);
            out.extend(joined(component, &place(complaint)));
            out.push(field);
            out.extend(joined(
                component,
                &[number.into(), name.into(), "HL70357".into()],
            ));
            out.extend([field, b'E', field, field, field, field]);
            out.extend(escaped(&complaint.words, rules));
        }
        ErrForm::Located => {
            let mut parts = place(complaint);
            parts.resize(3, String::new());
            out.extend(joined(component, &parts));
            out.push(component);
            let subcomponent = separators.subcomponent.unwrap_or(b' ');
            out.extend(joined(
                subcomponent,
                &[number.into(), name.into(), "HL70357".into()],
            ));
            out.extend([b'\r', b'N', b'T', b'E', field, b'1', field, field]);
            out.extend(escaped(&complaint.words, rules));
        }
    }
    out.push(b'\r');
    out
}

fn place(complaint: &Complaint) -> Vec<String> {
    let Some(place) = &complaint.place else {
        return Vec::new();
    };
    let mut parts = vec![place.segment.clone(), place.occurrence.to_string()];
    if place.field > 0 {
        parts.push(place.field.to_string());
    }
    parts
}

fn joined(separator: u8, parts: &[String]) -> Vec<u8> {
    let parts: Vec<&[u8]> = parts.iter().map(String::as_bytes).collect();
    parts.join(&[separator][..])
}
