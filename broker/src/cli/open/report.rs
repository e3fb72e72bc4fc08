//! What `open` says, for programs and for people.

use super::armour::Armour;
use crate::cli::{Format, json_line};
use crate::exit::Failure;
use broker_core::ContentHash;
use jiff::Timestamp;
use message_schemas::{Finding, Limits, head, xml};
use serde::ser::SerializeSeq;
use serde::{Serialize, Serializer};
use std::io::Write;
use trust::open::{Layer, Summary};

/// What `open` says.
#[derive(Debug, Serialize)]
pub(super) struct Report {
    pub(super) file: String,
    pub(super) bytes: usize,
    pub(super) sha256: ContentHash,
    /// `trusted` or `refused`.
    pub(super) verdict: &'static str,
    /// As of when it was judged.
    pub(super) at: Timestamp,
    /// Why it is refused.
    pub(super) findings: Vec<Finding>,
    /// Why the verdict is worth less than it should be.
    pub(super) warnings: Vec<String>,
    /// Outermost first.
    pub(super) layers: Layers,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) payload: Option<Payload>,
    /// What came along, of a whole mail.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) parts: Vec<Part>,
}

/// The layers of a file.
#[derive(Debug, Default)]
pub(super) struct Layers {
    /// Text around the bytes, which only this command takes off.
    pub(super) armour: Option<Armour>,
    /// What the broker takes off as well, outermost first.
    pub(super) inside: Vec<Layer>,
}

impl Serialize for Layers {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut layers = serializer.serialize_seq(None)?;
        self.armour.iter().try_for_each(|armour| layers.serialize_element(armour))?;
        self.inside.iter().try_for_each(|layer| layers.serialize_element(layer))?;
        layers.end()
    }
}

/// One part of a mail. The envelope's signature covers its bytes; its layers are what is inside them.
#[derive(Debug, Serialize)]
pub(super) struct Part {
    pub(super) id: Option<String>,
    pub(super) content_type: Option<String>,
    pub(super) bytes: usize,
    pub(super) sha256: ContentHash,
    pub(super) layers: Vec<Layer>,
    pub(super) findings: Vec<Finding>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) payload: Option<Payload>,
}

/// What was inside: never the content.
#[derive(Debug, Serialize)]
pub(super) struct Payload {
    pub(super) bytes: usize,
    pub(super) sha256: ContentHash,
    /// Family and version, if it is a message that we know.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) kind: Option<String>,
    /// Where it was written.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) written: Option<String>,
}

impl Report {
    /// Prints it.
    pub(super) fn print(&self, out: &mut dyn Write, format: Format) -> Result<(), Failure> {
        match format {
            Format::Json => json_line(out, self),
            Format::Text => text(out, self),
        }
    }
}

impl Payload {
    pub(super) fn of(bytes: &[u8], limits: &Limits) -> Self {
        let kind = xml::decode(bytes).ok().and_then(|decoded| head::read(&decoded.text, limits).ok());
        Self {
            bytes: bytes.len(),
            sha256: ContentHash::of(bytes),
            kind: kind.map(|head| format!("{} {}", head.kind.family, head.kind.version)),
            written: None,
        }
    }
}

fn text(out: &mut dyn Write, report: &Report) -> Result<(), Failure> {
    let codes = report.findings.iter().map(|f| f.code.as_str());
    let verdict: Vec<_> = std::iter::once(report.verdict).chain(codes).collect();
    writeln!(out, "{}: {}, as of {}", report.file, verdict.join(" "), report.at)?;
    if let Some(Armour { form, bytes, .. }) = &report.layers.armour {
        writeln!(out, "  armour      {form}, {bytes} bytes decoded; the broker takes the bytes alone")?;
    }
    for layer in &report.layers.inside {
        layer_text(out, layer)?;
    }
    if let Some(payload) = &report.payload {
        payload_text(out, payload)?;
    }
    for part in &report.parts {
        let (id, kind) =
            (part.id.as_deref().unwrap_or("none"), part.content_type.as_deref().unwrap_or("none"));
        writeln!(out, "  part        {id}, {kind}, {} bytes, sha256 {}", part.bytes, part.sha256)?;
        for layer in &part.layers {
            layer_text(out, layer)?;
        }
        if let Some(payload) = &part.payload {
            payload_text(out, payload)?;
        }
        for finding in &part.findings {
            finding_text(out, finding)?;
        }
    }
    for warning in &report.warnings {
        writeln!(out, "  warning     {warning}")?;
    }
    for finding in &report.findings {
        finding_text(out, finding)?;
    }
    Ok(())
}

