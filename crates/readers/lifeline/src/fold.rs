//! What one event leaves in the view.

use event::{Act, BackedUp, Body, Captured, Copy, Erased, Event, Outcome, Time};
use record::{Blind, Sealed};
use sqlx::{SqliteConnection, SqlitePool};

use crate::deed;
use crate::lifeline::State;
use crate::proof::Away;

type Done = Result<(), sqlx::Error>;

/// Folds events and the cursor in one transaction.
pub(crate) async fn take(
    (pool, blind): (&SqlitePool, &Blind),
    state: &mut State,
    batch: &[Sealed],
    next: u64,
) -> Done {
    let folded = state.folded;
    let new = || batch.iter().filter(move |sealed| sealed.index() >= folded);
    if !new().any(|sealed| concerns(sealed.event())) && !record::save_is_due(folded, next) {
        state.folded = next;
        return Ok(());
    }
    let mut to = pool.begin().await?;
    for sealed in new() {
        let at = (sealed.index(), sealed.at());
        match &sealed.event().body {
            Body::Erased(order) => forget(&mut to, order, blind).await?,
            _ => one(&mut to, at, sealed.event()).await?,
        }
        by_heart(state, at, sealed.event());
    }
    deed::take(&mut to, new()).await?;
    sqlx::query("UPDATE cursor SET next = $1 WHERE id = 1")
        .bind(next.cast_signed())
        .execute(&mut *to)
        .await?;
    to.commit().await?;
    state.folded = next;
    Ok(())
}

/// Whether an event leaves anything here: looks, which are most events of a day, do not.
fn concerns(event: &Event) -> bool {
    match event.body {
        Body::Decision(_) => false,
        Body::Shown(_) => event.act == Act::Carry,
        _ => true,
    }
}

/// What has to be known without asking the database.
pub(crate) fn by_heart(state: &mut State, (index, at): (u64, Time), event: &Event) {
    match &event.body {
        Body::PackCode(code) => {
            state.generations.insert(code.ward.clone(), code.generation);
        }
        Body::Downtime(downtime) => {
            state.away = downtime.away.then(|| Away {
                index,
                at,
                name: event.actor.name.clone(),
                reason: downtime.reason.clone(),
            });
        }
        _ => {}
    }
}

async fn one(to: &mut SqliteConnection, (index, at): (u64, Time), event: &Event) -> Done {
    let (idx, millis) = (index.cast_signed(), at.millis());
    match &event.body {
        Body::Shown(shown) if event.act == Act::Carry => {
            let event::Subject::Ward(ward) = &event.subject else {
                return Ok(());
            };
            sqlx::query(
                "INSERT OR REPLACE INTO listing (idx, at, ward, patients) VALUES ($1, $2, $3, $4)",
            )
            .bind(idx)
            .bind(millis)
            .bind(ward)
            .bind(text(&shown.patients))
            .execute(to)
            .await
            .map(drop)
        }
        Body::PackCode(code) => {
            sqlx::query("INSERT OR REPLACE INTO code (ward, generation) VALUES ($1, $2)")
                .bind(&code.ward)
                .bind(i64::from(code.generation))
                .execute(to)
                .await
                .map(drop)
        }
        Body::Captured(captured) => typed(to, (index, at), event, captured).await,
        Body::Verdict(verdict) => {
            let outcome = match verdict.outcome {
                Outcome::Refused => "refused",
                Outcome::Accepted { .. } | Outcome::Changed { .. } => "accepted",
            };
            // Of several verdicts the first counts.
            sqlx::query(
                "UPDATE entry SET verdict = $2, decided_at = $3, decider = $4, word = $5,
                 outcome = $6, reason = $7 WHERE idx = $1 AND verdict IS NULL",
            )
            .bind(verdict.captured.cast_signed())
            .bind(idx)
            .bind(millis)
            .bind(&event.actor.name)
            .bind(outcome)
            .bind(text(&verdict.outcome))
            .bind(&verdict.reason)
            .execute(to)
            .await
            .map(drop)
        }
        Body::SentOn(sent) => sqlx::query(
            "UPDATE entry SET sent_at = $2, sent_to = $3, answer = $4, taken = $5 WHERE idx = $1",
        )
        .bind(sent.captured.cast_signed())
        .bind(millis)
        .bind(&sent.to)
        .bind(&sent.answer)
        .bind(i64::from(sent.taken))
        .execute(to)
        .await
        .map(drop),
        _ => paper(to, (idx, millis), event).await,
    }
}

async fn typed(
    to: &mut SqliteConnection,
    (index, at): (u64, Time),
    event: &Event,
    captured: &Captured,
) -> Done {
    sqlx::query(
        "INSERT OR REPLACE INTO entry (idx, at, ward, patient, temporary, line, sheet, row,
         typist, typist_name) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)",
    )
    .bind(index.cast_signed())
    .bind(at.millis())
    .bind(&captured.ward)
    .bind(event.subject.patient())
    .bind(&captured.temporary)
    .bind(text(&captured.line))
    .bind(&captured.sheet)
    .bind(i64::from(captured.row))
    .bind(&event.actor.id)
    .bind(&event.actor.name)
    .execute(to)
    .await
    .map(drop)
}

