//! Holds every view but the chart against a fresh fold of the record: what somebody edited in its
//! file (a role that was raised, an entry of the audit that was taken out) is named, sealed, and put
//! right.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use access::Access;
use anyhow::{Result, anyhow};
use event::{Act, Actor, Altered, AlteredPart, Body, Event, Subject, Time};
use flow::Flow;
use guard::{Standing, admit};
use lifeline::{Lifeline, PackKey};
use oversight::Oversight;
use record::{Alike, Beside, Guarded, Reader};
use routes::Routes;
use staff::{Staff, ViewKey};
use tokens::Tokens;

use crate::assemble::House;
use crate::scrub::afresh;

/// One view, and the one that is folded afresh beside it.
struct Pair<'a> {
    live: &'a Arc<Guarded>,
    fresh: Arc<dyn Reader>,
    path: PathBuf,
    beside: PathBuf,
}

impl House {
    /// Holds the views against a fresh fold; the number of rows that were altered.
    ///
    /// # Errors
    /// What keeps record or views from being read, or what was found from being sealed.
    pub(crate) async fn compare_views(&self, whole_at: Option<Time>) -> Result<u64> {
        let folder = afresh(&self.config)?;
        let mut pairs = Vec::with_capacity(self.views.len());
        let mut least = u64::MAX;
        for live in &self.views {
            least = least.min(live.cursor().await?);
            let beside = folder.path().join(format!("{}.db", live.name()));
            pairs.push(Pair {
                live,
                fresh: self.fresh(live.name(), &beside).await?,
                path: self.config.view(live.name()),
                beside,
            });
        }
        let fresh: Vec<Arc<dyn Reader>> =
            pairs.iter().map(|pair| Arc::clone(&pair.fresh)).collect();
        let folded = record::fold_all_to(&self.app.record, &fresh, least).await;
        folded.map_err(anyhow::Error::msg)?;
        let mut altered = 0;
        for pair in &pairs {
            altered += self.compare_view(pair, whole_at).await?;
        }
        Ok(altered)
    }

    async fn compare_view(&self, pair: &Pair<'_>, whole_at: Option<Time>) -> Result<u64> {
        let (beside, folded) = {
            // The file and the number of events in it, of one moment.
            let _held = pair.live.hold().await;
            let beside = Beside::of(&pair.path, &pair.beside).await?;
            (beside, pair.live.cursor().await?)
        };
        self.fold_to(pair, folded).await?;
        let erased = !self.app.record.erased().await?.is_empty();
        let alike = pair.live.alike().iter().copied();
        let alike: Vec<Alike> = alike.filter(|one| one.after_erasing || !erased).collect();
        let found = beside.differences(pair.live.name(), &alike).await?;
        if found.is_empty() {
            return Ok(0);
        }
        for parts in &found {
            tracing::error!(view = pair.live.name(), "a row of a view was altered");
            let admitted = admit(told(parts, whole_at).into(), Standing::Salus, "");
            let admitted = admitted.map_err(|refused| anyhow!(refused.words))?;
            self.app.record.admit(vec![admitted]).await?;
        }
        let _held = pair.live.hold().await;
        self.fold_to(pair, pair.live.cursor().await?).await?;
        record::take_over(&pair.path, &pair.beside).await?;
        pair.live.relearn().await?;
        Ok(found.len() as u64)
    }

    async fn fold_to(&self, pair: &Pair<'_>, until: u64) -> Result<()> {
        let folded = record::fold_to(&self.app.record, pair.fresh.as_ref(), until).await;
        folded.map_err(anyhow::Error::msg)
    }

    /// An empty view of this name at a path.
    async fn fresh(&self, name: &str, path: &Path) -> Result<Arc<dyn Reader>> {
        let (config, record) = (&self.config, &self.app.record);
        Ok(match name {
            "oversight" => Oversight::open(path).await?.reader(),
            "staff" => {
                let key = ViewKey::of(record.blind().key("staff"));
                let limits = config.staff.clone();
                Staff::open_with(path, key, limits).await?.reader()
            }
            "tokens" => Tokens::open(path).await?.reader(),
            "flow" => Flow::open(path).await?.reader(),
            "routes" => {
                let config = config.routes.clone();
                Routes::open(path, config).await?.reader()
            }
            "access" => {
                let access = Access::open_with(path, config.access.clone()).await?;
                access.reader(record.blind())
            }
            _ => {
                // It opens no pack, so that any key will do.
                let with = (PackKey::of([0; 32]), record.blind());
                let limits = config.lifeline.clone();
                Lifeline::open(path, with, limits, Vec::new())
                    .await?
                    .reader()
            }
        })
    }
}

fn told(parts: &[AlteredPart], whole_at: Option<Time>) -> Event {
    let body = Body::Alteration(Altered {
        index: None,
        parts: parts.to_vec(),
        whole_at,
        healed_from: Some("record".to_owned()),
        outside: None,
    });
    Event::new(Actor::salus(), Act::Manage, Subject::Record, body)
}
