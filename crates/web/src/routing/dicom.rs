//! Objects to a PACS by C-STORE: one at a time, and the answer to it before the next. The association stays
//! while more waits, and is released when nothing does.

use std::sync::Arc;
use std::time::Duration;

use event::Image;
use routes::RouteConfig;

use super::line::Answer;
use crate::App;
use crate::imaging::{Failed, OnItsWay, Peer, Scu};

/// The AE title by which Salus calls if a route names none.
const CALLING: &str = "SALUS";
/// Classes and transfer syntaxes that are asked for with one association.
const KINDS_MAX: usize = 64;

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

/// The way to one receiver.
pub(super) struct Line {
    app: Arc<App>,
    peer: Peer,
    open: Option<Scu>,
    /// Classes and transfer syntaxes that the association was asked for.
    kinds: Vec<(String, String)>,
}

impl Line {
    pub(super) fn open(
        app: &Arc<App>,
        route: &RouteConfig,
        (host, port, tls): (String, u16, bool),
    ) -> Line {
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
    pub(super) async fn send(&mut self, object: &Object) -> Answer {
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
    pub(super) async fn rest(&mut self) {
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
