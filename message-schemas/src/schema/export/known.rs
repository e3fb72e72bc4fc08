//! What we call the namespaces that we know, and which standard each comes from.

/// A namespace that the project carries a schema file for.
#[derive(Debug, Clone, Copy)]
pub struct Known {
    /// The namespace.
    pub namespace: &'static str,
    /// The name of our file, without `.xsd`.
    pub file: &'static str,
    /// The prefix that our files give it.
    pub prefix: &'static str,
    /// What it is, and the standard that defines it.
    pub title: &'static str,
}

macro_rules! known {
    ($($namespace:literal $file:literal $prefix:literal $title:literal;)+) => {
        /// All of them, by file name.
        pub const KNOWN: &[Known] = &[
            $(Known { namespace: $namespace, file: $file, prefix: $prefix, title: $title },)+
        ];
    };
}

known! {
    "http://www.kith.no/xmlstds/apprec/2004-11-21" "apprec-1.0" "ar10" "Application receipt (AppRec) 1.0. HIS 80415:2004.";
    "http://www.kith.no/xmlstds/apprec/2012-02-15" "apprec-1.1" "ar11" "Application receipt (AppRec) 1.1. HIS 80415:2012.";
    "http://www.kith.no/xmlstds/base64container" "base64container" "b64" "Attachment in base64. HIS 80601:2006.";
    "http://www.oasis-open.org/committees/ebxml-cppa/schema/cpp-cpa-2_0.xsd" "cpp-cpa-2.0" "cppa" "Collaboration protocol profile and agreement. OASIS ebXML CPPA 2.0.";
    "http://www.kith.no/xmlstds/dialog/2006-10-11" "dialogmelding-1.0" "dialog10" "Dialogue message (dialogmelding) 1.0. HIS 80603:2006, HIS 1151:2006, HIS 1152:2006.";
    "http://www.kith.no/xmlstds/dialog/2013-01-23" "dialogmelding-1.1" "dialog11" "Dialogue message (dialogmelding) 1.1. HIS 80603:2017, HIS 1077:2017, HIS 1206:2018.";
    "http://www.oasis-open.org/committees/ebxml-msg/schema/msg-header-2_0.xsd" "ebxml-header-2.0" "eb" "ebXML message header. OASIS ebXML Message Service 2.0, section 3.";
    "http://www.kith.no/xmlstds/epikrise" "epikrise-1.0" "epi10" "Discharge summary (epikrise) 1.0. HIS 80226.";
    "http://www.kith.no/xmlstds/epikrise/2006-09-23" "epikrise-1.1" "epi11" "Discharge summary (epikrise) 1.1. HIS 80226:2006.";
    "http://www.kith.no/xmlstds/epikrise/2012-02-15" "epikrise-1.2" "epi12" "Discharge summary (epikrise) 1.2. HIS 80226:2014.";
    "http://www.kith.no/xmlstds/epj/epj1/2008-02-20" "epj-cave" "epj1" "EPJ extract: critical information (cave). HIS 80710:2007, HIS 1150.";
    "http://www.kith.no/xmlstds/epj/EPJEkstrakt/2008-02-20" "epj-ekstrakt-1.4" "epj" "EPJ extract 1.4. HIS 80710:2007, HIS 1150.";
    "http://www.kith.no/xmlstds/epj/epj3/2008-02-20" "epj-legemiddel" "epj3" "EPJ extract: medication. HIS 80710:2007, HIS 1150.";
    "http://www.kith.no/xmlstds/epj/meta/2008-02-20" "epj-meta" "epjmeta" "EPJ extract: what describes the parts. HIS 80710:2007.";
    "http://www.kith.no/xmlstds/epj/epj2/2008-02-20" "epj-notat" "epj2" "EPJ extract: journal notes. HIS 80710:2007, HIS 1150.";
    "http://www.kith.no/xmlstds/epj/EPJTilleggsinfo/2008-02-20" "epj-tilleggsinfo" "epjinfo" "EPJ extract: additional information. HIS 80710:2007.";
    "http://www.kith.no/xmlstds/eresept/forskrivning/2013-10-08" "eresept-forskrivning" "forskrivning" "E-prescription: prescribing, as messages to citizens use it.";
    "http://www.kith.no/xmlstds/eresept/ki/2013-04-25" "eresept-kritisk-informasjon" "ki" "E-prescription: critical information.";
    "http://www.kith.no/xmlstds/eresept/m1/2013-10-08" "eresept-m1" "m1" "E-prescription: the prescription (M1).";
    "http://www.kith.no/xmlstds/felleskomponent1" "felleskomponent1" "fk1" "Parts that several messages share: persons, organisations, addresses.";
    "http://www.kith.no/xmlstds/helsepersonell/2014-03-28" "helsepersonell-2014" "hp14" "Health personnel, as of 2014.";
    "http://www.kith.no/xmlstds/helsepersonell/2015-05-04" "helsepersonell-2015" "hp15" "Health personnel, as of 2015.";
    "http://www.kith.no/xmlstds/henvisning/2003-10-13" "henvisning-0.91" "henv09" "Referral (henvisning) 0.91. HIS 80517.";
    "http://www.kith.no/xmlstds/henvisning/2005-07-08" "henvisning-1.0" "henv10" "Referral (henvisning) 1.0. HIS 80517:2005.";
    "http://www.kith.no/xmlstds/henvisning/2012-02-15" "henvisning-1.1" "henv11" "Referral (henvisning) 1.1. HIS 80517:2014.";
    "http://ehelse.no/xmlstds/henvisning/2017-11-30" "henvisning-2.0" "henv20" "Referral (henvisning) 2.0. HIS 80517:2017, HIS 1207:2018, HIS 1208:2018.";
    "urn:ietf:params:xml:ns:icalendar-2.0" "icalendar-2.0" "ical" "iCalendar in XML (RFC 6321), with what the citizen dialogue adds. HITS 1217.";
    "http://www.kith.no/xmlstds" "kith" "kith" "Data types that all messages share. HISD 1165:2016.";
    "http://ehelse.no/xmlstds/leveringsrapport/2018-08-14" "leveringsrapport-1.0" "lrapp" "Delivery report (leveringsrapport) 1.0.";
    "http://ehelse.no/xmlstds/MeldingInnbygger/2018-09-25" "melding-innbygger-1.0" "innbygger" "Message of a citizen (melding innbygger) 1.0. HIS 1176:2017, HITS 1217.";
    "http://www.kith.no/xmlstds/msghead/2006-05-24" "msghead-1.2" "mh" "The head of messages (hodemelding) 1.2. HIS 80601:2006.";
    "http://www.kith.no/xmlstds/pasientrelasjon/2014-03-28" "pasientrelasjon-2014" "pasrel" "The patient's relations, as of 2014.";
    "http://www.kith.no/xmlstds/person/2014-03-28" "person-2014" "person" "Persons, as of 2014.";
    "http://www.kith.no/xmlstds/po/MeldingFravar/2009-06-30" "plo-fravar-1.5" "pofravar15" "PLO: notice of absence (melding om fravær) 1.5. HIS 80704:2009.";
    "http://ehelse.no/xmlstds/po/HelseopplysningerSaksbehandling/2016-05-30" "plo-helseopplysninger-saksbehandling-2.0" "posak20" "PLO: health information for casework 2.0.";
    "http://www.kith.no/xmlstds/po/HelseopplysningerVedSoknad/2009-06-30" "plo-helseopplysninger-soknad-1.5" "posoknad15" "PLO: health information with an application 1.5. HIS 1144.";
    "http://www.kith.no/xmlstds/po/HelseopplysningerVedSoknad/2012-04-01" "plo-helseopplysninger-soknad-1.6" "posoknad16" "PLO: health information with an application 1.6. HIS 1144.";
    "http://www.kith.no/xmlstds/po/Konsultasjon/2009-06-30" "plo-helseopplysninger-til-lege-1.5" "polege15" "PLO: health information to the physician 1.5. HIS 1145:2009.";
    "http://www.kith.no/xmlstds/po/HelseopplysningerTilLege/2012-04-01" "plo-helseopplysninger-til-lege-1.6" "polege16" "PLO: health information to the physician 1.6. HIS 1145:2014.";
    "http://www.kith.no/xmlstds/po/Innleggelsesrapport/2009-06-30" "plo-innleggelsesrapport-1.5" "poinn15" "PLO: admission report (innleggelsesrapport) 1.5. HIS 1143.";
    "http://www.kith.no/xmlstds/po/Innleggelsesrapport/2012-04-01" "plo-innleggelsesrapport-1.6" "poinn16" "PLO: admission report (innleggelsesrapport) 1.6. HIS 1143.";
    "http://www.kith.no/xmlstds/po/poKomponent/2009-06-30" "plo-komponent-1.5" "po15" "PLO: shared parts 1.5. HIS 80704:2009.";
    "http://www.kith.no/xmlstds/po/poKomponent/2012-04-01" "plo-komponent-1.6" "po16" "PLO: shared parts 1.6. HIS 80704:2014.";
    "http://ehelse.no/xmlstds/po/poKomponent/2017-11-30" "plo-komponent-2.0" "po20" "PLO: shared parts 2.0.";
    "http://www.kith.no/xmlstds/po/OverforingMedisinskeOpplysninger/2009-06-30" "plo-medisinske-opplysninger-1.5" "pomed15" "PLO: medical information 1.5. HIS 1147:2009.";
    "http://www.kith.no/xmlstds/po/MedisinskeOpplysninger/2012-04-01" "plo-medisinske-opplysninger-1.6" "pomed16" "PLO: medical information 1.6. HIS 1147:2014.";
    "http://www.kith.no/xmlstds/po/OrienteringOmTjenestetilbud/2009-06-30" "plo-orientering-1.5" "poori15" "PLO: notice of services offered 1.5. HIS 1146.";
    "http://www.kith.no/xmlstds/po/OrienteringOmTjenestetilbud/2012-04-01" "plo-orientering-1.6" "poori16" "PLO: notice of services offered 1.6. HIS 1146.";
    "http://www.kith.no/xmlstds/po/Pasientlogistikk/2009-06-30" "plo-pasientlogistikk-1.5" "polog15" "PLO: patient logistics 1.5. HIS 1149.";
    "http://www.kith.no/xmlstds/po/Pasientlogistikk/2012-04-01" "plo-pasientlogistikk-1.6" "polog16" "PLO: patient logistics 1.6. HIS 1149.";
    "http://ehelse.no/xmlstds/po/Pasientlogistikk/2016-05-30" "plo-pasientlogistikk-2.0" "polog20" "PLO: patient logistics 2.0.";
    "http://ehelse.no/xmlstds/po/Sammenfatning/2016-05-30" "plo-sammenfatning-2.0" "posam20" "PLO: summary (sammenfatning) 2.0.";
    "http://www.kith.no/xmlstds/po/TverrfagligEpikrise/2009-06-30" "plo-utskrivningsrapport-1.5" "poutskr15" "PLO: discharge report (utskrivningsrapport) 1.5. HIS 1148.";
    "http://www.kith.no/xmlstds/po/TverrfagligEpikrise/2012-04-01" "plo-utskrivningsrapport-1.6" "poutskr16" "PLO: discharge report (utskrivningsrapport) 1.6. HIS 1148.";
    "http://www.kith.no/xmlstds/rekvisisjon/2005-05-20" "rekvisisjon-1.4" "rekv14" "Requisition (rekvisisjon) 1.4. HIS 80821.";
    "http://www.kith.no/xmlstds/rekvisisjon/2008-12-01" "rekvisisjon-1.5" "rekv15" "Requisition (rekvisisjon) 1.5. HIS 80821:2008.";
    "http://www.kith.no/xmlstds/rekvisisjon/2012-02-15" "rekvisisjon-1.6" "rekv16" "Requisition (rekvisisjon) 1.6. HIS 80821:2014.";
    "http://schemas.xmlsoap.org/soap/envelope/" "soap-envelope-1.1" "soap" "SOAP envelope. W3C note SOAP 1.1, section 4.";
    "http://www.kith.no/xmlstds/labsvar/2005-03-14" "svarrapport-1.2" "svar12" "Result report (svarrapport) 1.2. HIS 80822.";
    "http://www.kith.no/xmlstds/labsvar/2008-12-01" "svarrapport-1.3" "svar13" "Result report (svarrapport) 1.3. HIS 80822:2008.";
    "http://www.kith.no/xmlstds/labsvar/2012-02-15" "svarrapport-1.4" "svar14" "Result report (svarrapport) 1.4. HIS 80822:2014.";
    "http://ehelse.no/xmlstds/Videreformidling/2018-09-25" "videreformidling-1.0" "videre" "Forwarding (videreformidling) 1.0.";
    "http://www.w3.org/1999/xlink" "xlink" "xlink" "Attributes of links. W3C XLink 1.0, section 4.";
    "http://www.w3.org/XML/1998/namespace" "xml" "xml" "Attributes of XML itself. W3C XML 1.0, section 2.";
    "http://www.w3.org/2000/09/xmldsig#" "xmldsig" "ds" "XML signature. W3C XML-Signature Syntax and Processing, section 4.";
}

