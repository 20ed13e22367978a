//! A record, a DICOM inlet in front of it, and what was sealed.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use event::{Body, Clock, Event, Image, Time};
use inlets::Inlet;
use inlets::dicom::{Config, Dicom, FeedConfig, Intake};
use record::{Record, Sealed};
use tempfile::TempDir;
use tokio::net::TcpStream;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use wire::dicom::{Syntax, VR, Writer, tags};

use crate::caller::Caller;

pub(crate) const CT: &str = "1.2.840.10008.5.1.4.1.1.2";
pub(crate) const MR: &str = "1.2.840.10008.5.1.4.1.1.4";

struct StandingClock;

impl Clock for StandingClock {
    fn now(&self) -> Time {
        Time::from_millis(1_700_000_000_007)
    }
}

pub(crate) struct House {
    pub(crate) record: Record,
    pub(crate) addresses: Vec<SocketAddr>,
    stop: CancellationToken,
    task: JoinHandle<()>,
    _folder: TempDir,
}

/// Loopback on any port, and one feed that calls itself `CT1`.
pub(crate) fn config() -> Config {
    Config {
        listen: vec![SocketAddr::from((Ipv4Addr::LOCALHOST, 0))],
        authority: "STELLA".into(),
        feeds: vec![feed("ct", "CT1")],
        ..Config::default()
    }
}

pub(crate) fn feed(name: &str, title: &str) -> FeedConfig {
    FeedConfig {
        name: name.into(),
        calling: vec![title.into()],
        ..FeedConfig::default()
    }
}

impl House {
    pub(crate) async fn open(config: Config) -> House {
        House::open_with(config).await.0
    }

    /// One, and where its objects are taken in.
    pub(crate) async fn open_with(config: Config) -> (House, Arc<Intake>) {
        let folder = TempDir::new().unwrap();
        let settings = record::Config::new(folder.path().to_owned());
        let record = Record::open(settings, Arc::new(StandingClock))
            .await
            .unwrap();
        let intake = Arc::new(Intake::new(&config, record.clone()));
        let dicom = Dicom::bind(config).await.unwrap();
        let dicom = dicom.taking(Arc::clone(&intake));
        let addresses = dicom.addresses().to_vec();
        let stop = CancellationToken::new();
        let task = tokio::spawn(Box::new(dicom).run(record.clone(), stop.clone()));
        let house = House {
            record,
            addresses,
            stop,
            task,
            _folder: folder,
        };
        (house, intake)
    }

    pub(crate) async fn connect(&self) -> Caller<TcpStream> {
        Caller::new(TcpStream::connect(self.addresses[0]).await.unwrap())
    }

    /// Everything that was sealed after the record's opening.
    pub(crate) async fn sealed(&self) -> Vec<Sealed> {
        self.record.read(1, 10_000).await.unwrap()
    }

    /// The images that were sealed.
    pub(crate) async fn images(&self) -> Vec<(Sealed, Image)> {
        let sealed = self.sealed().await.into_iter();
        let image = |one: Sealed| match one.event().body.clone() {
            Body::Image(image) => Some((one, image)),
            _ => None,
        };
        sealed.filter_map(image).collect()
    }

    /// Why things were refused, in the order they were.
    pub(crate) async fn reasons(&self) -> Vec<String> {
        let sealed = self.sealed().await;
        let reason = |event: &Event| match &event.body {
            Body::Unread(unread) => Some(format!("{}: {}", unread.feed, unread.reason)),
            _ => None,
        };
        sealed
            .iter()
            .filter_map(|one| reason(one.event()))
            .collect()
    }

    pub(crate) async fn close(self) {
        self.stop.cancel();
        self.task.await.unwrap();
        self.record.stop().await;
    }
}

/// A CT slice of a patient.
pub(crate) fn slice(instance: &str, name: &str) -> Vec<u8> {
    of_class(CT, instance, name)
}

pub(crate) fn of_class(class: &str, instance: &str, name: &str) -> Vec<u8> {
    Writer::new(Syntax::EXPLICIT)
        .text(tags::SPECIFIC_CHARACTER_SET, VR::CS, "ISO_IR 192")
        .text(tags::SOP_CLASS_UID, VR::UI, class)
        .text(tags::SOP_INSTANCE_UID, VR::UI, instance)
        .text(tags::MODALITY, VR::CS, "CT")
        .text(tags::PATIENT_NAME, VR::PN, name)
        .text(tags::PATIENT_ID, VR::LO, "4711")
        .text(tags::STUDY_INSTANCE_UID, VR::UI, "1.2.3")
        .text(tags::SERIES_INSTANCE_UID, VR::UI, "1.2.3.1")
        .bytes(tags::PIXEL_DATA, VR::OW, &[7; 5_000])
        .finish()
}
