//! Renders every page with every sample and looks at the HTML as a strict reader would.

use std::path::PathBuf;

use askama::Template;

use crate::assets;

/// A page that can show what it looks like.
pub(crate) trait Samples: Template + Sized {
    /// Full, empty and awkward.
    fn samples() -> Vec<Self>;
}

/// What the first load of a page may weigh, with its stylesheet, script and mark, in bytes.
const FIRST_LOAD_BYTES_MAX: usize = 60 << 10;

/// Where links of pages may lead; `*` is one segment.
const ROUTES: [&str; 74] = [
    "/downtime",
    "/downtime/away",
    "/downtime/entries/*",
    "/downtime/openings",
    "/downtime/sheet",
    "/downtime/ward/*",
    "/downtime/ward/*/entries",
    "/downtime/ward/*/print",
    "/lifeline",
    "/lifeline/drills",
    "/lifeline/rewind",
    "/packs/*",
    "/packs/*/card",
    "/packs/*/renew",
    "/oauth/authorize",
    "/oauth/authorize/choose",
    "/oauth/launch",
    "/",
    "/now",
    "/sign-in",
    "/sign-in/passkey",
    "/sign-in/sso",
    "/sign-in/again",
    "/sign-in/again/passkey",
    "/sign-out",
    "/account",
    "/account/app",
    "/account/app/remove",
    "/account/apps",
    "/account/apps/end",
    "/account/passkeys",
    "/account/passkeys/remove",
    "/account/password",
    "/account/recovery",
    "/account/sessions/end",
    "/account/sessions/end-all",
    "/account/step-up",
    "/account/step-up/passkey",
    "/setup",
    "/patients",
    "/patients/*",
    "/patients/*/imaging/*",
    "/patients/*/imaging/*/*",
    "/patients/*/fetch",
    "/patients/*/unmerge",
    "/patients/*/glass",
    "/glass/*/end",
    "/access/reviews",
    "/access/reviews/*",
    "/account/step-up",
    "/access",
    "/access/letter",
    "/access/print",
    "/access/exports",
    "/access/exports/*",
    "/record",
    "/record/check",
    "/record/checkpoint",
    "/record/outside",
    "/record/outside/*",
    "/record/*",
    "/record/*/proof",
    "/record/*/disclose",
    "/flow",
    "/flow/*",
    "/flow/connect",
    "/flow/fetch",
    "/flow/routes/*",
    "/settings/people",
    "/settings/people/disable",
    "/settings/people/reset",
    "/static/salus.css",
    "/static/salus.js",
    "/static/mark.svg",
];

const VOID: [&str; 7] = ["meta", "link", "input", "br", "hr", "img", "!doctype"];

/// A tag as it stands in the text: name, attributes, and whether it opens, closes or both.
struct Tag<'a> {
    name: &'a str,
    attributes: &'a str,
    closes: bool,
    alone: bool,
}

fn tags(html: &str) -> Vec<Tag<'_>> {
    let mut out = Vec::new();
    let mut rest = html;
    while let Some(start) = rest.find('<') {
        let (inner, after) = split_tag(&rest[start + 1..]);
        let closes = inner.starts_with('/');
        let body = inner.trim_start_matches('/').trim_end_matches('/');
        let (name, attributes) = body.split_once([' ', '\n']).unwrap_or((body, ""));
        out.push(Tag {
            name,
            attributes,
            closes,
            alone: inner.ends_with('/'),
        });
        rest = after;
    }
    out
}

fn split_tag(text: &str) -> (&str, &str) {
    let mut quoted = false;
    for (place, letter) in text.char_indices() {
        match letter {
            '"' => quoted = !quoted,
            '>' if !quoted => return (&text[..place], &text[place + 1..]),
            '<' if !quoted => panic!("a bare `<` near: {}", &text[..place.min(60)]),
            _ => {}
        }
    }
    panic!("a tag that never ends: {}", &text[..text.len().min(60)])
}

fn attribute<'a>(tag: &Tag<'a>, name: &str) -> Option<&'a str> {
    let start = tag.attributes.find(&format!("{name}=\""))? + name.len() + 2;
    tag.attributes[start..].split('"').next()
}

