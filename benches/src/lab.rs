//! A made-up laboratory report of a given size. Every person, place and number in it is fictitious.

use std::fmt::Write as _;

/// How many results the usual message has: 19.6 KB in 422 elements.
pub const USUAL: usize = 31;

/// HER-id of the laboratory that sends, its enterprise first.
pub const SENDER: (u32, u32) = (250_010, 250_012);
/// HER-id of the doctor who receives, the office first.
pub const RECEIVER: (u32, u32) = (210_020, 210_021);

/// A Svarrapport 1.3 with so many results and, if not 0, an attachment of so many bytes in Base64. The
/// number makes its id and its values.
#[must_use]
pub fn report(number: u64, results: usize, attachment: usize) -> String {
    let mut xml = String::with_capacity(4_000 + results * 600 + attachment);
    head(&mut xml, number, attachment);
    patient(&mut xml);
    for nth in 0..results {
        result(&mut xml, number, nth);
    }
    xml.push_str("    </Patient>\n");
    parties(&mut xml);
    xml.push_str("  </ServReport>\n</Message>\n");
    xml
}

/// The smallest that is valid and can be routed: 1 KB.
#[must_use]
pub fn small(number: u64) -> String {
    let (from, to) = (SENDER, RECEIVER);
    format!(
        "<Message xmlns=\"http://www.kith.no/xmlstds/labsvar/2008-12-01\"><Type V=\"S\"/>\
         <MIGversion>v1.3 2008-12-01</MIGversion><GenDate V=\"2026-03-02T10:00:00\"/><MsgId>{}</MsgId>\
         <ServReport><ServType V=\"N\"/><IssueDate V=\"2026-03-02\"/><Status V=\"F\"/><MsgDescr V=\"CLIN\"/>\
         <ServProvId>S-{number}</ServProvId><Comment>{}</Comment><Patient><Name>Prøve, Kari</Name><OffId>14857541384</OffId>\
         <TypeOffId V=\"FNR\"/></Patient><ServProvider><HCP><Inst><Name>Storvika</Name><Id>{}</Id>\
         <TypeId V=\"HER\"/><Dept><Name>Lab</Name><Id>{}</Id><TypeId V=\"HER\"/></Dept></Inst></HCP>\
         </ServProvider><Requester><HCP><Inst><Name>Fjellvik</Name><Id>{}</Id><TypeId V=\"HER\"/><HCPerson>\
         <Name>Solveig Tind</Name><Id>{}</Id><TypeId V=\"HER\"/></HCPerson></Inst></HCP></Requester>\
         </ServReport></Message>",
        id(number),
        "Prøven er analysert to ganger. ".repeat(7),
        from.0,
        from.1,
        to.0,
        to.1,
    )
}

/// The message's id: a UUID (version 4 in form) that no other number has.
fn id(number: u64) -> String {
    let noise = number.wrapping_mul(0x9E37_79B9_7F4A_7C15);
    format!(
        "{:08x}-{:04x}-4{:03x}-8{:03x}-{number:012x}",
        noise >> 32,
        noise >> 16 & 0xFFFF,
        noise >> 4 & 0xFFF,
        number >> 48 & 0xFFF,
        number = number & 0xFFFF_FFFF_FFFF,
    )
}

/// The number of a message, by the id in it.
#[must_use]
pub fn number(message: &[u8]) -> Option<u64> {
    let id = memchr::memmem::find(message, b"<MsgId>")? + b"<MsgId>".len();
    let last = message.get(id + 24..id + 36)?;
    u64::from_str_radix(std::str::from_utf8(last).ok()?, 16).ok()
}

