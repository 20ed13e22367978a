//! The view against a real record: accounts go in by the door, and come out as identities.

#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use event::{Account, AccountChange, Act, Actor, Arrival, Body, Clock, Event, Role, Session};
use event::{Subject, Time};
use guard::{Admitted, Standing, admit};
use record::{Config, Record, follow};
use staff::{Attempt, SignInRefused, Staff, ViewKey, hash_password, new_client};
use tempfile::TempDir;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

const PASSWORD: &str = "seven lamps of night";
const WAIT: Duration = Duration::from_secs(60);

struct Noon;

impl Clock for Noon {
    fn now(&self) -> Time {
        Time::from_millis(1_700_000_000_000)
    }
}

struct House {
    record: Record,
    staff: Staff,
    stop: CancellationToken,
    follower: JoinHandle<()>,
}

impl House {
    async fn open(folder: &Path) -> House {
        let config = Config::new(folder.to_path_buf());
        let record = Record::open(config, Arc::new(Noon)).await.unwrap();
        let key = ViewKey::of(record.blind().key("staff"));
        let staff = Staff::open(&folder.join("views/staff.db"), key)
            .await
            .unwrap();
        let stop = CancellationToken::new();
        let following = follow(record.clone(), staff.reader(), stop.clone());
        let follower = tokio::spawn(following);
        House {
            record,
            staff,
            stop,
            follower,
        }
    }

    async fn seal(&self, events: Vec<Event>) {
        self.record
            .admit(events.into_iter().map(admitted).collect())
            .await
            .unwrap();
        assert!(self.staff.caught_up(self.record.size(), WAIT).await);
    }

    async fn close(self) {
        self.stop.cancel();
        self.follower.await.unwrap();
        self.staff.close().await;
        self.record.stop().await;
    }
}

fn admitted(event: Event) -> Admitted {
    admit(Arrival::from(event), Standing::Salus, "").unwrap()
}

fn changed(id: &str, role: Role, secret: &str) -> Event {
    let account = Account {
        name: id.to_uppercase(),
        role,
        wards: vec!["W3".into()],
        practitioner: None,
        secret: secret.into(),
        scopes: vec!["system/Observation.rs".into()],
    };
    change(id, Some(account))
}

fn change(id: &str, account: Option<Account>) -> Event {
    let change = AccountChange {
        id: id.into(),
        account,
    };
    let subject = Subject::Account(id.into());
    Event::new(Actor::salus(), Act::Manage, subject, Body::Account(change))
}

fn signed_in(id: &str) -> Event {
    let session = Session {
        ok: true,
        ..Session::of(id, "")
    };
    let subject = Subject::Account(id.into());
    Event::new(Actor::salus(), Act::SignIn, subject, Body::Session(session))
}

#[tokio::test]
async fn accounts_go_in_by_the_door_and_come_out_as_identities() {
    let folder: TempDir = tempfile::tempdir().unwrap();
    let house = House::open(folder.path()).await;
    let client = new_client([5; 32]);
    let secret = hash_password(PASSWORD, [6; 16]).unwrap();
    house
        .seal(vec![
            changed("adam", Role::Administrator, &secret),
            changed("lis", Role::Client, &client.secret),
            signed_in("adam"),
        ])
        .await;
    let staff = &house.staff;
    assert!(staff.any_administrator());
    assert_eq!(
        staff.client(&client.token).unwrap().scopes,
        ["system/Observation.rs"]
    );
    let adam = Attempt {
        account: "adam",
        password: PASSWORD,
        code: "",
        source: "10.0.0.1",
    };
    let signed_in = staff.sign_in(adam, Noon.now()).await.unwrap();
    assert_eq!(signed_in.identity.role(), Role::Administrator);
    assert_eq!(staff.people()[0].signed_in, Some(Noon.now()));
    house
        .seal(vec![change("lis", None), change("adam", None)])
        .await;
    let staff = &house.staff;
    assert!(staff.client(&client.token).is_none());
    let refused = staff.sign_in(adam, Noon.now()).await.unwrap_err();
    assert_eq!(refused, SignInRefused::Wrong);
    house.close().await;
}

#[tokio::test]
async fn a_view_folded_anew_is_the_same() {
    let folder: TempDir = tempfile::tempdir().unwrap();
    let house = House::open(folder.path()).await;
    let secret = hash_password(PASSWORD, [6; 16]).unwrap();
    let events = ["nora", "paul", "rita"].map(|id| changed(id, Role::Nurse, &secret));
    house.seal(events.to_vec()).await;
    house
        .seal(vec![change("paul", None), signed_in("rita")])
        .await;
    let (people, size) = (house.staff.people(), house.record.size());
    house.close().await;
    std::fs::remove_dir_all(folder.path().join("views")).unwrap();
    let house = House::open(folder.path()).await;
    assert!(house.staff.caught_up(size, WAIT).await);
    assert_eq!(house.staff.people(), people);
    house.close().await;
}
