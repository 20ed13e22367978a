use async_trait::async_trait;

use super::{PostgresJournal, insert, lease, read_delivery, read_version};
use crate::journal::{Carry, Delivery, JournalFault, Version, fault, malformed, sql, whole};

#[async_trait]
impl Carry for PostgresJournal {
    async fn deliveries_after(
        &self,
        last: Option<&Delivery>,
        limit: usize,
    ) -> Result<Vec<Delivery>, JournalFault> {
        const DOING: &str = "read message ids";
        let (message, content) = last.map_or((vec![], vec![]), |last| {
            (last.message.to_vec(), last.content.to_vec())
        });
        let rows = sqlx::query(sql::DELIVERIES_AFTER)
            .bind(message)
            .bind(content)
            .bind(whole(limit as u64))
            .fetch_all(&self.pool);
        let rows = rows.await.map_err(fault(DOING))?;
        let read = rows.iter().map(read_delivery);
        read.collect::<Option<_>>().ok_or_else(|| malformed(DOING))
    }

    async fn versions_after(
        &self,
        last: Option<&Version>,
        limit: usize,
    ) -> Result<Vec<Version>, JournalFault> {
        const DOING: &str = "read versions";
        let (resource, replaces) = last.map_or((vec![], -1), |last| {
            (last.resource.to_vec(), whole(last.replaces))
        });
        let rows = sqlx::query(sql::VERSIONS_AFTER)
            .bind(resource)
            .bind(replaces)
            .bind(whole(limit as u64))
            .fetch_all(&self.pool);
        let rows = rows.await.map_err(fault(DOING))?;
        let read = rows.iter().map(read_version);
        read.collect::<Option<_>>().ok_or_else(|| malformed(DOING))
    }

    async fn forget_tags(&self) -> Result<(), JournalFault> {
        const DOING: &str = "begin with message ids and versions anew";
        let epoch = self.epoch(DOING)?;
        let mut tx = self.pool.begin().await.map_err(fault(DOING))?;
        lease::hold(&mut tx, epoch, DOING).await?;
        for sql in [sql::FORGET_DELIVERIES, sql::FORGET_VERSIONS] {
            let done = sqlx::query(sql).execute(&mut *tx).await;
            done.map_err(fault(DOING))?;
        }
        tx.commit().await.map_err(fault(DOING))
    }

    async fn add_tags(
        &self,
        deliveries: &[Delivery],
        versions: &[Version],
    ) -> Result<(), JournalFault> {
        const DOING: &str = "insert message ids and versions";
        let epoch = self.epoch(DOING)?;
        let mut tx = self.pool.begin().await.map_err(fault(DOING))?;
        lease::hold(&mut tx, epoch, DOING).await?;
        insert::deliveries(&mut tx, deliveries)
            .await
            .map_err(fault(DOING))?;
        insert::versions(&mut tx, versions)
            .await
            .map_err(fault(DOING))?;
        tx.commit().await.map_err(fault(DOING))
    }

    async fn set_moved(&self, place: Option<&str>) -> Result<(), JournalFault> {
        const DOING: &str = "note where the record is";
        let epoch = self.epoch(DOING)?;
        let mut tx = self.pool.begin().await.map_err(fault(DOING))?;
        lease::hold(&mut tx, epoch, DOING).await?;
        let query = match place {
            Some(place) => sqlx::query(sql::MOVED_TO).bind(place.to_owned()),
            None => sqlx::query(sql::NOT_MOVED),
        };
        query.execute(&mut *tx).await.map_err(fault(DOING))?;
        tx.commit().await.map_err(fault(DOING))
    }
}
