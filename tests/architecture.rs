//! Which room may import which: every manifest is held against the table of arrows.

use std::collections::BTreeMap;
use system_tests::root;

/// Room, its manifest, and the rooms it may import. Whatever else it names must be in `PURE_CRATES` if the
/// room is pure.
const ROOMS: &[(&str, &str, &[&str], bool)] = &[
    ("message-schemas", "message-schemas", &[], true),
    ("pages", "message-schemas/pages", &["message-schemas"], true),
    ("routing-rules", "routing-rules", &["message-schemas"], true),
    ("dead-letter", "dead-letter", &["message-schemas"], true),
    ("trust", "broker/trust", &["message-schemas"], true),
    ("sharing", "broker/sharing", &["message-schemas"], true),
    (
        "broker-core",
        "broker/core",
        &["routing-rules", "dead-letter", "trust", "sharing", "message-schemas"],
        true,
    ),
    ("amqp-profile", "broker/amqp", &["broker-core", "routing-rules", "message-schemas"], true),
    (
        "adapters",
        "adapters",
        &[
            "amqp-profile",
            "broker-core",
            "routing-rules",
            "dead-letter",
            "trust",
            "sharing",
            "message-schemas",
        ],
        false,
    ),
    (
        "broker",
        "broker",
        &[
            "adapters",
            "amqp-profile",
            "broker-core",
            "routing-rules",
            "dead-letter",
            "pages",
            "trust",
            "sharing",
            "message-schemas",
        ],
        false,
    ),
];

/// The engine in a process of its own: it links a C library and another OpenSSL, imports no room, and no room imports it.
const SECOND_ENGINE: (&str, &str) = ("second-engine", "broker/second-engine");

/// Crates that a pure room may use: no runtime, no clock, no socket, no file, no chance.
const PURE_CRATES: &[&str] = &[
    "base64",
    "cel",
    "encoding_rs",
    "flate2",
    "foldhash",
    "hex",
    "jiff",
    "krilla",
    "mail-parser",
    "memchr",
    "openssl",
    "quick-xml",
    "regex-automata",
    "serde",
    "serde_json",
    "sha1",
    "sha2",
    "skrifa",
    "smallvec",
    "thiserror",
    "toml",
    "unicode-normalization",
    "uuid",
    "x509-parser",
    "zeroize",
];

fn dependencies(folder: &str, tables: &[&str]) -> Vec<String> {
    let path = root().join(folder).join("Cargo.toml");
    let text = std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    let manifest: toml::Table = text.parse().unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    tables
        .iter()
        .filter_map(|table| manifest.get(*table)?.as_table())
        .flat_map(|table| table.keys().cloned())
        .collect()
}

#[test]
fn every_arrow_is_in_the_table() {
    let rooms: Vec<&str> = ROOMS.iter().map(|r| r.0).collect();
    for (room, folder, may_import, pure) in ROOMS {
        for dependency in dependencies(folder, &["dependencies", "build-dependencies"]) {
            if rooms.contains(&dependency.as_str()) {
                assert!(may_import.contains(&dependency.as_str()), "{room} must not import {dependency}");
            } else if *pure {
                assert!(
                    PURE_CRATES.contains(&dependency.as_str()),
                    "{room} is pure and must not use {dependency}: move the work to a shell, or argue for the list"
                );
            }
            assert!(
                !["system-tests", "servers", "benchmarks"].contains(&dependency.as_str()),
                "{room} imports {dependency}: nothing imports the proofs"
            );
            assert_ne!(dependency, SECOND_ENGINE.0, "{room}: nothing links to the second engine");
        }
    }
}

#[test]
fn the_second_engine_stands_alone() {
    const TABLES: &[&str] = &["dependencies", "build-dependencies", "dev-dependencies"];
    for dependency in dependencies(SECOND_ENGINE.1, TABLES) {
        assert!(ROOMS.iter().all(|r| r.0 != dependency), "{} imports {dependency}", SECOND_ENGINE.0);
        assert_ne!(dependency, "openssl", "two OpenSSLs must not share a process");
    }
    for folder in ["tests", "benches"].into_iter().chain(ROOMS.iter().map(|r| r.1)) {
        let all = dependencies(folder, TABLES);
        assert!(
            !all.iter().any(|d| d == SECOND_ENGINE.0 || d == "xmlsec"),
            "{folder} links the second engine"
        );
    }
}

#[test]
fn every_package_is_a_room_in_the_table() {
    let text = std::fs::read_to_string(root().join("Cargo.toml")).expect("the root manifest can be read");
    let manifest: toml::Table = text.parse().expect("the root manifest is TOML");
    let members = manifest["workspace"]["members"].as_array().expect("members are listed");
    let known: BTreeMap<&str, &str> = ROOMS.iter().map(|r| (r.1, r.0)).collect();
    for member in members {
        let folder = member.as_str().expect("a member is a folder");
        assert!(
            known.contains_key(folder)
                || ["tests", "tests/servers", "benches", SECOND_ENGINE.1].contains(&folder),
            "{folder} is a package without a place in the table of arrows"
        );
    }
}

#[test]
fn the_top_level_holds_only_what_belongs_there() {
    const ALLOWED: &[&str] = &[
        "adapters",
        "benches",
        "broker",
        "dead-letter",
        "message-schemas",
        "ops",
        "routing-rules",
        "tests",
        "target",
        "Cargo.toml",
        "Cargo.lock",
        "README.md",
        "CHANGELOG.md",
        "LICENSE",
    ];
    for entry in std::fs::read_dir(root()).expect("the root can be listed") {
        let name = entry.expect("an entry can be read").file_name().to_string_lossy().into_owned();
        assert!(
            name.starts_with('.') || ALLOWED.contains(&name.as_str()),
            "{name} has no place at the top level"
        );
    }
}
