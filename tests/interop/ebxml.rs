//! ebXML envelopes to be signed, with the parts that their signatures cover.

use crate::mutate::Chance;
use crate::mutations::Case;
use trust::xmldsig::Shape;

/// Some envelopes: with no, one and two parts, with and without blocks for the next node.
pub(crate) fn envelopes() -> impl Iterator<Item = Case> + Clone {
    let parts: [&[(&str, &[u8])]; 4] = [
        &[],
        &[("payload@example.org", b"0\x82\x01\0not really CMS")],
        &[("a@b", b"<a>\r\n</a>"), ("b%20c@b", b"")],
        &[("\u{E5}@b", &[0; 70_000])],
    ];
    let blocks = [
        "",
        "<eb:SyncReply eb:id=\"s\" eb:version=\"2.0\" SOAP:mustUnderstand=\"1\" \
         SOAP:actor=\"http://schemas.xmlsoap.org/soap/actor/next\"/>",
        "<eb:Via SOAP:actor=\"urn:oasis:names:tc:ebxml-msg:actor:nextMSH\"><eb:Deep xml:lang=\"no\">x</eb:Deep></eb:Via>\n",
    ];
    let all: Vec<Case> = parts
        .iter()
        .flat_map(|parts| blocks.iter().map(move |block| (parts, block)))
        .enumerate()
        .map(|(i, (parts, block))| Case {
            name: format!("envelope {i}"),
            text: envelope(parts, block),
            shape: Shape::Ebxml,
            parts: parts.iter().map(|(id, bytes)| ((*id).to_owned(), bytes.to_vec())).collect(),
        })
        .collect();
    all.into_iter()
}

fn envelope(parts: &[(&str, &[u8])], block: &str) -> String {
    let references: String = parts
        .iter()
        .map(|(id, _)| format!("<eb:Reference xlink:href=\"cid:{id}\" xlink:type=\"simple\"/>\r\n"))
        .collect();
    format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n\
         <SOAP:Envelope xmlns:SOAP=\"http://schemas.xmlsoap.org/soap/envelope/\" \
         xmlns:eb=\"http://www.oasis-open.org/committees/ebxml-msg/schema/msg-header-2_0.xsd\" \
         xmlns:xlink=\"http://www.w3.org/1999/xlink\" xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\">\n\
         <SOAP:Header><eb:MessageHeader SOAP:mustUnderstand=\"1\" eb:version=\"2.0\"><eb:From>\
         <eb:PartyId eb:type=\"HER\">8141253</eb:PartyId></eb:From><eb:To><eb:PartyId eb:type=\"HER\">79768</eb:PartyId>\
         </eb:To><eb:CPAId>nav:35065</eb:CPAId><eb:Service eb:type=\"string\">Innkalling \u{E6}\u{F8}\u{E5}</eb:Service>\
         </eb:MessageHeader>{block}</SOAP:Header>\n<SOAP:Body><eb:Manifest eb:version=\"2.0\">{references}</eb:Manifest>\
         </SOAP:Body>\n</SOAP:Envelope>"
    )
}

/// Changes the parts of an envelope, and says how.
pub(crate) fn change_parts(parts: &mut Vec<(String, Vec<u8>)>, chance: &mut Chance) -> &'static str {
    let at = chance.below(parts.len());
    let Some(part) = parts.get_mut(at) else {
        parts.push(("new@b".to_owned(), b"x".to_vec()));
        return "part added to none";
    };
    match chance.below(6) {
        0 => {
            parts.remove(at);
            "part left out"
        }
        1 => {
            let twin = part.clone();
            parts.push(twin);
            "part twice"
        }
        2 => {
            part.1.push(b'\n');
            "part changed"
        }
        3 => {
            part.0.push('x');
            "part renamed"
        }
        4 => {
            parts.reverse();
            "parts the other way round"
        }
        _ => {
            parts.push(("new@b".to_owned(), b"x".to_vec()));
            "part added"
        }
    }
}
