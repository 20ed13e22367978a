//! A client that creates one patient after the other, and asks again for what it had no answer to.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use rustls::ClientConfig;

use super::siege::Books;
use crate::load::{Call, HttpLoad, Until, http, pinned};

/// What the ids of created patients begin with, in the books and in the record.
pub(super) const CREATED: &str = "Patient/siege-";
const ANSWER_WAIT: Duration = Duration::from_secs(30);

/// The FHIR door of the server under siege.
#[derive(Debug, Clone)]
pub struct FhirDoor {
    /// Finds the base URL in the line by which the server says it is ready.
    pub base: fn(&str) -> Option<String>,
    /// The server's certificate, PEM.
    pub certificate: PathBuf,
    /// A client's bearer token that may create patients.
    pub token: String,
}

impl FhirDoor {
    /// Who creates patients at the server that said this.
    pub(super) fn writer(&self, said: &str) -> Option<Writer> {
        let pem = std::fs::read(&self.certificate).ok()?;
        Some(Writer {
            base: (self.base)(said)?,
            tls: pinned(&pem).ok()?,
            token: self.token.clone(),
        })
    }
}

/// One client.
#[derive(Clone)]
pub(super) struct Writer {
    base: String,
    tls: Arc<ClientConfig>,
    token: String,
}

impl Writer {
    /// Creates until the server is gone, first of all what it does not know about.
    pub(super) async fn run(self, mut again: Vec<u32>, books: Arc<Books>) {
        loop {
            let number = again.pop().unwrap_or_else(|| books.next_patient());
            let id = format!("{CREATED}{number}");
            books.send(&id);
            match self.create(number).await {
                Created::Now | Created::Before => books.acknowledge(&id),
                Created::Unknown => return,
            }
        }
    }

    /// Creates a patient unless it is there.
    async fn create(&self, number: u32) -> Created {
        let load = HttpLoad {
            base: self.base.clone(),
            tls: Arc::clone(&self.tls),
            token: self.token.clone(),
            connections: 1,
            until: Until::Count(1),
            answer_wait: ANSWER_WAIT,
        };
        let call = Call::post("", transaction(number), 1);
        match http(&load, Box::new(std::iter::once(call))).await {
            Ok(figures) => match figures.first_error {
                None => Created::Now,
                Some(why) if why.contains(" 412 ") => Created::Before,
                Some(_) => Created::Unknown,
            },
            Err(_) => Created::Unknown,
        }
    }
}

enum Created {
    Now,
    /// The answer to an earlier attempt was lost.
    Before,
    Unknown,
}

fn transaction(number: u32) -> String {
    format!(
        r#"{{"resourceType":"Bundle","type":"transaction","entry":[{{"resource":{{"resourceType":"Patient","id":"siege-{number}","name":[{{"family":"Siege{number}"}}]}},"request":{{"method":"PUT","url":"Patient/siege-{number}","ifNoneMatch":"*"}}}}]}}"#
    )
}