fn head(xml: &mut String, number: u64, attachment: usize) {
    put(
        xml,
        format_args!(
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n\
             <Message xmlns=\"http://www.kith.no/xmlstds/labsvar/2008-12-01\">\n\
             \x20 <Type V=\"S\" DN=\"Svarrapport\"/>\n\
             \x20 <MIGversion>v1.3 2008-12-01</MIGversion>\n\
             \x20 <GenDate V=\"2026-03-02T10:00:00\"/>\n\
             \x20 <MsgId>{}</MsgId>\n\
             \x20 <ServReport>\n\
             \x20   <ServType V=\"N\" DN=\"Ny\"/>\n\
             \x20   <IssueDate V=\"2026-03-02T09:55:00\"/>\n\
             \x20   <Status V=\"F\" DN=\"Endelig rapport\"/>\n\
             \x20   <MsgDescr V=\"CLIN\" DN=\"Medisinsk biokjemi\"/>\n\
             \x20   <ServProvId>SR-2026-{number:06}</ServProvId>\n\
             \x20   <Comment>Prøven var lett hemolysert.</Comment>\n",
            id(number)
        ),
    );
    if attachment > 0 {
        xml.push_str(
            "    <RefDoc><MsgType V=\"A\" DN=\"Vedlegg\"/><Id>vedlegg-1</Id><MimeType>application/pdf</MimeType>\
             <Content><Base64Container xmlns=\"http://www.kith.no/xmlstds/base64container\">JVBERi0x",
        );
        const LINE: &str = "TGljaHQgdW5kIFNjaGF0dGVuLCBub3Igb2cgc8O4ciwgYWx0IGVyIG9wcGRpa3RldC4u\n";
        for _ in 0..attachment / LINE.len() {
            xml.push_str(LINE);
        }
        xml.push_str("</Base64Container></Content></RefDoc>\n");
    }
    put(
        xml,
        format_args!(
            "    <ServReq>\n\
             \x20     <IssueDate V=\"2026-03-02\"/>\n\
             \x20     <Id>R-2026-{number:06}</Id>\n\
             \x20     <RequestedPrioReport V=\"NORM\" DN=\"Normal\"/>\n\
             \x20     <ReceiptDate V=\"2026-03-02T08:20:00\"/>\n\
             \x20   </ServReq>\n"
        ),
    );
}

fn patient(xml: &mut String) {
    xml.push_str(
        "    <Patient>\n\
         \x20     <Sex V=\"2\" DN=\"Kvinne\"/>\n\
         \x20     <DateOfBirth V=\"1975-05-14\"/>\n\
         \x20     <Name>Åsheim, Berit Marie</Name>\n\
         \x20     <OffId>14857541384</OffId>\n\
         \x20     <TypeOffId V=\"FNR\" DN=\"Fødselsnummer\"/>\n\
         \x20     <AnalysedSubject>\n\
         \x20       <CollectedSample><CollectedDate V=\"2026-03-02T08:10:00\"/></CollectedSample>\n\
         \x20       <TypeCoded V=\"S\" S=\"2.16.578.1.12.4.1.1.8351\" DN=\"Serum\"/>\n\
         \x20       <IdByServProvider>1</IdByServProvider>\n\
         \x20     </AnalysedSubject>\n\
         \x20     <AnalysedSubject>\n\
         \x20       <CollectedSample><CollectedDate V=\"2026-03-02T08:12:00\"/></CollectedSample>\n\
         \x20       <TypeCoded V=\"B\" S=\"2.16.578.1.12.4.1.1.8351\" DN=\"Blod\"/>\n\
         \x20       <Number>2</Number>\n\
         \x20       <IdByServProvider>2</IdByServProvider>\n\
         \x20     </AnalysedSubject>\n",
    );
}

/// Component, unit, reference interval.
const ANALYSES: [(&str, &str, &str); 8] = [
    ("P-Natrium", "mmol/L", "137 - 145"),
    ("P-Kalium", "mmol/L", "3,5 - 4,4"),
    ("P-CRP", "mg/L", "&lt; 5"),
    ("B-Leukocytter", "10^9/L", "3,5 - 11,0"),
    ("B-Hemoglobin", "g/dL", "11,7 - 15,3"),
    ("P-Kreatinin", "umol/L", "45 - 90"),
    ("P-Ferritin", "ug/L", "15 - 200"),
    ("B-Trombocytter", "10^9/L", "145 - 390"),
];

const COMMENT: &str = "        <Comment>Analysert to ganger med samme svar. Verdien kan være påvirket av at prøven \
     sto i romtemperatur før sentrifugering; ta ny prøve dersom svaret ikke passer med det kliniske bildet.\
     </Comment>\n";

