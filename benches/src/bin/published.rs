//! Publishing, end to end: reports over HTTP in, documents at a store out, by the embedded broker.
//!
//! `cargo build --release && cargo run --release -p benchmarks --bin published [MESSAGES]` drives the binary that `$BUDSTIKKE`
//! names, or `target/release/budstikke`. The stores are the stand-ins of the tests, on the same machine: they check tokens,
//! proofs and metadata, which costs as well. Each report becomes two documents: itself, and FHIR.

use adapters::clock::SystemClock;
use benchmarks::cluster::Failure;
use benchmarks::embedded::Broker;
use benchmarks::{lab, measure};
use broker_core::ports::Clock as _;
use openssl::pkey::{PKey, Private};
use openssl::rsa::Rsa;
use servers::stores::registry::Domain;
use servers::stores::store::Store;
use servers::stores::tokens::Tokens;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// What all targets have in common.
const COMMON: &str = r#"
environment = "test"
home_community = "2.999.1"
source_root = "2.999.2"
also = ["fhir"]
families = ["result-report"]
practice = { list = "8655", code = "S03", name = "Indremedisin" }
"#;

const MESSAGES: u64 = 2_000;
const DOCUMENTS_EACH: usize = 2;
const PATIENCE: Duration = Duration::from_secs(600);

fn main() -> Result<(), Failure> {
    let count = std::env::args().nth(1).map_or(Ok(MESSAGES), |n| n.parse())?;
    let binary =
        std::env::var_os("BUDSTIKKE").map_or_else(|| "target/release/budstikke".into(), PathBuf::from);
    let folder = tempfile::tempdir()?;
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;

    let key = PKey::from_rsa(Rsa::generate(2048)?)?;
    let public = PKey::public_key_from_der(&key.public_key_to_der()?)?;
    let store = runtime.block_on(Store::start(Arc::new(Tokens::new(public))));
    let settings = national(&store.server.address.to_string(), &key, folder.path())?;
    let stands = || store.state.entries.lock().map_or(0, |entries| entries.len());
    run("MHD, national store with tokens", &binary, &folder.path().join("mhd"), &settings, count, stands)?;

    let domain = runtime.block_on(Domain::start());
    let settings = region(&domain.server.address.to_string());
    let stands = || domain.state.entries.lock().map_or(0, |entries| entries.len());
    run("XDS.b", &binary, &folder.path().join("xds"), &settings, count, stands)
}

fn national(at: &str, key: &PKey<Private>, folder: &Path) -> Result<String, Failure> {
    let file = folder.join("client-key.pem");
    std::fs::write(&file, key.private_key_to_pem_pkcs8()?)?;
    Ok(format!(
        "[publish.national]\nkind = \"mhd-national\"\nurl = \"http://{at}/R4/fhir\"\n{COMMON}\
         source_system = \"benches\"\ndocument_path = \"mhd/document\"\n\
         [publish.national.token]\nurl = \"http://{at}/connect/token\"\nclient_id = \"client-1\"\nscope = \"publish\"\n\
         key_file = \"{}\"\nkey_id = \"key-1\"\n",
        file.display()
    ))
}

fn region(at: &str) -> String {
    format!(
        "[publish.region]\nkind = \"xds\"\nurl = \"http://{at}/repository\"\nregistry_url = \"http://{at}/registry\"\n{COMMON}\
         repository = \"2.999.3\"\nwithdraw = \"delete\"\nreplace = \"original\"\n"
    )
}

/// Offers all at once, and waits until the last document stands there.
fn run(
    name: &str,
    binary: &Path,
    folder: &Path,
    settings: &str,
    count: u64,
    stands: impl Fn() -> usize,
) -> Result<(), Failure> {
    let broker = Broker::start(binary, folder, true, settings)?;
    let (clock, own) = (SystemClock::new(), measure::cpu(std::process::id()));
    let messages = usize::try_from(count)?;
    broker.offer(0..messages, None, &|n| lab::report(n, lab::USUAL, 0))?;
    let accepted = measure::per_second(count, clock.monotonic());
    while stands() < messages * DOCUMENTS_EACH {
        if clock.monotonic() > PATIENCE {
            return Err(format!("{name}: {} documents stand there after ten minutes", stands()).into());
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    let published = measure::per_second(count, clock.monotonic());
    let each = |cpu: Duration| cpu.as_secs_f64() * 1e3 / measure::per_second(count, Duration::from_secs(1));
    println!(
        "{name}: {accepted:.0}/s accepted, {published:.0}/s published as {DOCUMENTS_EACH} documents each; CPU a message \
         {:.2} ms broker, {:.2} ms store and measuring; {} MB",
        each(broker.cpu()),
        each(measure::cpu(std::process::id()).saturating_sub(own)),
        broker.memory_mb()
    );
    Ok(())
}
