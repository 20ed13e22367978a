//! Objects that a peer gives on the association that asks for them (C-GET).

use std::collections::BTreeSet;

use anyhow::Result;
use async_trait::async_trait;
use guard::Standing;
use inlets::dicom::{Held, Intake, Sender};
use web::{Receives, Scu};
use wire::dicom::{Status, VR, tags};

use super::{AT_ONCE, CANCELLED, From, NotGiven, Portion, Pulled, TAKEN_BACK, identifier};
use crate::assemble::House;

impl House {
    /// Has objects given. `Err`: it does not give any, and none came.
    pub(super) async fn have_given(
        &self,
        from: &From,
        some: &Portion<'_>,
        pulled: &mut Pulled,
    ) -> Result<Result<(), NotGiven>> {
        let mut scu = match Scu::open_to_get(&self.app, &from.peer, some.classes).await {
            Ok(scu) => scu,
            Err(why) => return Ok(Err(NotGiven(why))),
        };
        if !scu.gives() {
            scu.close().await;
            return Ok(Err(NotGiven("it gives no such objects".into())));
        }
        for (part, uids) in some.instances.chunks(AT_ONCE).enumerate() {
            let asked = some.identifier(uids);
            let mut takes = Taking {
                intake: &self.intake,
                sender: from.sender.clone(),
                only: from.only.as_deref(),
                study: &some.of.study,
                wanted: uids,
                coming: None,
                came: BTreeSet::new(),
                pulled: &mut *pulled,
            };
            let status = Box::pin(scu.get(&asked, &mut takes, &from.stop)).await;
            // What is refused at first may be had by another way, if it is wanted yet.
            let none = part == 0 && takes.came.is_empty() && !from.stop.is_cancelled();
            match status {
                Err(why) if none => {
                    return Ok(Err(NotGiven(why)));
                }
                Ok(status) if none && is_refusal(status) => {
                    scu.close().await;
                    return Ok(Err(NotGiven(format!("status {status:04X}"))));
                }
                Ok(status) => takes.end_of(status),
                Err(why) => anyhow::bail!(why),
            }
            if from.stop.is_cancelled() {
                break;
            }
        }
        scu.close().await;
        Ok(Ok(()))
    }
}

/// Whether a C-GET that gave nothing was not carried out at all (PS3.4 table C.4-3, PS3.7 annex C).
const fn is_refusal(status: u16) -> bool {
    !matches!(status, 0x0000 | 0xB000..=0xBFFF | 0xFE00)
}

impl Portion<'_> {
    /// The Identifier of these instances.
    pub(super) fn identifier(&self, uids: &[&str]) -> Vec<u8> {
        identifier(
            "IMAGE",
            &[
                (tags::SOP_INSTANCE_UID, VR::UI, &uids.join("\\")),
                (tags::STUDY_INSTANCE_UID, VR::UI, &self.of.study),
                (tags::SERIES_INSTANCE_UID, VR::UI, &self.of.series),
            ],
        )
    }
}

/// Takes objects in.
struct Taking<'a> {
    intake: &'a Intake,
    sender: Sender,
    /// The patients of whom they may be; `None`: anybody.
    only: Option<&'a [String]>,
    /// Study Instance UID that they must have.
    study: &'a str,
    /// What was asked for.
    wanted: &'a [&'a str],
    /// Bytes, class and instance, transfer syntax.
    coming: Option<(Held, (String, String), String)>,
    /// What came, or was told to lack.
    came: BTreeSet<String>,
    pulled: &'a mut Pulled,
}

#[async_trait]
impl Receives for Taking<'_> {
    fn begin(&mut self, (class, instance): (&str, &str), syntax: &str) {
        let head = wire::dicom::file(class, instance, syntax, &self.sender.calling);
        let named = (class.to_owned(), instance.to_owned());
        self.coming = Some((self.intake.begin(head), named, syntax.to_owned()));
    }

    fn add(&mut self, bytes: &[u8]) {
        if let Some((held, ..)) = &mut self.coming {
            held.add(bytes);
        }
    }

    async fn end(&mut self) -> Status {
        let Some((held, named, syntax)) = self.coming.take() else {
            return Status::ProcessingFailure;
        };
        let uid = named.1.clone();
        // What was not asked for is not taken, whoever sends it.
        if !self.wanted.contains(&uid.as_str()) {
            return Status::NotAuthorized;
        }
        let intake = self.intake;
        let sender = (self.sender.clone(), Some(self.study.to_owned()));
        let looked = Box::pin(intake.look_at_set(sender, (named, syntax), held)).await;
        let standing = Standing::Feed(&self.sender.feed.grant);
        let told = match looked {
            Ok(claim) => Box::pin(intake.keep_asked((claim, self.only), standing)).await,
            Err(told) => told,
        };
        match told.status {
            Status::Success => self.pulled.came += 1,
            _ => self.pulled.lacking.push((uid.clone(), told.why)),
        }
        self.came.insert(uid);
        told.status
    }
}

impl Taking<'_> {
    /// What did not come at all.
    fn end_of(self, status: u16) {
        let missing = self.wanted.iter().filter(|uid| !self.came.contains(**uid));
        let why = match status {
            CANCELLED => TAKEN_BACK.to_owned(),
            status => format!("it was not given (status {status:04X})"),
        };
        let lacking = missing.map(|uid| ((*uid).to_owned(), why.clone()));
        self.pulled.lacking.extend(lacking);
    }
}
