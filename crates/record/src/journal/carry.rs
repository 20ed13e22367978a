use async_trait::async_trait;

use super::{Delivery, Journal, JournalFault, Version};

/// What carrying a record from one journal to another asks of both.
#[async_trait]
pub trait Carry: Journal {
    /// Up to `limit` message ids behind `last`, in the order of their tags.
    async fn deliveries_after(
        &self,
        last: Option<&Delivery>,
        limit: usize,
    ) -> Result<Vec<Delivery>, JournalFault>;
    /// Up to `limit` versions behind `last`, in the order of their tags.
    async fn versions_after(
        &self,
        last: Option<&Version>,
        limit: usize,
    ) -> Result<Vec<Version>, JournalFault>;
    /// Forgets every message id and version, so that they can be carried over whole.
    async fn forget_tags(&self) -> Result<(), JournalFault>;
    /// Adds message ids and versions of rows that are there already.
    async fn add_tags(
        &self,
        deliveries: &[Delivery],
        versions: &[Version],
    ) -> Result<(), JournalFault>;
    /// Notes where the record went, or that it is here (`None`).
    async fn set_moved(&self, place: Option<&str>) -> Result<(), JournalFault>;
}
