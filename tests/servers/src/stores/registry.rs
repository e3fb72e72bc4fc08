//! A stand-in for an XDS domain: repository and registry in one. It cuts the package it gets, reads the ebRIM in it, and
//! refuses what a registry refuses; of what replaces it deprecates the old with its children.

use super::web::{Answer, Asked, Server};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use message_schemas::xml::{Node, Tree};
use message_schemas::{Limits, mime};
use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

/// An entry that stands there, with its document.
#[derive(Debug, Clone)]
pub struct Kept {
    unique: String,
    hash: String,
    /// The document.
    pub bytes: Vec<u8>,
    /// It is in use.
    pub approved: bool,
}

/// What stands there, and how it is to misbehave.
#[derive(Default)]
pub struct State {
    /// By the id of the entry.
    pub entries: Mutex<BTreeMap<String, Kept>>,
    /// `(new, kind, old)`.
    links: Mutex<Vec<(String, String, String)>>,
    /// The next submission is taken, and its answer lost.
    pub lose_answer: AtomicBool,
    /// The next submission is taken with a warning.
    pub warn: AtomicBool,
}

/// The domain, as long as the runtime that started it.
pub struct Domain {
    /// What it listens with.
    pub server: Server,
    /// What stands there.
    pub state: Arc<State>,
}

const STATUS: &str = "urn:oasis:names:tc:ebxml-regrep:StatusType";
const RESPONSE: &str = "urn:oasis:names:tc:ebxml-regrep:ResponseStatusType";
const UNIQUE: &str = "urn:uuid:2e82c1f6-a085-4c72-9da3-8640a32e42ab";
const RIM: &str = "urn:oasis:names:tc:ebxml-regrep:xsd:rim:3.0";

impl Domain {
    /// Listens at a free port.
    pub async fn start() -> Self {
        Self::start_at(SocketAddr::from(([127, 0, 0, 1], 0))).await
    }

    /// The same at an address.
    pub async fn start_at(address: SocketAddr) -> Self {
        let state = Arc::new(State::default());
        let shared = Arc::clone(&state);
        let server = Server::start_at(address, move |asked| shared.answer(asked)).await;
        Self { server, state }
    }
}

fn soap(body: &str) -> Answer {
    let text = format!(
        "<s:Envelope xmlns:s=\"http://www.w3.org/2003/05/soap-envelope\"><s:Body>{body}</s:Body></s:Envelope>"
    );
    Answer::new(200, "application/soap+xml; charset=UTF-8", text)
}

fn response(status: &str, errors: &[(&str, &str)]) -> String {
    let errors: String = errors
        .iter()
        .map(|(code, severity)| {
            format!(
                "<RegistryError errorCode=\"{code}\" codeContext=\"about somebody\" \
                 severity=\"urn:oasis:names:tc:ebxml-regrep:ErrorSeverityType:{severity}\"/>"
            )
        })
        .collect();
    let list = if errors.is_empty() {
        String::new()
    } else {
        format!("<RegistryErrorList>{errors}</RegistryErrorList>")
    };
    format!(
        "<RegistryResponse xmlns=\"urn:oasis:names:tc:ebxml-regrep:xsd:rs:3.0\" status=\"{RESPONSE}:{status}\">{list}</RegistryResponse>"
    )
}

fn failure(code: &str) -> Answer {
    soap(&response("Failure", &[(code, "Error")]))
}

fn attr(node: Node<'_>, name: &str) -> String {
    node.attr(name).unwrap_or_default().to_owned()
}

fn slot(node: Node<'_>, name: &str) -> Vec<String> {
    let found = node.all("Slot").find(|s| s.attr("name") == Some(name));
    let values = found.and_then(|s| s.child("ValueList"));
    values.into_iter().flat_map(|v| v.all("Value")).map(|v| v.text().into_owned()).collect()
}

impl State {
    /// What is approved: the bytes of each, by the id of its entry.
    ///
    /// # Panics
    /// If a handler panicked.
    #[must_use]
    pub fn in_use(&self) -> BTreeMap<String, Vec<u8>> {
        let entries = self.entries.lock().expect("not poisoned");
        entries.iter().filter(|(_, k)| k.approved).map(|(id, k)| (id.clone(), k.bytes.clone())).collect()
    }

