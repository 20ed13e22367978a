//! Objects to a PACS by C-STORE: on each association one at a time, and the answer to it before the next. The
//! associations stay while more waits, and are released when nothing does.

use std::sync::Arc;
use std::time::Duration;

use event::Image;
use futures_util::future::join_all;
use routes::RouteConfig;

use super::line::{Answer, Content, Outgoing};
use crate::App;
use crate::imaging::{Failed, OnItsWay, Peer, Scu};

/// The AE title by which Salus calls if a route names none.
const CALLING: &str = "SALUS";
/// Classes and transfer syntaxes that are asked for with one association.
const KINDS_MAX: usize = 64;

/// Associations of one route, at most.
const WIDTH_MAX: usize = 16;
/// Storage classes of pictures that say nothing of other objects (PS3.4 table B.5-1), below
/// 1.2.840.10008.5.1.4.1.1: with a dot at the end all that is below. Of one patient they may go at the same time;
/// whatever else there is may name what went before it, and goes alone.
const PICTURES: [&str; 32] = [
    "1", "1.1", "1.1.1", "1.2", "1.2.1", "1.3", "1.3.1", "2", "2.1", "2.2", "3", "3.1", "4", "4.1",
    "4.3", "4.4", "6", "6.1", "6.2", "7", "7.1", "7.2", "7.3", "7.4", "12.1", "12.1.1", "12.2",
    "12.2.1", "20", "128", "128.1", "77.1.",
];

/// An object as it goes out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Object {
    index: u64,
    class: String,
    instance: String,
    syntax: String,
}

impl Object {
    pub(super) fn of(index: u64, image: &Image) -> Object {
        Object {
            index,
            class: image.class.clone(),
            instance: image.instance.clone(),
            syntax: image.syntax.clone(),
        }
    }
}

impl Object {
    /// Whether it may go at the same time as others of its patient.
    pub(super) fn goes_beside(image: &Image) -> bool {
        let class = image.class.strip_prefix("1.2.840.10008.5.1.4.1.1.");
        let is = |class: &str, known: &str| match known.ends_with('.') {
            true => class.starts_with(known),
            false => class == known,
        };
        class.is_some_and(|class| PICTURES.iter().any(|known| is(class, known)))
    }
}

/// The ways to one receiver.
pub(super) struct Lines(Vec<Line>);

impl Lines {
    pub(super) fn open(app: &Arc<App>, route: &RouteConfig, to: &(String, u16, bool)) -> Lines {
        let width = route.associations.clamp(1, WIDTH_MAX);
        let line = |_| Line::open(app, route, to.clone());
        Lines((0..width).map(line).collect())
    }

    pub(super) const fn width(&self) -> usize {
        self.0.len()
    }

    /// Sends objects at the same time, as many as there are associations at most.
    pub(super) async fn send_all(&mut self, all: &[Outgoing]) -> Vec<Answer> {
        let each = self.0.iter_mut().zip(all).map(|(line, one)| async move {
            match &one.content {
                Content::Object(object) => line.send(object).await,
                _ => Answer::Refused("not sent: it is nothing that goes there".to_owned()),
            }
        });
        join_all(each).await
    }

    /// Releases the associations.
    pub(super) async fn rest(&mut self) {
        join_all(self.0.iter_mut().map(Line::rest)).await;
    }
}

/// One way to a receiver.
struct Line {
    app: Arc<App>,
    peer: Peer,
    open: Option<Scu>,
    /// Classes and transfer syntaxes that the association was asked for.
    kinds: Vec<(String, String)>,
}

impl Line {
    fn open(app: &Arc<App>, route: &RouteConfig, (host, port, tls): (String, u16, bool)) -> Line {
        let keys = [&route.authorities, &route.certificate, &route.key];
        let calling = match route.calling.as_str() {
            "" => CALLING,
            calling => calling,
        };
        Line {
            app: Arc::clone(app),
            peer: Peer {
                called: route.called.clone(),
                calling: calling.to_owned(),
                host,
                port,
                tls,
                keys: keys.map(Clone::clone),
                wait: Duration::from_millis(app.routes.config().wait_ms.max(1)),
            },
            open: None,
            kinds: Vec::new(),
        }
    }

