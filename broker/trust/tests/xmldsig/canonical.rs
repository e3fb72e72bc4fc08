//! Canonical forms: cases written from the rules, and libxml2 beside us on thousands of documents.

use crate::shared::documents;
use message_schemas::{Limits, xml};
use proptest::prelude::*;
use std::io::Write as _;
use std::process::Command;
use trust::xmldsig::{Canonical, canonicalize};

fn form(exclusive: bool, comments: bool) -> Canonical {
    Canonical { exclusive, comments, prefixes: Vec::new() }
}

fn canonical(text: &str, form: &Canonical) -> String {
    String::from_utf8(canonicalize(text, form, &Limits::default()).unwrap()).unwrap()
}

/// What libxml2 makes of a document, comments kept; none if it refuses it or is not there.
fn xmllint(bytes: &[u8], exclusive: bool) -> Option<Vec<u8>> {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(bytes).unwrap();
    let mode = if exclusive { "--exc-c14n" } else { "--c14n" };
    let output = Command::new("xmllint").args([mode, "--huge"]).arg(file.path()).output().ok()?;
    output.status.success().then_some(output.stdout)
}

fn xmllint_is_here() -> bool {
    let here = Command::new("xmllint").arg("--version").output().is_ok();
    assert!(here || std::env::var_os("REQUIRE_SHARED").is_none(), "REQUIRE_SHARED is set; no xmllint");
    if !here {
        println!("skipped: no xmllint");
    }
    here
}

