//! Writing rows with the connection that writes. A statement costs no change of threads there, so each row is
//! one, prepared once.

use rusqlite::{Connection, Params};

use crate::ChartError;
use crate::error::Outcome;

/// Runs a statement once for each row.
pub(crate) fn each<P: Params>(
    to: &Connection,
    sql: &str,
    rows: impl IntoIterator<Item = P>,
) -> Outcome<()> {
    let broken = ChartError::broken("write its tables");
    let mut rows = rows.into_iter().peekable();
    if rows.peek().is_none() {
        return Ok(());
    }
    let mut statement = to.prepare_cached(sql).map_err(&broken)?;
    for row in rows {
        statement.execute(row).map_err(&broken)?;
    }
    Ok(())
}
