//! Changes to documents, from a seed: some that matter to a signature, some that do not, and nobody says which.

/// A small generator of numbers (splitmix64): the same seed gives the same changes everywhere.
pub(crate) struct Chance(u64);

impl Chance {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    pub(crate) fn below(&mut self, bound: usize) -> usize {
        (self.next() % bound.max(1) as u64) as usize
    }

    pub(crate) fn pick<'a, T>(&mut self, list: &'a [T]) -> &'a T {
        &list[self.below(list.len())]
    }
}

/// One way to change a text; none if it does not apply.
type Change = fn(&str, &mut Chance) -> Option<String>;

/// Changes that an XML document has to bear: most leave its meaning as it is.
pub(crate) const MARKUP: &[(&str, Change)] = &[
    ("other quotes", other_quotes),
    ("space in a tag", space_in_tag),
    ("empty element in two tags", two_tags),
    ("comment", |t, c| at_boundary(t, c, &["<!-- x -->", "<!---->", "<!--\r\n&lt;-->"])),
    ("instruction", |t, c| at_boundary(t, c, &["<?a b?>", "<?a?>", "<?a  b ?>", "<?a b\r\nc?>"])),
    ("white space between", |t, c| at_boundary(t, c, &[" ", "\n", "\r\n", "\t", "\r", "\u{85}", "\u{2028}"])),
    ("character reference", character_reference),
    ("CDATA", cdata),
    ("declaration", declaration),
    ("xml attribute", |t, c| {
        in_tag(
            t,
            c,
            &[
                "xml:lang=\"no\"",
                "xml:space=\"preserve\"",
                "xml:base=\"http://example.org/\"",
                "xml:id=\"i\"",
            ],
        )
    }),
    ("attribute", |t, c| {
        in_tag(t, c, &["a=\"&lt;&#9;&#10;&#13;&quot;'>\"", "A=\" \t\n x \"", "Id=\"x\"", "ID=''"])
    }),
    ("line ends", |t, c| swap(t, c, &["\n"], &["\r\n", "\r", "&#13;\n", "\n\n"])),
    ("attributes the other way round", reorder),
    ("prefix", |t, c| {
        let prefix = *c.pick(&["xsi", "mh", "kith", "S", "eb", "xlink", "ds"]);
        t.contains(&format!("xmlns:{prefix}=")).then(|| {
            t.replace(&format!("{prefix}:"), "zz:").replace(&format!("xmlns:{prefix}="), "xmlns:zz=")
        })
    }),
    ("around the document", |t, c| {
        let around = *c.pick(&["\n", "<!-- after -->", "<?after all?>", "\r\n \t"]);
        Some(format!("{t}{around}"))
    }),
];

/// Changes to characters: most break something.
pub(crate) const CHARACTERS: &[(&str, Change)] = &[
    ("character replaced", |t, c| {
        let (from, to) = character(t, c)?;
        Some(format!("{}{}{}", &t[..from], c.pick(ODD), &t[to..]))
    }),
    ("character put in", |t, c| {
        let (from, _) = character(t, c)?;
        Some(format!("{}{}{}", &t[..from], c.pick(ODD), &t[from..]))
    }),
    ("character left out", |t, c| {
        let (from, to) = character(t, c)?;
        Some(format!("{}{}", &t[..from], &t[to..]))
    }),
    ("piece left out", |t, c| {
        let (from, to) = piece(t, c)?;
        Some(format!("{}{}", &t[..from], &t[to..]))
    }),
    ("piece repeated", |t, c| {
        let (from, to) = piece(t, c)?;
        Some(format!("{}{}", &t[..to], &t[from..]))
    }),
    ("end cut off", |t, c| Some(t[..character(t, c)?.0].to_owned())),
];

const ODD: &[&str] = &[
    "<",
    ">",
    "&",
    "'",
    "\"",
    "=",
    " ",
    "\t",
    "\n",
    "\r",
    "]]>",
    ";",
    "#",
    "x",
    "A",
    "0",
    "é",
    "\u{85}",
    "\u{2028}",
    "\u{FEFF}",
    "\u{1}",
    "\u{FFFF}",
    "\u{1F600}",
    "/",
    "+",
    ":",
    "&amp;",
    "&#0;",
    "&#xD;",
    "&#x10FFFF;",
    "&unknown;",
    "%",
];