/// Document, inclusive form, exclusive form; both without comments.
const CASES: [(&str, &str, &str); 22] = [
    // Declaration, comments and white space outside the document element go; instructions stay on lines of their own.
    (
        "<?xml version='1.0'?>\n\n<?first  a b ?>\n<!-- c --><a/>\n\n<!-- d -->\n<?last?>  ",
        "<?first a b ?>\n<a></a>\n<?last?>",
        "<?first a b ?>\n<a></a>\n<?last?>",
    ),
    ("<a   b = 'x'\n  />", "<a b=\"x\"></a>", "<a b=\"x\"></a>"),
    ("<a  ><b\n/></a >", "<a><b></b></a>", "<a><b></b></a>"),
    // Attributes: those without a namespace first, then by URI and local name, not by prefix.
    (
        "<a xmlns:z='urn:1' xmlns:y='urn:2' y:a='1' z:b='2' z:a='3' c='4' b='5'/>",
        "<a xmlns:y=\"urn:2\" xmlns:z=\"urn:1\" b=\"5\" c=\"4\" z:a=\"3\" z:b=\"2\" y:a=\"1\"></a>",
        "<a xmlns:y=\"urn:2\" xmlns:z=\"urn:1\" b=\"5\" c=\"4\" z:a=\"3\" z:b=\"2\" y:a=\"1\"></a>",
    ),
    // Declarations before attributes, the default first.
    (
        "<a b='1' xmlns:c='urn:c' xmlns='urn:d'><c:e/></a>",
        "<a xmlns=\"urn:d\" xmlns:c=\"urn:c\" b=\"1\"><c:e></c:e></a>",
        "<a xmlns=\"urn:d\" b=\"1\"><c:e xmlns:c=\"urn:c\"></c:e></a>",
    ),
    // Superfluous declarations.
    (
        "<a xmlns='urn:1' xmlns:p='urn:2'><b xmlns='urn:1' xmlns:p='urn:2'><p:c xmlns:p='urn:2'/></b></a>",
        "<a xmlns=\"urn:1\" xmlns:p=\"urn:2\"><b><p:c></p:c></b></a>",
        "<a xmlns=\"urn:1\"><b><p:c xmlns:p=\"urn:2\"></p:c></b></a>",
    ),
    // A default namespace taken back, and never given.
    (
        "<a xmlns=''><b xmlns='urn:1'><c xmlns=''><d xmlns=''/></c></b></a>",
        "<a><b xmlns=\"urn:1\"><c xmlns=\"\"><d></d></c></b></a>",
        "<a><b xmlns=\"urn:1\"><c xmlns=\"\"><d></d></c></b></a>",
    ),
    // Exclusive: taken back only where it is used.
    (
        "<a xmlns='urn:1'><p:b xmlns:p='urn:2' xmlns=''><c/></p:b></a>",
        "<a xmlns=\"urn:1\"><p:b xmlns=\"\" xmlns:p=\"urn:2\"><c></c></p:b></a>",
        "<a xmlns=\"urn:1\"><p:b xmlns:p=\"urn:2\"><c xmlns=\"\"></c></p:b></a>",
    ),
    // A prefix that comes to mean something else, and back.
    (
        "<p:a xmlns:p='urn:1'><p:b xmlns:p='urn:2'><p:c xmlns:p='urn:1'/></p:b><p:d/></p:a>",
        "<p:a xmlns:p=\"urn:1\"><p:b xmlns:p=\"urn:2\"><p:c xmlns:p=\"urn:1\"></p:c></p:b><p:d></p:d></p:a>",
        "<p:a xmlns:p=\"urn:1\"><p:b xmlns:p=\"urn:2\"><p:c xmlns:p=\"urn:1\"></p:c></p:b><p:d></p:d></p:a>",
    ),
    // Exclusive: siblings each declare what they use; what nobody uses goes.
    (
        "<a xmlns:p='urn:1' xmlns:q='urn:2'><p:b/><p:b q:c=''/></a>",
        "<a xmlns:p=\"urn:1\" xmlns:q=\"urn:2\"><p:b></p:b><p:b q:c=\"\"></p:b></a>",
        "<a><p:b xmlns:p=\"urn:1\"></p:b><p:b xmlns:p=\"urn:1\" xmlns:q=\"urn:2\" q:c=\"\"></p:b></a>",
    ),
    // Two prefixes for one namespace are two.
    (
        "<p:a xmlns:p='urn:1' xmlns:q='urn:1'><q:b p:c='1' q:d='2'/></p:a>",
        "<p:a xmlns:p=\"urn:1\" xmlns:q=\"urn:1\"><q:b p:c=\"1\" q:d=\"2\"></q:b></p:a>",
        "<p:a xmlns:p=\"urn:1\"><q:b xmlns:q=\"urn:1\" p:c=\"1\" q:d=\"2\"></q:b></p:a>",
    ),
    // A prefix inside a value is not used, to the exclusive form.
    (
        "<a xmlns:x='urn:x' xmlns:i='urn:i' i:type='x:t'/>",
        "<a xmlns:i=\"urn:i\" xmlns:x=\"urn:x\" i:type=\"x:t\"></a>",
        "<a xmlns:i=\"urn:i\" i:type=\"x:t\"></a>",
    ),
    // The prefix xml is never declared.
    (
        "<a xmlns:xml='http://www.w3.org/XML/1998/namespace' xml:lang='no'><b xml:space='preserve'/></a>",
        "<a xml:lang=\"no\"><b xml:space=\"preserve\"></b></a>",
        "<a xml:lang=\"no\"><b xml:space=\"preserve\"></b></a>",
    ),
    // Text: three characters and CR.
    (
        "<a>&lt;&amp;&gt;&quot;&apos; > ' \" &#13;&#xD;&#9;&#10;</a>",
        "<a>&lt;&amp;&gt;\"' &gt; ' \" &#xD;&#xD;\t\n</a>",
        "<a>&lt;&amp;&gt;\"' &gt; ' \" &#xD;&#xD;\t\n</a>",
    ),
    ("<a>1\r\n2\r3\r\n\r\n4</a>", "<a>1\n2\n3\n\n4</a>", "<a>1\n2\n3\n\n4</a>"),
    // Attribute values: normalised by the reader, then escaped.
    (
        "<a b='1\r\n2\t3\n4&#13;&#10;&#9;&lt;&gt;&amp;&quot;&apos;>\"'/>",
        "<a b=\"1 2 3 4&#xD;&#xA;&#x9;&lt;>&amp;&quot;'>&quot;\"></a>",
        "<a b=\"1 2 3 4&#xD;&#xA;&#x9;&lt;>&amp;&quot;'>&quot;\"></a>",
    ),
    (
        "<a xmlns:p='urn:1?a&amp;b'><p:b/></a>",
        "<a xmlns:p=\"urn:1?a&amp;b\"><p:b></p:b></a>",
        "<a><p:b xmlns:p=\"urn:1?a&amp;b\"></p:b></a>",
    ),
    // CDATA is text.
    (
        "<a><![CDATA[<b>&amp;\r\n]]]]><![CDATA[>]]></a>",
        "<a>&lt;b&gt;&amp;amp;\n]]&gt;</a>",
        "<a>&lt;b&gt;&amp;amp;\n]]&gt;</a>",
    ),
    // Comments go, and the text around them stands together; instructions stay.
    ("<a>1<!-- x -->2<?p  q\r\nr ?>3<!----></a>", "<a>12<?p q\nr ?>3</a>", "<a>12<?p q\nr ?>3</a>"),
    // Names and text beyond ASCII; order is by code point.
    (
        "<æ xmlns:ø='urn:o' ø:å='1' Å='2' a='3' 𝒜='4' ﬀ='5'>\u{10FFFF}\u{85}</æ>",
        "<æ xmlns:ø=\"urn:o\" a=\"3\" Å=\"2\" ﬀ=\"5\" 𝒜=\"4\" ø:å=\"1\">\u{10FFFF}\u{85}</æ>",
        "<æ xmlns:ø=\"urn:o\" a=\"3\" Å=\"2\" ﬀ=\"5\" 𝒜=\"4\" ø:å=\"1\">\u{10FFFF}\u{85}</æ>",
    ),
    // Default attribute values there are none, white space between elements is text.
    ("<a>\n  <b/>\t</a>\n", "<a>\n  <b></b>\t</a>", "<a>\n  <b></b>\t</a>"),
    // An unprefixed attribute has no namespace, whatever the default is.
    (
        "<a xmlns='urn:z' xmlns:p='urn:a' b='1' p:a='2'/>",
        "<a xmlns=\"urn:z\" xmlns:p=\"urn:a\" b=\"1\" p:a=\"2\"></a>",
        "<a xmlns=\"urn:z\" xmlns:p=\"urn:a\" b=\"1\" p:a=\"2\"></a>",
    ),
];

