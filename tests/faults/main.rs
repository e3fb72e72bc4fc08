//! Guaranteed delivery under faults: real `budstikke run` processes, killed every few seconds, while servers, networks and
//! destinations fail around them. What senders were told and receivers got is judged by the independent checker.
//!
//! Some 1,500 letters over RabbitMQ and PostgreSQL with two instances, some 500 on the embedded form, each fault at least
//! once; `--long` 20,000 and 5,000.

mod director;
mod instance;
mod receivers;
mod scene;
mod senders;
mod ways;

use scene::{Form, Scene};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use system_tests::checker::Figures;
use system_tests::cluster::Cluster;
use system_tests::drive::{books, clock};

/// How long everything may take to come to rest when all is well again. Destinations that were dead or hung are tried again
/// by their schedules; the long form leaves thousands of letters for them.
const REST: Duration = Duration::from_secs(600);

#[test]
fn the_embedded_form_loses_doubles_and_changes_nothing() {
    nothing_is_lost(Form::Embedded);
}

#[test]
fn the_distributed_form_loses_doubles_and_changes_nothing() {
    if servers::available("the_distributed_form_loses_doubles_and_changes_nothing") {
        nothing_is_lost(Form::Distributed);
    }
}

fn nothing_is_lost(form: Form) {
    // One after the other: both would only slow each other down.
    static ALONE: Mutex<()> = Mutex::new(());
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    // The short runs are over when each fault was given once.
    let letters = match form {
        Form::Distributed if system_tests::long() => 20_000,
        Form::Embedded if system_tests::long() => 5_000,
        Form::Distributed | Form::Embedded => 1,
    };
    let scene = Scene::set(form).expect("the scene can be set");
    let began = clock();
    let told = std::thread::scope(|scope| {
        let _senders = senders::start(scope, &scene, letters);
        director::direct(&scene, letters)
    });
    let sent = clock() - began;
    scene.heal();
    let mut last = None;
    let rest = servers::wait_for("everything comes to rest", REST, || {
        // The checker first: the books are asked through a process of their own.
        if scene.checker.outstanding() == 0 {
            last = books(scene.any_config());
        }
        Ok(last.is_some_and(|b| b.open == 0).then_some(()))
    });
    if let Err(e) = rest {
        let verdict = scene.checker.verdict();
        panic!("{e}: {} letters are outstanding, {last:?}\n{verdict:?}\n{told}", scene.checker.outstanding());
    }
    let figures = scene.checker.verdict().unwrap_or_else(|faults| panic!("{faults}\n{told}"));
    let books = books(scene.any_config()).expect("the ledger answers");
    assert!(
        books.balance && books.astray == 0,
        "the books do not balance, or something went astray: {books:?}"
    );
    assert_eq!(books.letters, figures.letters as u64, "the books know other letters than were offered");
    assert_eq!(books.receipts, figures.receipts as u64, "the books know other receipts than came out");
    if let Some(ways) = &scene.ways {
        each_is_in_one_state(&ways.cluster, &figures);
    }
    println!("faults, {form:?}: {figures}");
    println!(
        "  {:.0} letters/s while faults went on for {:.0} s, at rest after {:.0} s more",
        figures.letters as f64 / sent.as_secs_f64(),
        sent.as_secs_f64(),
        (clock() - began).saturating_sub(sent).as_secs_f64()
    );
    print!("{told}");
    scene.end();
}

/// The journal's own rows, read past the broker: each letter was accepted once, and stands, as its receipt does, in one state.
fn each_is_in_one_state(cluster: &Cluster, figures: &Figures) {
    let count = |query: &str| cluster.count(query).unwrap_or_else(|e| panic!("{query}: {e}"));
    let (letters, receipts) = (figures.letters as u64, figures.receipts as u64);
    let accepted = "FROM message WHERE verdict LIKE 'accepted%'";
    assert_eq!(count(&format!("SELECT count(*) {accepted}")), letters, "letters that were accepted");
    assert_eq!(
        count(&format!("SELECT count(DISTINCT lower(msg_id)) {accepted}")),
        letters,
        "different letters that were accepted"
    );
    assert_eq!(count("SELECT count(*) FROM standing"), letters + receipts, "states of recipients");
    assert_eq!(
        count("SELECT count(DISTINCT id) FROM standing WHERE state = 'handed_over'"),
        letters + receipts,
        "recipients that were handed their letter or receipt"
    );
    assert_eq!(cluster.messages("inbox").expect("the server answers"), 0, "something lies in the inbox");
    assert_eq!(cluster.messages("dead-letter").expect("the server answers"), 0, "something was set aside");
}