/// Changes inside a signature, and of its place.
pub(crate) const SIGNATURE: &[(&str, Change)] = &[
    ("algorithm", |t, c| {
        let start = signature(t)?.0;
        let at = nth(&t[start..], "Algorithm=\"", c)? + start + "Algorithm=\"".len();
        let end = at + t[at..].find('"')?;
        Some(format!("{}{}{}", &t[..at], c.pick(ALGORITHMS), &t[end..]))
    }),
    ("reference", |t, c| swap(t, c, &["URI=\"\"", "URI=\"cid:"], URIS)),
    ("base64", |t, c| {
        let (name, odd) = (
            *c.pick(&["DigestValue", "SignatureValue", "X509Certificate"]),
            *c.pick(&[
                "\n",
                " ",
                "&#13;",
                "=",
                "==",
                "A",
                "a",
                "-",
                "\u{A0}",
                "<!-- x -->",
                "<![CDATA[]]>",
                "\r\n",
            ]),
        );
        let (from, to) = content(t, name, c)?;
        let at = from + c.below(to - from + 1);
        Some(format!("{}{odd}{}", &t[..at], &t[at..]))
    }),
    ("digit of base64", |t, c| {
        let name = *c.pick(&["DigestValue", "SignatureValue", "X509Certificate"]);
        let (from, to) = content(t, name, c)?;
        let at = from + c.below(to - from);
        Some(format!("{}{}{}", &t[..at], c.pick(&["A", "b", "/", "+", "9"]), &t[at + 1..]))
    }),
    ("element left out", |t, c| {
        let (from, to) = part(t, c)?;
        Some(format!("{}{}", &t[..from], &t[to..]))
    }),
    ("element repeated", |t, c| {
        let (from, to) = part(t, c)?;
        Some(format!("{}{}", &t[..to], &t[from..]))
    }),
    ("elements the other way round", |t, c| {
        let (a, b) = part(t, c)?;
        let (x, y) = part(t, c)?;
        (b <= x).then(|| format!("{}{}{}{}{}", &t[..a], &t[x..y], &t[b..x], &t[a..b], &t[y..]))
    }),
    ("element put in", |t, c| {
        let (start, end) = signature(t)?;
        let at = start + nth(&t[start..end], "<", c)?;
        (at > start).then(|| format!("{}{}{}", &t[..at], c.pick(STRANGERS), &t[at..]))
    }),
    ("attribute put in", |t, c| {
        let (start, end) = signature(t)?;
        let changed = in_tag(
            &t[start..end],
            c,
            &["Id=\"s\"", "Encoding=\"x\"", "Type=\"t\"", "xmlns:x=\"urn:x\"", "x='y'"],
        )?;
        Some(format!("{}{changed}{}", &t[..start], &t[end..]))
    }),
    ("inclusive prefixes", |t, c| {
        let prefixes = format!(
            "<InclusiveNamespaces xmlns=\"http://www.w3.org/2001/10/xml-exc-c14n#\" PrefixList=\"{}\"/>",
            c.pick(&["", "#default", "xsi", "ds mh", "unbound", "xml", "#default  xsi\n"])
        );
        let at = nth(t, "exc-c14n#\"/>", c)? + "exc-c14n#\"".len();
        let from = t[..at].rfind('<')?;
        let name = t[from + 1..].split(' ').next()?;
        Some(format!("{}>{prefixes}</{name}>{}", &t[..at], &t[at + 2..]))
    }),
    ("signature moved to the front", |t, _| {
        let (start, end) = signature(t)?;
        let first = first_tag(t)?;
        (first < start).then(|| format!("{}{}{}{}", &t[..first], &t[start..end], &t[first..start], &t[end..]))
    }),
    ("signature twice", |t, c| {
        let (start, end) = signature(t)?;
        let at = *c.pick(&[first_tag(t)?, end, start]);
        Some(format!("{}{}{}", &t[..at], &t[start..end], &t[at..]))
    }),
    ("something behind the signature", |t, c| {
        let (_, end) = signature(t)?;
        Some(format!(
            "{}{}{}",
            &t[..end],
            c.pick(&["<Late/>", "late", "<!-- late -->", " ", "&#32;", "<?late?>"]),
            &t[end..]
        ))
    }),
    ("signature in a wrapping", |t, _| {
        let (start, end) = signature(t)?;
        Some(format!("{}<W>{}</W>{}", &t[..start], &t[start..end], &t[end..]))
    }),
    ("document in a wrapping", |t, _| {
        let (start, end) = signature(t)?;
        let from = t.find("?>").map_or(0, |i| i + 2);
        let inner = format!("{}{}", &t[from..start], &t[end..]);
        let (head, tail) = (&t[from..first_tag(t)?], &t[t.rfind("</")?..]);
        Some(format!("{head}<Forged/><Object>{inner}</Object>{}{tail}", &t[start..end]))
    }),
    ("DOCTYPE", |t, c| {
        let from = t.find("?>").map_or(0, |i| i + 2);
        let doctype = c.pick(&[
            "<!DOCTYPE x>",
            "<!DOCTYPE MsgHead [<!ENTITY a 'b'>]>",
            "<!DOCTYPE x SYSTEM 'file:///etc/hostname'>",
            "<!DOCTYPE MsgHead [<!ATTLIST MsgHead a CDATA 'x'>]>",
        ]);
        Some(format!("{}{doctype}{}", &t[..from], &t[from..]))
    }),
];

