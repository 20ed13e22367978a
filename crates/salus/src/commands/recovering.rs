//! `bench --only recover`: an installation of many patients is backed up, and comes back on an empty
//! machine: seconds until the first ward reads, until the record is back, until charts are folded.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use event::Clock as _;
use lifeline::{Code, Lifeline};
use record::{Place, Wanted};
use serde::Serialize;

use crate::assemble::House;
use crate::clock::SystemClock;
use crate::config::Config;
use crate::local::Part;
use crate::operations::Kind;
use crate::output;

/// Patients of each ward; the others are at home.
const ON_WARD: usize = 30;
/// Wards with patients.
const WARDS: usize = 40;
/// Resources of each patient.
const RESOURCES: u64 = 10;
/// Patients that are taken together.
const PART: usize = 200;
/// How long charts may take to be folded.
const FOLD_MAX: Duration = Duration::from_secs(24 * 3_600);

/// What was measured; seconds from an empty folder.
#[derive(Debug, Serialize)]
pub(super) struct Recovered {
    patients: usize,
    events: u64,
    resources: u64,
    /// A ward pack of 30 patients, in KB (1,000 bytes).
    pack_kb: f64,
    backup_seconds: f64,
    backup_mb: f64,
    /// Until the first ward's pack was there and opened with its code.
    first_ward_seconds: f64,
    /// Until the record was fetched and verified.
    record_seconds: f64,
    /// Until every chart was folded.
    charts_seconds: f64,
    refold_resources_per_second: f64,
    cores: usize,
}

/// What is left of the installation when the machine is gone.
struct Kept {
    place: Place,
    keys: PathBuf,
    root: Vec<u8>,
    log_key: String,
    code: Code,
    recovered: Recovered,
}

/// Measures it in a folder.
pub(super) async fn measure(folder: &Path, patients: usize) -> Result<Recovered> {
    let kept = Box::pin(made(folder, patients)).await?;
    Box::pin(back(folder, kept)).await
}

fn config(data: PathBuf) -> Config {
    Config {
        data,
        ..Config::default()
    }
}

async fn made(folder: &Path, patients: usize) -> Result<Kept> {
    let house = Arc::new(House::open(config(folder.join("data"))).await?);
    filled(&house, patients).await?;
    settled(&house).await?;
    let pack = web::refresh_pack(&house.app, &ward(0)).await?;
    let packs = folder.join("packs");
    fs::create_dir_all(&packs)?;
    fs::write(
        packs.join(format!("ward-{}.html", ward(0))),
        pack.as_slice(),
    )?;
    let which = house.app.lifeline.which(&ward(0), SystemClock.now());
    house.app.record.publish().await?;
    let disk = folder.join("disk");
    fs::create_dir_all(&disk)?;
    let place = Place::Folder(disk);
    let own = house.config.record();
    let start = Instant::now();
    let backup = record::backup(&own, &place, &[packs], |_, _| {}).await?;
    let backup_seconds = start.elapsed().as_secs_f64();
    let keys = record::copy_keys(&own, &folder.join("copies"), 2)
        .await?
        .path;
    let root = fs::read(house.config.data.join("keys/root.key"))?;
    let recovered = Recovered {
        patients,
        events: backup.size,
        resources: (patients as u64 * RESOURCES) + (WARDS + patients.min(ON_WARD * WARDS)) as u64,
        pack_kb: pack.len() as f64 / 1e3,
        backup_seconds,
        backup_mb: backup.bytes as f64 / 1e6,
        first_ward_seconds: 0.0,
        record_seconds: 0.0,
        charts_seconds: 0.0,
        refold_resources_per_second: 0.0,
        cores: std::thread::available_parallelism().map_or(1, usize::from),
    };
    let kept = Kept {
        place,
        keys,
        root,
        log_key: house.app.record.public_key(),
        code: house.app.lifeline.code(&which),
        recovered,
    };
    close(house).await?;
    fs::remove_dir_all(folder.join("data")).context("cannot empty the machine")?;
    Ok(kept)
}

async fn back(folder: &Path, kept: Kept) -> Result<Recovered> {
    let mut recovered = kept.recovered;
    let new = config(folder.join("new"));
    let start = Instant::now();
    let first = record::first(&kept.place, &kept.log_key, &new.data.join("first")).await?;
    let pack = fs::read(first.first().context("no pack came back")?)?;
    ensure!(Lifeline::opens(&pack, &kept.code), "the pack does not open");
    recovered.first_ward_seconds = told("the first ward reads", start);
    fs::create_dir_all(new.data.join("keys"))?;
    fs::write(new.data.join("keys/root.key"), kept.root)?;
    record::restore_keys(&new.record(), &kept.keys, &[])?;
    let own = new.record();
    record::restore(&kept.place, &own, &Wanted::Furthest, |_, _| {}).await?;
    recovered.record_seconds = told("the record is fetched and verified", start);
    let fold = Instant::now();
    let house = Arc::new(House::open(new).await?);
    settled(&house).await?;
    let folding = fold.elapsed().as_secs_f64();
    recovered.charts_seconds = told("charts are folded", start);
    recovered.refold_resources_per_second = recovered.resources as f64 / folding;
    close(house).await?;
    Ok(recovered)
}

fn told(what: &str, start: Instant) -> f64 {
    let seconds = start.elapsed().as_secs_f64();
    output::note(&format!("{what} after {seconds:.2} s"));
    seconds
}

