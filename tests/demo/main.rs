//! The demo: a small fictitious region, one message of every family and the usual faults, a live table of what became of
//! each, and the ledger at the end. On the embedded broker, or with `--amqp` on two brokers over RabbitMQ and PostgreSQL, one
//! of which is killed in the middle.
//!
//! It drives the real binary from outside, and holds what happens against what must happen: `--once` ends by itself and
//! succeeds only if every expectation held.

mod distributed;
mod documents;
mod embedded;
mod stage;
mod story;
mod systems;
mod vault;

use distributed::Distributed;
use documents::Documents;
use embedded::Embedded;
use message_schemas::head::{self, MessageHead, ReceiptStatus};
use message_schemas::{Limits, apprec, xml};
use serde_json::Value;
use stage::Stage;
use std::collections::BTreeMap;
use std::io;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;
use story::{Door, Letter, Revision, Wrap, letters, revisions};
use system_tests::drive::{Region, binary, clock, files, sample};
use systems::{Answer, Systems};
use vault::{Vault, protected};

const MUNICIPALITY: u32 = 200_010;
const HOSPITAL: u32 = 220_010;

fn main() -> ExitCode {
    let asked = |wanted: &str| std::env::args().any(|a| a == wanted);
    match demo(asked("--amqp"), asked("--once")) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            println!("The demo could not run: {error}");
            ExitCode::from(2)
        }
    }
}

/// A letter under way.
struct Sent {
    letter: Letter,
    /// By what the stage knows it.
    known_as: String,
    /// The ids by which a receipt names it: its MsgId, and for receipts of version 1.0 its document id.
    original_ids: [String; 2],
    /// It was sent signed and sealed.
    sealed: bool,
    /// The message itself.
    plain: Vec<u8>,
    /// What is to be seen of it in the document store.
    store: &'static str,
    done: bool,
    row: String,
}

fn demo(amqp: bool, once: bool) -> io::Result<bool> {
    let documents = Documents::open()?;
    let trust = std::fs::read_to_string(system_tests::root().join("ops/region/trust.toml"))?;
    let more = documents.settings()? + &trust;
    println!("A small region: a laboratory, a GP, a contract specialist, a municipality, two hospitals.");
    println!(
        "Laboratory, GP and hospitals sign and seal with a fictitious PKI; the others, by agreement, do not."
    );
    println!(
        "Referrals, discharge summaries and result reports become documents in the region's document store."
    );
    let (region, stage): (_, Arc<dyn Stage>) = if amqp {
        let stage = Distributed::new(&more)?;
        (stage.shared_region(), Arc::new(stage))
    } else {
        let region = Arc::new(Region::lay_out("demo", |settings| settings + &more)?);
        (Arc::clone(&region), Arc::new(Embedded::new(region)))
    };
    documents.hand_key_to(&region.folder)?;
    let responder = std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()?;
    let vault = Arc::new(Vault::make(&region, responder)?);
    let _closing = Closing(Arc::clone(&vault));
    stage.start()?;
    let began = clock();

    let letters = letters();
    let answers: BTreeMap<String, Answer> =
        letters.iter().filter_map(|l| Some((read(&sample(l.sample))?.msg_id?.key(), l.answer))).collect();
    let systems =
        Systems::new(&stage, &vault, Box::new(move |id| answers.get(id).copied().unwrap_or(Answer::Yes)));
    systems.watch_folder(region.out("municipality"), MUNICIPALITY);

    print_row(["message", "in by", "verdict", "went to", "sender heard", "document, in the store"]);
    println!("{}", "-".repeat(147));
    let middle = letters.len() / 2;
    let mut sent = Vec::new();
    for (number, letter) in letters.into_iter().enumerate() {
        if number == middle {
            stage.half_way()?;
        }
        sent.push(send(&*stage, &vault, letter)?);
    }
    stage.all_offered()?;
    let mut revisions = revisions();
    let (mut up, mut released) = (false, false);
    let deadline = began + stage.patience();
    let mut happened = false;
    while (!happened || !revisions.is_empty() || sent.iter().any(|s| !s.done)) && clock() < deadline {
        happened = stage.tick(sent.iter().all(|s| stage.id(&s.known_as).is_some()))?;
        let mut waiting = 0;
        for s in sent.iter_mut().filter(|s| !s.done) {
            let look = look(&*stage, &vault, &documents, s);
            waiting += usize::from(look.waits_for_hospital);
            if look.as_expected {
                s.done = true;
                println!("{}", s.row);
            }
        }
        let may_go = |l: &Letter, sent: &[Sent]| {
            let is_shown =
                |title| sent.iter().any(|s| s.letter.title == title && s.store == documents::SHOWN);
            l.revises.is_some_and(|(title, _)| is_shown(title))
        };
        while let Some(at) = revisions.iter().position(|l| may_go(l, &sent)) {
            let letter = revisions.remove(at);
            if let Some((title, revision)) = letter.revises {
                let comes = match revision {
                    Revision::Corrects => "its correction, which takes its place",
                    Revision::Cancels => "its cancellation, which withdraws it",
                };
                println!("--  {title} is to be seen in the document store; now comes {comes}");
            }
            sent.push(send(&*stage, &vault, letter)?);
        }
        if !up && clock() > began + Duration::from_secs(2) {
            let systems = Arc::clone(&systems);
            stage.open_hospital(waiting, Box::new(move |bytes| systems.answer(bytes, HOSPITAL)))?;
            up = true;
        }
        let late = |s: &Sent| s.letter.answer == Answer::Later && s.row.contains("expired");
        if !released && systems.holds() > 0 && sent.iter().any(late) {
            println!(
                "--  no receipt in time: expired, and somebody is told; now it comes after all, and counts"
            );
            systems.release();
            released = true;
        }
        if let Some(which) = stage.ended()? {
            println!("The broker ended by itself: {which}");
            return Ok(false);
        }
        std::thread::sleep(Duration::from_millis(100));
    }
    let failed: Vec<&Sent> = sent.iter().filter(|s| !s.done).collect();
    for Sent { row, letter: l, .. } in &failed {
        println!(
            "{row}\n    NOT as it must be: {}, {:?}, {:?}, {} documents, {:?} in the store",
            l.verdict, l.recipients, l.receipts, l.documents, l.store
        );
    }

    println!("\nThe ledger (budstikke ledger):");
    let (code, ledger) = region.ask(&["ledger"])?;
    println!("{}", ledger.trim_end());
    let balances = code == Some(0);
    println!(
        "\n{} of {} messages came to what they must, in {:.1} s; the books {}.",
        sent.len() - failed.len(),
        sent.len(),
        (clock() - began).as_secs_f64(),
        if balances { "balance" } else { "DO NOT BALANCE" }
    );
    let told = tell_documents(&*stage, &documents, &sent)?;
    if !happened {
        println!("What one broker left behind was not taken over in time.");
    }
    let proven = prove(&*stage, &sent)?;
    let held = failed.is_empty() && revisions.is_empty() && balances && told && proven && happened;
    if !once {
        invite(&*stage);
        stage.wait()?;
        return Ok(held);
    }
    systems.stop();
    let ended = stage.end()?;
    if !ended {
        println!("The broker did not drain and end well on SIGTERM.");
    }
    Ok(held && ended)
}

