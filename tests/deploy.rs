//! The deploy files of `ops/` are what they say: systemd takes the unit, the unit lets the service do what it needs and
//! little else, and the settings of the servers that tests and demo run with are those that are handed out.

use std::path::PathBuf;
use std::process::Command;
use system_tests::root;

fn unit() -> String {
    let path = root().join("ops/systemd/budstikke@.service");
    std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

/// The values of a key, in order.
fn values<'a>(unit: &'a str, key: &str) -> Vec<&'a str> {
    unit.lines().filter_map(|line| line.strip_prefix(key)?.strip_prefix('=')).collect()
}

#[test]
fn systemd_takes_the_unit_and_finds_it_confined() {
    let analyze = |arguments: &[&str], unit: &PathBuf| {
        Command::new("systemd-analyze").args(arguments).arg(unit).output().map(|output| {
            let text = [output.stdout, output.stderr].concat();
            (output.status.success(), String::from_utf8_lossy(&text).into_owned())
        })
    };
    let folder = tempfile::tempdir().expect("a folder");
    // Where it is not installed, the broker's place is empty, and that is all that systemd may find fault with.
    let unit = unit().replace("/usr/bin/budstikke", "/bin/true");
    let path = folder.path().join("budstikke@.service");
    std::fs::write(&path, unit).expect("the unit is written");
    let Ok((sound, said)) = analyze(&["verify", "--man=no"], &folder.path().join("budstikke@one.service"))
    else {
        println!("skipped: systemd_takes_the_unit_and_finds_it_confined (no systemd-analyze)");
        return;
    };
    assert!(sound && said.trim().is_empty(), "systemd finds fault with the unit: {said}");
    let (confined, said) =
        analyze(&["security", "--offline=true", "--threshold=20"], &path).expect("it ran before");
    assert!(confined, "the service may do more than it did: {said}");
}

#[test]
fn the_unit_starts_again_drains_and_keeps_secrets() {
    let unit = unit();
    for (key, wanted) in [
        ("Restart", "always"),
        ("StartLimitIntervalSec", "0"),
        ("LimitCORE", "0"),
        ("User", "budstikke"),
        ("ExecStart", "/usr/bin/budstikke run --config /etc/budstikke/%i.toml"),
        ("ExecReload", "/bin/kill -HUP $MAINPID"),
    ] {
        assert_eq!(values(&unit, key), [wanted], "{key}");
    }
    let stop: u64 = values(&unit, "TimeoutStopSec")[0].trim_end_matches('s').parse().expect("seconds");
    assert!(stop > 20, "systemd kills it before its own grace (20 s) is over");
    let credentials = values(&unit, "LoadCredential");
    assert!(credentials.iter().all(|c| c.contains(":/etc/budstikke/credentials/")), "{credentials:?}");
    assert!(
        values(&unit, "Environment").is_empty(),
        "secrets and settings stand in files, not in the environment"
    );
}

/// Settings are looked up by the tests under these names; a file that is renamed would be passed over in silence.
#[test]
fn the_servers_of_the_tests_run_with_the_settings_of_ops() {
    for file in ["ops/postgresql/budstikke.conf", "ops/rabbitmq/rabbitmq.conf"] {
        let text = std::fs::read_to_string(root().join(file)).unwrap_or_else(|e| panic!("{file}: {e}"));
        let reasons = text.lines().filter(|l| l.starts_with('#')).count();
        let settings = text.lines().filter(|l| !l.starts_with('#') && l.contains('=')).count();
        assert!(settings > 0 && reasons * 3 > settings, "{file}: settings without reasons");
    }
    let Some(postgres) = servers::postgres("the_servers_of_the_tests_run_with_the_settings_of_ops") else {
        return;
    };
    let shown = postgres.sql("postgres", "SHOW log_parameter_max_length_on_error").expect("it answers");
    assert_eq!(shown.trim(), "0", "the settings of ops do not hold");
}
