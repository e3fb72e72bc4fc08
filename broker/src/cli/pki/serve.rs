//! `pki ocsp`: answers for the fictitious PKI, as a CA's own servers do.

use super::folder::{Folder, RevokedCertificate};
use crate::cli::files;
use crate::cli::material;
use crate::exit::{Failure, Verdict};
use adapters::clock::SystemClock;
use axum::Router;
use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, Path, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use base64::Engine as _;
use broker_core::ports::Clock;
use jiff::{SignedDuration, Timestamp};
use std::io::Write;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use trust::pki::{Authority, Crl, Key, Responder};
use trust::{Certificate, Fault};

/// Answer for a fictitious PKI until told to stop: the lists of revoked certificates at /root.crl and /issuing.crl,
/// OCSP at /ocsp. Answers are made when they are asked for; what is added to authority/revoked.json counts at once.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:
  budstikke pki ocsp /tmp/pki --listen 127.0.0.1:8470")]
pub(super) struct Command {
    /// The folder that `pki demo` made.
    folder: PathBuf,
    /// The address to listen at; port 0 takes a free one, which is printed.
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8470")]
    listen: SocketAddr,
}

/// So long an answer may be used.
const GOOD_FOR: SignedDuration = SignedDuration::from_hours(1);
/// Answers are dated back so far: the clocks of those who ask may be a little behind.
const BACK: SignedDuration = SignedDuration::from_mins(1);
/// The largest question that is read.
const LARGEST_QUESTION: usize = 64 << 10;

impl Command {
    pub(super) fn run(self, out: &mut dyn Write) -> Result<Verdict, Failure> {
        let answering = Arc::new(Answering::load(Folder(self.folder))?);
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(|error| Failure::Start(format!("no runtime: {error}")))?;
        runtime.block_on(async {
            let cannot = |error| Failure::Start(format!("{}: {error}", self.listen));
            let listener = TcpListener::bind(self.listen).await.map_err(cannot)?;
            writeln!(out, "Answering at http://{}", listener.local_addr().map_err(cannot)?)?;
            out.flush()?;
            let stop = stopped()?;
            axum::serve(listener, router(answering)).with_graceful_shutdown(stop).await.map_err(cannot)
        })?;
        Ok(Verdict::Good)
    }
}

/// Done when a signal says so.
fn stopped() -> Result<impl Future<Output = ()>, Failure> {
    let listen = |kind| signal(kind).map_err(|e| Failure::Start(format!("signals cannot be heard: {e}")));
    let (mut terminate, mut interrupt) = (listen(SignalKind::terminate())?, listen(SignalKind::interrupt())?);
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    })
}

fn router(answering: Arc<Answering>) -> Router {
    Router::new()
        .route("/root.crl", get(async |State(a): State<Arc<Answering>>| a.crl(&a.root, &[])))
        .route("/issuing.crl", get(async |State(a): State<Arc<Answering>>| a.issued()))
        .route("/ocsp", post(async |State(a): State<Arc<Answering>>, question: Bytes| a.ocsp(&question)))
        .route("/ocsp/{*question}", get(asked_by_get))
        .layer(DefaultBodyLimit::max(LARGEST_QUESTION))
        .with_state(answering)
}

/// The question stands in the address, in base64 (RFC 6960 §A.1).
async fn asked_by_get(State(answering): State<Arc<Answering>>, Path(question): Path<String>) -> Response {
    let question = base64::engine::general_purpose::STANDARD.decode(question).unwrap_or_default();
    answering.ocsp(&question)
}

/// What the answers are made from.
struct Answering {
    folder: Folder,
    root: Authority,
    issuing: Authority,
    clock: SystemClock,
}

impl Answering {
    fn load(folder: Folder) -> Result<Self, Failure> {
        let root = authority(&folder, "root", &folder.root(), Vec::new())?;
        let above = vec![Arc::clone(root.certificate())];
        let issuing = authority(&folder, "issuing", &folder.issuing(), above)?;
        let answering = Self { folder, root, issuing, clock: SystemClock::new() };
        answering.revoked()?;
        Ok(answering)
    }

    fn revoked(&self) -> Result<Vec<RevokedCertificate>, Failure> {
        let path = self.folder.revoked();
        let bytes = files::read_message(&path, 16 << 20)?;
        serde_json::from_slice(&bytes).map_err(|error| Failure::Usage(format!("{}: {error}", path.display())))
    }

    fn issued(&self) -> Response {
        match self.revoked() {
            Ok(revoked) => self.crl(&self.issuing, &revoked),
            Err(failure) => sorry(&failure.to_string()),
        }
    }

    fn crl(&self, authority: &Authority, revoked: &[RevokedCertificate]) -> Response {
        let now = self.clock.now();
        told("application/pkix-crl", crl(authority, revoked, now, now + GOOD_FOR))
    }

    fn ocsp(&self, question: &[u8]) -> Response {
        let revoked = match self.revoked() {
            Ok(revoked) => revoked,
            Err(failure) => return sorry(&failure.to_string()),
        };
        let now = self.clock.now();
        let responder = Responder {
            revoked: serials(&revoked),
            this_update: now - BACK,
            ..Responder::fresh(&self.issuing, now)
        };
        told("application/ocsp-response", responder.answer(question))
    }
}

fn authority(
    folder: &Folder,
    name: &str,
    certificate: &std::path::Path,
    above: Vec<Arc<Certificate>>,
) -> Result<Authority, Failure> {
    let path = folder.authority_key(name);
    let key = zeroize::Zeroizing::new(files::read_message(&path, 64 << 10)?);
    let key = Key::from_pem(&key).map_err(|_| Failure::Usage(format!("{} holds no key", path.display())))?;
    let found = material::certificates(certificate)?;
    let certificate = found.into_iter().next();
    let certificate = certificate.ok_or_else(|| Failure::Usage(format!("{name} has no certificate")))?;
    Ok(Authority::again(key, certificate, above))
}

/// The list of what a CA revoked.
pub(super) fn crl(
    authority: &Authority,
    revoked: &[RevokedCertificate],
    now: Timestamp,
    until: Timestamp,
) -> Result<Vec<u8>, Fault> {
    authority.crl(&Crl {
        this_update: now - BACK,
        next_update: Some(until),
        revoked: serials(revoked),
        // Grows with time, as numbers of lists must (RFC 5280 §5.2.3).
        number: u32::try_from(now.as_second()).unwrap_or(u32::MAX),
        ..Crl::fresh(now)
    })
}

/// Serial numbers as bytes; what is no number is left out.
fn serials(revoked: &[RevokedCertificate]) -> Vec<(Vec<u8>, Timestamp)> {
    let bytes = |hex: &str| {
        let digits: Vec<u8> =
            hex.chars().map(|c| c.to_digit(16).and_then(|d| u8::try_from(d).ok())).collect::<Option<_>>()?;
        digits
            .chunks(2)
            .map(|pair| if let [a, b] = pair { Some(a << 4 | b) } else { None })
            .collect::<Option<Vec<u8>>>()
    };
    revoked.iter().filter_map(|r| Some((bytes(&r.serial)?, r.since))).collect()
}

fn told(media_type: &'static str, answer: Result<Vec<u8>, Fault>) -> Response {
    match answer {
        Ok(bytes) => ([(header::CONTENT_TYPE, media_type)], bytes).into_response(),
        Err(fault) => sorry(&fault.to_string()),
    }
}

fn sorry(why: &str) -> Response {
    crate::exit::say(why);
    StatusCode::INTERNAL_SERVER_ERROR.into_response()
}