    fn answer(&self, asked: &Asked) -> Answer {
        let limits = Limits::default();
        let Ok(package) = mime::unpack(&asked.body, Some(asked.header("content-type")), &limits) else {
            return Answer::empty(415);
        };
        let text = String::from_utf8(package.root.bytes.to_vec()).expect("UTF-8");
        let tree = Tree::parse(&text, &limits).expect("XML");
        let envelope = tree.root().expect("an envelope");
        let header = |name: &str| envelope.path(&format!("Header/{name}")).map(|n| n.text().into_owned());
        let action = header("Action").unwrap_or_default();
        let addressed = header("MessageID").is_some_and(|id| id.starts_with("urn:uuid:"))
            && header("To").is_some_and(|to| to.ends_with(&asked.target))
            && asked.header("content-type").contains(&action);
        if !addressed {
            return Answer::empty(400);
        }
        let body = envelope.child("Body").and_then(|b| b.elements().next()).expect("a body");
        match action.rsplit(':').next().unwrap_or_default() {
            "ProvideAndRegisterDocumentSet-b" => {
                let done = self.take(body, &package);
                let lost = self.lose_answer.swap(false, Ordering::SeqCst);
                let answer = match done {
                    Ok(()) if self.warn.swap(false, Ordering::SeqCst) => {
                        soap(&response("Success", &[("XDSExtraMetadataNotSaved", "Warning")]))
                    }
                    Ok(()) => soap(&response("Success", &[])),
                    Err(code) => failure(&code),
                };
                Answer { lost, ..answer }
            }
            "RegistryStoredQuery" => self.query(body),
            "RetrieveDocumentSet" => self.retrieve(body),
            "UpdateDocumentSet" => self.update(body),
            "DeleteDocumentSet" => self.delete(body),
            "RemoveDocuments" => soap(&response("Success", &[])),
            _ => Answer::empty(400),
        }
    }

