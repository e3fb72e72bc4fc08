//! The algorithms of XML signatures by their URIs (XML Signature §6, RFC 9231). What is not here is not done.

use super::Canonical;
use crate::algorithm::{Digest, SignatureAlgorithm};

/// Namespace of XML Signature.
pub(super) const DSIG: &str = "http://www.w3.org/2000/09/xmldsig#";
/// Namespace of Exclusive XML Canonicalization, and its algorithm.
pub(super) const EXCLUSIVE: &str = "http://www.w3.org/2001/10/xml-exc-c14n#";
const EXCLUSIVE_WITH_COMMENTS: &str = "http://www.w3.org/2001/10/xml-exc-c14n#WithComments";
const INCLUSIVE: &str = "http://www.w3.org/TR/2001/REC-xml-c14n-20010315";
const INCLUSIVE_WITH_COMMENTS: &str = "http://www.w3.org/TR/2001/REC-xml-c14n-20010315#WithComments";
/// The transform that takes the signature out of the document.
pub(super) const ENVELOPED: &str = "http://www.w3.org/2000/09/xmldsig#enveloped-signature";
/// The XPath transform; only with the one expression of ebXML.
pub(super) const XPATH: &str = "http://www.w3.org/TR/1999/REC-xpath-19991116";
/// Namespace of SOAP 1.1 envelopes.
pub(super) const SOAP: &str = "http://schemas.xmlsoap.org/soap/envelope/";

const DIGESTS: [(&str, Digest); 4] = [
    ("http://www.w3.org/2000/09/xmldsig#sha1", Digest::Sha1),
    ("http://www.w3.org/2001/04/xmlenc#sha256", Digest::Sha256),
    ("http://www.w3.org/2001/04/xmldsig-more#sha384", Digest::Sha384),
    ("http://www.w3.org/2001/04/xmlenc#sha512", Digest::Sha512),
];

const SIGNATURES: [(&str, SignatureAlgorithm); 12] = {
    use Digest::{Sha1, Sha256, Sha384, Sha512};
    use SignatureAlgorithm::{Ecdsa, RsaPkcs1, RsaPss};
    [
        ("http://www.w3.org/2001/04/xmldsig-more#rsa-sha256", RsaPkcs1(Sha256)),
        ("http://www.w3.org/2001/04/xmldsig-more#rsa-sha384", RsaPkcs1(Sha384)),
        ("http://www.w3.org/2001/04/xmldsig-more#rsa-sha512", RsaPkcs1(Sha512)),
        ("http://www.w3.org/2000/09/xmldsig#rsa-sha1", RsaPkcs1(Sha1)),
        ("http://www.w3.org/2007/05/xmldsig-more#sha256-rsa-MGF1", RsaPss(Sha256)),
        ("http://www.w3.org/2007/05/xmldsig-more#sha384-rsa-MGF1", RsaPss(Sha384)),
        ("http://www.w3.org/2007/05/xmldsig-more#sha512-rsa-MGF1", RsaPss(Sha512)),
        ("http://www.w3.org/2007/05/xmldsig-more#sha1-rsa-MGF1", RsaPss(Sha1)),
        ("http://www.w3.org/2001/04/xmldsig-more#ecdsa-sha256", Ecdsa(Sha256)),
        ("http://www.w3.org/2001/04/xmldsig-more#ecdsa-sha384", Ecdsa(Sha384)),
        ("http://www.w3.org/2001/04/xmldsig-more#ecdsa-sha512", Ecdsa(Sha512)),
        ("http://www.w3.org/2001/04/xmldsig-more#ecdsa-sha1", Ecdsa(Sha1)),
    ]
};

/// A hash function.
pub(super) fn digest(uri: &str) -> Option<Digest> {
    DIGESTS.iter().find(|(u, _)| *u == uri).map(|(_, d)| *d)
}

/// Its URI.
pub(super) fn of_digest(digest: Digest) -> &'static str {
    DIGESTS.iter().find(|(_, d)| *d == digest).map_or("", |(u, _)| u)
}

/// A signature algorithm.
pub(super) fn signature(uri: &str) -> Option<SignatureAlgorithm> {
    SIGNATURES.iter().find(|(u, _)| *u == uri).map(|(_, a)| *a)
}

/// Its URI.
pub(super) fn of_signature(algorithm: SignatureAlgorithm) -> &'static str {
    SIGNATURES.iter().find(|(_, a)| *a == algorithm).map_or("", |(u, _)| u)
}

/// A canonical form, without its prefixes.
pub(super) fn canonical(uri: &str) -> Option<Canonical> {
    let (exclusive, comments) = match uri {
        INCLUSIVE => (false, false),
        INCLUSIVE_WITH_COMMENTS => (false, true),
        EXCLUSIVE => (true, false),
        EXCLUSIVE_WITH_COMMENTS => (true, true),
        _ => return None,
    };
    Some(Canonical { exclusive, comments, prefixes: Vec::new() })
}