    /// Sends an object and waits for what is answered.
    async fn send(&mut self, object: &Object) -> Answer {
        if let Some(scu) = self.kept(object).await {
            // Many receivers end an association that was still for a while, and that may come to be known
            // only now: it goes over a new one. Whether it was taken nobody knows; the receiver knows it by
            // its UID.
            if let Ok(answer) = self.store(scu, object).await {
                return answer;
            }
        }
        let stored = match self.connect(object).await {
            Ok(scu) => self.store(scu, object).await,
            Err(why) => Err(why),
        };
        stored.unwrap_or_else(|why| self.down(&why))
    }

    /// Releases the association.
    async fn rest(&mut self) {
        self.kinds.clear();
        if let Some(scu) = self.open.take() {
            scu.close().await;
        }
    }

    /// The association that is there, if it was asked for this kind of object.
    async fn kept(&mut self, object: &Object) -> Option<Scu> {
        let scu = self.open.take()?;
        let kind = |one: &(String, String)| one.0 == object.class && one.1 == object.syntax;
        if self.kinds.iter().any(kind) {
            return Some(scu);
        }
        scu.close().await;
        None
    }

    async fn connect(&mut self, object: &Object) -> Result<Scu, String> {
        let kind = (object.class.clone(), object.syntax.clone());
        if self.kinds.len() >= KINDS_MAX {
            self.kinds.clear();
        }
        if !self.kinds.contains(&kind) {
            self.kinds.push(kind);
        }
        let kinds: Vec<(&str, &str)> = self
            .kinds
            .iter()
            .map(|(class, syntax)| (class.as_str(), syntax.as_str()))
            .collect();
        Scu::open(&self.app, &self.peer, &kinds).await
    }

    /// Sends an object over an association.
    ///
    /// # Errors
    /// In words: the association is of no use any more.
    async fn store(&mut self, mut scu: Scu, object: &Object) -> Result<Answer, String> {
        let OnItsWay { file, room } = match self.app.image_out(object.index, 0).await {
            Ok(out) => out,
            Err(why) => {
                self.open = Some(scu);
                return Ok(Answer::Again(format!("not sent: {why}")));
            }
        };
        let named = (object.class.as_str(), object.instance.as_str());
        let stored = scu.store(named, file, None).await;
        drop(room);
        match stored {
            Ok(status) => {
                self.open = Some(scu);
                Ok(judged(status))
            }
            Err(Failed::Object(why)) => {
                self.open = Some(scu);
                Ok(Answer::Refused(format!("not sent: {why}")))
            }
            Err(Failed::Association(why)) => Err(why),
        }
    }

    fn down(&self, why: &str) -> Answer {
        let Peer {
            called, host, port, ..
        } = &self.peer;
        Answer::Down(format!("`{called}` at `{host}:{port}`: {why}"))
    }
}

/// What a status means (PS3.4 table B.2-1, PS3.7 annex C). A receiver without room, or that does not know us
/// now, is left alone; what is wrong with the object stays wrong.
fn judged(status: u16) -> Answer {
    let words = format!("status {status:04X}");
    match status {
        0x0000 => Answer::Taken(words),
        0x0001 | 0x0107 | 0x0116 | 0xB000..=0xBFFF => {
            Answer::Taken(format!("{words}: it took it with a warning"))
        }
        0xA700..=0xA7FF | 0x0124 | 0x0213 => Answer::Down(words),
        0x0110 => Answer::Again(words),
        _ => Answer::Refused(words),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pictures_go_beside_each_other_and_what_may_name_others_alone() {
        let beside = |class: &str| {
            Object::goes_beside(&Image {
                class: format!("1.2.840.10008.5.1.4.1.1.{class}"),
                ..Image::default()
            })
        };
        assert!(["2", "4", "1.1", "77.1.6", "128"].into_iter().all(beside));
        // Reports, presentation states, segmentations, plans, documents; what nobody knows.
        assert!(
            !["88.11", "11.1", "66.4", "481.5", "104.1", "22", "771.1", ""]
                .into_iter()
                .any(beside)
        );
    }

    #[test]
    fn what_may_pass_is_tried_again_and_what_is_of_the_object_is_set_aside() {
        let taken = |status| matches!(judged(status), Answer::Taken(_));
        let refused = |status| matches!(judged(status), Answer::Refused(_));
        let down = |status| matches!(judged(status), Answer::Down(_));
        assert!([0x0000, 0xB000, 0xB007, 0x0107].into_iter().all(taken));
        assert!(
            [0x0111, 0x0122, 0xA900, 0xC000, 0xFE00]
                .into_iter()
                .all(refused)
        );
        assert!([0xA700, 0xA701, 0x0124].into_iter().all(down));
        assert!(matches!(judged(0x0110), Answer::Again(_)));
    }
}