fn result(xml: &mut String, number: u64, nth: usize) {
    let (name, unit, interval) = ANALYSES.get(nth % ANALYSES.len()).copied().unwrap_or_default();
    let mixed = (nth as u64 + 1).wrapping_mul(number % 1_000 + 7_919);
    put(
        xml,
        format_args!(
            "      <ResultItem>\n\
             \x20       <NumResult><NumResultValue V=\"{}.{}\" U=\"{unit}\"/></NumResult>\n\
             \x20       <ServType V=\"N\" DN=\"Ny\"/>\n\
             \x20       <RefInterval><Descr>{interval}</Descr></RefInterval>\n\
             \x20       <Investigation>\n\
             \x20         <Id V=\"NPU{:05}\" S=\"2.16.578.1.12.4.1.1.7280\" DN=\"{name}\"/>\n\
             \x20       </Investigation>\n{}{}\
             \x20       <IdResultItem>{}</IdResultItem>\n\
             \x20       <StatusInvestigation V=\"3\" DN=\"Endelig\"/>\n\
             \x20       <RefAnalysedSubject>{}</RefAnalysedSubject>\n\
             \x20     </ResultItem>\n",
            mixed % 300,
            mixed % 10,
            1_000 + nth,
            if nth.is_multiple_of(3) { COMMENT } else { "" },
            if nth.is_multiple_of(4) { "        <DevResultInd V=\"1\"/>\n" } else { "" },
            101 + nth,
            nth % 2 + 1,
        ),
    );
}

fn parties(xml: &mut String) {
    let (from, to) = (SENDER, RECEIVER);
    put(
        xml,
        format_args!(
            "    <ServProvider>\n\
             \x20     <HCP>\n\
             \x20       <Inst>\n\
             \x20         <Name>Storvika sykehus HF</Name>\n\
             \x20         <Id>{}</Id>\n\
             \x20         <TypeId V=\"HER\" DN=\"HER-id\"/>\n\
             \x20         <Dept><Name>Medisinsk biokjemi</Name><Id>{}</Id><TypeId V=\"HER\" DN=\"HER-id\"/></Dept>\n\
             \x20         <AdditionalId><Id>314052005</Id><Type V=\"ENH\" DN=\"Organisasjonsnummer\"/></AdditionalId>\n\
             \x20       </Inst>\n\
             \x20       <Address>\n\
             \x20         <Type V=\"WP\" DN=\"Arbeidsadresse\"/>\n\
             \x20         <StreetAdr>Prøveveien 1</StreetAdr>\n\
             \x20         <PostalCode>9999</PostalCode>\n\
             \x20         <City>Storvika</City>\n\
             \x20       </Address>\n\
             \x20     </HCP>\n\
             \x20   </ServProvider>\n\
             \x20   <Requester>\n\
             \x20     <HCP>\n\
             \x20       <Inst>\n\
             \x20         <Name>Fjellvik legekontor</Name>\n\
             \x20         <Id>{}</Id>\n\
             \x20         <TypeId V=\"HER\" DN=\"HER-id\"/>\n\
             \x20         <HCPerson><Name>Solveig Tind</Name><Id>{}</Id><TypeId V=\"HER\" DN=\"HER-id\"/></HCPerson>\n\
             \x20       </Inst>\n\
             \x20     </HCP>\n\
             \x20   </Requester>\n",
            from.0, from.1, to.0, to.1,
        ),
    );
}

fn put(xml: &mut String, text: std::fmt::Arguments<'_>) {
    xml.write_fmt(text).expect("a string takes all that is written to it");
}

/// The parties of these messages, the receiver answered for as said (`broker` or `party`), in the form said
/// (`kith-xml` or `fhir-document`).
#[must_use]
pub fn party_file(destination: &str, answers: &str, format: &str) -> String {
    format!(
        "[[party]]\nher_id = {from}\nlevel = \"enterprise\"\nname = \"Storvika\"\nkind = \"hospital\"\n\
         destination = \"folder:receipts\"\n\
         [[party]]\nher_id = {lab}\nlevel = \"service\"\nname = \"Storvika lab\"\nkind = \"laboratory\"\n\
         parent = {from}\n\
         [[party]]\nher_id = {office}\nlevel = \"enterprise\"\nname = \"Fjellvik\"\nkind = \"gp\"\n\
         destination = \"{destination}\"\n\
         [[party]]\nher_id = {doctor}\nlevel = \"service\"\nname = \"Solveig Tind\"\nkind = \"gp\"\n\
         parent = {office}\nanswers = \"{answers}\"\n\
         receives = [{{ family = \"result-report\", format = \"{format}\" }}]\n",
        from = SENDER.0,
        lab = SENDER.1,
        office = RECEIVER.0,
        doctor = RECEIVER.1,
    )
}
