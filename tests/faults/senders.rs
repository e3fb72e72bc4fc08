//! Senders: each keeps a letter until it is told that it is taken, and offers it again as long as it is not.

use crate::receivers::Receiver;
use crate::scene::Scene;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::Scope;
use std::time::Duration;
use system_tests::checker::Offer;
use system_tests::drive::{call, clock, sample};
use system_tests::queues::{Publisher, Put};
use uuid::Uuid;

/// How many offer at a time.
const LANES: usize = 6;

/// One of so many letters is offered again after it was taken, under its own key or a new one.
const DUPLICATES: usize = 10;

/// Longer than any fault, and the recovery from it.
const PATIENCE: Duration = Duration::from_secs(300);

/// The letters of the sample, whose ids are replaced: of the message, and of the receiver.
const TEMPLATE: &str = "dialogmelding/accepted-1.1";

/// All lanes at work. No new letters come when it is dropped; those under way are offered until they are taken, and the
/// scope waits for that.
pub(crate) struct Senders<'e> {
    scene: &'e Scene,
    stop: Arc<AtomicBool>,
}

impl Drop for Senders<'_> {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        // A run that failed must end, also if nobody takes anything any more.
        self.scene.given_up.store(std::thread::panicking(), Ordering::Relaxed);
    }
}

/// Starts the lanes, at a rate at which `letters` last for about as long as the faults: brokers shall be killed with work
/// in hand, and a backlog of minutes would hide how long a fault was felt.
pub(crate) fn start<'s, 'e>(scope: &'s Scope<'s, 'e>, scene: &'e Scene, letters: usize) -> Senders<'e> {
    let stop = Arc::new(AtomicBool::new(false));
    let numbers = Arc::new(AtomicUsize::new(0));
    let pause = Duration::from_millis(if letters > 5_000 { 100 } else { 250 });
    for lane in 0..LANES {
        let (stop, numbers) = (Arc::clone(&stop), Arc::clone(&numbers));
        // Where there are queues, two of three use them.
        let way = if lane % 3 == 0 { Way::Http } else { Way::Queue };
        scope.spawn(move || {
            let mut lane = Lane::new(scene, way);
            while !stop.load(Ordering::Relaxed) {
                let number = numbers.fetch_add(1, Ordering::Relaxed);
                let letter = lane.offer(&scene.receivers[number % scene.receivers.len()]);
                if number.is_multiple_of(DUPLICATES) {
                    // Systems that lost their own books offer a message again as if it were new.
                    let anew = number.is_multiple_of(2 * DUPLICATES);
                    let key = if anew { Uuid::now_v7().to_string() } else { letter.id.clone() };
                    lane.until_taken(&letter, &key);
                }
                std::thread::sleep(pause);
            }
        });
    }
    Senders { scene, stop }
}

/// Offers one letter by every way to every receiver that is well: their ids. It returns when all are taken.
pub(crate) fn probe(scene: &Scene) -> Vec<String> {
    let ways: &[Way] = if scene.ways.is_some() { &[Way::Http, Way::Queue] } else { &[Way::Http] };
    std::thread::scope(|scope| {
        let probes: Vec<_> = ways
            .iter()
            .map(|way| {
                scope.spawn(move || {
                    let mut lane = Lane::new(scene, *way);
                    let well = scene.receivers.iter().filter(|r| r.is_well());
                    well.map(|receiver| lane.offer(receiver).id).collect::<Vec<_>>()
                })
            })
            .collect();
        probes.into_iter().flat_map(|p| p.join().expect("no lawful offer is refused")).collect()
    })
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    Http,
    Queue,
}

/// One sender, which offers one letter at a time.
struct Lane<'a> {
    scene: &'a Scene,
    /// To the inbox; without it letters are offered over HTTP.
    publisher: Option<Publisher>,
    template: String,
}

struct Letter {
    id: String,
    text: String,
}

impl<'a> Lane<'a> {
    fn new(scene: &'a Scene, way: Way) -> Self {
        let ways = scene.ways.as_ref().filter(|_| way == Way::Queue);
        let template = String::from_utf8(sample(TEMPLATE)).expect("the template is UTF-8");
        Self { scene, publisher: ways.map(|ways| Publisher::new(ways.url_of_senders())), template }
    }

    /// Offers a new letter until it is taken.
    fn offer(&mut self, receiver: &Receiver) -> Letter {
        let id = Uuid::now_v7().to_string();
        let (_, rest) = self.template.split_once("<MsgId>").expect("the template has an id");
        let (old, _) = rest.split_once('<').expect("the id ends");
        let text = self
            .template
            .replace(old, &id)
            .replace("210000", &receiver.enterprise.to_string())
            .replace("210010", &receiver.service.to_string());
        self.scene.checker.offered(Offer {
            id: &id,
            sender: &self.scene.sender.name,
            receiver: &receiver.name,
            bytes: text.as_bytes(),
            receipts_due: 1,
        });
        let letter = Letter { id, text };
        self.until_taken(&letter, &letter.id);
        letter
    }

    /// Offers a letter until somebody says that it is taken: the server of queues, or one instance after the other.
    fn until_taken(&mut self, letter: &Letter, key: &str) {
        let (scene, bytes) = (self.scene, letter.text.as_bytes());
        let deadline = clock() + PATIENCE;
        let headers = [("Idempotency-Key", key), ("Content-Type", "application/xml")];
        for turn in 0.. {
            if scene.given_up.load(Ordering::Relaxed) {
                return;
            }
            assert!(clock() < deadline, "a letter was not taken for {} s", PATIENCE.as_secs());
            let taken = if let Some(publisher) = &mut self.publisher {
                let said = publisher.put("inbox", key, bytes);
                scene.refused.fetch_add(usize::from(said == Put::Refused), Ordering::Relaxed);
                said == Put::Confirmed
            } else {
                let instance = &scene.instances[turn % scene.instances.len()];
                match call(instance.door.address(), "POST", "/v1/messages", &scene.token, &headers, bytes) {
                    Ok((202, _)) => true,
                    Ok((409 | 400 | 404 | 413, body)) => panic!("a lawful offer is refused: {body}"),
                    Ok(_) | Err(_) => false,
                }
            };
            if taken {
                break;
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        scene.checker.confirmed(&letter.id);
    }
}