const ALGORITHMS: &[&str] = &[
    "http://www.w3.org/TR/2001/REC-xml-c14n-20010315",
    "http://www.w3.org/TR/2001/REC-xml-c14n-20010315#WithComments",
    "http://www.w3.org/2001/10/xml-exc-c14n#",
    "http://www.w3.org/2001/10/xml-exc-c14n#WithComments",
    "http://www.w3.org/2006/12/xml-c14n11",
    "http://www.w3.org/2000/09/xmldsig#enveloped-signature",
    "http://www.w3.org/2000/09/xmldsig#base64",
    "http://www.w3.org/2000/09/xmldsig#sha1",
    "http://www.w3.org/2000/09/xmldsig#rsa-sha1",
    "http://www.w3.org/2000/09/xmldsig#hmac-sha1",
    "http://www.w3.org/2001/04/xmldsig-more#rsa-md5",
    "http://www.w3.org/2001/04/xmldsig-more#rsa-sha256",
    "http://www.w3.org/2001/04/xmldsig-more#rsa-sha512",
    "http://www.w3.org/2001/04/xmldsig-more#ecdsa-sha256",
    "http://www.w3.org/2001/04/xmlenc#sha256",
    "http://www.w3.org/2001/04/xmlenc#sha512",
    "http://www.w3.org/TR/1999/REC-xpath-19991116",
    "http://www.w3.org/2002/06/xmldsig-filter2",
    "http://www.w3.org/TR/1999/REC-xslt-19991116",
    "http://www.w3.org/2001/04/xmlenc#sha256 ",
    "",
];

const URIS: &[&str] = &[
    "URI=\"#\"",
    "URI=\"#x\"",
    "URI=\"#xpointer(/)\"",
    "URI=\"#xpointer(id('x'))\"",
    "URI=\"cid:other\"",
    "URI=\"http://127.0.0.1:9/\"",
    "URI=\"file:///etc/hostname\"",
    "URI=\" \"",
    "URI=\"&#32;\"",
    "uri=\"\"",
    "URI=\"\" Type=\"http://www.w3.org/2000/09/xmldsig#Manifest\"",
    "",
];

const STRANGERS: &[&str] = &[
    "<Object xmlns=\"http://www.w3.org/2000/09/xmldsig#\"/>",
    "<x/>",
    "<!-- x -->",
    "x",
    " ",
    "\n",
    "<Transform xmlns=\"http://www.w3.org/2000/09/xmldsig#\" Algorithm=\"http://www.w3.org/TR/1999/REC-xpath-19991116\"><XPath>true()</XPath></Transform>",
    "<Transform xmlns=\"http://www.w3.org/2000/09/xmldsig#\" Algorithm=\"http://www.w3.org/2000/09/xmldsig#enveloped-signature\"/>",
    "<Transforms xmlns=\"http://www.w3.org/2000/09/xmldsig#\"/>",
    "<KeyInfo xmlns=\"http://www.w3.org/2000/09/xmldsig#\"><KeyName>x</KeyName></KeyInfo>",
    "<KeyValue xmlns=\"http://www.w3.org/2000/09/xmldsig#\"><RSAKeyValue><Modulus>AQAB</Modulus><Exponent>AQAB</Exponent></RSAKeyValue></KeyValue>",
    "<HMACOutputLength xmlns=\"http://www.w3.org/2000/09/xmldsig#\">8</HMACOutputLength>",
    "<Signature xmlns=\"http://www.w3.org/2000/09/xmldsig#\"/>",
];

