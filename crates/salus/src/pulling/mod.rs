//! Studies from a PACS: what it has and is not here is asked for (C-FIND) and given (C-GET) or sent here (C-MOVE),
//! series by series. What came goes the way of any object, as the feed that its section names.

mod given;
mod operator;
mod ordered;
mod sent;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Result, anyhow, bail};
use event::{Act, Actor, Subject};
use inlets::dicom::{Config, Destination, Feed, Retrieve, Sender};
use record::Witnessed;
use serde::{Deserialize, Serialize};
use tokio_util::sync::CancellationToken;
use web::{Peer, PullOrder, PullSource, Scu};
use wire::dicom::{DataSet, Limits, Syntax, Tag, VR, Writer, scan, tags};

use crate::assemble::House;
pub(crate) use operator::mounted;
pub(crate) use ordered::on_order;

/// Characters of a reason.
const REASON_LETTERS_MIN: usize = 10;
/// Characters of a UID (PS3.5 section 9.1).
const UID_LETTERS_MAX: usize = 64;
/// The status of what was cancelled (PS3.4 tables C.4-2 and C.4-3), and what is told of objects that lack for that.
const CANCELLED: u16 = 0xFE00;
const TAKEN_BACK: &str = "the order was taken back";
/// Instances that are asked for at once.
const AT_ONCE: usize = 100;

/// What is to be pulled.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Order {
    /// AE title of a `[[dicom.destination]]` with a `feed`.
    pub(crate) from: String,
    /// Why.
    pub(crate) reason: String,
    pub(crate) what: What,
    /// By which operation; `Auto`: as the destination's section says.
    #[serde(default)]
    pub(crate) by: Retrieve,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum What {
    /// Study Instance UID.
    Study(String),
    /// Patient ID.
    Patient(String),
    /// Accession number.
    Accession(String),
}

/// A series that is there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Series {
    pub(crate) study: String,
    pub(crate) series: String,
}

/// What came of a series.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Pulled {
    /// Instances that were here before.
    pub(crate) there: usize,
    /// Instances that came, and are sealed.
    pub(crate) came: usize,
    /// Instances that are not here: UID and why.
    pub(crate) lacking: Vec<(String, String)>,
}

/// A peer, and as which feed it comes in.
struct From {
    peer: Peer,
    sender: Sender,
    by: Retrieve,
    /// The patients of whom it may be (one person); `None`: anybody.
    only: Option<Vec<String>>,
    /// Nobody wants it any more.
    stop: CancellationToken,
}

/// On whose word something is pulled.
pub(crate) enum Word<'a> {
    /// Whoever operates this machine.
    Operator,
    /// Somebody at a page.
    Person(&'a PullOrder),
}

/// What of one series is wanted: SOP Instance UIDs of classes that one association can be asked for.
struct Portion<'a> {
    of: &'a Series,
    classes: &'a [String],
    instances: &'a [&'a str],
}

/// Nothing came by C-GET, which was refused: in words.
struct NotGiven(String);

impl What {
    /// The attribute that must match, and its value.
    fn key(&self) -> (Tag, VR, &str) {
        match self {
            What::Study(uid) => (tags::STUDY_INSTANCE_UID, VR::UI, uid),
            What::Patient(id) => (tags::PATIENT_ID, VR::LO, id),
            What::Accession(number) => (tags::ACCESSION_NUMBER, VR::SH, number),
        }
    }
}

