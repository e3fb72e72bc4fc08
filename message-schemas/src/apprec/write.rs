//! A receipt as XML, in the one order that its schema allows (kith-messages §4.6).
//!
//! Both versions have the same structure and differ in namespace, MIGversion and role codes only.

use super::{Receipt, Version};
use crate::codes::List;
use crate::head::{Address, Party, Service, Unit};
use crate::ids::Ident;
use crate::time;
use crate::xml::{escape_attribute, escape_text};

struct Writer {
    out: String,
    depth: usize,
}

impl Writer {
    fn indent(&mut self) {
        self.out.push('\n');
        self.out.extend(std::iter::repeat_n("  ", self.depth));
    }

    fn open(&mut self, name: &str) {
        self.indent();
        self.out.push('<');
        self.out.push_str(name);
        self.out.push('>');
        self.depth += 1;
    }

    fn close(&mut self, name: &str) {
        self.depth -= 1;
        self.indent();
        self.out.push_str("</");
        self.out.push_str(name);
        self.out.push('>');
    }

    fn text(&mut self, name: &str, text: &str) {
        self.indent();
        self.out.push('<');
        self.out.push_str(name);
        self.out.push('>');
        self.out.push_str(&escape_text(text));
        self.out.push_str("</");
        self.out.push_str(name);
        self.out.push('>');
    }

    /// An empty element with the attributes that have a value.
    fn code(&mut self, name: &str, attributes: &[(&str, Option<&str>)]) {
        self.indent();
        self.out.push('<');
        self.out.push_str(name);
        for (key, value) in attributes {
            if let Some(value) = value.filter(|v| !v.is_empty()) {
                self.out.push(' ');
                self.out.push_str(key);
                self.out.push_str("=\"");
                self.out.push_str(&escape_attribute(value));
                self.out.push('"');
            }
        }
        self.out.push_str("/>");
    }
}

pub(super) fn to_xml(receipt: &Receipt) -> String {
    //= HIS 80415:2012 §5.1
    //# The two versions differ in namespace and in the default of MIGversion only.
    let (namespace, mig_version, to_role) = match receipt.version {
        Version::V1_0 => {
            ("http://www.kith.no/xmlstds/apprec/2004-11-21", "1.0 2004-11-21", ("RECEIVER", "Mottaker"))
        }
        Version::V1_1 => {
            ("http://www.kith.no/xmlstds/apprec/2012-02-15", "v1.1 2012-02-15", ("AVS", "Avsender"))
        }
    };
    let mut w = Writer { out: String::with_capacity(2048), depth: 1 };
    w.out.push_str("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<AppRec xmlns=\"");
    w.out.push_str(namespace);
    w.out.push_str("\">");
    w.code("MsgType", &[("V", Some("APPREC")), ("DN", List::Function.display("APPREC"))]);
    w.text("MIGversion", mig_version);
    if let Some(software) = &receipt.software {
        w.text("SoftwareName", &software.name);
        w.text("SoftwareVersion", &software.version);
    }
    w.text("GenDate", &time::oslo_text(receipt.generated));
    w.text("Id", &receipt.msg_id());
    party(&mut w, "Sender", receipt.sender_role.code_and_text(), &receipt.sender);
    party(&mut w, "Receiver", to_role, &receipt.receiver);
    w.code("Status", &[("V", Some(receipt.status.code())), ("DN", Some(receipt.status.text()))]);
    for error in &receipt.errors {
        w.code(
            "Error",
            &[
                ("V", Some(error.code.as_str())),
                ("S", Some(List::ReceiptError.oid())),
                ("DN", Some(error.code.text())),
                ("OT", error.detail.as_deref()),
            ],
        );
    }
    w.open("OriginalMsgId");
    let kind = receipt.original.msg_type.as_deref();
    w.code("MsgType", &[("V", kind), ("DN", kind.and_then(|k| List::Function.display(k)))]);
    w.text("IssueDate", &receipt.original.issue_date);
    w.text("Id", &receipt.original.id);
    w.close("OriginalMsgId");
    w.close("AppRec");
    w.out.push('\n');
    w.out
}

fn party(w: &mut Writer, name: &str, role: (&str, &str), party: &Party) {
    w.open(name);
    w.code("Role", &[("V", Some(role.0)), ("DN", Some(role.1))]);
    w.open("HCP");
    let inst = &party.enterprise;
    if *inst == Unit::default() && party.service.is_none() {
        // An address that was missing is mirrored as what it was.
        w.code("Inst", &[]);
    } else {
        let (main, others) = ids(inst);
        w.open("Inst");
        unit_start(w, inst, main);
        // Inst, and Inst alone, has its further ids between departments and persons.
        match &party.service {
            Some(Service::Department(dept)) => {
                unit(w, "Dept", dept);
                additional(w, &others);
            }
            Some(Service::Person(person)) => {
                additional(w, &others);
                unit(w, "HCPerson", person);
            }
            None => additional(w, &others),
        }
        w.close("Inst");
    }
    if let Some(at) = &party.address {
        address(w, at);
    }
    w.close("HCP");
    w.close(name);
}

/// The id to write first, and the others: HER, the one that is addressed by, wherever it stood.
fn ids(unit: &Unit) -> (Option<&Ident>, Vec<&Ident>) {
    let main = unit.ident("HER").or_else(|| unit.idents.first());
    let others = unit.idents.iter().filter(|i| main.is_none_or(|m| !std::ptr::eq(*i, m))).collect();
    (main, others)
}

fn unit(w: &mut Writer, name: &str, unit: &Unit) {
    let (main, others) = ids(unit);
    w.open(name);
    unit_start(w, unit, main);
    additional(w, &others);
    w.close(name);
}

fn unit_start(w: &mut Writer, unit: &Unit, main: Option<&Ident>) {
    if let Some(name) = &unit.name {
        w.text("Name", &name.0);
    }
    if let Some(id) = main {
        w.text("Id", &id.value);
        kind_of_id(w, "TypeId", id);
    }
}

fn additional(w: &mut Writer, idents: &[&Ident]) {
    for id in idents {
        w.open("AdditionalId");
        w.text("Id", &id.value);
        kind_of_id(w, "Type", id);
        w.close("AdditionalId");
    }
}

fn kind_of_id(w: &mut Writer, name: &str, id: &Ident) {
    w.code(name, &[("V", Some(&id.kind)), ("DN", id.display.as_deref())]);
}

fn address(w: &mut Writer, address: &Address) {
    w.open("Address");
    w.code(
        "Type",
        // Mandatory; an address of unknown kind is one of work.
        &[("V", Some(address.kind.as_deref().unwrap_or("WP")))],
    );
    let lines =
        [("StreetAdr", &address.street), ("PostalCode", &address.postal_code), ("City", &address.city)];
    for (name, line) in lines {
        if let Some(line) = line {
            w.text(name, &line.0);
        }
    }
    w.close("Address");
}
