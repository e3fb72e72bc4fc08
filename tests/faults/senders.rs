//! Senders: each keeps a letter until it is told that it is taken, and offers it again as long as it is not.

use crate::scene::Scene;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::Scope;
use std::time::Duration;
use system_tests::checker::Offer;
use system_tests::drive::{call, sample};
use uuid::Uuid;

/// How many offer at a time.
const LANES: usize = 6;

/// One of so many letters is offered again after it was taken, under its own key or a new one.
const DUPLICATES: u64 = 10;

/// The letters of the sample, whose ids are replaced: of the message, and of the receiver.
const TEMPLATE: &str = "dialogmelding/accepted-1.1";

/// All lanes at work.
pub(crate) struct Senders {
    stop: Arc<AtomicBool>,
}

impl Senders {
    /// No new letters. Those under way are offered until they are taken; the scope waits for that.
    pub(crate) fn stop(&self) {
        self.stop.store(true, Ordering::Relaxed);
    }
}

/// Starts the lanes, at a rate at which `letters` last for about as long as all the faults.
pub(crate) fn start<'s, 'e>(scope: &'s Scope<'s, 'e>, scene: &'e Scene, letters: usize) -> Senders {
    let stop = Arc::new(AtomicBool::new(false));
    let numbers = Arc::new(AtomicU64::new(0));
    // The short run must not be over before its faults are.
    let pause = if letters > 5_000 { Duration::ZERO } else { Duration::from_millis(250) };
    for lane in 0..LANES {
        let (stop, numbers) = (Arc::clone(&stop), Arc::clone(&numbers));
        scope.spawn(move || {
            let template = String::from_utf8(sample(TEMPLATE)).expect("the template is UTF-8");
            while !stop.load(Ordering::Relaxed) {
                offer(scene, lane, &template, numbers.fetch_add(1, Ordering::Relaxed));
                std::thread::sleep(pause);
            }
        });
    }
    Senders { stop }
}

fn offer(scene: &Scene, lane: usize, template: &str, number: u64) {
    let turn = usize::try_from(number).unwrap_or(0);
    let receiver = &scene.receivers[turn % scene.receivers.len()];
    let id = Uuid::now_v7().to_string();
    let (_, rest) = template.split_once("<MsgId>").expect("the template has an id");
    let (old, _) = rest.split_once('<').expect("the id ends");
    let letter = template
        .replace(old, &id)
        .replace("210000", &receiver.enterprise.to_string())
        .replace("210010", &receiver.service.to_string());
    scene.checker.offered(Offer {
        id: &id,
        sender: &scene.sender.name,
        receiver: &receiver.name,
        bytes: letter.as_bytes(),
        receipts_due: 1,
    });
    until_taken(scene, lane + turn, &id, &id, letter.as_bytes());
    if number.is_multiple_of(DUPLICATES) {
        // Systems that lost their own books offer a message again as if it were new.
        let key = if number.is_multiple_of(2 * DUPLICATES) { Uuid::now_v7().to_string() } else { id.clone() };
        until_taken(scene, lane + turn, &id, &key, letter.as_bytes());
    }
}

/// Offers a letter to one instance after the other until one says that it has it.
fn until_taken(scene: &Scene, first: usize, id: &str, key: &str, bytes: &[u8]) {
    let headers = [("Idempotency-Key", key), ("Content-Type", "application/xml")];
    for turn in first.. {
        let instance = &scene.instances[turn % scene.instances.len()];
        match call(instance.door.address(), "POST", "/v1/messages", &scene.token, &headers, bytes) {
            Ok((202, _)) => break,
            Ok((409 | 400 | 404 | 413, body)) => panic!("a lawful offer is refused: {body}"),
            Ok(_) | Err(_) => std::thread::sleep(Duration::from_millis(20)),
        }
    }
    scene.checker.confirmed(id);
}
