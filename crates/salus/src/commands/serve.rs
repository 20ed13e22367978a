use anyhow::Result;
use serde::Serialize;

use crate::cli::{Format, Serve};
use crate::config::Config;
use crate::output;
use crate::supervise::{Server, Signals, Told};

/// What a server says when it is ready: one JSON line, or words.
#[derive(Serialize)]
struct Ready {
    url: String,
    fhir: String,
    mllp: Vec<String>,
    syslog: Vec<String>,
    dicom: Vec<String>,
    certificate_sha256: String,
    setup: Option<String>,
}

pub(crate) async fn run(mut config: Config, args: &Serve, format: Format) -> Result<u8> {
    overrides(&mut config, args);
    let minutes = config.web.setup_ms / 60_000;
    let mut signals = Signals::take()?;
    let Some(server) = signals.or_stop(Server::start(config)).await? else {
        return Ok(output::WELL);
    };
    let token = server.house.app.offer_setup().await;
    let ready = Ready {
        fhir: format!("{}/fhir", server.url),
        mllp: server.mllp.iter().map(ToString::to_string).collect(),
        syslog: server.syslog.iter().map(ToString::to_string).collect(),
        dicom: server.dicom.iter().map(ToString::to_string).collect(),
        certificate_sha256: server.fingerprint.clone(),
        setup: token.map(|token| format!("{}/setup/{token}", server.url)),
        url: server.url.clone(),
    };
    match format {
        Format::Human => output::line(&words(&ready, minutes)),
        Format::Json => output::line(&serde_json::to_string(&ready)?),
    }
    let told = server.until_told(&mut signals).await;
    if !matches!(told, Told::Uprooted(_)) {
        output::note("stopping: finishing what was accepted");
    }
    Ok(server.drain_or_leave(&told, &mut signals).await)
}

/// What the command line says counts before the file.
pub(crate) fn overrides(config: &mut Config, args: &Serve) {
    if let Some(listen) = args.listen {
        config.https.listen = listen;
    }
    if let Some(mllp) = args.mllp {
        config.mllp.listen = vec![mllp];
    }
}

fn words(ready: &Ready, minutes: i64) -> String {
    let mut out = format!(
        "Salus is running.\n  console  {}\n  FHIR R4  {}\n  HL7 v2   {} (MLLP)\n",
        ready.url,
        ready.fhir,
        ready.mllp.join(", "),
    );
    if !ready.syslog.is_empty() {
        out.push_str(&format!("  syslog   {}\n", ready.syslog.join(", ")));
    }
    if !ready.dicom.is_empty() {
        out.push_str(&format!("  DICOM    {}\n", ready.dicom.join(", ")));
    }
    out.push_str(&format!(
        "  certificate SHA-256 {}\n",
        ready.certificate_sha256
    ));
    if let Some(setup) = &ready.setup {
        out.push_str(&format!(
            "\nThere is no administrator yet. Open this link within {minutes} minutes; it works once:\n  \
             {setup}\n"
        ));
    }
    out.push_str("\nCtrl-C stops it.");
    out
}
