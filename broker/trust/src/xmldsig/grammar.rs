//! Which elements stand where in a Signature (XML Signature §4), as tables.

/// Where we are inside the Signature element.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Node {
    Signature,
    SignedInfo,
    CanonicalizationMethod,
    SignatureMethod,
    Reference,
    Transforms,
    Transform,
    XPath,
    InclusiveNamespaces,
    DigestMethod,
    DigestValue,
    SignatureValue,
    KeyInfo,
    X509Data,
    X509Certificate,
    /// In KeyInfo, and of no interest.
    PassedOver,
}

/// Which child of an element of ours is which, and its place in the order of the schema; a child may follow one of the
/// same place only where it may stand several times.
pub(super) fn child(parent: Node, name: &str) -> Option<(Node, u8, bool)> {
    Some(match (parent, name) {
        (Node::Signature, "SignedInfo") => (Node::SignedInfo, 1, false),
        (Node::Signature, "SignatureValue") => (Node::SignatureValue, 2, false),
        (Node::Signature, "KeyInfo") => (Node::KeyInfo, 3, false),
        (Node::SignedInfo, "CanonicalizationMethod") => (Node::CanonicalizationMethod, 1, false),
        (Node::SignedInfo, "SignatureMethod") => (Node::SignatureMethod, 2, false),
        (Node::SignedInfo, "Reference") => (Node::Reference, 3, true),
        (Node::Reference, "Transforms") => (Node::Transforms, 1, false),
        (Node::Reference, "DigestMethod") => (Node::DigestMethod, 2, false),
        (Node::Reference, "DigestValue") => (Node::DigestValue, 3, false),
        (Node::Transforms, "Transform") => (Node::Transform, 1, true),
        (Node::Transform, "XPath") => (Node::XPath, 1, false),
        _ => return None,
    })
}

/// How far one must have come in an element when it ends.
pub(super) const fn complete(node: Node) -> u8 {
    match node {
        Node::Signature => 2,
        Node::SignedInfo | Node::Reference => 3,
        Node::CanonicalizationMethod
        | Node::SignatureMethod
        | Node::Transforms
        | Node::Transform
        | Node::XPath
        | Node::InclusiveNamespaces
        | Node::DigestMethod
        | Node::DigestValue
        | Node::SignatureValue
        | Node::KeyInfo
        | Node::X509Data
        | Node::X509Certificate
        | Node::PassedOver => 0,
    }
}

impl Node {
    /// The attributes that it may have.
    pub(super) const fn attributes(self) -> &'static [&'static str] {
        match self {
            Self::Signature | Self::SignedInfo | Self::SignatureValue | Self::KeyInfo => &["Id"],
            Self::CanonicalizationMethod | Self::SignatureMethod | Self::DigestMethod | Self::Transform => {
                &["Algorithm"]
            }
            Self::Reference => &["Id", "Type", "URI"],
            Self::InclusiveNamespaces => &["PrefixList"],
            Self::Transforms
            | Self::XPath
            | Self::DigestValue
            | Self::X509Data
            | Self::X509Certificate
            | Self::PassedOver => &[],
        }
    }

    /// It holds text that counts.
    pub(super) const fn is_value(self) -> bool {
        matches!(self, Self::XPath | Self::DigestValue | Self::SignatureValue | Self::X509Certificate)
    }
}
