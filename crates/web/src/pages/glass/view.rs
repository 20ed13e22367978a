use askama::Template;

use crate::pages::shell::Shell;

/// Break the glass?
#[derive(Template)]
#[template(path = "glass.html")]
pub(crate) struct GlassPage {
    pub shell: Shell,
    pub patient: String,
    pub glass: GlassForm,
    /// How long it lasts.
    pub minutes: i64,
    pub wrong: Option<String>,
}

/// What was typed.
pub(crate) struct GlassForm {
    pub purposes: Vec<Choice>,
    pub reason: String,
}

/// One of several.
pub(crate) struct Choice {
    pub word: &'static str,
    pub name: &'static str,
    pub chosen: bool,
}

impl GlassForm {
    /// HL7 v3 PurposeOfUse, with its name.
    const PURPOSES: [(&'static str, &'static str); 2] = [
        ("ETREAT", "Emergency treatment"),
        ("TREAT", "Treatment, and the ward has not said so yet"),
    ];

    pub(crate) fn empty() -> GlassForm {
        GlassForm::typed("ETREAT", "")
    }

    pub(crate) fn typed(purpose: &str, reason: &str) -> GlassForm {
        let choice = |(word, name)| Choice {
            word,
            name,
            chosen: word == purpose,
        };
        GlassForm {
            purposes: GlassForm::PURPOSES.map(choice).into_iter().collect(),
            reason: reason.to_owned(),
        }
    }
}

#[cfg(test)]
impl crate::pages::Samples for GlassPage {
    fn samples() -> Vec<GlassPage> {
        use crate::pages::shell::{Here, Lasting, samples::shell};
        let mut shell = shell("An emergency", Here::Patients);
        shell.glass = vec![Lasting {
            index: 48_230,
            patient: "x2kdaaaaaaaaaaaaaaaaaaaaaa".into(),
            until: "14:18".into(),
        }];
        vec![GlassPage {
            shell,
            patient: "b7q3aaaaaaaaaaaaaaaaaaaaaa".into(),
            glass: GlassForm::typed("TREAT", "no \"reason\" <b>"),
            minutes: 15,
            wrong: Some("Type why: 8 to 500 characters.".into()),
        }]
    }
}
