//! What the fold keeps in memory beside the tables: a few numbers a feed.

use std::collections::BTreeMap;

use event::{Position, Time};
use sqlx::sqlite::SqliteRow;
use sqlx::{Row, SqlitePool};

use crate::ask::Total;
use crate::batch::{Came, Sums};

/// Changed only after the transaction that wrote the same.
#[derive(Debug, Clone, Default)]
pub(crate) struct Known {
    pub(crate) next: u64,
    pub(crate) feeds: BTreeMap<String, FeedState>,
    pub(crate) message_rows: u64,
    pub(crate) unread_rows: u64,
}

#[derive(Debug, Clone, Default)]
pub(crate) struct FeedState {
    pub(crate) id: i64,
    pub(crate) last: Time,
    pub(crate) total: Total,
    pub(crate) format: Option<String>,
    pub(crate) position: Option<Position>,
}

impl Known {
    pub(crate) async fn read(pool: &SqlitePool) -> Result<Known, sqlx::Error> {
        let count = |sql: &'static str| sqlx::query_scalar::<_, i64>(sql).fetch_one(pool);
        let next = count("SELECT next FROM cursor WHERE id = 1").await?;
        let messages = count("SELECT COUNT(*) FROM message").await?;
        let unread = count("SELECT COUNT(*) FROM unread").await?;
        let rows = sqlx::query("SELECT * FROM feed").fetch_all(pool).await?;
        let feeds: Result<_, sqlx::Error> = rows.iter().map(feed).collect();
        Ok(Known {
            next: next.unsigned_abs(),
            feeds: feeds?,
            message_rows: messages.unsigned_abs(),
            unread_rows: unread.unsigned_abs(),
        })
    }

    /// Takes up feeds that were never heard before; ids in the order of their names.
    pub(crate) fn meet<'a>(&mut self, names: impl Iterator<Item = &'a str>) {
        for name in names {
            if !self.feeds.contains_key(name) {
                let id = self.feeds.len() as i64 + 1;
                let state = FeedState {
                    id,
                    ..FeedState::default()
                };
                self.feeds.insert(name.to_owned(), state);
            }
        }
    }

    pub(crate) fn add(&mut self, sums: &Sums<'_>) {
        for (name, (_, last)) in &sums.feeds {
            if let Some(state) = self.feeds.get_mut(*name) {
                sums.apply(name, &mut state.total);
                state.last = *last;
            }
        }
    }

    /// Takes up how feeds of machines are read, and up to where files were.
    pub(crate) fn learn(&mut self, came: &[Came<'_>]) {
        for one in came {
            let state = self.feeds.get_mut(one.feed);
            let Some((state, batch)) = state.zip(one.lines()) else {
                continue;
            };
            state.format = Some(batch.format.clone());
            if batch.position.is_some() {
                state.position.clone_from(&batch.position);
            }
        }
    }

    /// When a feed was last heard; `None`: never.
    pub(crate) fn last(&self, feed: &str) -> Option<Time> {
        let last = self.feeds.get(feed).map(|state| state.last);
        last.filter(|last| *last != Time::default())
    }

    pub(crate) fn id(&self, feed: &str) -> i64 {
        self.feeds.get(feed).map_or(0, |state| state.id)
    }
}

fn feed(row: &SqliteRow) -> Result<(String, FeedState), sqlx::Error> {
    let number = |column: &str| row.try_get::<i64, _>(column).map(i64::unsigned_abs);
    let total = Total {
        messages: number("messages")?,
        kept: number("kept")?,
        reused: number("reused")?,
        odd: number("odd")?,
        unread: number("unread")?,
        dropped: number("dropped")?,
        cut: number("cut")?,
        bytes: number("bytes")?,
    };
    let state = FeedState {
        id: row.try_get("id")?,
        last: Time::from_millis(row.try_get("last")?),
        total,
        format: row.try_get("format")?,
        position: position(row)?,
    };
    Ok((row.try_get("name")?, state))
}

fn position(row: &SqliteRow) -> Result<Option<Position>, sqlx::Error> {
    let offset: Option<i64> = row.try_get("read_to")?;
    let mark: Option<String> = row.try_get("mark")?;
    let read = |(offset, mark): (i64, String)| Position {
        offset: offset.unsigned_abs(),
        mark,
    };
    Ok(offset.zip(mark).map(read))
}