/// Its URI.
pub(super) const fn of_canonical(form: &Canonical) -> &'static str {
    match (form.exclusive, form.comments) {
        (false, false) => INCLUSIVE,
        (false, true) => INCLUSIVE_WITH_COMMENTS,
        (true, false) => EXCLUSIVE,
        (true, true) => EXCLUSIVE_WITH_COMMENTS,
    }
}

/// Whether the name of a namespace is an absolute URI (RFC 3986 §4.3), or none: others have no canonical form
/// (Canonical XML 1.0 §1.3).
pub(super) fn is_absolute(name: &str) -> bool {
    if name.is_empty() {
        return true;
    }
    let Some((scheme, rest)) = name.split_once(':') else { return false };
    let letter = scheme.bytes().next().is_some_and(|b| b.is_ascii_alphabetic());
    let scheme = scheme.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'-' | b'.'));
    // Brackets stand only around an IPv6 address, which nobody names a namespace after.
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"-._~:/?#@!$&'()*+,;=%".contains(&b);
    let escaped =
        rest.split('%').skip(1).all(|after| after.bytes().take(2).filter(u8::is_ascii_hexdigit).count() == 2);
    letter && scheme && rest.bytes().all(plain) && escaped && rest.matches('#').count() < 2
}

/// What is refused, by its name. A URI that is not known is not repeated: it is the sender's text.
pub(super) fn refused(uri: &str) -> &'static str {
    const KNOWN: [(&str, &str); 27] = [
        ("http://www.w3.org/2006/12/xml-c14n11", "Canonical XML 1.1"),
        ("http://www.w3.org/2006/12/xml-c14n11#WithComments", "Canonical XML 1.1"),
        ("http://www.w3.org/2010/xml-c14n2", "Canonical XML 2.0"),
        (XPATH, "XPath"),
        ("http://www.w3.org/2002/06/xmldsig-filter2", "XPath Filter 2"),
        ("http://www.w3.org/TR/1999/REC-xslt-19991116", "XSLT"),
        ("http://www.w3.org/2000/09/xmldsig#base64", "base64"),
        ("http://www.w3.org/2002/07/decrypt#XML", "decryption"),
        (ENVELOPED, "enveloped-signature"),
        (INCLUSIVE, "Canonical XML 1.0"),
        (EXCLUSIVE, "Exclusive XML Canonicalization 1.0"),
        ("http://www.w3.org/2000/09/xmldsig#hmac-sha1", "HMAC-SHA1"),
        ("http://www.w3.org/2001/04/xmldsig-more#hmac-md5", "HMAC-MD5"),
        ("http://www.w3.org/2001/04/xmldsig-more#hmac-sha224", "HMAC-SHA224"),
        ("http://www.w3.org/2001/04/xmldsig-more#hmac-sha256", "HMAC-SHA256"),
        ("http://www.w3.org/2001/04/xmldsig-more#hmac-sha384", "HMAC-SHA384"),
        ("http://www.w3.org/2001/04/xmldsig-more#hmac-sha512", "HMAC-SHA512"),
        ("http://www.w3.org/2000/09/xmldsig#dsa-sha1", "DSA with SHA-1"),
        ("http://www.w3.org/2009/xmldsig11#dsa-sha256", "DSA with SHA-256"),
        ("http://www.w3.org/2001/04/xmldsig-more#rsa-md5", "RSA with MD5"),
        ("http://www.w3.org/2001/04/xmldsig-more#rsa-ripemd160", "RSA with RIPEMD-160"),
        ("http://www.w3.org/2007/05/xmldsig-more#rsa-pss", "RSA-PSS with parameters of its own"),
        ("http://www.w3.org/2001/04/xmldsig-more#rsa-sha224", "RSA with SHA-224"),
        ("http://www.w3.org/2001/04/xmldsig-more#ecdsa-sha224", "ECDSA with SHA-224"),
        ("http://www.w3.org/2001/04/xmldsig-more#md5", "MD5"),
        ("http://www.w3.org/2001/04/xmlenc#ripemd160", "RIPEMD-160"),
        ("http://www.w3.org/2001/04/xmldsig-more#sha224", "SHA-224"),
    ];
    KNOWN.iter().find(|(u, _)| *u == uri).map_or("one that is not known here", |(_, name)| name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_namespaces() {
        for name in [
            "",
            DSIG,
            SOAP,
            "urn:x",
            "urn:ietf:params:xml:ns:icalendar-2.0",
            "http://www.kith.no/xmlstds/msghead/2006-05-24",
            "http://example.org/a%20b?c=d&e#f",
        ] {
            assert!(is_absolute(name), "{name}");
        }
        for name in [
            "relative/name",
            "x",
            "#",
            ":x",
            "1a:x",
            "a b:c",
            "urn:a b",
            "urn:\"",
            "urn:<",
            "urn:\u{E5}",
            "urn:%",
            "urn:%4",
            "urn:%zz",
            "urn:a#b#c",
            "urn:\t",
            "http://[::1]/",
            "urn:\\",
            "urn:{x}",
        ] {
            assert!(!is_absolute(name), "{name}");
        }
    }
}
