//! Guaranteed delivery under faults: real `budstikke run` processes, killed every few seconds, while servers, networks and
//! destinations fail around them. What senders were told and receivers got is judged by the independent checker.
//!
//! Some 1,500 letters with each fault at least once; `--long` 20,000.

mod director;
mod scene;
mod senders;

use scene::{Form, Scene};
use std::time::Duration;
use system_tests::drive::{books, clock};

/// How long everything may take to come to rest when all is well again. Destinations that were dead or hung are tried again
/// by their schedules.
const REST: Duration = Duration::from_secs(180);

#[test]
fn the_embedded_form_loses_doubles_and_changes_nothing() {
    nothing_is_lost(Form::Embedded);
}

fn nothing_is_lost(form: Form) {
    let letters = if system_tests::long() { 20_000 } else { 1_500 };
    let began = clock();
    let scene = Scene::set(form).expect("the scene can be set");
    let told = std::thread::scope(|scope| {
        let senders = senders::start(scope, &scene, letters);
        let told = director::direct(&scene, letters);
        senders.stop();
        told
    });
    let sent = clock() - began;
    scene.heal();
    let mut last = None;
    let rest = servers::wait_for("everything comes to rest", REST, || {
        last = books(scene.any_config());
        Ok((scene.checker.outstanding() == 0 && last.is_some_and(|b| b.open == 0)).then_some(()))
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
