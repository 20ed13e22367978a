//! Writes a batch: few statements, each with many rows.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use event::Time;
use sqlx::query_builder::QueryBuilder;
use sqlx::{Row, Sqlite, SqliteConnection};

use crate::batch::{Came, Sums, WIDTHS_MS, What};
use crate::flow::Limits;
use crate::known::Known;
use crate::{learned, silence};

/// Rows in one statement: more cost SQLite more than they save.
pub(crate) const ROWS: usize = 50;

pub(crate) type Done = Result<(), sqlx::Error>;

/// Marks the messages whose id an earlier message of the feed had, and remembers the new ids.
///
/// A feed's ids are remembered in generations of `controls_kept_min` messages; this generation
/// and the one before count, older ones are swept out a few rows at a time. Which generation a
/// message belongs to follows from the feed's count alone, so a refold marks the same ones.
pub(crate) async fn mark_reused(
    connection: &mut SqliteConnection,
    known: &Known,
    (came, limits): (&mut [Came<'_>], &Limits),
) -> Done {
    for (name, state) in &known.feeds {
        let mut messages: Vec<&mut Came<'_>> = came
            .iter_mut()
            .filter(|came| came.feed == name && came.heard().is_some())
            .collect();
        if messages.is_empty() {
            continue;
        }
        let span = limits.controls_kept_min.max(1);
        let mut ids = Ids::recall(connection, state.id, &messages).await?;
        for (count, came) in (state.total.messages..).zip(&mut messages) {
            ids.mark(came, (count / span).cast_signed());
        }
        ids.remember(connection).await?;
        ids.sweep(connection, 2 * messages.len()).await?;
    }
    Ok(())
}

/// The message ids of one feed, as far as a batch needs them.
struct Ids {
    feed: i64,
    /// The youngest generation an id was seen in.
    seen: HashMap<String, i64>,
    new: BTreeSet<(i64, String)>,
}

impl Ids {
    async fn recall(
        connection: &mut SqliteConnection,
        feed: i64,
        messages: &[&mut Came<'_>],
    ) -> Result<Ids, sqlx::Error> {
        let mut seen = HashMap::new();
        let controls: Vec<&str> = messages
            .iter()
            .filter_map(|came| came.heard())
            .map(|heard| heard.control)
            .collect();
        for some in controls.chunks(ROWS) {
            let mut query: QueryBuilder<Sqlite> =
                QueryBuilder::new("SELECT generation, control FROM control WHERE feed = ");
            query.push_bind(feed).push(" AND generation IN (");
            query.push("SELECT generation FROM generation WHERE feed = ");
            query.push_bind(feed).push(") AND control IN (");
            let mut list = query.separated(", ");
            for control in some {
                list.push_bind(*control);
            }
            query.push(")");
            for row in query.build().fetch_all(&mut *connection).await? {
                let generation: i64 = row.try_get(0)?;
                let youngest = seen.entry(row.try_get(1)?).or_insert(generation);
                *youngest = generation.max(*youngest);
            }
        }
        let new = BTreeSet::new();
        Ok(Ids { feed, seen, new })
    }

    /// An empty id is not the same as another empty id: it is none.
    fn mark(&mut self, came: &mut Came<'_>, generation: i64) {
        let What::Message(heard) = &mut came.what else {
            return;
        };
        if heard.control.is_empty() {
            return;
        }
        let before = self.seen.insert(heard.control.to_owned(), generation);
        heard.reused = before.is_some_and(|before| before >= generation - 1);
        if before != Some(generation) {
            self.new.insert((generation, heard.control.to_owned()));
        }
    }

    async fn remember(&self, connection: &mut SqliteConnection) -> Done {
        let generations: BTreeSet<i64> =
            self.new.iter().map(|(generation, _)| *generation).collect();
        for generation in generations {
            let sql = "INSERT INTO generation (feed, generation) VALUES ($1, $2)
                       ON CONFLICT (feed, generation) DO NOTHING";
            let query = sqlx::query(sql).bind(self.feed).bind(generation);
            query.execute(&mut *connection).await?;
        }
        let new: Vec<&(i64, String)> = self.new.iter().collect();
        for some in new.chunks(ROWS) {
            let mut query: QueryBuilder<Sqlite> =
                QueryBuilder::new("INSERT INTO control (feed, generation, control) ");
            query.push_values(some, |mut row, (generation, control)| {
                row.push_bind(self.feed)
                    .push_bind(generation)
                    .push_bind(control);
            });
            query.build().execute(&mut *connection).await?;
        }
        Ok(())
    }

    async fn sweep(&self, connection: &mut SqliteConnection, rows_max: usize) -> Done {
        let oldest = self.new.last().map_or(0, |(generation, _)| generation - 1);
        if oldest <= 0 {
            return Ok(());
        }
        let sql = "SELECT generation FROM generation WHERE feed = $1 AND generation < $2
                   ORDER BY generation LIMIT 1";
        let query = sqlx::query_scalar(sql).bind(self.feed).bind(oldest);
        let Some(stale) = query.fetch_optional(&mut *connection).await? else {
            return Ok(());
        };
        let stale: i64 = stale;
        let sql = "DELETE FROM control WHERE feed = $1 AND generation = $2 AND control IN
                   (SELECT control FROM control WHERE feed = $1 AND generation = $2 LIMIT $3)";
        let query = sqlx::query(sql)
            .bind(self.feed)
            .bind(stale)
            .bind(rows_max as i64);
        if query.execute(&mut *connection).await?.rows_affected() == 0 {
            let sql = "DELETE FROM generation WHERE feed = $1 AND generation = $2";
            let query = sqlx::query(sql).bind(self.feed).bind(stale);
            query.execute(&mut *connection).await?;
        }
        Ok(())
    }
}

/// The rows of a batch, one a message or a quarantined frame.
pub(crate) async fn rows(
    connection: &mut SqliteConnection,
    known: &Known,
    came: &[Came<'_>],
) -> Done {
    let messages: Vec<_> = came
        .iter()
        .filter_map(|came| Some((came, came.heard()?)))
        .collect();
    for some in messages.chunks(ROWS) {
        let mut query: QueryBuilder<Sqlite> = QueryBuilder::new(
            "INSERT INTO message (idx, at, feed, kind, control, mapped, reused, size, complaints) ",
        );
        query.push_values(some, |mut row, (came, heard)| {
            row.push_bind(came.index.cast_signed())
                .push_bind(came.at.millis())
                .push_bind(known.id(came.feed))
                .push_bind(heard.kind)
                .push_bind(heard.control)
                .push_bind(i64::from(heard.mapped))
                .push_bind(i64::from(heard.reused))
                .push_bind(came.size as i64)
                .push_bind(heard.complaints as i64);
        });
        query.build().execute(&mut *connection).await?;
    }
    learned::lines(connection, known, came).await?;
    unread(connection, known, came).await
}

async fn unread(connection: &mut SqliteConnection, known: &Known, came: &[Came<'_>]) -> Done {
    let unread: Vec<_> = came
        .iter()
        .filter_map(|came| Some((came, came.trouble()?)))
        .collect();
    for some in unread.chunks(ROWS) {
        let mut query: QueryBuilder<Sqlite> =
            QueryBuilder::new("INSERT INTO unread (idx, at, feed, reason, size) ");
        query.push_values(some, |mut row, (came, reason)| {
            row.push_bind(came.index.cast_signed())
                .push_bind(came.at.millis())
                .push_bind(known.id(came.feed))
                .push_bind(reason)
                .push_bind(came.size as i64);
        });
        query.build().execute(&mut *connection).await?;
    }
    Ok(())
}

/// The sums of a batch: what is known of each feed it touched, its minutes, hours and kinds.
pub(crate) async fn sums(
    connection: &mut SqliteConnection,
    known: &Known,
    sums: &Sums<'_>,
) -> Done {
    feeds(connection, known, sums).await?;
    buckets(connection, known, &sums.buckets).await?;
    let kept: Vec<_> = sums.kept.iter().collect();
    for some in kept.chunks(ROWS) {
        let mut query: QueryBuilder<Sqlite> =
            QueryBuilder::new("INSERT INTO kind (feed, kind, messages, last) ");
        query.push_values(some, |mut row, ((feed, kind), (messages, last))| {
            row.push_bind(known.id(feed))
                .push_bind(*kind)
                .push_bind(messages.cast_signed())
                .push_bind(last.cast_signed());
        });
        query.push(
            " ON CONFLICT (feed, kind) DO UPDATE SET
             messages = kind.messages + excluded.messages, last = excluded.last",
        );
        query.build().execute(&mut *connection).await?;
    }
    Ok(())
}

async fn feeds(connection: &mut SqliteConnection, known: &Known, sums: &Sums<'_>) -> Done {
    let touched = |name: &String| sums.feeds.contains_key(name.as_str());
    for (name, state) in known.feeds.iter().filter(|(name, _)| touched(name)) {
        let (total, position) = (state.total, state.position.as_ref());
        sqlx::query(
            "INSERT INTO feed (id, name, last, messages, kept, reused, odd, unread, bytes,
                 dropped, cut, format, read_to, mark)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)
             ON CONFLICT (id) DO UPDATE SET last = excluded.last, messages = excluded.messages,
                 kept = excluded.kept, reused = excluded.reused, odd = excluded.odd,
                 unread = excluded.unread, bytes = excluded.bytes, dropped = excluded.dropped,
                 cut = excluded.cut, format = excluded.format, read_to = excluded.read_to,
                 mark = excluded.mark",
        )
        .bind(state.id)
        .bind(name)
        .bind(state.last.millis())
        .bind(total.messages.cast_signed())
        .bind(total.kept.cast_signed())
        .bind(total.reused.cast_signed())
        .bind(total.odd.cast_signed())
        .bind(total.unread.cast_signed())
        .bind(total.bytes.cast_signed())
        .bind(total.dropped.cast_signed())
        .bind(total.cut.cast_signed())
        .bind(state.format.as_deref())
        .bind(position.map(|position| position.offset.cast_signed()))
        .bind(position.map(|position| position.mark.as_str()))
        .execute(&mut *connection)
        .await?;
    }
    Ok(())
}

async fn buckets(
    connection: &mut SqliteConnection,
    known: &Known,
    buckets: &BTreeMap<(i64, i64, &str), (u64, u64)>,
) -> Done {
    let buckets: Vec<_> = buckets.iter().collect();
    for some in buckets.chunks(ROWS) {
        let mut query: QueryBuilder<Sqlite> =
            QueryBuilder::new("INSERT INTO bucket (width, start, feed, messages, unread) ");
        query.push_values(
            some,
            |mut row, ((width, start, feed), (messages, unread))| {
                row.push_bind(width)
                    .push_bind(start)
                    .push_bind(known.id(feed))
                    .push_bind(messages.cast_signed())
                    .push_bind(unread.cast_signed());
            },
        );
        query.push(
            " ON CONFLICT (width, start, feed) DO UPDATE SET
             messages = bucket.messages + excluded.messages,
             unread = bucket.unread + excluded.unread",
        );
        query.build().execute(&mut *connection).await?;
    }
    Ok(())
}

/// Removes what is beyond the limits. The record keeps everything.
pub(crate) async fn sweep(
    connection: &mut SqliteConnection,
    known: &mut Known,
    (limits, newest): (&Limits, i64),
) -> Done {
    let excess = known.message_rows.saturating_sub(limits.messages_kept_max);
    if excess > 0 {
        let sql = "DELETE FROM message WHERE idx <
                   COALESCE((SELECT idx FROM message ORDER BY idx LIMIT 1 OFFSET $1), $2)";
        known.message_rows -= cut(connection, sql, (excess, known.next)).await?;
    }
    let excess = known.unread_rows.saturating_sub(limits.unread_kept_max);
    if excess > 0 {
        let sql = "DELETE FROM unread WHERE idx <
                   COALESCE((SELECT idx FROM unread ORDER BY idx LIMIT 1 OFFSET $1), $2)";
        known.unread_rows -= cut(connection, sql, (excess, known.next)).await?;
    }
    let oldest = silence::hour(Time::from_millis(newest)) - silence::HOURS_KEPT;
    let query = sqlx::query("DELETE FROM silence WHERE hour < $1").bind(oldest);
    query.execute(&mut *connection).await?;
    for width in WIDTHS_MS {
        let sql = "DELETE FROM bucket WHERE width = $1 AND start < $2";
        let oldest = newest - limits.buckets_kept_max.cast_signed() * width;
        let query = sqlx::query(sql).bind(width).bind(oldest);
        query.execute(&mut *connection).await?;
    }
    Ok(())
}

async fn cut(
    connection: &mut SqliteConnection,
    sql: &'static str,
    (excess, next): (u64, u64),
) -> Result<u64, sqlx::Error> {
    let query = sqlx::query(sql)
        .bind(excess.cast_signed())
        .bind(next.cast_signed());
    Ok(query.execute(connection).await?.rows_affected())
}
