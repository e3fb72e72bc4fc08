//! What is XML and what is not, as libxml2 has it.

use super::{Attribute, Element, Handler, Offset, read};
use crate::Limits;

/// Writes down the events of a document.
#[derive(Default)]
struct Log(String);

impl Handler for Log {
    fn start(&mut self, element: &Element<'_>) {
        let name =
            |uri: &str, local: &str| if uri.is_empty() { local.to_owned() } else { format!("{uri}|{local}") };
        self.0.push_str(&format!("<{}", name(element.uri(element.namespace), element.local)));
        for Attribute { namespace, local, value, .. } in element.attributes {
            self.0.push_str(&format!(" {}={value:?}", name(element.uri(*namespace), local)));
        }
        self.0.push('>');
    }
    fn text(&mut self, text: &str, _at: Offset) {
        self.0.push_str(&format!("{text:?}"));
    }
    fn end(&mut self, _at: Offset) {
        self.0.push_str("</>");
    }
}

fn events(text: &str) -> Result<String, String> {
    let mut log = Log::default();
    read(text, &Limits::default(), &mut log).map(|()| log.0).map_err(|f| f.code.as_str().to_owned())
}

#[test]
fn well_formed_documents_are_read() {
    for (text, expected) in [
        ("<a/>", "<a></>"),
        ("<a></a >", "<a></>"),
        ("<a\n></a\t>", "<a></>"),
        (
            "<?xml version='1.0' encoding='UTF-8' standalone=\"yes\" ?>\n<!-- - -->\n<?p?><a/><!---->\n<?p q?>\n",
            "<a></>",
        ),
        ("<?xml version='1.1'?><a/>", "<a></>"),
        ("<?xml-stylesheet href='x'?><a/>", "<a></>"),
        ("<a b='1' c = \"'2'\" d='>'/>", r#"<a b="1" c="'2'" d=">"></>"#),
        ("<a>x&amp;&#65;&#x42;&lt;y</a>", r#"<a>"x""&""A""B""<""y"</>"#),
        ("<a>1<![CDATA[<&]]]]><![CDATA[>]]>2</a>", r#"<a>"1""<&]]"">""2"</>"#),
        ("<a>]] > ]&gt;</a>", r#"<a>"]] > ]"">"</>"#),
        ("<a>1\r\n2\r3&#13;</a>", r#"<a>"1\n2\n3""\r"</>"#),
        ("<a b='1\r\n2\t3\n4&#10;5'/>", r#"<a b="1 2 3 4\n5"></>"#),
        ("<æ:ø xmlns:æ='u' æ:å='1'/>", r#"<u|ø u|å="1"></>"#),
        ("<a xmlns='u'><b xmlns=''/><c/></a>", "<u|a><b></><u|c></></>"),
        ("<a xmlns='u' b='1'/>", r#"<u|a b="1"></>"#),
        ("<p:a xmlns:p='u&amp;v'/>", "<u&v|a></>"),
        (
            "<a xmlns:p='u' xmlns:q='u' xml:lang='no' p:b='1' q:c='2'/>",
            r#"<a http://www.w3.org/XML/1998/namespace|lang="no" u|b="1" u|c="2"></>"#,
        ),
        ("<a>\u{7f}\u{85}\u{FFFD}\u{10FFFF}</a>", "<a>\"\\u{7f}\\u{85}\u{FFFD}\\u{10ffff}\"</>"),
        ("<a><?p ?></a>", "<a></>"),
        ("<a.b-c_1/>", "<a.b-c_1></>"),
        ("<a b='1'\t/><!-- -->", r#"<a b="1"></>"#),
        ("<å\n\u{e9}=\"'>'/>\"></å>", r#"<å é="'>'/>"></>"#),
    ] {
        assert_eq!(events(text).as_deref(), Ok(expected), "{text}");
    }
}

#[test]
fn what_is_not_well_formed_is_refused() {
    for text in [
        "<a",
        "<a>",
        "</a>",
        "<a></b>",
        "<a><b></a></b>",
        "<a/><b/>",
        "<a/>text",
        "text<a/>",
        "<a/>&amp;",
        "&amp;<a/>",
        "<![CDATA[x]]><a/>",
        "<a/><![CDATA[]]>",
        "< a/>",
        "<a></ a>",
        "<1/>",
        "<-a/>",
        "<a$/>",
        "<a:/>",
        "<:a/>",
        "<a:b:c xmlns:a='u'/>",
        "<a/ >",
        "<a b/>",
        "<a b=1/>",
        "<a b='1/>",
        "<a b='1'c='2'/>",
        "<a b='1'/ >",
        "<a / >",
        "<a/b>",
        "<a=b/>",
        "<a b=>c='1'/>",
        "<a b>c='1'</a>",
        "<a b/c='1'/>",
        "<a b\"='1'/>",
        "<a b='1",
        "<a b='1' ",
        "<a></a b='>'>",
        "<a></a",
        "<a></ab>",
        "<ab></a>",
        "<a b='<'/>",
        "<a b='&'/>",
        "<a b='&x;'/>",
        "<a b='1' b='2'/>",
        "<a xmlns='u' xmlns='v'/>",
        "<a xmlns:p='u' xmlns:p='v'/>",
        "<a xmlns:p='u' xmlns:q='u' p:b='1' q:b='2'/>",
        "<a xmlns:p=''/>",
        "<a xmlns:xmlns='u'/>",
        "<a xmlns:xml='u'/>",
        "<a xmlns='http://www.w3.org/2000/xmlns/'/>",
        "<a>&</a>",
        "<a>& </a>",
        "<a>&amp</a>",
        "<a>&nbsp;</a>",
        "<a>&;</a>",
        "<a>&#;</a>",
        "<a>&#x;</a>",
        "<a>&#0;</a>",
        "<a>&#x1F;</a>",
        "<a>&#xD800;</a>",
        "<a>&#xFFFF;</a>",
        "<a>&#x110000;</a>",
        "<a>&#99999999999999999999;</a>",
        "<a>&#+65;</a>",
        "<a>&#X41;</a>",
        "<a>]]></a>",
        "<a>\u{1}</a>",
        "<a>\u{0}</a>",
        "<a b='\u{8}'/>",
        "<a>\u{FFFE}</a>",
        "<a>\u{FFFF}</a>",
        "\u{FEFF}<a/>",
        "<a><!-- -- --></a>",
        "<a><!-- --->",
        "<a><!-- ---></a>",
        "<a><!-- </a>",
        "<a><!--></a>",
        "<a><!---></a>",
        "<a><![CDATA[</a>",
        "<a><![cdata[]]></a>",
        "<a><?xml version='1.0'?></a>",
        " <?xml version='1.0'?><a/>",
        "<?xml version='1.0'?><?xml version='1.0'?><a/>",
        "<?XML version='1.0'?><a/>",
        "<?xml?><a/>",
        "<?xml version='2.0'?><a/>",
        "<?xml encoding='UTF-8'?><a/>",
        "<?xml version='1.0' standalone='maybe'?><a/>",
        "<?xml version='1.0'encoding='UTF-8'?><a/>",
        "<?xml version='1.0' encoding='UTF 8'?><a/>",
        "<? p?><a/>",
        "<?p",
        "<?p\"q\"?><a/>",
        "<a><!ELEMENT a ANY></a>",
        "<a><b c='</b></a>",
        "<a b='1' =''/>",
        "<a =''/>",
        "<></>",
        "<a>\u{B}</a>",
        "<a\u{A0}b='1'/>",
        "<a b\u{2003}='1'/>",
    ] {
        assert_eq!(events(text), Err("X02".to_owned()), "{text:?}");
    }
}

#[test]
fn other_faults_have_their_own_codes() {
    for (text, code) in [
        ("", "X01"),
        (" \n ", "X01"),
        ("<!-- only -->", "X01"),
        ("<!DOCTYPE a><a/>", "X04"),
        ("<!DOCTYPE a [<!ENTITY e 'x'>]><a>&e;</a>", "X04"),
        ("<?xml version='1.0'?>\n<!DOCTYPE a SYSTEM 'file:///etc/passwd'><a/>", "X04"),
        ("<p:a/>", "X06"),
        ("<a p:b='1'/>", "X06"),
        ("<a><p:b xmlns:p='u'/><p:c/></a>", "X06"),
        ("<xmlns:a/>", "X06"),
    ] {
        assert_eq!(events(text), Err(code.to_owned()), "{text:?}");
    }
}

#[test]
fn limits_hold() {
    let limits = Limits {
        message_bytes: 300,
        depth: 3,
        attributes: 4,
        attribute_bytes: 20,
        text_bytes: 30,
        elements: 5,
        ..Limits::default()
    };
    let at_limit = |text: &str| read(text, &limits, &mut Log::default()).map_err(|f| f.code.as_str());
    for (fine, over) in [
        ("<a><a><a/></a></a>", "<a><a><a><a/></a></a></a>"),
        ("<a><b/><b/><b/><b/></a>", "<a><b/><b/><b/><b/><b/></a>"),
        ("<a b='1' c='1' d='1' e='1'/>", "<a b='1' c='1' d='1' e='1' f='1'/>"),
        ("<a b='12345678901234567890'/>", "<a b='123456789012345678901'/>"),
        ("<a>12345678901<b/>12345678901234567</a>", "<a>12345678901<b/>1234567<![CDATA[8901234567890]]></a>"),
        (
            "<a xmlns:a='1' xmlns:b='2'><b xmlns:c='3' xmlns:d='4'/></a>",
            "<a xmlns:a='1' xmlns:b='2'><b xmlns:c='3' xmlns:d='4'><c xmlns:e='5'/></b></a>",
        ),
    ] {
        assert_eq!(at_limit(fine), Ok(()), "{fine}");
        assert_eq!(at_limit(over), Err("X05"), "{over}");
    }
    assert_eq!(at_limit(&format!("<a>{}</a>", "<!-- -->".repeat(40))), Err("X05"));
}

#[test]
fn many_namespaces_are_each_found_again() {
    let children: String = (0..100).map(|i| format!("<c xmlns='u{}'/>", i % 50)).collect();
    let log = events(&format!("<a>{children}</a>")).unwrap();
    for i in 0..50 {
        assert_eq!(log.matches(&format!("<u{i}|c>")).count(), 2);
    }
}

/// Writes down what canonical XML needs and content does not.
#[derive(Default)]
struct Asides(Vec<String>);

impl Handler for Asides {
    fn start(&mut self, element: &Element<'_>) {
        let declared: Vec<String> = element
            .declarations()
            .map(|(prefix, namespace)| {
                let outer = element.outer(prefix).map(|n| element.uri(n));
                format!("{prefix}={} was {outer:?}", element.uri(namespace))
            })
            .collect();
        self.0.push(format!("{}..{} {declared:?}", element.offset, element.inside));
    }
    fn text(&mut self, _text: &str, _at: Offset) {}
    fn end(&mut self, at: Offset) {
        self.0.push(format!("..{at}"));
    }
    fn comment(&mut self, text: &str, at: Offset) {
        self.0.push(format!("comment {text:?} {at}"));
    }
    fn instruction(&mut self, target: &str, data: &str, at: Offset) {
        self.0.push(format!("instruction {target:?} {data:?} {at}"));
    }
}

#[test]
fn comments_instructions_and_declarations_are_told_wherever_they_stand() {
    let text = "<?xml version='1.0'?><?p?><!--1\r\n--><a xmlns='u' xmlns:b='v'><!----><b xmlns='' \
                xmlns:b='v'/><?q  x\r y ?></a><!--2--><?r\ts?>";
    let mut asides = Asides::default();
    read(text, &Limits::default(), &mut asides).unwrap();
    assert_eq!(
        asides.0,
        [
            r#"instruction "p" "" 21"#,
            r#"comment "1\n" 26"#,
            r#"36..61 ["=u was Some(\"\")", "b=v was None"]"#,
            r#"comment "" 61"#,
            r#"68..93 ["= was Some(\"u\")", "b=v was Some(\"v\")"]"#,
            "..93",
            r#"instruction "q" "x\n y " 93"#,
            "..109",
            r#"comment "2" 109"#,
            r#"instruction "r" "s" 117"#,
        ]
    );
}
