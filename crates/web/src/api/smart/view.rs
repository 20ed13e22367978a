use askama::Template;

use crate::pages::shell::Shell;

/// An app asks; the person agrees or not.
#[derive(Template)]
#[template(path = "agree.html")]
pub(crate) struct AgreePage {
    pub shell: Shell,
    /// How a person would say the app's name.
    pub app: String,
    pub client: String,
    /// Where the answer goes.
    pub goes_to: String,
    /// It keeps its access when the person signs out.
    pub lasting: bool,
    /// For how long it has its access, as a sentence.
    pub how_long: String,
    /// The one patient it is opened for, by name.
    pub patient: Option<String>,
    pub wishes: Vec<Wish>,
    /// What the form carries on.
    pub fields: Vec<(String, String)>,
}

/// One scope.
pub(crate) struct Wish {
    pub field: String,
    pub scope: String,
    pub words: String,
}

/// The person chooses the patient an app is opened for.
#[derive(Template)]
#[template(path = "choose.html")]
pub(crate) struct ChoicePage {
    pub shell: Shell,
    pub app: String,
    pub fields: Vec<(String, String)>,
    pub typed: String,
    pub choices: Vec<Choice>,
}

/// One patient whose chart the person may open.
pub(crate) struct Choice {
    pub id: String,
    pub href: String,
    pub name: String,
    pub born: String,
    pub place: String,
}

/// The apps that a patient's chart can be opened in.
#[derive(Template)]
#[template(path = "launch.html")]
pub(crate) struct LaunchPage {
    pub shell: Shell,
    pub patient: String,
    pub apps: Vec<Launchable>,
}

/// One app.
pub(crate) struct Launchable {
    pub client: String,
    pub name: String,
    pub goes_to: String,
}

#[cfg(test)]
mod samples {
    use super::*;
    use crate::pages::Samples;
    use crate::pages::shell::samples::outside;

    impl Samples for AgreePage {
        fn samples() -> Vec<AgreePage> {
            let wish = |at: usize, scope: &str| Wish {
                field: format!("scope-{at}"),
                scope: scope.into(),
                words: super::super::scope::told(scope),
            };
            let page = |patient: Option<&str>, lasting| AgreePage {
                shell: outside("An app asks for access"),
                app: "Growth <charts>".into(),
                client: "growth".into(),
                goes_to: "https://growth.example".into(),
                lasting,
                how_long: "Its access ends 5 min after it got it.".into(),
                patient: patient.map(str::to_owned),
                wishes: vec![wish(0, "patient/Observation.rs"), wish(1, "openid")],
                fields: vec![("state".into(), "a\"b".into())],
            };
            vec![page(Some("Jörg <Müller>"), true), page(None, false)]
        }
    }

    impl Samples for ChoicePage {
        fn samples() -> Vec<ChoicePage> {
            let page = |choices| ChoicePage {
                shell: outside("Choose a patient"),
                app: "Growth".into(),
                fields: vec![("state".into(), "x".into())],
                typed: "mü".into(),
                choices,
            };
            let one = Choice {
                id: "p1".into(),
                href: "/oauth/authorize?state=x&patient=p1".into(),
                name: "Jörg Müller".into(),
                born: "1950-01-01".into(),
                place: "MED1 101".into(),
            };
            vec![page(vec![one]), page(Vec::new())]
        }
    }

    impl Samples for LaunchPage {
        fn samples() -> Vec<LaunchPage> {
            let page = |apps| LaunchPage {
                shell: outside("Open in an app"),
                patient: "p1".into(),
                apps,
            };
            let one = Launchable {
                client: "growth".into(),
                name: "Growth charts".into(),
                goes_to: "https://growth.example".into(),
            };
            vec![page(vec![one]), page(Vec::new())]
        }
    }
}
