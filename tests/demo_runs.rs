//! The demo is a proof too: every expectation in it must hold.

use std::process::Command;

#[test]
fn every_expectation_of_the_demo_holds() {
    let broker = system_tests::drive::binary();
    let output = Command::new(env!("CARGO_BIN_EXE_budstikke-demo"))
        .arg("--once")
        .env("BUDSTIKKE", broker)
        .output()
        .expect("the demo runs");
    println!("{}", String::from_utf8_lossy(&output.stdout));
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}
