//! Putting rows right that were altered outside the path.

use rusqlite::{Connection, Result};

use crate::journal::{Row, sql, whole};

/// Puts rows back.
pub(super) fn mend(to: &Connection, rows: &[Row]) -> Result<()> {
    let mut mend = to.prepare_cached(sql::MEND)?;
    for row in rows {
        let (seq, stream) = (whole(row.seq), row.stream.as_slice());
        mend.execute((seq, stream, row.at, &row.entry, &row.ciphertext))?;
    }
    Ok(())
}

/// Takes rows away at and beyond the tree's size: the tree grows with its rows or not at all.
pub(super) fn take_forged(from: &Connection) -> Result<Vec<Row>> {
    let mut forged = from.prepare_cached(sql::FORGED)?;
    let rows = forged.query_map([sql::FORGED_MAX], |row| {
        Ok(Row {
            seq: row.get::<_, i64>(0)?.unsigned_abs(),
            stream: row.get(1)?,
            at: row.get(2)?,
            entry: row.get(3)?,
            ciphertext: row.get(4)?,
        })
    })?;
    let rows = rows.collect::<Result<Vec<Row>>>()?;
    for row in &rows {
        from.execute(sql::FORGED_GONE, [whole(row.seq)])?;
    }
    Ok(rows)
}
