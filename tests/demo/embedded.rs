//! The embedded broker: one process, one file; messages come by HTTP and folder.

use crate::stage::{Stage, Take};
use crate::story::Door;
use serde_json::Value;
use std::io;
use std::process::Child;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use system_tests::drive::{Endpoint, HandOver, Region, terminate};

/// The process, and the hospital's endpoint.
pub(crate) struct Embedded {
    region: Arc<Region>,
    hospital: Arc<Endpoint>,
    process: Mutex<Option<Child>>,
}

impl Embedded {
    /// Nothing runs yet.
    pub(crate) fn new(region: Arc<Region>) -> Self {
        Self { region, hospital: Arc::default(), process: Mutex::default() }
    }

    fn process<T>(&self, act: impl FnOnce(&mut Child) -> io::Result<T>) -> io::Result<T> {
        let mut process = self.process.lock().unwrap_or_else(PoisonError::into_inner);
        act(process.as_mut().ok_or_else(|| io::Error::other("no broker was started"))?)
    }
}

impl Stage for Embedded {
    fn region(&self) -> &Region {
        &self.region
    }

    fn patience(&self) -> Duration {
        Duration::from_secs(30)
    }

    fn start(&self) -> io::Result<()> {
        println!("The hospital's endpoint is down for now.");
        let log = self.region.folder.join("broker.log");
        println!("The broker's own log: {}\n", log.display());
        let process = self.region.start(Some(&log))?;
        self.process.lock().unwrap_or_else(PoisonError::into_inner).replace(process);
        Ok(())
    }

    fn offer(&self, key: &str, door: Door, msg_id: &str, bytes: &[u8]) -> io::Result<String> {
        match door {
            Door::Http => {
                let (status, body) = self.region.post(key, bytes)?;
                let answer: Value = serde_json::from_str(&body).unwrap_or_default();
                match answer.get("id").and_then(Value::as_str) {
                    Some(id) if status == 202 => Ok(id.to_owned()),
                    _ => Err(io::Error::other(format!("{key}: {status} {body}"))),
                }
            }
            Door::Folder => self.region.put(key, bytes).map(|()| msg_id.to_owned()),
        }
    }

    fn door(&self, door: Door) -> &'static str {
        match door {
            Door::Http => "HTTP",
            Door::Folder => "folder",
        }
    }

    fn id(&self, known_as: &str) -> Option<String> {
        Some(known_as.to_owned())
    }

    fn put(&self, name: &str, bytes: &[u8]) -> io::Result<()> {
        self.region.put(name, bytes)
    }

    fn open_hospital(&self, waiting: usize, take: Take) -> io::Result<()> {
        println!("--  the hospital's endpoint comes up: {waiting} messages waited for it");
        self.hospital.open(self.region.hospital, move |it: &HandOver<'_>| {
            if it.first {
                take(it.bytes);
            }
        });
        Ok(())
    }

    fn ended(&self) -> io::Result<Option<String>> {
        Ok(self.process(Child::try_wait)?.map(|status| status.to_string()))
    }

    fn invite(&self) {
        println!("  or put in    {}", self.region.folder.join("inbox").display());
    }

    fn wait(&self) -> io::Result<()> {
        self.process(|process| process.wait().map(drop))
    }

    fn end(&self) -> io::Result<bool> {
        self.hospital.close();
        self.process(terminate)
    }
}