fn invite(stage: &dyn Stage) {
    let region = stage.region();
    println!("\nThe broker goes on running until Ctrl-C:");
    println!(
        "  send         curl -H 'Authorization: Bearer {}' --data-binary @MESSAGE.xml http://{}/v1/messages",
        region.token, region.http
    );
    stage.invite();
    println!("  deliveries   {}", region.folder.join("out").display());
    println!("  metrics      http://{}/metrics", region.admin);
    println!("  health       http://{}/health/ready", region.admin);
    let pki = region.folder.join("pki");
    println!("  keys         {}, to try budstikke open, sign and seal with", pki.display());
    println!("  ask          {} trace ID --config {}", binary().display(), region.config().display());
}

fn print_row(cells: [&str; 6]) {
    println!("{}", row(cells));
}

fn row([message, door, verdict, went, heard, document]: [&str; 6]) -> String {
    format!("{message:<42} {door:<14} {verdict:<10} {went:<42} {heard:<12} {document}")
}

fn read(bytes: &[u8]) -> Option<MessageHead> {
    head::read(&xml::decode(bytes).ok()?.text, &Limits::default()).ok()
}

fn send(stage: &dyn Stage, vault: &Vault, letter: Letter) -> io::Result<Sent> {
    let bytes = match (letter.wrap, letter.revises) {
        (_, Some((_, revision))) => revised(&another(sample(letter.sample))?, revision)?,
        (Wrap::AsAgreed, None) => sample(letter.sample),
        (Wrap::Tampered | Wrap::Revoked | Wrap::Bare, None) => another(sample(letter.sample))?,
    };
    let addressing = read(&bytes).map(|h| head::Addressing::from(&h)).or_else(|| head::salvage(&bytes));
    let addressing = addressing.unwrap_or_default();
    let msg_id = addressing.msg_id.map(|m| m.as_str().to_owned()).unwrap_or_default();
    let version = addressing.kind.and_then(|k| apprec::version_for(k, addressing.function.as_deref()));
    let by_document = version == Some(apprec::Version::V1_0);
    let document_id = addressing.document_id.filter(|_| by_document).unwrap_or_default();
    let original_ids = [msg_id.clone(), document_id];
    let sender = addressing.sender.as_ref().and_then(head::Party::enterprise_her_id);
    let protects = sender.and_then(|her_id| protected(her_id.0)).filter(|_| letter.wrap != Wrap::Bare);
    let plain = bytes;
    let bytes = match protects {
        Some(party) => vault.wrap(party, &plain, letter.wrap)?,
        None => plain.clone(),
    };
    let sealed = protects.is_some();
    let key = letter.title.replace(|c: char| !c.is_ascii_alphanumeric(), "-");
    let known_as = stage.offer(&key, letter.door, &msg_id, &bytes)?;
    Ok(Sent { letter, known_as, original_ids, sealed, plain, store: "", done: false, row: String::new() })
}