#[test]
fn cases_by_hand() {
    for (text, inclusive, exclusive) in CASES {
        assert_eq!(canonical(text, &form(false, false)), inclusive, "inclusive: {text}");
        assert_eq!(canonical(text, &form(true, false)), exclusive, "exclusive: {text}");
    }
}

#[test]
fn comments_stay_where_asked_for() {
    let text = "<?xml version='1.0'?><!--1\r\n--><a>2<!-- <&-->3</a><!--4--><!---->";
    for exclusive in [false, true] {
        assert_eq!(
            canonical(text, &form(exclusive, true)),
            "<!--1\n-->\n<a>2<!-- <&-->3</a>\n<!--4-->\n<!---->"
        );
        assert_eq!(canonical(text, &form(exclusive, false)), "<a>23</a>");
    }
}

#[test]
fn listed_prefixes_are_kept_as_in_the_inclusive_form() {
    let text = "<a xmlns='urn:d' xmlns:x='urn:x' xmlns:y='urn:y'><p:b xmlns:p='urn:p' xmlns:x='urn:2'>\
                <p:c xmlns=''/></p:b></a>";
    let with = |prefixes: &[&str]| {
        let prefixes = prefixes.iter().map(|p| (*p).to_owned()).collect();
        canonical(text, &Canonical { exclusive: true, comments: false, prefixes })
    };
    assert_eq!(with(&[]), "<a xmlns=\"urn:d\"><p:b xmlns:p=\"urn:p\"><p:c></p:c></p:b></a>");
    assert_eq!(
        with(&["x", "nowhere"]),
        "<a xmlns=\"urn:d\" xmlns:x=\"urn:x\"><p:b xmlns:p=\"urn:p\" xmlns:x=\"urn:2\"><p:c></p:c></p:b></a>"
    );
    assert_eq!(
        with(&["#default", "y"]),
        "<a xmlns=\"urn:d\" xmlns:y=\"urn:y\"><p:b xmlns:p=\"urn:p\"><p:c xmlns=\"\"></p:c></p:b></a>"
    );
}

#[test]
fn libxml2_agrees_on_the_cases() {
    if !xmllint_is_here() {
        return;
    }
    // It writes a namespace's & as it is, which is no XML.
    for (text, ..) in CASES.into_iter().filter(|(text, ..)| !text.contains("?a&amp;b")) {
        for exclusive in [false, true] {
            let ours = canonicalize(text, &form(exclusive, true), &Limits::default()).ok();
            let theirs = xmllint(text.as_bytes(), exclusive);
            assert_eq!(ours.map(lossy), theirs.map(lossy), "exclusive {exclusive}: {text}");
        }
    }
}

#[test]
fn libxml2_agrees_on_every_sample() {
    if !xmllint_is_here() {
        return;
    }
    let mut compared = 0;
    for path in documents() {
        let bytes = std::fs::read(&path).unwrap();
        let Ok(decoded) = xml::decode(&bytes) else { continue };
        for exclusive in [false, true] {
            let Ok(ours) = canonicalize(&decoded.text, &form(exclusive, true), &Limits::default()) else {
                continue;
            };
            // It believes a wrong encoding declaration where we do not, so it gets what we read.
            let plain = decoded.text.trim_start();
            let plain = match plain.strip_prefix("<?xml ").and_then(|p| p.split_once("?>")) {
                Some((_, rest)) => rest,
                None => plain,
            };
            let theirs = xmllint(plain.as_bytes(), exclusive).unwrap();
            assert!(ours == theirs, "{}: exclusive {exclusive}", path.display());
            compared += 1;
        }
    }
    assert!(compared > 100, "only {compared}");
    println!("{compared} canonical forms are those of libxml2");
}

