//! The chain from a certificate to a root: built and checked by OpenSSL (RFC 5280 §6.1: signatures, validity, basic
//! constraints, path length, name constraints, critical extensions), with its errors told in our words.

use super::{Anchors, Moment};
use crate::certificate::{Certificate, forget_errors, malformed};
use crate::fault::{Fault, Kind};
use openssl::error::ErrorStack;
use openssl::stack::Stack;
use openssl::x509::store::X509StoreBuilder;
use openssl::x509::verify::X509VerifyParam;
use openssl::x509::{X509, X509StoreContext, X509StoreContextRef};
use std::sync::Arc;

/// The most CAs between a certificate and a root. Norwegian chains have one.
const DEEPEST: i32 = 5;

/// The most certificates of a message that are considered.
const MOST_EMBEDDED: usize = 16;

/// OpenSSL's security level of 112 bits: RSA of 2048 bits, and no SHA-1 or MD5 in signatures below the root.
const SECURITY_LEVEL: i32 = 2;

/// The chain above the certificate, issuer first, root last.
pub(super) fn chain(
    anchors: &Anchors,
    certificate: &Arc<Certificate>,
    embedded: &[Arc<Certificate>],
    moment: Moment,
) -> Result<Vec<Arc<Certificate>>, Fault> {
    // OpenSSL takes whatever is among the roots, but one that vouches for itself is no one's.
    if certificate.is_self_issued() && !certificate.is_ca {
        let (kind, what, remedy) = told(SELF_SIGNED);
        return Err(Fault::new(kind, format!("The certificate {what}."), remedy).of(certificate));
    }
    // Ours come first: of two certificates of one name, the configured one is to be tried.
    let helpers: Vec<_> = anchors
        .intermediates
        .iter()
        .chain(embedded.iter().filter(|c| c.is_ca && !c.is_self_issued()).take(MOST_EMBEDDED))
        .collect();
    let outcome = ask(anchors, certificate, &helpers, moment)
        .map_err(|_| malformed("OpenSSL fails on its chain").of(certificate))?;
    let ders = outcome?;
    let pool: Vec<_> = anchors.roots.iter().chain(helpers).collect();
    ders.iter().skip(1).map(|der| find(&pool, der)).collect()
}

fn find(pool: &[&Arc<Certificate>], der: &[u8]) -> Result<Arc<Certificate>, Fault> {
    match pool.iter().find(|c| c.der.as_ref() == der) {
        Some(known) => Ok(Arc::clone(known)),
        None => Certificate::from_der(der),
    }
}

/// The DER of the whole chain, leaf first; the inner error is what is wrong with it.
fn ask(
    anchors: &Anchors,
    certificate: &Arc<Certificate>,
    helpers: &[&Arc<Certificate>],
    moment: Moment,
) -> Result<Result<Vec<Vec<u8>>, Fault>, ErrorStack> {
    let mut parameters = X509VerifyParam::new()?;
    parameters.set_time(seconds(certificate, moment));
    parameters.set_depth(DEEPEST);
    parameters.set_auth_level(SECURITY_LEVEL);
    let mut store = X509StoreBuilder::new()?;
    store.set_param(&parameters)?;
    for root in &anchors.roots {
        store.add_cert(root.x509.clone())?;
    }
    let store = store.build();
    let mut untrusted: Stack<X509> = Stack::new()?;
    for helper in helpers {
        untrusted.push(helper.x509.clone())?;
    }
    let mut context = X509StoreContext::new()?;
    context.init(&store, &certificate.x509, &untrusted, |context| {
        if !context.verify_cert()? {
            forget_errors();
            return Ok(Err(fault(context, certificate)));
        }
        let chain = context.chain().into_iter().flatten();
        Ok(Ok(chain.map(|c| c.to_der()).collect::<Result<Vec<_>, _>>()?))
    })
}

/// The moment for OpenSSL.
fn seconds(certificate: &Certificate, moment: Moment) -> i64 {
    let at = moment.at.as_second();
    //= RFC 5280 §4.1.2.5
    //# the period of time from notBefore through notAfter, inclusive.
    // OpenSSL leaves the last second out.
    if at == certificate.not_after.as_second() { at - 1 } else { at }
}

/// OpenSSL's verdict as a fault of the certificate that it concerns.
fn fault(context: &X509StoreContextRef, certificate: &Arc<Certificate>) -> Fault {
    let concerned = context
        .current_cert()
        .and_then(|c| c.to_der().ok())
        .and_then(|der| Certificate::from_der(&der).ok())
        .unwrap_or_else(|| Arc::clone(certificate));
    let whose = if context.error_depth() == 0 { "The certificate" } else { "A CA certificate above it" };
    let (kind, what, remedy) = told(context.error().as_raw());
    Fault::new(kind, format!("{whose} {what}."), remedy).of(&concerned)
}

/// A certificate that stands alone is signed by itself.
const SELF_SIGNED: i32 = 18;

/// OpenSSL's `X509_V_ERR_` numbers (x509_vfy.h), as far as they mean something else than "no chain".
fn told(error: i32) -> (Kind, &'static str, &'static str) {
    const ASK_FOR_VALID: &str =
        "The sender must sign with a certificate that is valid at the time of sending.";
    const ASK_THE_CA: &str = "The certificate's owner must order one from a CA that follows today's rules.";
    const CONFIGURE: &str = "Check which CA issued it. If it is to be trusted, add its root, and its issuing certificate if it is not sent along.";
    match error {
        9 => (Kind::CertificateNotYetValid, "is not valid yet", ASK_FOR_VALID),
        10 => (Kind::CertificateExpired, "has run out", ASK_FOR_VALID),
        66 | 67 => (Kind::KeyWeak, "has a key that is too short", ASK_THE_CA),
        68 => (Kind::AlgorithmNotAllowed, "is signed with SHA-1 or something weaker", ASK_THE_CA),
        7 => (Kind::CertificateUntrusted, "is not signed by the CA that it names", CONFIGURE),
        SELF_SIGNED | 19 => (Kind::CertificateUntrusted, "is signed by itself", CONFIGURE),
        22 => (Kind::CertificateUntrusted, "is too many CAs away from a root", CONFIGURE),
        25 | 32 | 79..=82 => (Kind::CertificateUntrusted, "may not issue what stands below it", CONFIGURE),
        34 => (Kind::CertificateUntrusted, "has a critical extension that nobody here knows", ASK_THE_CA),
        47..=53 => (Kind::CertificateUntrusted, "has a name that its CA may not issue for", ASK_THE_CA),
        _ => (Kind::CertificateUntrusted, "does not lead to a root that we trust", CONFIGURE),
    }
}