const NAMES: &[&str] = &[
    "SignedInfo",
    "CanonicalizationMethod",
    "SignatureMethod",
    "Reference",
    "Transforms",
    "Transform",
    "DigestMethod",
    "DigestValue",
    "SignatureValue",
    "KeyInfo",
    "X509Data",
    "X509Certificate",
    "XPath",
];

/// Where the last Signature element begins and ends.
fn signature(text: &str) -> Option<(usize, usize)> {
    let close = text.rfind("Signature>")?;
    let end = close + "Signature>".len();
    let name = &text[text[..close].rfind("</")? + 2..end - 1];
    let start = text.rfind(&format!("<{name} ")).or_else(|| text.rfind(&format!("<{name}>")))?;
    (start < end).then_some((start, end))
}

/// An element inside the signature, whole.
fn part(text: &str, chance: &mut Chance) -> Option<(usize, usize)> {
    let (start, end) = signature(text)?;
    let inside = &text[start..end];
    let name = *chance.pick(NAMES);
    let at = nth(inside, &format!("{name} "), chance).or_else(|| nth(inside, &format!("{name}>"), chance))?;
    let from = start + inside[..at].rfind('<')?;
    let tag = text[from + 1..].split([' ', '>', '/']).next()?;
    let open = from + text[from..].find('>')?;
    if text[..open].ends_with('/') {
        return Some((from, open + 1));
    }
    let close = format!("</{tag}>");
    Some((from, from + text[from..end].find(&close)? + close.len()))
}

/// The content of an element of that name.
fn content(text: &str, name: &str, chance: &mut Chance) -> Option<(usize, usize)> {
    let at = nth(text, &format!("{name}>"), chance)?;
    let from = at + name.len() + 1;
    let to = from + text[from..].find('<')?;
    (to > from && !text[..at].ends_with('/') && text.is_char_boundary(from)).then_some((from, to))
}

/// Behind the start tag of the document element.
fn first_tag(text: &str) -> Option<usize> {
    let from = text.find("?>").map_or(0, |i| i + 2);
    let mut at = from + text[from..].find('<')?;
    while text[at..].starts_with("<!--") {
        at += text[at..].find("-->")? + 3;
        at += text[at..].find('<')?;
    }
    Some(at + text[at..].find('>')? + 1)
}

/// A place where `what` stands, by chance.
fn nth(text: &str, what: &str, chance: &mut Chance) -> Option<usize> {
    let places: Vec<usize> = text.match_indices(what).map(|(i, _)| i).collect();
    (!places.is_empty()).then(|| *chance.pick(&places))
}

fn swap(text: &str, chance: &mut Chance, from: &[&str], to: &[&str]) -> Option<String> {
    let from = *chance.pick(from);
    let at = nth(text, from, chance)?;
    Some(format!("{}{}{}", &text[..at], chance.pick(to), &text[at + from.len()..]))
}

fn character(text: &str, chance: &mut Chance) -> Option<(usize, usize)> {
    let mut at = chance.below(text.len());
    while !text.is_char_boundary(at) {
        at -= 1;
    }
    Some((at, at + text[at..].chars().next()?.len_utf8()))
}

fn piece(text: &str, chance: &mut Chance) -> Option<(usize, usize)> {
    let (from, _) = character(text, chance)?;
    let mut to = (from + 1 + chance.below(60)).min(text.len());
    while !text.is_char_boundary(to) {
        to += 1;
    }
    Some((from, to))
}

/// A start tag, from `<` to behind `>`; tags with `>` in a value are not found whole, which does no harm.
fn start_tag(text: &str, chance: &mut Chance) -> Option<(usize, usize)> {
    let at = nth(text, "<", chance)?;
    let next = *text.as_bytes().get(at + 1)?;
    let end = at + text[at..].find('>')? + 1;
    next.is_ascii_alphabetic().then_some((at, end))
}