/// Sheets, copies, drills.
async fn paper(to: &mut SqliteConnection, (idx, millis): (i64, i64), event: &Event) -> Done {
    match &event.body {
        Body::Printed(printed) => {
            for sheet in &printed.sheets {
                sqlx::query(
                    "INSERT INTO sheet (id, ward, printed) VALUES ($1, $2, $3)
                     ON CONFLICT (id) DO UPDATE SET printed = COALESCE(printed, excluded.printed)",
                )
                .bind(sheet)
                .bind(&printed.ward)
                .bind(millis)
                .execute(&mut *to)
                .await?;
            }
            Ok(())
        }
        Body::SheetBack(back) => sqlx::query(
            "INSERT INTO sheet (id, ward, back, typed, blank) VALUES ($1, $2, $3, $4, $5)
             ON CONFLICT (id) DO UPDATE SET back = excluded.back, typed = excluded.typed,
             blank = excluded.blank",
        )
        .bind(&back.sheet)
        .bind(&back.ward)
        .bind(millis)
        .bind(i64::try_from(back.typed.len()).unwrap_or_default())
        .bind(i64::from(back.blank))
        .execute(to)
        .await
        .map(drop),
        Body::Downtime(_) => {
            sqlx::query("INSERT OR REPLACE INTO away (idx, at, body) VALUES ($1, $2, $3)")
                .bind(idx)
                .bind(millis)
                .bind(text(event))
                .execute(to)
                .await
                .map(drop)
        }
        Body::Copy(copy) => copied(to, (idx, millis), copy).await,
        // That it can be restored is another question: a drill answers it.
        Body::BackedUp(made) => {
            pinned(to, (idx, millis), made).await?;
            if made.in_part {
                // How the others stand, and when all of them were last taken, is as it was.
                return Ok(());
            }
            let copy = Copy {
                kind: kind(made).into(),
                name: made.place.clone(),
                events: made.size,
                behind_ms: 0,
                verified: false,
                wrong: String::new(),
            };
            copied(to, (idx, millis), &copy).await
        }
        Body::Drill(drill) => {
            sqlx::query("INSERT OR REPLACE INTO drill (idx, at, body) VALUES ($1, $2, $3)")
                .bind(idx)
                .bind(millis)
                .bind(text(drill))
                .execute(to)
                .await
                .map(drop)
        }
        _ => Ok(()),
    }
}

/// Of what a backup is, as the ladder of copies calls it.
fn kind(made: &BackedUp) -> &'static str {
    match made.files {
        Some(_) => "files",
        None => "backup",
    }
}

/// Which manifest counts: what was sealed here, and not what lies at the place.
async fn pinned(to: &mut SqliteConnection, (idx, millis): (i64, i64), made: &BackedUp) -> Done {
    let query = sqlx::query(
        "INSERT OR REPLACE INTO pinned (idx, at, kind, place, manifest) VALUES ($1, $2, $3, $4, $5)",
    );
    let query = query
        .bind(idx)
        .bind(millis)
        .bind(kind(made))
        .bind(&made.place)
        .bind(&made.manifest);
    query.execute(to).await.map(drop)
}

/// How a copy stands; when it was last found right stays.
async fn copied(to: &mut SqliteConnection, (idx, millis): (i64, i64), copy: &Copy) -> Done {
    let query = sqlx::query(
        "INSERT INTO copy (kind, name, idx, at, body, verified) VALUES ($1, $2, $3, $4, $5, $6)
         ON CONFLICT (kind, name) DO UPDATE SET idx = excluded.idx, at = excluded.at,
         body = excluded.body, verified = COALESCE(excluded.verified, verified)",
    );
    let query = query
        .bind(&copy.kind)
        .bind(&copy.name)
        .bind(idx)
        .bind(millis)
        .bind(text(copy))
        .bind((copy.verified && copy.wrong.is_empty()).then_some(millis));
    query.execute(to).await.map(drop)
}

/// What is erased stays erased: entries of the patient go, and their place in a list is left empty
/// so that the other numbers stay right.
async fn forget(to: &mut SqliteConnection, order: &Erased, blind: &Blind) -> Done {
    let mut gone = 0;
    for (first, last) in &order.events {
        gone += sqlx::query("DELETE FROM entry WHERE idx BETWEEN $1 AND $2")
            .bind(first.cast_signed())
            .bind(last.cast_signed())
            .execute(&mut *to)
            .await?
            .rows_affected();
    }
    let lists: Vec<(i64, String)> = sqlx::query_as("SELECT idx, patients FROM listing")
        .fetch_all(&mut *to)
        .await?;
    for (idx, patients) in lists {
        let mut patients: Vec<String> = serde_json::from_str(&patients).unwrap_or_default();
        let before = patients.clone();
        for patient in patients.iter_mut().filter(|patient| !patient.is_empty()) {
            if order.patients.contains(&blind.mark(patient)) {
                patient.clear();
            }
        }
        if patients != before {
            gone += 1;
            sqlx::query("UPDATE listing SET patients = $2 WHERE idx = $1")
                .bind(idx)
                .bind(text(&patients))
                .execute(&mut *to)
                .await?;
        }
    }
    if gone > 0 {
        record::rewrite_later(to).await?;
    }
    Ok(())
}

/// As JSON; what cannot be written is not there.
fn text(value: &impl serde::Serialize) -> String {
    serde_json::to_string(value).unwrap_or_default()
}