    fn take(&self, body: Node<'_>, package: &mime::Package<'_>) -> Result<(), String> {
        let objects =
            body.path("SubmitObjectsRequest/RegistryObjectList").ok_or("XDSRegistryMetadataError")?;
        let set = objects.child("RegistryPackage").ok_or("XDSRegistryMetadataError")?;
        let patient = |node: Node<'_>, scheme: &str| {
            let id = node.all("ExternalIdentifier").find(|i| i.attr("identificationScheme") == Some(scheme));
            id.map(|i| attr(i, "value"))
        };
        let of_set = patient(set, "urn:uuid:6b5aea1a-874d-4603-a4bc-96a0a7b38446");
        let mut entries = self.entries.lock().expect("not poisoned");
        let mut fresh = BTreeMap::new();
        for object in objects.all("ExtrinsicObject") {
            let id = attr(object, "id");
            if patient(object, "urn:uuid:58a6f841-87b3-4a3e-92fd-a8ffeff98427") != of_set || of_set.is_none()
            {
                return Err("XDSPatientIdDoesNotMatch".to_owned());
            }
            for scheme in [
                "urn:uuid:41a5887f-8865-4c09-adf7-e362475b143a",
                "urn:uuid:f0306f51-975f-434e-a61c-c59651d33983",
                "urn:uuid:a09d5840-386c-46f2-b5ad-9c3699a4309d",
                "urn:uuid:f4f85eac-e6cb-4883-b524-f2705394840f",
                "urn:uuid:f33fb8ac-18af-42cc-ae0e-ed0b0bdb91e1",
                "urn:uuid:cccf5598-8b07-4b77-a05e-ae952c785ead",
            ] {
                let mut found =
                    object.all("Classification").filter(|c| c.attr("classificationScheme") == Some(scheme));
                if !found.any(|c| {
                    c.attr("classifiedObject") == Some(id.as_str()) && !slot(c, "codingScheme").is_empty()
                }) {
                    return Err("XDSRegistryMetadataError".to_owned());
                }
            }
            let unique =
                object.all("ExternalIdentifier").find(|i| i.attr("identificationScheme") == Some(UNIQUE));
            let unique = attr(unique.ok_or("XDSRegistryMetadataError")?, "value");
            let document = body
                .all("Document")
                .find(|d| d.attr("id") == Some(id.as_str()))
                .ok_or("XDSMissingDocument")?;
            let href = document.child("Include").map(|i| attr(i, "href")).ok_or("XDSMissingDocument")?;
            let part = package.parts.iter().find(|p| p.id.as_deref() == href.strip_prefix("cid:"));
            let bytes = part.ok_or("XDSMissingDocument")?.bytes.to_vec();
            let hash: String = openssl::sha::sha1(&bytes).iter().map(|b| format!("{b:02x}")).collect();
            if slot(object, "hash") != [hash.as_str()] || slot(object, "size") != [bytes.len().to_string()] {
                return Err("XDSRepositoryMetadataError".to_owned());
            }
            if entries.values().any(|k| k.unique == unique) {
                return Err("XDSDuplicateUniqueIdInRegistry".to_owned());
            }
            fresh.insert(id, Kept { unique, hash, bytes, approved: true });
        }
        let mut members = BTreeSet::new();
        let mut links = Vec::new();
        for association in objects.all("Association") {
            let [source, target, kind] =
                ["sourceObject", "targetObject", "associationType"].map(|name| attr(association, name));
            if kind.ends_with(":HasMember") {
                members.insert(target);
                continue;
            }
            if !fresh.contains_key(&source) || !(fresh.contains_key(&target) || entries.contains_key(&target))
            {
                return Err("XDSReplaceFailed".to_owned());
            }
            // A strict registry: nothing hangs on, or takes the place of, what is out of use.
            if entries.get(&target).is_some_and(|kept| !kept.approved) {
                return Err("XDSRegistryDeprecatedDocumentError".to_owned());
            }
            links.push((source, kind, target));
        }
        if fresh.is_empty() || !fresh.keys().all(|id| members.contains(id)) {
            return Err("XDSRegistryMetadataError".to_owned());
        }
        let mut known = self.links.lock().expect("not poisoned");
        for (_, _, old) in links.iter().filter(|l| l.1.ends_with(":RPLC")) {
            let children =
                known.iter().filter(|l| &l.2 == old && !l.1.ends_with(":RPLC")).map(|l| l.0.clone());
            for id in children.chain([old.clone()]).collect::<Vec<_>>() {
                if let Some(kept) = entries.get_mut(&id) {
                    kept.approved = false;
                }
            }
        }
        known.extend(links);
        entries.extend(fresh);
        Ok(())
    }

    fn query(&self, body: Node<'_>) -> Answer {
        let ids = body.child("AdhocQuery").map(|q| slot(q, "$XDSDocumentEntryUniqueId")).unwrap_or_default();
        let wanted: BTreeSet<String> =
            ids.iter().map(|v| v.trim_matches(['(', ')', '\'']).to_owned()).collect();
        let entries = self.entries.lock().expect("not poisoned");
        let objects: String = entries
            .iter()
            .filter(|(_, k)| wanted.contains(&k.unique))
            .map(|(id, k)| {
                let status = if k.approved { "Approved" } else { "Deprecated" };
                format!(
                    "<ExtrinsicObject id=\"{id}\" status=\"{STATUS}:{status}\"><Slot name=\"hash\"><ValueList><Value>{}\
                     </Value></ValueList></Slot><ExternalIdentifier id=\"x\" registryObject=\"{id}\" \
                     identificationScheme=\"{UNIQUE}\" value=\"{}\"/></ExtrinsicObject>",
                    k.hash, k.unique
                )
            })
            .collect();
        soap(&format!(
            "<q:AdhocQueryResponse xmlns:q=\"urn:oasis:names:tc:ebxml-regrep:xsd:query:3.0\" status=\"{RESPONSE}:Success\">\
             <RegistryObjectList xmlns=\"{RIM}\">{objects}</RegistryObjectList></q:AdhocQueryResponse>"
        ))
    }

    fn retrieve(&self, body: Node<'_>) -> Answer {
        let wanted = body.all("DocumentRequest").filter_map(|r| {
            let repository = r.child("RepositoryUniqueId")?.text().into_owned();
            (repository == "2.999.3").then_some(r.child("DocumentUniqueId")?.text().into_owned())
        });
        let entries = self.entries.lock().expect("not poisoned");
        let documents: String = wanted
            .filter_map(|id| entries.values().find(|k| k.unique == id))
            .map(|k| {
                format!(
                    "<DocumentResponse><RepositoryUniqueId>2.999.3</RepositoryUniqueId><DocumentUniqueId>{}\
                     </DocumentUniqueId><mimeType>x/y</mimeType><Document>{}</Document></DocumentResponse>",
                    k.unique,
                    STANDARD.encode(&k.bytes)
                )
            })
            .collect();
        let status = response("Success", &[]);
        soap(&format!(
            "<RetrieveDocumentSetResponse xmlns=\"urn:ihe:iti:xds-b:2007\">{status}{documents}</RetrieveDocumentSetResponse>"
        ))
    }

    fn update(&self, body: Node<'_>) -> Answer {
        let mut entries = self.entries.lock().expect("not poisoned");
        let Some(objects) = body.child("RegistryObjectList") else {
            return failure("XDSRegistryMetadataError");
        };
        for association in objects.all("Association") {
            let asks = attr(association, "associationType").ends_with(":UpdateAvailabilityStatus")
                && slot(association, "NewStatus") == [format!("{STATUS}:Deprecated")]
                && slot(association, "OriginalStatus") == [format!("{STATUS}:Approved")];
            match entries.get_mut(&attr(association, "targetObject")) {
                Some(kept) if asks && kept.approved => kept.approved = false,
                Some(_) | None => return failure("XDSMetadataUpdateError"),
            }
        }
        soap(&response("Success", &[]))
    }

    fn delete(&self, body: Node<'_>) -> Answer {
        let mut entries = self.entries.lock().expect("not poisoned");
        let refs = body.child("ObjectRefList").into_iter().flat_map(|l| l.all("ObjectRef"));
        let ids: BTreeSet<String> = refs.map(|r| attr(r, "id")).collect();
        if !entries.keys().any(|id| ids.contains(id)) {
            return failure("UnresolvedReferenceException");
        }
        entries.retain(|id, _| !ids.contains(id));
        soap(&response("Success", &[]))
    }
}
