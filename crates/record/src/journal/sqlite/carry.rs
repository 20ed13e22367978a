use async_trait::async_trait;

use super::{SqliteJournal, insert, read_delivery, read_version};
use crate::journal::{Carry, Delivery, JournalFault, Version, fault, malformed, sql, whole};

#[async_trait]
impl Carry for SqliteJournal {
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
            .fetch_all(&self.readers);
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
            .fetch_all(&self.readers);
        let rows = rows.await.map_err(fault(DOING))?;
        let read = rows.iter().map(read_version);
        read.collect::<Option<_>>().ok_or_else(|| malformed(DOING))
    }

    async fn forget_tags(&self) -> Result<(), JournalFault> {
        let anew = self.write("begin with message ids and versions anew", |to| {
            for sql in [sql::FORGET_DELIVERIES, sql::FORGET_VERSIONS] {
                to.execute(sql, [])?;
            }
            Ok(())
        });
        anew.await
    }

    async fn add_tags(
        &self,
        deliveries: &[Delivery],
        versions: &[Version],
    ) -> Result<(), JournalFault> {
        let (deliveries, versions) = (deliveries.to_vec(), versions.to_vec());
        let added = self.write("insert message ids and versions", move |to| {
            insert::deliveries(to, &deliveries)?;
            Ok(insert::versions(to, &versions)?)
        });
        added.await
    }

    async fn set_moved(&self, place: Option<&str>) -> Result<(), JournalFault> {
        let place = place.map(str::to_owned);
        let noted = self.write("note where the record is", move |to| {
            match place {
                Some(place) => to.execute(sql::MOVED_TO, [place])?,
                None => to.execute(sql::NOT_MOVED, [])?,
            };
            Ok(())
        });
        noted.await
    }
}
