//! IHE XDS.b: a submission as one ITI-41 request, and what withdraws, finds and fetches documents.
//!
//! | transaction | here | body |
//! |---|---|---|
//! | ITI-41 provide and register | [`provide`] | ebRIM and the documents, MTOM |
//! | ITI-57 update | [`deprecate`] | a set that says of each entry that it is out of use |
//! | ITI-62 delete from the registry, ITI-86 from the repository | [`remove`], [`remove_documents`] | ids |
//! | ITI-18 query | [`find`] | by the ids of documents, so that no patient stands in it |
//! | ITI-43 retrieve | [`retrieve`] | ids |

pub(crate) mod ebrim;
mod soap;
mod xml;

pub use soap::{Call, Wire};

use crate::published::Published;
use crate::submission::Submission;
use crate::target::{Target, UniqueIds};
use ebrim::{entry_id, unique_id, urn};
use soap::{Attached, cid, envelope, package, plain};
use std::collections::BTreeSet;
use xml::Xml;

const XDS: &str = "urn:ihe:iti:xds-b:2007";
const PROVIDE: &str = "urn:ihe:iti:2007:ProvideAndRegisterDocumentSet-b";
const UPDATE: &str = "urn:ihe:iti:2010:UpdateDocumentSet";
const DELETE: &str = "urn:ihe:iti:2010:DeleteDocumentSet";
const REMOVE: &str = "urn:ihe:iti:2017:RemoveDocuments";
const QUERY: &str = "urn:ihe:iti:2007:RegistryStoredQuery";
const RETRIEVE: &str = "urn:ihe:iti:2007:RetrieveDocumentSet";
/// The stored query for entries by their ids.
const GET_DOCUMENTS: &str = "urn:uuid:5c4f972b-d56b-40ac-a5fc-c8ca9b40b9d4";

/// Submits.
#[must_use]
pub fn provide(s: &Submission, call: &Call<'_>) -> Wire {
    let envelope = envelope(PROVIDE, call, |xml| {
        xml.element("ProvideAndRegisterDocumentSetRequest", &[("xmlns", XDS)], |xml| {
            ebrim::submit_objects(xml, s);
            for (n, entry) in (1..).zip(&s.entries) {
                let id = entry_id(entry.entry, s.unique_ids);
                xml.element("Document", &[("id", &id)], |xml| {
                    let href = format!("cid:{}", cid(n));
                    let include =
                        [("xmlns:xop", "http://www.w3.org/2004/08/xop/include"), ("href", href.as_str())];
                    xml.element("xop:Include", &include, |_| {});
                });
            }
        });
    });
    let documents: Vec<_> = s
        .entries
        .iter()
        .map(|entry| Attached { media_type: &entry.media_type, bytes: &entry.bytes })
        .collect();
    package(PROVIDE, call, envelope, &documents)
}

/// Sets entries out of use; `s` is an empty submission that does so.
#[must_use]
pub fn deprecate(s: &Submission, entries: &[Published], call: &Call<'_>) -> Wire {
    plain(UPDATE, envelope(UPDATE, call, |xml| ebrim::deprecate(xml, s, entries)))
}

/// Takes entries out of the registry, with the sets that held them and all associations of ours.
#[must_use]
pub fn remove(entries: &[Published], style: UniqueIds, call: &Call<'_>) -> Wire {
    // Sets once each, and what points at something before it.
    let mut ids: Vec<String> = entries.iter().flat_map(|e| &e.associations).map(|id| urn(*id)).collect();
    ids.extend(entries.iter().map(|e| entry_id(e.entry, style)));
    ids.extend(entries.iter().map(|e| e.set).collect::<BTreeSet<_>>().into_iter().map(urn));
    plain(DELETE, envelope(DELETE, call, |xml| ebrim::remove(xml, &ids)))
}

/// Takes documents out of the repository.
#[must_use]
pub fn remove_documents(entries: &[Published], target: &Target, call: &Call<'_>) -> Wire {
    const RMD: &str = "urn:ihe:iti:rmd:2017";
    let body = |xml: &mut Xml| {
        xml.element("rmd:RemoveDocumentsRequest", &[("xmlns:rmd", RMD), ("xmlns", XDS)], |xml| {
            requests(xml, entries, target);
        });
    };
    plain(REMOVE, envelope(REMOVE, call, body))
}

/// Asks for entries by the ids of their documents.
#[must_use]
pub fn find(entries: &[Published], target: &Target, call: &Call<'_>) -> Wire {
    const RIM: &str = "urn:oasis:names:tc:ebxml-regrep:xsd:rim:3.0";
    const QUERY_NS: &str = "urn:oasis:names:tc:ebxml-regrep:xsd:query:3.0";
    let body = |xml: &mut Xml| {
        xml.element("AdhocQueryRequest", &[("xmlns", QUERY_NS)], |xml| {
            let whole = [("returnType", "LeafClass"), ("returnComposedObjects", "true")];
            xml.element("ResponseOption", &whole, |_| {});
            let home = format!("urn:oid:{}", target.home_community);
            let query = [("xmlns", RIM), ("id", GET_DOCUMENTS), ("home", home.as_str())];
            xml.element("AdhocQuery", &query, |xml| {
                xml.element("Slot", &[("name", "$XDSDocumentEntryUniqueId")], |xml| {
                    // One id a value: a value has at most 256 characters.
                    xml.element("ValueList", &[], |xml| {
                        for entry in entries {
                            xml.text(
                                "Value",
                                &format!("('{}')", unique_id(entry.document, target.unique_ids)),
                            );
                        }
                    });
                });
            });
        });
    };
    plain(QUERY, envelope(QUERY, call, body))
}

/// Fetches documents.
#[must_use]
pub fn retrieve(entries: &[Published], target: &Target, call: &Call<'_>) -> Wire {
    let body = |xml: &mut Xml| {
        xml.element("RetrieveDocumentSetRequest", &[("xmlns", XDS)], |xml| requests(xml, entries, target));
    };
    package(RETRIEVE, call, envelope(RETRIEVE, call, body), &[])
}

fn requests(xml: &mut Xml, entries: &[Published], target: &Target) {
    for entry in entries {
        xml.element("DocumentRequest", &[], |xml| {
            xml.text("HomeCommunityId", &format!("urn:oid:{}", target.home_community));
            xml.text("RepositoryUniqueId", target.repository.as_deref().unwrap_or_default());
            xml.text("DocumentUniqueId", &unique_id(entry.document, target.unique_ids));
        });
    }
}