fn finding_text(out: &mut dyn Write, finding: &Finding) -> Result<(), Failure> {
    writeln!(out, "  finding     {} {}\n              {}", finding.code, finding.message, finding.remedy)?;
    Ok(())
}

fn payload_text(out: &mut dyn Write, payload: &Payload) -> Result<(), Failure> {
    let kind = payload.kind.as_deref().unwrap_or("no message that is known here");
    writeln!(out, "  inside      {} bytes, {kind}, sha256 {}", payload.bytes, payload.sha256)?;
    if let Some(written) = &payload.written {
        writeln!(out, "  written     {written}")?;
    }
    Ok(())
}

fn layer_text(out: &mut dyn Write, layer: &Layer) -> Result<(), Failure> {
    match layer {
        Layer::Sealed(sealed) => {
            writeln!(out, "  sealed      {}, {} bytes", word(&sealed.cipher), sealed.bytes)?;
            for r in &sealed.recipients {
                let named = match (&r.issuer, &r.serial, &r.key_id) {
                    (issuer, Some(serial), _) => {
                        format!("serial {serial} of {}", issuer.as_deref().unwrap_or("an unreadable name"))
                    }
                    (_, None, Some(key_id)) => format!("key {key_id}"),
                    (_, None, None) => "nobody".to_owned(),
                };
                writeln!(out, "    for       {named}, {}", word(&r.transport))?;
            }
            if let Some(with) = &sealed.opened_with {
                writeln!(out, "    opened    with {}", certificate_text(with))?;
            }
        }
        Layer::Signed(signed) => {
            let holds = if signed.verified { "holds" } else { "NOT verified" };
            let form = word(&signed.form);
            let canonical = signed.canonical.map_or_else(String::new, |c| format!(", {c}"));
            writeln!(out, "  signed      {form}{canonical}, {}: {holds}", word(&signed.algorithm))?;
            if let Some(signer) = &signed.signer {
                writeln!(out, "    by        {}", certificate_text(signer))?;
            }
            for issuer in &signed.chain {
                writeln!(out, "    above     {}", certificate_text(issuer))?;
            }
            for known in &signed.revocation {
                let source = known.source.map_or_else(String::new, |s| format!(", by {s}"));
                let short: String = known.certificate.chars().take(16).collect();
                writeln!(out, "    revoked?  {}{source} ({short})", known.standing)?;
            }
            if let Some(covered) = &signed.covered {
                writeln!(out, "    covers    {} bytes, sha256 {}", covered.bytes, covered.sha256)?;
            }
        }
        Layer::Mime { media_type } => writeln!(out, "  MIME        {media_type}")?,
        Layer::Gzip { bytes } => writeln!(out, "  gzip        {bytes} bytes unpacked")?,
    }
    Ok(())
}

fn certificate_text(certificate: &Summary) -> String {
    let subject = certificate.subject.as_deref().unwrap_or("(not an organisation's)");
    let organisation = certificate.organisation.map_or_else(String::new, |o| format!(" ({o})"));
    format!("{subject}{organisation}, serial {}, until {}", certificate.serial, certificate.not_after)
}

/// The name of an algorithm as settings and JSON have it.
fn word(value: &impl Serialize) -> String {
    match serde_json::to_value(value) {
        Ok(serde_json::Value::String(word)) => word,
        Ok(other) => other.to_string().replace(['{', '}', '"'], "").replace(':', " "),
        Err(_) => "?".to_owned(),
    }
}