fn in_tag(text: &str, chance: &mut Chance, what: &[&str]) -> Option<String> {
    let (from, to) = start_tag(text, chance)?;
    let name = from + text[from..to].find([' ', '>', '/', '\n', '\t', '\r'])?;
    Some(format!("{} {}{}", &text[..name], chance.pick(what), &text[name..]))
}

fn declaration(text: &str, chance: &mut Chance) -> Option<String> {
    const DECLARATIONS: &[&str] = &[
        "xmlns:unused=\"urn:unused\"",
        "xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\"",
        "xmlns:xsi=\"urn:other\"",
        "xmlns:ds=\"http://www.w3.org/2000/09/xmldsig#\"",
        "xmlns:mh=\"http://www.kith.no/xmlstds/msghead/2006-05-24\"",
        "xmlns=\"\"",
        "xmlns=\"urn:default\"",
        "xmlns:rel=\"relative/name\"",
        "xmlns:e=\"\"",
        "xmlns:xml=\"http://www.w3.org/XML/1998/namespace\"",
        "xmlns:a=\"urn:&amp;&quot;&lt;&#x9;\"",
    ];
    in_tag(text, chance, DECLARATIONS)
}

fn other_quotes(text: &str, chance: &mut Chance) -> Option<String> {
    let at = nth(text, "=\"", chance)? + 1;
    let end = at + 1 + text[at + 1..].find('"')?;
    let value = &text[at + 1..end];
    (!value.contains('\'')).then(|| format!("{}'{value}'{}", &text[..at], &text[end + 1..]))
}

fn space_in_tag(text: &str, chance: &mut Chance) -> Option<String> {
    let (_, to) = start_tag(text, chance)?;
    let at = if text[..to].ends_with("/>") { to - 2 } else { to - 1 };
    Some(format!("{}{}{}", &text[..at], chance.pick(&[" ", "\n", "\t \r\n"]), &text[at..]))
}

fn two_tags(text: &str, chance: &mut Chance) -> Option<String> {
    let (from, to) = start_tag(text, chance)?;
    let tag = text[from..to].strip_suffix("/>")?;
    let name = tag[1..].split([' ', '\n', '\r', '\t']).next()?;
    Some(format!("{}{tag}></{name}>{}", &text[..from], &text[to..]))
}

fn at_boundary(text: &str, chance: &mut Chance, what: &[&str]) -> Option<String> {
    let at = nth(text, "<", chance)?;
    (at > 0).then(|| format!("{}{}{}", &text[..at], chance.pick(what), &text[at..]))
}

fn character_reference(text: &str, chance: &mut Chance) -> Option<String> {
    let (from, to) = character(text, chance)?;
    let character = text[from..to].chars().next()?;
    let number = u32::from(character);
    let reference = match chance.below(3) {
        0 => format!("&#{number};"),
        1 => format!("&#x{number:X};"),
        _ => format!("&#x000{number:x};"),
    };
    character.is_alphanumeric().then(|| format!("{}{reference}{}", &text[..from], &text[to..]))
}

fn cdata(text: &str, chance: &mut Chance) -> Option<String> {
    let at = nth(text, ">", chance)? + 1;
    let end = at + text[at..].find('<')?;
    let inside = &text[at..end];
    (!inside.contains(['&', '\r'])).then(|| format!("{}<![CDATA[{inside}]]>{}", &text[..at], &text[end..]))
}

/// Two attributes of one tag in the other order.
fn reorder(text: &str, chance: &mut Chance) -> Option<String> {
    let (from, to) = start_tag(text, chance)?;
    let tag = &text[from..to];
    let first = tag.find(' ')?;
    let middle = first + 1 + tag[first + 1..].find("\" ")? + 1;
    let last = middle + 1 + tag[middle + 1..].find("=\"")? + 2;
    let end = last + tag[last..].find('"')? + 1;
    Some(format!(
        "{}{}{}{}{}",
        &text[..from + first],
        &tag[middle..end],
        &tag[first..middle],
        &tag[end..],
        &text[to..]
    ))
}