impl House {
    /// The series of the studies that a peer has of what is wanted. Who asked and why is sealed first.
    pub(crate) async fn pull_find(
        &self,
        (order, word): (&Order, &Word<'_>),
    ) -> Result<Vec<Series>> {
        let (tag, vr, value) = order.what.key();
        if value.is_empty() || value.contains(['*', '?', '\\']) {
            bail!("`{value}` names no single study, patient or accession number");
        }
        let from = self.peer((order, word))?;
        let detail = format!("pull from {}: {tag} = {value}", order.from);
        self.may_pull((&from, word), (&order.reason, detail))
            .await?;
        let mut scu = opened(Scu::open_to_find(&self.app, &from.peer).await)?;
        let max = self.config.dicom.retrieve_objects_max;
        let asked = identifier(
            "STUDY",
            &[
                (tag, vr, value),
                (tags::PATIENT_ID, VR::LO, ""),
                (tags::ISSUER_OF_PATIENT_ID, VR::LO, ""),
                (tags::STUDY_INSTANCE_UID, VR::UI, ""),
            ],
        );
        let found = opened(scu.find(&asked, max).await)?;
        let mut all = Vec::new();
        for study in &found {
            if from.stop.is_cancelled() {
                break;
            }
            let set = read(study)?;
            // Who leaves out a key that it does not know finds everybody's.
            if set.ascii(tag) != value {
                bail!(
                    "`{}` told of a study whose {tag} is not `{value}`: it does not match by that",
                    order.from
                );
            }
            let uid = one_uid(&set, tags::STUDY_INSTANCE_UID)?;
            self.is_theirs(&set, (&from, &uid))?;
            let asked = identifier(
                "SERIES",
                &[
                    (tags::STUDY_INSTANCE_UID, VR::UI, &uid),
                    (tags::SERIES_INSTANCE_UID, VR::UI, ""),
                ],
            );
            for series in opened(scu.find(&asked, max).await)? {
                let set = read(&series)?;
                is_of(&set, (tags::STUDY_INSTANCE_UID, &uid))?;
                let series = one_uid(&set, tags::SERIES_INSTANCE_UID)?;
                if all.len() >= max {
                    bail!("more than {max} series match; ask more narrowly");
                }
                all.push(Series {
                    study: uid.clone(),
                    series,
                });
            }
        }
        scu.close().await;
        Ok(all)
    }

    /// Has what is not here of a series given.
    pub(crate) async fn pull_series(
        &self,
        (order, word): (&Order, &Word<'_>),
        of: &Series,
    ) -> Result<Pulled> {
        let from = self.peer((order, word))?;
        let detail = format!(
            "pull from {}: StudyInstanceUID={} SeriesInstanceUID={}",
            order.from, of.study, of.series
        );
        self.may_pull((&from, word), (&order.reason, detail))
            .await?;
        let mut pulled = Pulled::default();
        let (missing, classes) = self.missing(&from.peer, of, &mut pulled).await?;
        for some in classes.chunks(Scu::classes_max()) {
            let of_these = missing.iter().filter(|(_, class)| some.contains(class));
            let uids: Vec<&str> = of_these.map(|(uid, _)| uid.as_str()).collect();
            if from.stop.is_cancelled() {
                return Ok(pulled);
            }
            let some = Portion {
                of,
                classes: some,
                instances: &uids,
            };
            Box::pin(self.fetch(&from, &some, &mut pulled)).await?;
        }
        let of_these = missing.iter().filter(|(_, class)| class.is_empty());
        let unnamed: Vec<&str> = of_these.map(|(uid, _)| uid.as_str()).collect();
        self.fetch_unnamed(&from, (of, &unnamed), &mut pulled)
            .await?;
        Ok(pulled)
    }

    /// What a peer does not say the class of cannot be asked for by C-GET; it can be sent.
    async fn fetch_unnamed(
        &self,
        from: &From,
        (of, instances): (&Series, &[&str]),
        pulled: &mut Pulled,
    ) -> Result<()> {
        if from.stop.is_cancelled() {
            return Ok(());
        }
        if from.by == Retrieve::Get {
            let why = "the peer does not say of which class it is, which C-GET needs";
            let lacking = instances
                .iter()
                .map(|uid| ((*uid).to_owned(), why.to_owned()));
            pulled.lacking.extend(lacking);
            return Ok(());
        }
        let some = Portion {
            of,
            classes: &[],
            instances,
        };
        Box::pin(self.have_sent(from, &some, pulled)).await
    }

    /// Has objects given; if that is refused, sent here.
    async fn fetch(&self, from: &From, some: &Portion<'_>, pulled: &mut Pulled) -> Result<()> {
        let refused = match from.by {
            Retrieve::Move => None,
            Retrieve::Get | Retrieve::Auto => match self.have_given(from, some, pulled).await? {
                Ok(()) => return Ok(()),
                Err(NotGiven(why)) => Some(why),
            },
        };
        if let (Retrieve::Get, Some(why)) = (from.by, &refused) {
            bail!("C-GET was refused: {why}");
        }
        let sent = self.have_sent(from, some, pulled).await;
        sent.map_err(|why| match refused {
            Some(refused) => anyhow!("C-GET was refused: {refused}; {why:#}"),
            None => why,
        })
    }

    /// What of a series is not here, with its class; and the classes.
    async fn missing(
        &self,
        peer: &Peer,
        of: &Series,
        pulled: &mut Pulled,
    ) -> Result<(Vec<(String, String)>, Vec<String>)> {
        let mut scu = opened(Scu::open_to_find(&self.app, peer).await)?;
        let asked = identifier(
            "IMAGE",
            &[
                (tags::SOP_CLASS_UID, VR::UI, ""),
                (tags::SOP_INSTANCE_UID, VR::UI, ""),
                (tags::STUDY_INSTANCE_UID, VR::UI, &of.study),
                (tags::SERIES_INSTANCE_UID, VR::UI, &of.series),
            ],
        );
        let found = opened(
            scu.find(&asked, self.config.dicom.retrieve_objects_max)
                .await,
        )?;
        scu.close().await;
        let (mut missing, mut classes) = (Vec::new(), BTreeSet::new());
        for one in &found {
            let set = read(one)?;
            is_of(&set, (tags::STUDY_INSTANCE_UID, &of.study))?;
            is_of(&set, (tags::SERIES_INSTANCE_UID, &of.series))?;
            let uid = one_uid(&set, tags::SOP_INSTANCE_UID)?;
            let class = set.ascii(tags::SOP_CLASS_UID).to_owned();
            match self.app.record.instance(&uid).await {
                Ok(Some(_)) => pulled.there += 1,
                Ok(None) => {
                    classes.extend(Some(class.clone()).filter(|class| !class.is_empty()));
                    missing.push((uid, class));
                }
                Err(record::Error::Erased(_)) => {
                    pulled.lacking.push((uid, "it was erased here".into()));
                }
                Err(why) => return Err(why.into()),
            }
        }
        Ok((missing, classes.into_iter().collect()))
    }

    /// Seals who asks and why, and whether they may.
    async fn may_pull(
        &self,
        (from, word): (&From, &Word<'_>),
        (reason, detail): (&str, String),
    ) -> Result<()> {
        if let Word::Person(order) = word {
            let feed = from.sender.feed.name();
            return self.may_fetch(order, (feed, &detail)).await;
        }
        if reason.trim().chars().count() < REASON_LETTERS_MIN {
            bail!("say why, in {REASON_LETTERS_MIN} letters or more: `--reason`");
        }
        let subject = Subject::Feed(from.sender.feed.name().to_owned());
        let reason = Some(format!("{} ({detail})", reason.trim()));
        let decision = self.decide(Act::Manage, subject, reason);
        match self.app.record.witness(decision).await? {
            Witnessed::Allowed(_) => Ok(()),
            Witnessed::Refused(_, decision) => bail!(decision.words().join(" ")),
        }
    }

    /// Of a study that is to be of one patient, what the peer says of whom it is. What it leaves open, its objects
    /// say.
    fn is_theirs(&self, set: &DataSet<'_>, (from, uid): (&From, &str)) -> Result<()> {
        let number = set.ascii(tags::PATIENT_ID);
        let Some(only) = from.only.as_ref().filter(|_| !number.is_empty()) else {
            return Ok(());
        };
        let issuer = set.ascii(tags::ISSUER_OF_PATIENT_ID);
        let system = wire::v2::authority_system(issuer, &from.sender.feed.authority);
        let id = self.app.record.blind().id("Patient", &system, number);
        match only.contains(&id) {
            true => Ok(()),
            false => {
                bail!("the study `{uid}` is of another patient there: nothing of it was fetched")
            }
        }
    }

    fn peer(&self, (order, word): (&Order, &Word<'_>)) -> Result<From> {
        let (config, title) = (&self.config.dicom, order.from.as_str());
        let named = |one: &&Destination| one.title == title && !one.feed.is_empty();
        let Some(to) = config.destinations.iter().find(named) else {
            bail!(
                "nothing is pulled from `{title}`: write a `[[dicom.destination]]` with this title and a \
                 `feed` (docs/integrate/dicom.md)"
            );
        };
        let settings = config.feeds.iter().find(|feed| feed.name == to.feed);
        let settings = settings.ok_or_else(|| anyhow!("there is no feed `{}`", to.feed))?;
        let feed = Feed::new(settings, config)?;
        Ok(From {
            stop: match word {
                Word::Operator => CancellationToken::new(),
                Word::Person(order) => self.app.pulls.stop_of(order.id),
            },
            only: match word {
                Word::Operator => None,
                Word::Person(order) => order.patient.as_ref().map(|id| self.app.chart.family(id)),
            },
            by: match order.by {
                Retrieve::Auto => to.retrieve,
                by => by,
            },
            peer: Peer {
                called: to.title.clone(),
                calling: config.titles.first().cloned().unwrap_or_default(),
                host: to.host.clone(),
                port: to.port,
                tls: to.tls,
                keys: [&to.authorities, &to.certificate, &to.key].map(Clone::clone),
                wait: Duration::from_millis(config.answer_ms),
            },
            sender: Sender {
                actor: Actor::feed(feed.name()),
                feed: Arc::new(feed),
                calling: to.title.clone(),
                address: Some(to.host.clone()),
                vouched: true,
            },
        })
    }
}

/// The PACS from which studies can be pulled.
pub(crate) fn sources(config: &Config) -> Result<Vec<PullSource>> {
    let all = config
        .destinations
        .iter()
        .filter(|one| !one.feed.is_empty());
    all.map(|to| {
        let settings = config.feeds.iter().find(|feed| feed.name == to.feed);
        let settings = settings.ok_or_else(|| anyhow!("there is no feed `{}`", to.feed))?;
        let feed = Feed::new(settings, config)?;
        Ok(PullSource {
            title: to.title.clone(),
            feed: to.feed.clone(),
            authority: feed.authority,
        })
    })
    .collect()
}

fn opened<T>(done: Result<T, String>) -> Result<T> {
    done.map_err(|why| anyhow!(why))
}

/// The Identifier of a question, in implicit little endian.
fn identifier(level: &str, keys: &[(Tag, VR, &str)]) -> Vec<u8> {
    let mut all = keys.to_vec();
    all.push((tags::QUERY_RETRIEVE_LEVEL, VR::CS, level));
    all.sort_by_key(|(tag, ..)| *tag);
    // A key that is asked for and told is named once.
    all.dedup_by(|later, first| later.0 == first.0);
    let writer = Writer::new(Syntax::IMPLICIT);
    all.iter()
        .fold(writer, |writer, (tag, vr, value)| {
            writer.text(*tag, *vr, value)
        })
        .finish()
}

/// The one UID that an answer has: an empty one, or several, would ask for more than that.
fn one_uid(set: &DataSet<'_>, tag: Tag) -> Result<String> {
    let uid = set.ascii(tag);
    let letters = uid.bytes().all(|one| one.is_ascii_digit() || one == b'.');
    if !letters || !(1..=UID_LETTERS_MAX).contains(&uid.len()) {
        let uid: String = uid.chars().take(UID_LETTERS_MAX).collect();
        bail!("the peer told of `{uid}` as {tag}, which is no single UID");
    }
    Ok(uid.to_owned())
}

/// Whether an answer is of what was asked about.
fn is_of(set: &DataSet<'_>, (tag, asked): (Tag, &str)) -> Result<()> {
    if set.ascii(tag) == asked {
        return Ok(());
    }
    bail!("the peer told of something whose {tag} is not `{asked}`: it does not match by that")
}

fn read(bytes: &[u8]) -> Result<DataSet<'_>> {
    scan(bytes, Syntax::IMPLICIT, &Limits::default())
        .map_err(|why| anyhow!("what the peer answered cannot be read: {why}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_told_of_something_else_is_not_believed() {
        let tag = tags::STUDY_INSTANCE_UID;
        for (uid, single) in [
            ("1.2.3", true),
            ("", false),
            ("1.2\\1.3", false),
            ("1.2.*", false),
            (&"1".repeat(65), false),
        ] {
            let told = identifier("STUDY", &[(tag, VR::UI, uid)]);
            let set = read(&told).unwrap();
            assert_eq!(one_uid(&set, tag).is_ok(), single, "{uid}");
            assert_eq!(is_of(&set, (tag, "1.2.3")).is_ok(), uid == "1.2.3");
        }
    }
}
