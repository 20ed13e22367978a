//! Carrying a record from one pair of engines to the other and back.

use record::{Config, Error, Moved, Record, carry};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::house::{Files, House, Sql};
use crate::contents::{binary, contents, letter, sealed};
use crate::erasing::{CutShort, erase};
use crate::house::{NOON, StillClock, data, fill, message, write};

/// The same data folder under the engines of `there`.
fn there(here: &House, there: &House) -> Config {
    let mut config = here.config();
    config.storage = there.config().storage;
    config.objects = there.config().objects;
    config
}

async fn moved(from: &Config, to: &Config) -> Result<Moved, Error> {
    Box::pin(carry(from, to, StillClock::at(NOON), |_, _, _| {})).await
}

async fn open(config: &Config) -> Result<Record, Error> {
    Record::open(config.clone(), StillClock::at(NOON)).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_record_goes_to_a_database_and_a_bucket_and_comes_back() {
    let here = House::new(Sql::Sqlite, Files::Folder).await;
    let far = House::new(Sql::Postgres, Files::Bucket).await;
    let (near, far) = (here.config(), there(&here, &far));
    let record = here.open().await;
    fill(&record, 0, 700).await;
    record.admit(vec![write("a", 0, 1)]).await.unwrap();
    record.admit(vec![write("p", 0, 1)]).await.unwrap();
    erase(&record, "p").await.unwrap();
    let size = record.size();
    record.stop().await;
    drop(record);

    let went = moved(&near, &far).await.unwrap();
    assert_eq!((went.events, went.carried), (size, size));
    assert_eq!(went.verified.unwrap().alterations, []);
    let refused = open(&near).await.err().unwrap().to_string();
    assert!(refused.contains("was moved to `postgres://"), "{refused}");

    let record = open(&far).await.unwrap();
    let again = message("m7", "p0", "content of 7");
    assert!(record.admit(vec![again]).await.unwrap()[0].repeated);
    assert!(record.admit(vec![write("a", 0, 1)]).await.is_err());
    assert!(record.admit(vec![write("p", 0, size)]).await.is_ok());
    fill(&record, 700, 300).await;
    record.stop().await;
    drop(record);

    let back = moved(&far, &near).await.unwrap();
    assert_eq!((back.events, back.carried), (size + 301, 301));
    assert!(open(&far).await.is_err());
    let record = open(&near).await.unwrap();
    assert_eq!(
        record.get(size + 300).await.unwrap().event().raw,
        b"content of 999"
    );
    record.stop().await;
    assert_eq!(here.verified().await.alterations, []);
}

/// What lies in the vault for a resource goes along, and is read whole at each place.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_large_content_goes_to_a_database_and_comes_back() {
    for files in [Files::Folder, Files::Bucket] {
        let here = House::new(Sql::Sqlite, Files::Folder).await;
        let far = House::new(Sql::Postgres, files).await;
        let (near, far) = (here.config(), there(&here, &far));
        let raw = |id: &str, bytes| binary(id, &STANDARD.encode(letter(bytes)));
        let (first, second) = (raw("a", 3_000_000), raw("b", 300_000));
        let record = here.open().await;
        let of_first = sealed(&record, ("p", "a"), &first).await;
        assert_eq!(contents(&of_first).len(), 1);
        record.stop().await;
        drop(record);

        let went = moved(&near, &far).await.unwrap();
        assert_eq!(went.verified.unwrap().alterations, [], "{files:?}");
        let record = open(&far).await.unwrap();
        let read = async |record: &Record, index| {
            let one = record.get(index).await.unwrap();
            record.raw(&one).await.unwrap()
        };
        assert!(read(&record, of_first.index()).await == first, "{files:?}");
        // One that was written there comes back with it.
        let of_second = sealed(&record, ("p", "b"), &second).await;
        record.stop().await;
        drop(record);

        let back = moved(&far, &near).await.unwrap();
        assert_eq!(back.verified.unwrap().alterations, [], "{files:?}");
        let record = open(&near).await.unwrap();
        assert!(read(&record, of_first.index()).await == first, "{files:?}");
        assert!(
            read(&record, of_second.index()).await == second,
            "{files:?}"
        );
        let path = &contents(&of_second)[0].whole.path;
        assert!(
            data(here.path()).join("vault").join(path).is_file(),
            "{files:?}"
        );
        record.stop().await;
        assert_eq!(here.verified().await.alterations, [], "{files:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn beside_a_running_server_it_is_carried_ahead() {
    let here = House::new(Sql::Sqlite, Files::Folder).await;
    let far = House::new(Sql::Postgres, Files::Folder).await;
    let (near, far) = (here.config(), there(&here, &far));
    let record = here.open().await;
    fill(&record, 0, 400).await;
    let ahead = moved(&near, &far).await.unwrap();
    assert_eq!((ahead.carried, ahead.verified), (401, None));
    fill(&record, 400, 100).await;
    record.stop().await;
    drop(record);
    let last = moved(&near, &far).await.unwrap();
    assert_eq!((last.carried, last.events), (100, 501));
    assert_eq!(last.verified.unwrap().alterations, []);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_move_that_is_broken_off_goes_on() {
    let here = House::new(Sql::Sqlite, Files::Folder).await;
    let far = House::new(Sql::Postgres, Files::Bucket).await;
    let (near, far) = (here.config(), there(&here, &far));
    let record = here.open().await;
    fill(&record, 0, 600).await;
    record.stop().await;
    drop(record);
    let mut finished = 0;
    for polls in [5, 20, 60, 120, 200] {
        let going = Box::pin(carry(&near, &far, StillClock::at(NOON), |_, _, _| {}));
        finished += u32::from(CutShort(going, polls).await.is_some());
    }
    assert!(finished < 5, "nothing was broken off");
    let last = moved(&near, &far).await.unwrap();
    assert_eq!(last.events, 601);
    assert_eq!(last.verified.unwrap().alterations, []);
    let record = open(&far).await.unwrap();
    fill(&record, 600, 10).await;
    record.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_place_that_holds_another_record_is_refused() {
    let here = House::new(Sql::Sqlite, Files::Folder).await;
    let other = House::new(Sql::Postgres, Files::Folder).await;
    for (house, patients) in [(&here, 50), (&other, 30)] {
        let record = house.open().await;
        fill(&record, 0, patients).await;
        record.stop().await;
    }
    let far = there(&here, &other);
    let refused = moved(&here.config(), &far).await.err().unwrap().to_string();
    assert!(refused.contains("another record"), "{refused}");
    // It stays in force where it was.
    open(&here.config()).await.unwrap().stop().await;
    let nothing = House::new(Sql::Sqlite, Files::Folder).await;
    let refused = moved(&nothing.config(), &there(&nothing, &other)).await;
    assert!(
        refused
            .err()
            .unwrap()
            .to_string()
            .contains("nothing was ever sealed")
    );
}
