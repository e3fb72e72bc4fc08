//! The algorithms that this engine knows and takes. What is not here is refused by name.

use crate::policy::Refusal;
use xmlsec::bindings as c;

/// What gives libxmlsec1's class of a transform.
pub(crate) type Class = unsafe extern "C" fn() -> c::xmlSecTransformId;

/// One algorithm.
#[derive(Clone, Copy)]
pub(crate) struct Algorithm {
    uri: &'static str,
    sha1: bool,
    pub(crate) class: Class,
}

const fn plain(uri: &'static str, class: Class) -> Algorithm {
    Algorithm { uri, sha1: false, class }
}

const fn broken(uri: &'static str, class: Class) -> Algorithm {
    Algorithm { uri, sha1: true, class }
}

pub(crate) const ENVELOPED: &str = "http://www.w3.org/2000/09/xmldsig#enveloped-signature";
pub(crate) const XPATH: &str = "http://www.w3.org/TR/1999/REC-xpath-19991116";
pub(crate) const EXCLUSIVE: &str = "http://www.w3.org/2001/10/xml-exc-c14n#";
/// RSASSA-PSS (RFC 6931 §2.3.9 and §2.3.10): right in itself, but libxmlsec1 1.2 cannot do it.
const PSS: &[&str] = &[
    "http://www.w3.org/2007/05/xmldsig-more#rsa-pss",
    "http://www.w3.org/2007/05/xmldsig-more#sha256-rsa-MGF1",
    "http://www.w3.org/2007/05/xmldsig-more#sha384-rsa-MGF1",
    "http://www.w3.org/2007/05/xmldsig-more#sha512-rsa-MGF1",
];

/// Canonical forms.
pub(crate) const CANONICAL: &[Algorithm] = &[
    plain("http://www.w3.org/TR/2001/REC-xml-c14n-20010315", c::xmlSecTransformInclC14NGetKlass),
    plain(
        "http://www.w3.org/TR/2001/REC-xml-c14n-20010315#WithComments",
        c::xmlSecTransformInclC14NWithCommentsGetKlass,
    ),
    plain(EXCLUSIVE, c::xmlSecTransformExclC14NGetKlass),
    plain(
        "http://www.w3.org/2001/10/xml-exc-c14n#WithComments",
        c::xmlSecTransformExclC14NWithCommentsGetKlass,
    ),
];

/// Hash functions.
pub(crate) const DIGESTS: &[Algorithm] = &[
    plain("http://www.w3.org/2001/04/xmlenc#sha256", c::xmlSecOpenSSLTransformSha256GetKlass),
    plain("http://www.w3.org/2001/04/xmldsig-more#sha384", c::xmlSecOpenSSLTransformSha384GetKlass),
    plain("http://www.w3.org/2001/04/xmlenc#sha512", c::xmlSecOpenSSLTransformSha512GetKlass),
    broken("http://www.w3.org/2000/09/xmldsig#sha1", c::xmlSecOpenSSLTransformSha1GetKlass),
];

/// Signatures.
pub(crate) const SIGNATURES: &[Algorithm] = &[
    plain("http://www.w3.org/2001/04/xmldsig-more#rsa-sha256", c::xmlSecOpenSSLTransformRsaSha256GetKlass),
    plain("http://www.w3.org/2001/04/xmldsig-more#rsa-sha384", c::xmlSecOpenSSLTransformRsaSha384GetKlass),
    plain("http://www.w3.org/2001/04/xmldsig-more#rsa-sha512", c::xmlSecOpenSSLTransformRsaSha512GetKlass),
    plain(
        "http://www.w3.org/2001/04/xmldsig-more#ecdsa-sha256",
        c::xmlSecOpenSSLTransformEcdsaSha256GetKlass,
    ),
    plain(
        "http://www.w3.org/2001/04/xmldsig-more#ecdsa-sha384",
        c::xmlSecOpenSSLTransformEcdsaSha384GetKlass,
    ),
    plain(
        "http://www.w3.org/2001/04/xmldsig-more#ecdsa-sha512",
        c::xmlSecOpenSSLTransformEcdsaSha512GetKlass,
    ),
    broken("http://www.w3.org/2000/09/xmldsig#rsa-sha1", c::xmlSecOpenSSLTransformRsaSha1GetKlass),
    broken("http://www.w3.org/2001/04/xmldsig-more#ecdsa-sha1", c::xmlSecOpenSSLTransformEcdsaSha1GetKlass),
];

/// What changes the node set before it is put into canonical form; which of them may stand where is policy.
pub(crate) const SELECTIONS: &[Algorithm] =
    &[plain(ENVELOPED, c::xmlSecTransformEnvelopedGetKlass), plain(XPATH, c::xmlSecTransformXPathGetKlass)];

/// Finds the algorithm that a document names.
///
/// # Errors
/// If it is not on the list, or is SHA-1 and that is not allowed.
pub(crate) fn find(
    list: &'static [Algorithm],
    uri: &str,
    sha1: bool,
    what: &str,
) -> Result<&'static Algorithm, Refusal> {
    if PSS.contains(&uri) {
        return Err(Refusal::Unable("this engine cannot do RSASSA-PSS".to_owned()));
    }
    let found = list.iter().find(|a| a.uri == uri);
    match found {
        Some(algorithm) if algorithm.sha1 && !sha1 => {
            Err(Refusal::Invalid(format!("{what} uses SHA-1, which is not allowed here")))
        }
        Some(algorithm) => Ok(algorithm),
        // The name itself is the document's word and is not repeated.
        None => Err(Refusal::Invalid(format!("{what} names an algorithm that is not on the list"))),
    }
}
