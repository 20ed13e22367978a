//! Adding rows: one statement a row, prepared once.

use rusqlite::{Connection, Result};

use crate::journal::{Delivery, Row, Version, whole};

pub(super) fn rows(to: &Connection, rows: &[Row]) -> Result<()> {
    let mut insert = to.prepare_cached(
        "INSERT INTO row (seq, stream, at, entry, ciphertext) VALUES ($1, $2, $3, $4, $5)",
    )?;
    for row in rows {
        let (seq, stream) = (whole(row.seq), row.stream.as_slice());
        insert.execute((seq, stream, row.at, &row.entry, &row.ciphertext))?;
    }
    Ok(())
}

pub(super) fn deliveries(to: &Connection, seen: &[Delivery]) -> Result<()> {
    let mut insert = to.prepare_cached(
        "INSERT INTO delivery (message, content, seq, at) VALUES ($1, $2, $3, $4)",
    )?;
    for one in seen {
        let (message, content) = (one.message.as_slice(), one.content.as_slice());
        insert.execute((message, content, whole(one.seq), one.at))?;
    }
    Ok(())
}

pub(super) fn versions(to: &Connection, versions: &[Version]) -> Result<()> {
    let mut insert =
        to.prepare_cached("INSERT INTO version (resource, replaces, seq) VALUES ($1, $2, $3)")?;
    for one in versions {
        let resource = one.resource.as_slice();
        insert.execute((resource, whole(one.replaces), whole(one.seq)))?;
    }
    Ok(())
}