/// The entry for a namespace.
#[must_use]
pub fn known(namespace: &str) -> Option<&'static Known> {
    KNOWN.iter().find(|k| k.namespace == namespace)
}

const DATA_TYPES: &str = "http://www.kith.no/xmlstds";
const HEAD: &str = "http://www.kith.no/xmlstds/msghead/2006-05-24";

/// What we say of single types: namespace, name, meaning and standard.
const TYPES: &[(&str, &str, &str)] = &[
    (DATA_TYPES, "BL", "Yes or no. HISD 1165:2016."),
    (DATA_TYPES, "CS", "Code of the code system that the standard names for the place. HISD 1165:2016."),
    (DATA_TYPES, "CV", "Code with its code system, or text where there is no code. HISD 1165:2016."),
    (DATA_TYPES, "ED", "Content of any kind, with its media type. HISD 1165:2016."),
    (DATA_TYPES, "INT", "Whole number. HISD 1165:2016."),
    (DATA_TYPES, "MO", "Amount of money with currency. HISD 1165:2016."),
    (DATA_TYPES, "PQ", "Physical quantity with unit. HISD 1165:2016."),
    (DATA_TYPES, "REAL", "Number. HISD 1165:2016."),
    (DATA_TYPES, "RTO", "Ratio of two numbers. HISD 1165:2016."),
    (DATA_TYPES, "ST", "Text. HISD 1165:2016."),
    (DATA_TYPES, "TN", "Text that may hold references. HISD 1165:2016."),
    (DATA_TYPES, "TS", "Point in time, as precise as it is known. HISD 1165:2016."),
    (DATA_TYPES, "URL", "Address of a resource or a way to reach someone. HISD 1165:2016."),
    (DATA_TYPES, "oid", "Object identifier. HISD 1165:2016."),
    (HEAD, "Address", "Address of a person or organisation. HIS 80601:2006."),
    (HEAD, "CS", "Code of the code system that the standard names for the place. HIS 80601:2006."),
    (HEAD, "CV", "Code with its code system. HIS 80601:2006."),
    (HEAD, "Ident", "Identifier with its kind. HIS 80601:2006."),
    (HEAD, "TeleCom", "Way to reach someone. HIS 80601:2006."),
    (HEAD, "oid", "Object identifier. HIS 80601:2006."),
];

/// What we say of a type.
pub(super) fn type_note(namespace: &str, name: &str) -> Option<&'static str> {
    TYPES.iter().find(|(n, t, _)| *n == namespace && *t == name).map(|(.., note)| *note)
}
