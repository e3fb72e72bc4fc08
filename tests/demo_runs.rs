//! The demo is a proof too: every expectation in it must hold, in both forms.

use std::process::Command;

fn every_expectation_holds(arguments: &[&str]) {
    let broker = system_tests::drive::binary();
    let output = Command::new(env!("CARGO_BIN_EXE_budstikke-demo"))
        .args(arguments)
        .env("BUDSTIKKE", broker)
        .output()
        .expect("the demo runs");
    println!("{}", String::from_utf8_lossy(&output.stdout));
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn every_expectation_of_the_demo_holds() {
    every_expectation_holds(&["--once"]);
}

#[test]
fn every_expectation_of_the_demo_over_rabbitmq_and_postgresql_holds() {
    if servers::available("every_expectation_of_the_demo_over_rabbitmq_and_postgresql_holds") {
        every_expectation_holds(&["--once", "--amqp"]);
    }
}