/// The same document an hour later, with that change code.
fn revised(bytes: &[u8], revision: Revision) -> io::Result<Vec<u8>> {
    let code = match revision {
        Revision::Corrects => "<ServType V=\"M\" DN=\"Endring\"/>",
        Revision::Cancels => "<ServType V=\"C\" DN=\"Kansellering\"/>",
    };
    let mut text = String::from_utf8(bytes.to_vec()).map_err(io::Error::other)?;
    for (old, new) in [("<ServType V=\"N\" DN=\"Ny\"/>", code), ("T10:00:00", "T11:00:00")] {
        if !text.contains(old) {
            return Err(io::Error::other(format!("a sample without {old}")));
        }
        text = text.replacen(old, new, 1);
    }
    Ok(text.into_bytes())
}

/// Says how the document store stands, and what the broker knows of what was corrected and cancelled. True if the store
/// shows what it must and nothing else.
fn tell_documents(stage: &dyn Stage, documents: &Documents, sent: &[Sent]) -> io::Result<bool> {
    let (in_use, replaced) = documents.count();
    let of = |store: &str| sent.iter().filter(|s| s.letter.store == store).count();
    println!(
        "\nThe document store shows {in_use} documents of {} messages; {replaced} of another were replaced.",
        of(documents::SHOWN)
    );
    // The message itself, and its FHIR document.
    let mut well = in_use == 2 * of(documents::SHOWN) && replaced == 2 * of(documents::REPLACED);
    for s in sent.iter().filter(|s| s.letter.revises.is_some()) {
        let Some(id) = stage.id(&s.known_as) else { return Ok(false) };
        let (code, told) = stage.region().ask(&["series", &id])?;
        println!("What became of it (budstikke series):\n{}", told.trim_end());
        well &= code == Some(0);
    }
    if !well {
        println!("The document store does NOT show what it must.");
    }
    Ok(well)
}

/// The same message with another id.
fn another(bytes: Vec<u8>) -> io::Result<Vec<u8>> {
    let text = String::from_utf8(bytes).map_err(io::Error::other)?;
    let (before, rest) =
        text.split_once("<MsgId>").ok_or_else(|| io::Error::other("a sample without an id"))?;
    let (_, after) = rest.split_once("</MsgId>").ok_or_else(|| io::Error::other("a sample without an id"))?;
    Ok(format!("{before}<MsgId>{}</MsgId>{after}", uuid::Uuid::now_v7()).into_bytes())
}

/// Writes the proof of a sealed message, and checks it with nothing but the file, the root, and who the broker is.
fn prove(stage: &dyn Stage, sent: &[Sent]) -> io::Result<bool> {
    let sealed = sent.iter().find(|s| s.sealed && s.letter.door == Door::Http);
    let Some((sealed, id)) = sealed.and_then(|s| Some((s, stage.id(&s.known_as)?))) else { return Ok(false) };
    let region = stage.region();
    let (proof, root) = (region.folder.join("proof.zip"), region.folder.join("pki/root.pem"));
    let (code, told) = region.ask(&["proof", &id, "--out", &proof.to_string_lossy()])?;
    if code != Some(0) {
        println!("No proof could be made: {told}");
        return Ok(false);
    }
    let mut check = std::process::Command::new(binary());
    check.arg("verify-proof").arg(proof).arg("--trust").arg(root);
    check.arg("--broker").arg(region.folder.join("pki/parties/broker/signing.pem"));
    let checked = check.output()?;
    println!("\nThe proof of {:?} (budstikke proof, verify-proof):", sealed.letter.title);
    println!("{}", String::from_utf8_lossy(&checked.stdout).trim_end());
    Ok(checked.status.success())
}

/// Ends the responder when the demo ends, however it does.
struct Closing(Arc<Vault>);

