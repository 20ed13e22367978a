use event::{Body, Event, Position, Signals, Time};

use crate::ask::{Filter, Silence};
use crate::batch::tests::message;
use crate::flow::Flow;
use crate::flow::tests::{HOUR, at, indices, page, path, take};

fn lines(feed: &str, told: &Signals) -> Event {
    let body = Body::Signals(Signals {
        feed: feed.into(),
        format: "syslog".into(),
        ..told.clone()
    });
    let subject = event::Subject::Feed(feed.into());
    Event::new(event::Actor::feed(feed), event::Act::Send, subject, body).with_raw(vec![0; 5])
}

#[tokio::test]
async fn lines_of_machines_are_counted_and_what_is_amiss_with_them_is_listed() {
    let kinds = |first: usize| {
        (first..first + 3)
            .map(|kind| (format!("k{kind}"), 2))
            .collect()
    };
    let events: Vec<Event> = (0..300)
        .map(|n| {
            let told = Signals {
                lines: 10,
                unread: u64::from(n == 7),
                dropped: if n == 8 { 4 } else { 0 },
                cut: u64::from(n == 9),
                reason: if n == 7 {
                    "no `<`".into()
                } else {
                    String::new()
                },
                kinds: kinds(n * 3),
                position: Some(Position {
                    offset: n as u64,
                    mark: "m".into(),
                }),
                ..Signals::default()
            };
            lines("fw", &told)
        })
        .collect();
    let mut seen = Vec::new();
    for size in [1, 7, 300] {
        let folder = tempfile::tempdir().unwrap();
        let flow = Flow::open(&path(&folder)).await.unwrap();
        take(&flow, 1, (&events, size)).await;
        let rows = flow.quarantined(None, page(None, 10)).await.unwrap().rows;
        let reasons: Vec<&str> = rows.iter().map(|row| row.reason.as_str()).collect();
        assert_eq!(
            reasons,
            [
                "of 10 lines 1 pieces of longer lines",
                "of 10 lines 4 not kept",
                "of 10 lines 1 not read: no `<`"
            ]
        );
        assert!(indices(&flow, Filter::default()).await.is_empty());
        flow.close().await;
        let flow = Flow::open(&path(&folder)).await.unwrap();
        let position = flow.position("fw").await.unwrap();
        assert_eq!((position.offset, flow.position("lab").await), (299, None));
        let feeds = flow.feeds(at(400_000)).await.unwrap();
        let total = feeds[0].total;
        assert_eq!(
            (total.messages, total.unread, total.dropped, total.cut),
            (3_000, 1, 4, 1)
        );
        assert_eq!(
            (total.bytes, feeds[0].format.as_deref()),
            (1_500, Some("syslog"))
        );
        // What a sender makes up beyond so many kinds is counted together.
        assert_eq!(feeds[0].kinds[0], ("other".to_owned(), 800));
        seen.push(feeds);
    }
    assert_eq!(seen[0], seen[1]);
    assert_eq!(seen[0], seen[2]);
}

#[tokio::test]
async fn a_feed_is_silent_for_longer_than_usual_however_it_was_folded() {
    let event = message("lab", "ORU^R01", "");
    // Every six hours for three weeks, and then no more.
    let times: Vec<Time> = (1..=84).map(|n| at(n * 6 * HOUR)).collect();
    let sealed: Vec<(u64, Time, &Event)> =
        (0..).zip(&times).map(|(n, at)| (n, *at, &event)).collect();
    let last = times[83].millis();
    for size in [1, 5, 84] {
        let folder = tempfile::tempdir().unwrap();
        let flow = Flow::open(&path(&folder)).await.unwrap();
        for batch in sealed.chunks(size) {
            let now = batch[0].1;
            flow.take(batch, batch[batch.len() - 1].0 + 1)
                .await
                .unwrap();
            let feed = flow.feeds(now).await.unwrap().remove(0);
            let early = now.millis() < 2 * 7 * 24 * HOUR;
            assert!(!early || feed.silence() == Silence::Unknown);
        }
        // At the eighth hour one usually came two hours before.
        let told = [
            (1, Silence::Usual),
            (5, Silence::Usual),
            (8, Silence::Longer),
        ];
        for (hours, wanted) in told {
            let feed = flow.feeds(at(last + hours * HOUR)).await.unwrap().remove(0);
            assert_eq!(feed.silence(), wanted, "{hours} {:?}", feed.usual);
        }
    }
}