fn lossy(bytes: Vec<u8>) -> String {
    String::from_utf8_lossy(&bytes).into_owned()
}

/// Content that is well-formed whatever surrounds it; prefixes p and q are declared on the document element.
fn content() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        // The end of a CDATA section stands neither in a text nor across two.
        "[a-zåø <>\"'\\]\r\n\t]{0,12}"
            .prop_map(|t| { t.trim_start_matches([']', '>']).replace('<', "&lt;").replace("]]>", "]] >") }),
        prop::sample::select(vec![
            "&amp;",
            "&#13;",
            "&#10;",
            "&#9;",
            "&gt;",
            "<![CDATA[<&>\r\n]]>",
            "<!-- c\r -->",
            "<?p  x ?>",
            "<?q?>",
        ])
        .prop_map(str::to_owned),
    ];
    leaf.prop_recursive(5, 40, 4, |inner| {
        let prefix = prop::sample::select(vec!["", "p:", "q:"]);
        let declared = prop::sample::subsequence(
            vec!["xmlns=''", "xmlns:p='urn:1'", "xmlns:q='urn:2'", "xml:lang='no'"],
            0..4,
        );
        let more = prop::sample::subsequence(
            vec!["xmlns:r='urn:1'", "b='&#13;\"'", "a=' 1\r\n2 '", "p:z='1'", "q:y='&lt;>'", "p:c=''"],
            0..6,
        )
        .prop_shuffle();
        let other = prop::bool::ANY;
        (prefix, declared, more, other, prop::collection::vec(inner, 0..4)).prop_map(
            |(prefix, mut declared, more, other, children)| {
                if other {
                    // The same prefixes with other meanings, never both with one (an attribute would stand twice).
                    for one in &mut declared {
                        *one = match *one {
                            "xmlns=''" => "xmlns='urn:3'",
                            "xmlns:p='urn:1'" => "xmlns:p='urn:4'",
                            "xmlns:q='urn:2'" => "xmlns:q='urn:0'",
                            rest => rest,
                        };
                    }
                }
                let attributes: String = declared.iter().chain(&more).map(|a| format!("\n {a}")).collect();
                format!("<{prefix}e{attributes}>{}</{prefix}e>", children.concat())
            },
        )
    })
}

fn document() -> impl Strategy<Value = String> {
    content()
        .prop_map(|c| format!("<!--1--><?i?><d xmlns='urn:d' xmlns:p='urn:1' xmlns:q='urn:2'>{c}</d><?i?>\n"))
}

/// Events, text joined.
#[derive(Default, PartialEq, Debug)]
struct Events(Vec<String>);

impl xml::Handler for Events {
    fn start(&mut self, element: &xml::Element<'_>) {
        let mut attributes: Vec<String> = element
            .attributes
            .iter()
            .map(|a| format!("{{{}}}{}={:?}", element.uri(a.namespace), a.local, a.value))
            .collect();
        attributes.sort();
        self.0.push(format!("<{{{}}}{} {attributes:?}>", element.uri(element.namespace), element.name));
    }
    fn text(&mut self, text: &str, _at: xml::Offset) {
        match self.0.last_mut() {
            Some(last) if last.starts_with('"') => last.push_str(text),
            _ => self.0.push(format!("\"{text}")),
        }
    }
    fn end(&mut self, _at: xml::Offset) {
        self.0.push("</>".into());
    }
    fn comment(&mut self, text: &str, _at: xml::Offset) {
        self.0.push(format!("<!--{text}-->"));
    }
    fn instruction(&mut self, target: &str, data: &str, _at: xml::Offset) {
        self.0.push(format!("<?{target} {data}?>"));
    }
}

fn events(text: &str) -> Vec<String> {
    let mut events = Events::default();
    xml::read(text, &Limits::default(), &mut events).unwrap();
    events.0.retain(|e| e != "\"");
    events.0
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn the_canonical_form_says_the_same_and_is_its_own_canonical_form(text in document()) {
        for exclusive in [false, true] {
            let form = form(exclusive, true);
            let once = canonical(&text, &form);
            prop_assert_eq!(events(&once), events(&text));
            prop_assert_eq!(canonical(&once, &form), once);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 150, ..ProptestConfig::default() })]

    #[test]
    fn libxml2_agrees_on_any_document(text in document()) {
        if xmllint_is_here() {
            for exclusive in [false, true] {
                let theirs = xmllint(text.as_bytes(), exclusive).map(lossy);
                prop_assert_eq!(Some(canonical(&text, &form(exclusive, true))), theirs);
            }
        }
    }
}
