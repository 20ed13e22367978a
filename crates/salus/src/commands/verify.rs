use anyhow::Result;
use indicatif::{ProgressBar, ProgressStyle};
use serde::Serialize;

use crate::cli::Format;
use crate::config::Config;
use crate::following;
use crate::output;

#[derive(Serialize)]
struct Verified {
    events: u64,
    published: u64,
    bytes: u64,
    erased: u64,
    objects: u64,
    unnamed: u64,
    unnamed_bytes: u64,
    untold: u64,
    /// Objects that a standby has not brought yet: they are no alterations.
    absent: u64,
    alterations: Vec<Altered>,
}

#[derive(Serialize)]
struct Altered {
    index: Option<u64>,
    owner: Option<String>,
    field: String,
    expected: String,
    found: String,
}

pub(crate) async fn run(config: &Config, format: Format) -> Result<u8> {
    let bar = ProgressBar::new(0);
    bar.set_style(ProgressStyle::with_template(
        "{bar:40} {human_pos}/{human_len} events, {per_sec}, {eta} left",
    )?);
    let report = record::verify(&config.record(), |done, all| {
        bar.set_length(all);
        bar.set_position(done);
    })
    .await?;
    bar.finish_and_clear();
    let standby = following::is_standby(&config.data);
    let (absent, wrong): (Vec<_>, Vec<_>) = report
        .alterations
        .into_iter()
        .partition(|one| standby && not_here_yet(one));
    let alterations = wrong.into_iter().map(|one| Altered {
        index: one.index,
        owner: one.owner,
        field: one.field,
        expected: one.expected,
        found: one.found,
    });
    let verified = Verified {
        events: report.size,
        published: report.published,
        bytes: report.bytes,
        erased: report.erased,
        objects: report.objects,
        unnamed: report.unnamed,
        unnamed_bytes: report.unnamed_bytes,
        untold: report.untold,
        absent: absent.len() as u64,
        alterations: alterations.collect(),
    };
    output::result(format, &verified, words);
    Ok(if verified.alterations.is_empty() {
        output::WELL
    } else {
        output::FOUND
    })
}

/// Whether it is an object that an event names and that does not lie there.
fn not_here_yet(one: &record::Alteration) -> bool {
    one.index.is_some() && one.field.starts_with("vault/object/") && one.found == "nothing"
}

fn words(verified: &Verified) -> String {
    let mut out = String::new();
    for one in &verified.alterations {
        let place = one
            .index
            .map_or(String::new(), |index| format!("event {index}, "));
        let owner = one
            .owner
            .as_ref()
            .map_or(String::new(), |owner| format!("{owner}, "));
        out.push_str(&format!(
            "ALTERED  {place}{owner}{}\n  sealed: {}\n  found:  {}\n",
            one.field, one.expected, one.found
        ));
    }
    let (events, published) = (verified.events, verified.published);
    if verified.events == 0 {
        out.push_str("no evidence: the record is empty");
    } else if verified.alterations.is_empty() {
        out.push_str(&format!(
            "unaltered: {events} events, {published} of them under the signed checkpoint, \
             {} MB re-read",
            verified.bytes / 1_000_000
        ));
        if verified.erased > 0 {
            out.push_str(&format!(
                "\nerased: {} of them cannot be read any more, as sealed orders say",
                verified.erased
            ));
        }
    } else {
        out.push_str(&format!(
            "{} alterations in {events} events. Keep a copy of the data folder as evidence; \
             a restart writes missing files of the vault again.",
            verified.alterations.len()
        ));
    }
    out.push_str(&objects(verified));
    out
}

/// What there is to say of what lies beside the events.
fn objects(verified: &Verified) -> String {
    let mut out = String::new();
    if verified.objects > 0 {
        out.push_str(&format!(
            "\nobjects: {} that events name were held against what was sealed",
            verified.objects
        ));
    }
    if verified.absent > 0 {
        out.push_str(&format!(
            "\nobjects that are not here yet: {}; this is a standby, which brings them",
            verified.absent
        ));
    }
    if verified.unnamed > 0 {
        out.push_str(&format!(
            "\nobjects that no event names: {} ({} MB), left by a crash or being sealed this moment; \
             `salus scrub` removes them after `objects_unnamed_days`",
            verified.unnamed,
            verified.unnamed_bytes / 1_000_000
        ));
    }
    if verified.untold > 0 {
        out.push_str(&format!(
            "\nobjects whose key is not here: {}; they are what they are called, and nobody can \
             tell which events name them, or whether one is missing",
            verified.untold
        ));
    }
    out
}