fn balanced(tags: &[Tag<'_>]) {
    let mut open: Vec<&str> = Vec::new();
    for tag in tags
        .iter()
        .filter(|tag| !VOID.contains(&tag.name) && !tag.alone)
    {
        if tag.closes {
            assert_eq!(
                open.pop(),
                Some(tag.name),
                "closes in the wrong order; open: {open:?}"
            );
        } else {
            if matches!(
                tag.name,
                "ul" | "div" | "section" | "table" | "h1" | "h2" | "form" | "dl"
            ) {
                assert!(open.last() != Some(&"p"), "`{}` inside `p`", tag.name);
            }
            open.push(tag.name);
        }
    }
    assert!(open.is_empty(), "never closed: {open:?}");
}

fn labelled(tags: &[Tag<'_>]) {
    let mut inside = 0;
    for tag in tags {
        match tag.name {
            "label" if tag.closes => inside -= 1,
            "label" => inside += 1,
            "input" | "textarea" | "select" if !tag.closes => {
                let hidden = attribute(tag, "type") == Some("hidden");
                assert!(hidden || inside == 1, "no label: {}", tag.attributes);
            }
            _ => {}
        }
    }
}

fn ids_and_ears(tags: &[Tag<'_>]) {
    let mut ids: Vec<&str> = tags.iter().filter_map(|tag| attribute(tag, "id")).collect();
    for tag in tags {
        let named = attribute(tag, "aria-labelledby");
        assert!(
            named.is_none_or(|id| ids.contains(&id)),
            "nothing has the id {named:?}"
        );
    }
    let all = ids.len();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), all, "an id is used twice");
}

fn routed(path: &str) -> bool {
    let path = path.split(['?', '#']).next().unwrap_or_default();
    ROUTES.iter().any(|route| {
        let (mut want, mut have) = (route.split('/'), path.split('/'));
        loop {
            match (want.next(), have.next()) {
                (None, None) => return true,
                (Some("*"), Some(segment)) if !segment.is_empty() => {}
                (Some(one), Some(other)) if one == other => {}
                _ => return false,
            }
        }
    })
}

fn lawful(tags: &[Tag<'_>]) {
    for tag in tags {
        let loose = [" style=", " onclick=", " onload=", " onerror="];
        let spaced = format!(" {}", tag.attributes);
        assert!(
            !loose.iter().any(|bad| spaced.contains(bad)),
            "inline: {}",
            tag.attributes
        );
        assert!(tag.name != "style", "inline style");
        assert!(
            tag.name != "script" || tag.closes || attribute(tag, "src").is_some(),
            "inline script"
        );
        for link in ["href", "src", "action"]
            .iter()
            .filter_map(|name| attribute(tag, name))
        {
            let here = |id: &str| tags.iter().any(|tag| attribute(tag, "id") == Some(id));
            let leads = link.strip_prefix('#').map_or_else(|| routed(link), here);
            assert!(leads, "`{link}` leads nowhere");
        }
    }
}

fn check(html: &str) {
    let tags = tags(html);
    balanced(&tags);
    labelled(&tags);
    ids_and_ears(&tags);
    lawful(&tags);
    let heads = tags
        .iter()
        .filter(|tag| tag.name == "h1" && !tag.closes)
        .count();
    assert_eq!(heads, 1, "a page has one h1");
    let load = html.len() + assets::CSS.len() + assets::SCRIPT.len() + assets::MARK.len();
    assert!(load <= FIRST_LOAD_BYTES_MAX, "first load of {load} bytes");
}

/// Checks every sample of a page; with `SALUS_PAGES_OUT` set, also writes them there to look at.
fn page<P: Samples>(name: &str) {
    for (number, sample) in P::samples().iter().enumerate() {
        let html = sample.render().unwrap();
        if let Some(folder) = std::env::var_os("SALUS_PAGES_OUT") {
            let file = PathBuf::from(folder).join(format!("{name}-{number}.html"));
            std::fs::write(file, html.replace("/static/", "static/")).unwrap();
        }
        check(&html);
    }
}

#[test]
fn every_page_renders_lawfully_with_every_sample() {
    use crate::api::smart::view;
    use crate::pages::{
        access, account, downtime, fetch, flow, glass, lifeline, now, outside, patients, problem,
        record, reviews, settings,
    };
    page::<account::view::SetupPage>("setup");
    page::<account::view::SignInPage>("sign-in");
    page::<account::view::AgainPage>("again");
    page::<account::view::StepUpPage>("step-up");
    page::<account::view::AccountPage>("account");
    page::<account::view::AppPage>("app");
    page::<account::view::RecoveryPage>("recovery");
    page::<account::apps::AppsPage>("apps");
    page::<now::view::NowPage>("now");
    page::<patients::view::PatientsPage>("patients");
    page::<patients::view::ChartPage>("chart");
    page::<patients::view::RefusedPage>("refused");
    page::<patients::view::StudyPage>("study");
    page::<patients::view::UnmergePage>("unmerge");
    page::<glass::view::GlassPage>("glass");
    page::<reviews::view::ReviewsPage>("reviews");
    page::<reviews::view::ReviewPage>("review");
    page::<record::view::RecordPage>("record");
    page::<record::view::EventPage>("event");
    page::<outside::view::OutsidePage>("outside");
    page::<outside::view::PutBackPage>("outside-one");
    page::<fetch::view::FetchPage>("fetch");
    page::<flow::view::FlowPage>("flow");
    page::<flow::view::MessagePage>("message");
    page::<flow::routes::RoutePage>("flow-route");
    page::<flow::connect::ConnectPage>("connect");
    page::<access::view::AccessPage>("access");
    page::<access::letter::LetterPage>("access-letter");
    page::<access::print::PrintPage>("access-print");
    page::<access::exports::ExportsPage>("access-exports");
    page::<downtime::view::DowntimePage>("downtime");
    page::<downtime::view::SheetPage>("downtime-sheet");
    page::<downtime::view::QueuePage>("downtime-ward");
    page::<downtime::view::PatientQueue>("downtime-entries");
    page::<downtime::view::PrintPage>("downtime-print");
    page::<lifeline::view::LifelinePage>("lifeline");
    page::<lifeline::view::CardPage>("card");
    page::<settings::view::PeoplePage>("people");
    page::<problem::ProblemPage>("problem");
    page::<view::AgreePage>("agree");
    page::<view::ChoicePage>("choose");
    page::<view::LaunchPage>("launch");
}

#[test]
fn the_script_is_short_and_the_stylesheet_too() {
    assert!(assets::SCRIPT.lines().count() <= 230);
    assert!(assets::CSS.lines().count() <= 400);
}

#[test]
#[should_panic(expected = "leads nowhere")]
fn a_link_to_nowhere_is_noticed() {
    check("<h1>a</h1><a href=\"/nowhere\">x</a>");
}

#[test]
#[should_panic(expected = "no label")]
fn an_input_without_a_label_is_noticed() {
    check("<h1>a</h1><input name=\"x\">");
}
