//! Many rows in one statement: a column is an array.

use sqlx::PgConnection;

use crate::journal::{Delivery, Row, Version, whole};

pub(super) async fn rows(tx: &mut PgConnection, rows: &[Row]) -> sqlx::Result<()> {
    const SQL: &str = "INSERT INTO row (seq, stream, at, entry, ciphertext) \
         SELECT * FROM unnest($1::bigint[], $2::bytea[], $3::bigint[], $4::bytea[], $5::bytea[])";
    if rows.is_empty() {
        return Ok(());
    }
    let (mut seqs, mut streams, mut times) = (Vec::new(), Vec::new(), Vec::new());
    let (mut entries, mut ciphertexts) = (Vec::new(), Vec::new());
    for row in rows {
        seqs.push(whole(row.seq));
        streams.push(row.stream.as_slice());
        times.push(row.at);
        entries.push(row.entry.as_slice());
        ciphertexts.push(row.ciphertext.as_slice());
    }
    let query = sqlx::query(SQL).bind(seqs).bind(streams).bind(times);
    let query = query.bind(entries).bind(ciphertexts);
    query.execute(tx).await.map(drop)
}

pub(super) async fn deliveries(tx: &mut PgConnection, seen: &[Delivery]) -> sqlx::Result<()> {
    const SQL: &str = "INSERT INTO delivery (message, content, seq, at) \
         SELECT * FROM unnest($1::bytea[], $2::bytea[], $3::bigint[], $4::bigint[])";
    if seen.is_empty() {
        return Ok(());
    }
    let (mut messages, mut contents) = (Vec::new(), Vec::new());
    let (mut seqs, mut times) = (Vec::new(), Vec::new());
    for one in seen {
        messages.push(one.message.as_slice());
        contents.push(one.content.as_slice());
        seqs.push(whole(one.seq));
        times.push(one.at);
    }
    let query = sqlx::query(SQL).bind(messages).bind(contents);
    query.bind(seqs).bind(times).execute(tx).await.map(drop)
}

pub(super) async fn versions(tx: &mut PgConnection, versions: &[Version]) -> sqlx::Result<()> {
    const SQL: &str = "INSERT INTO version (resource, replaces, seq) \
         SELECT * FROM unnest($1::bytea[], $2::bigint[], $3::bigint[])";
    if versions.is_empty() {
        return Ok(());
    }
    let (mut resources, mut replaced, mut seqs) = (Vec::new(), Vec::new(), Vec::new());
    for one in versions {
        resources.push(one.resource.as_slice());
        replaced.push(whole(one.replaces));
        seqs.push(whole(one.seq));
    }
    let query = sqlx::query(SQL).bind(resources).bind(replaced).bind(seqs);
    query.execute(tx).await.map(drop)
}