impl Drop for Closing {
    fn drop(&mut self) {
        self.0.close();
    }
}

/// What is seen of a letter.
#[derive(Default)]
struct Look {
    as_expected: bool,
    waits_for_hospital: bool,
}

/// Asks the broker, and looks at what lies in the senders' and receivers' folders.
fn look(stage: &dyn Stage, vault: &Vault, documents: &Documents, sent: &mut Sent) -> Look {
    let region = stage.region();
    let Some(id) = stage.id(&sent.known_as) else { return Look::default() };
    let Ok((200, body)) = region.state(&id) else { return Look::default() };
    let Ok(state) = serde_json::from_str::<Value>(&body) else { return Look::default() };
    let text = |v: &Value, name: &str| match v.get(name) {
        Some(Value::String(text)) => text.clone(),
        Some(other) => other.to_string(),
        None => String::new(),
    };
    let verdict = text(&state, "verdict");
    let recipients = state.get("recipients").and_then(Value::as_array).cloned().unwrap_or_default();
    let is_told = |r: &&Value| text(r, "destination").starts_with("publish:");
    let messages = || recipients.iter().filter(|r| text(r, "book") == "message" && !is_told(r));
    let told = recipients.iter().find(is_told).map(|r| text(r, "state")).unwrap_or_default();
    sent.store = match told.as_str() {
        "handed_over" => documents.of(&sent.plain),
        "parked" => "refused",
        _ => "",
    };
    let mut went: Vec<String> =
        messages().map(|r| format!("{} {}", text(r, "receiver"), text(r, "state"))).collect();
    went.sort();
    let heard = if verdict == "duplicate" { Vec::new() } else { heard(region, vault, &sent.original_ids) };
    let delivered = recipients
        .iter()
        .filter(|r| text(r, "payload") == "fhir-json" && text(r, "state") == "handed_over")
        .filter(|r| {
            let folder = region.out(text(r, "destination").rsplit(':').next().unwrap_or_default());
            files(&folder).iter().any(|f| {
                let name = f.to_string_lossy();
                name.ends_with(".fhir.json") && name.contains(&text(&state, "id"))
            })
        })
        .count();
    let l = &sent.letter;
    let door = format!("{}, {}", stage.door(l.door), if sent.sealed { "sealed" } else { "plain" });
    let document = if delivered > 0 { "FHIR" } else { "" };
    let both = [document, sent.store].into_iter().filter(|word| !word.is_empty()).collect::<Vec<_>>();
    sent.row = row([l.title, &door, &verdict, &went.join(", "), &heard.join(", "), &both.join(", ")]);
    Look {
        as_expected: verdict == l.verdict
            && went == l.recipients
            && heard == l.receipts
            && delivered == l.documents
            && sent.store == l.store,
        waits_for_hospital: messages().any(|r| {
            text(r, "destination").ends_with(":hospital")
                && matches!(text(r, "state").as_str(), "waiting" | "sending")
        }),
    }
}

/// What the receipts in the senders' folders say of a message: `party says`, sorted. A receipt names its
/// message by MsgId or, by the 1.0 rule, by document id.
fn heard(region: &Region, vault: &Vault, [msg_id, document_id]: &[String; 2]) -> Vec<String> {
    let senders = ["laboratory", "gp", "granheim", "citizens"];
    let receipt_of = |bytes: Vec<u8>| {
        let head = read(&bytes)?;
        let receipt = head.receipt?;
        let original = receipt.original_id?;
        if original.as_str() != document_id && !original.as_str().eq_ignore_ascii_case(msg_id) {
            return None;
        }
        let party = head.sender.and_then(|s| s.her_id()).map(|h| h.to_string()).unwrap_or_default();
        let codes: Vec<&str> = receipt.errors.iter().map(|e| e.code.as_str()).collect();
        Some(match receipt.status {
            ReceiptStatus::Ok | ReceiptStatus::OkWithErrors => format!("{party} ok"),
            ReceiptStatus::Rejected => format!("{party} {}", codes.join(" ")),
        })
    };
    let is = |f: &PathBuf, ending: &str| f.extension().is_some_and(|e| e == ending);
    let read_by = |sender: &&str, f: PathBuf| {
        // Who gets receipts signed and sealed takes no others.
        if vault.protects(sender) {
            is(&f, "p7m").then(|| vault.open_file(sender, &f)).flatten()
        } else {
            is(&f, "xml").then(|| std::fs::read(&f).ok()).flatten()
        }
    };
    let mut heard: Vec<String> = senders
        .iter()
        .flat_map(|s| files(&region.out(s)).into_iter().filter_map(move |f| read_by(s, f)))
        .filter_map(receipt_of)
        .collect();
    heard.sort();
    heard
}
