//! The documents of a series as they are published: made again from the messages in the journal, the same each time.
//!
//! A Svarrapport 1.3 may hold several reports, all of one patient (`document::translate` sees to that): each is a document in
//! a series of its own, and the message as it was is the original of each. So what one report of it says can still be read
//! in the original beside the others after that report alone was withdrawn; their FHIR document and PDF never say it. The
//! original cannot be cut (document-sharing §1.1: byte for byte, always), and reports that hold must not vanish where only
//! originals are shown. So it stays, and `budstikke series` says of each such original what it tells that was withdrawn.

use crate::renderings::Renderings;
use broker_core::World;
use broker_core::journal::DocumentKind;
use broker_core::ports::{Store, StoreError};
use message_schemas::MessageId;
use message_schemas::document::{self, Fault, SharedDocument};
use message_schemas::xml::{self, Tree};
use sharing::series::{Document, State, UNKNOWN, Version, fold};
use sharing::target::Also;
use std::collections::BTreeSet;
use std::sync::Arc;

/// A document with the bytes that are published of it.
pub(super) struct Made {
    /// What was made, and what its metadata are made of.
    pub(super) document: SharedDocument,
    /// The newest message as it was inside its envelope.
    pub(super) original: Arc<[u8]>,
    /// Its other forms.
    pub(super) renderings: Renderings,
}

/// Why a document could not be made.
#[derive(Debug)]
pub(super) enum NotMade {
    /// The journal does not answer.
    Journal(StoreError),
    /// It is not known, or its bytes are gone.
    Gone,
    /// It gives no document.
    Fault(Fault),
    /// It cannot be read.
    Unreadable,
    /// The program failed on it.
    Failed,
}

impl From<StoreError> for NotMade {
    fn from(error: StoreError) -> Self {
        Self::Journal(error)
    }
}

impl std::fmt::Display for NotMade {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Journal(error) => write!(f, "the journal: {error}"),
            Self::Gone => f.write_str("a message of the series is no longer in the journal"),
            Self::Fault(fault) => write!(f, "{}: {fault}", fault.code()),
            Self::Unreadable => f.write_str("a message of the series cannot be read"),
            Self::Failed => f.write_str("the program failed on it"),
        }
    }
}

/// Makes the document of these messages of a series, oldest first, and the forms of it that are named in `also`. Before the
/// messages stands [`UNKNOWN`], if the one that opened the series is not known.
pub(super) async fn make<S: Store>(
    store: &S,
    world: &Arc<World>,
    versions: &[Version],
    of: &[String],
    also: &BTreeSet<Also>,
) -> Result<Made, NotMade> {
    let (unknown, of): (Vec<&String>, Vec<&String>) = of.iter().partition(|id| *id == UNKNOWN);
    let incomplete = !unknown.is_empty();
    let mut members = Vec::with_capacity(of.len());
    let mut bodies = Vec::with_capacity(of.len());
    for id in of {
        let version = versions.iter().find(|v| v.msg_id == **id).ok_or(NotMade::Gone)?;
        bodies.push(content(store, version.message).await?.ok_or(NotMade::Gone)?);
        members.push(version.clone());
    }
    let (world, also) = (Arc::clone(world), also.clone());
    let original = bodies.last().map(Arc::clone).ok_or(NotMade::Gone)?;
    // Large messages take long, and the loops of other destinations run on these threads too.
    let make = move || {
        let document = translate(&bodies, &members, incomplete, &world)?;
        let renderings = Renderings::of(&document, &also);
        Ok((document, renderings))
    };
    let made: Result<_, NotMade> = tokio::task::spawn_blocking(make).await.map_err(|_| NotMade::Failed)?;
    let (document, renderings) = made?;
    Ok(Made { document, original, renderings })
}

/// The KITH XML of a message: what was inside, if it came sealed.
pub(super) async fn content<S: Store>(
    store: &S,
    message: MessageId,
) -> Result<Option<Arc<[u8]>>, StoreError> {
    let opened = store.documents(message).await?.into_iter().rev();
    match opened.into_iter().find(|d| d.kind == DocumentKind::Opened) {
        Some(opened) => Ok(Some(opened.bytes)),
        None => store.body(message).await,
    }
}

fn translate(
    bodies: &[Arc<[u8]>],
    members: &[Version],
    incomplete: bool,
    world: &World,
) -> Result<SharedDocument, NotMade> {
    let mut read = Vec::with_capacity(bodies.len());
    for body in bodies {
        let decoded = xml::decode(body).map_err(|_| NotMade::Unreadable)?;
        let tree = Tree::parse(&decoded.text, &world.limits).map_err(|_| NotMade::Unreadable)?;
        read.push((decoded, tree));
    }
    let options = &*world.documents;
    let id = members.last().map(|v| v.msg_id.as_str()).unwrap_or_default();
    if let ([(decoded, tree)], [_], false) = (read.as_slice(), members, incomplete) {
        let documents = document::translate(&decoded.text, tree, options).map_err(NotMade::Fault)?;
        return documents.into_iter().find(|d| d.keys.msg_id == id).ok_or(NotMade::Gone);
    }
    // What these messages come to by themselves: of several, the last whole one and the differences behind it.
    let folded = fold(members);
    let visible = folded.series.values().find_map(|series| match &series.state {
        State::Visible(visible) => visible.documents.first(),
        State::Nothing | State::Withdrawn { .. } => None,
    });
    let Some(Document { parts }) = visible else { return Err(NotMade::Gone) };
    let parts: Option<Vec<document::Part<'_>>> = parts
        .iter()
        .map(|part| {
            let ((decoded, tree), version) = read.get(part.version).zip(members.get(part.version))?;
            Some(document::Part {
                text: &decoded.text,
                tree,
                nth: version.msg_id.rsplit_once('#').and_then(|(_, n)| n.parse().ok()).unwrap_or(1),
                results: part.items.as_deref().unwrap_or_default(),
            })
        })
        .collect();
    let unknown = incomplete.then(|| UNKNOWN.to_owned());
    let of: Vec<String> = unknown.into_iter().chain(members.iter().map(|v| v.msg_id.clone())).collect();
    let merged = sharing::series::merged_id(&of);
    document::merge(&parts.ok_or(NotMade::Gone)?, &merged, incomplete, options).map_err(NotMade::Fault)
}