async fn settled(house: &House) -> Result<()> {
    let size = house.app.record.size();
    ensure!(
        house.app.chart.caught_up(size, FOLD_MAX).await,
        "the charts were not folded in time"
    );
    Ok(())
}

async fn close(house: Arc<House>) -> Result<()> {
    let house = Arc::into_inner(house).context("something still holds the record")?;
    house.close().await;
    Ok(())
}

fn ward(number: usize) -> String {
    format!("W{number:02}")
}

/// The wards, then patients in groups.
async fn filled(house: &House, patients: usize) -> Result<()> {
    let start = Instant::now();
    let wards: Vec<String> = (0..WARDS).map(location).collect();
    taken(house, wards).await?;
    for first in (0..patients).step_by(PART) {
        let group = first..(first + PART).min(patients);
        let admitted = group.clone().filter(|n| *n < ON_WARD * WARDS);
        let mut lines: Vec<String> = group.flat_map(resources).collect();
        lines.extend(admitted.map(stay));
        taken(house, lines).await?;
    }
    let seconds = start.elapsed().as_secs_f64();
    output::note(&format!("{patients} patients were taken in {seconds:.1} s"));
    Ok(())
}

async fn taken(house: &House, lines: Vec<String>) -> Result<()> {
    let part = Part {
        kind: Kind::Lines,
        feed: "import".to_owned(),
        begun: None,
    };
    let taken = house.take(&part, lines.join("\n").into_bytes()).await?;
    let first = taken.refused.first();
    ensure!(first.is_none(), "a resource was refused: {first:?}");
    Ok(())
}

/// One patient's resources as lines of NDJSON.
fn resources(n: usize) -> Vec<String> {
    let subject = format!(r#""subject":{{"reference":"Patient/r{n}"}}"#);
    let mut lines = vec![
        format!(
            r#"{{"resourceType":"Patient","id":"r{n}","identifier":[{{"type":{{"coding":[{{"code":"MR"}}]}},"value":"R{n:06}"}}],"name":[{{"family":"Family{n}","given":["Given"]}}],"gender":"female","birthDate":"19{:02}-03-{:02}"}}"#,
            30 + n % 70,
            1 + n % 28
        ),
        format!(
            r#"{{"resourceType":"Condition","id":"c{n}",{subject},"clinicalStatus":{{"coding":[{{"code":"active"}}]}},"code":{{"text":"Heart failure, class {}"}}}}"#,
            n % 4
        ),
        format!(
            r#"{{"resourceType":"AllergyIntolerance","id":"a{n}","patient":{{"reference":"Patient/r{n}"}},"criticality":"high","code":{{"text":"Penicillin"}}}}"#
        ),
        format!(
            r#"{{"resourceType":"MedicationRequest","id":"m{n}",{subject},"status":"active","intent":"order","medicationCodeableConcept":{{"text":"Metoprolol 47.5 mg"}},"dosageInstruction":[{{"text":"1 tablet in the morning"}}]}}"#
        ),
    ];
    lines.extend((0..RESOURCES as usize - 4).map(|m| {
        format!(
            r#"{{"resourceType":"Observation","id":"o{n}-{m}",{subject},"status":"final","category":[{{"coding":[{{"code":"vital-signs"}}]}}],"code":{{"coding":[{{"system":"http://loinc.org","code":"8867-4","display":"Heart rate"}}]}},"effectiveDateTime":"2026-11-2{m}T0{m}:15:00Z","valueQuantity":{{"value":{},"unit":"/min"}}}}"#,
            60 + (n * 7 + m * 11) % 60
        )
    }));
    lines
}

/// A ward.
fn location(number: usize) -> String {
    let ward = ward(number);
    format!(
        r#"{{"resourceType":"Location","id":"{}","name":"Ward {ward}","identifier":[{{"value":"{ward}"}}],"physicalType":{{"coding":[{{"system":"http://terminology.hl7.org/CodeSystem/location-physical-type","code":"wa"}}]}}}}"#,
        ward.to_lowercase()
    )
}

/// A patient's stay on a ward.
fn stay(n: usize) -> String {
    let ward = ward(n / ON_WARD).to_lowercase();
    format!(
        r#"{{"resourceType":"Encounter","id":"e{n}","status":"in-progress","class":{{"system":"http://terminology.hl7.org/CodeSystem/v3-ActCode","code":"IMP"}},"subject":{{"reference":"Patient/r{n}"}},"period":{{"start":"2026-11-20T08:12:00Z"}},"location":[{{"location":{{"reference":"Location/{ward}"}},"status":"active"}}]}}"#
    )
}

/// The figures, in lines.
pub(super) fn words(one: &Recovered) -> String {
    format!(
        "{} patients, {} events, {} resources, on {} cores\n\
         a ward pack of {ON_WARD} patients has         {:>10.1} KB\n\
         backing the record up ({:.0} MB)          {:>10.2} s\n\
         from an empty machine, until\n  \
           the first ward reads                 {:>10.2} s\n  \
           the record is fetched and verified   {:>10.2} s\n  \
           every chart is folded                {:>10.2} s\n\
         refolded                               {:>10.0} resources/s",
        one.patients,
        one.events,
        one.resources,
        one.cores,
        one.pack_kb,
        one.backup_mb,
        one.backup_seconds,
        one.first_ward_seconds,
        one.record_seconds,
        one.charts_seconds,
        one.refold_resources_per_second
    )
}
