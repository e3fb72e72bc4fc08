use super::*;
use crate::schema::model::{Facet, FacetKind, Origin, QName};

fn facets(list: &[(FacetKind, &str)]) -> Vec<Facet> {
    let facet = |(kind, value): &(FacetKind, &str)| Facet {
        kind: *kind,
        value: (*value).to_owned(),
        name: None,
        fixed: false,
        origin: Origin::default(),
    };
    list.iter().map(facet).collect()
}

fn derive(base: Builtin, list: &[(FacetKind, &str)]) -> Compiled {
    Compiled::restrict(&Compiled::builtin(base), &facets(list)).unwrap()
}

fn reason(of: &Compiled, raw: &str) -> Option<Reason> {
    of.check(raw, None).err().map(|f| f.reason)
}

#[track_caller]
fn takes(of: &Compiled, good: &[&str], bad: &[&str]) {
    for raw in good {
        assert!(of.check(raw, None).is_ok(), "{raw:?} is {}", of.expectation());
    }
    for raw in bad {
        assert!(of.check(raw, None).is_err(), "{raw:?} is not {}", of.expectation());
    }
}

#[test]
fn every_builtin_has_its_lexical_space() {
    let table: &[(Builtin, &[&str], &[&str])] = &[
        (Builtin::AnySimpleType, &["", " x\n"], &[]),
        (Builtin::String, &["", " x\n"], &[]),
        (Builtin::Token, &["", " x\n y"], &[]),
        (Builtin::Language, &["nb", " nb-NO "], &["nb_NO", ""]),
        (Builtin::Name, &["a:b"], &["1", ""]),
        (Builtin::NcName, &[" a "], &["a:b", ""]),
        (Builtin::Id, &["a1"], &["1a"]),
        (Builtin::IdRefs, &["a b", " a\n"], &["", " ", "a 1"]),
        (Builtin::Nmtokens, &["1 2"], &["", "a,b"]),
        (Builtin::Entity, &[], &["a", "1"]),
        (Builtin::Boolean, &["true", " 0 ", "1", "false"], &["TRUE", "", "yes", "t rue"]),
        (Builtin::Decimal, &["1.5", " -0 "], &["1e3", "1,5", "", "1 5"]),
        (Builtin::Integer, &["123456789012345678901234567890", "+007"], &["1.0", "1.", ""]),
        (Builtin::NonPositiveInteger, &["0", "-0", "-99999999999999999999"], &["1"]),
        (Builtin::NegativeInteger, &["-1"], &["0", "-0"]),
        (Builtin::Long, &["9223372036854775807", "-9223372036854775808"], &["9223372036854775808"]),
        (Builtin::Int, &["2147483647", "00002147483647"], &["2147483648", "-2147483649"]),
        (Builtin::Byte, &["-128", "127"], &["128"]),
        (Builtin::UnsignedLong, &["18446744073709551615"], &["18446744073709551616", "-1"]),
        (Builtin::UnsignedByte, &["255", "+1", "-0"], &["256"]),
        (Builtin::PositiveInteger, &["1"], &["0"]),
        (Builtin::Float, &["1e5", "INF"], &["+INF", "1f"]),
        (Builtin::Base64Binary, &["", "AA==", "A A\n= ="], &["A", "AB=="]),
        (Builtin::HexBinary, &["", "0aFF", " 0a "], &["0", "0 a "]),
        (Builtin::AnyUri, &["", "a b", "http://x/"], &["%", "1:2"]),
        (Builtin::QName, &["a:b", "b"], &["a:", "1"]),
        (Builtin::Duration, &["P1Y"], &["P"]),
        (Builtin::DateTime, &[" 2012-02-15T10:30:00\n"], &["2012-02-15", "2012-02-15 T10:30:00"]),
        (Builtin::Date, &["2012-02-15Z"], &["2012-02-30"]),
        (Builtin::Time, &["24:00:00"], &["24:00:01"]),
        (Builtin::GYear, &["2012"], &["12"]),
        (Builtin::GYearMonth, &["2012-02"], &["2012"]),
        (Builtin::GMonthDay, &["--02-29"], &["--02-30"]),
        (Builtin::GDay, &["---31"], &["---32"]),
        (Builtin::GMonth, &["--12"], &["--13"]),
    ];
    for (builtin, good, bad) in table {
        takes(&Compiled::builtin(*builtin), good, bad);
    }
    for builtin in Builtin::ALL {
        assert_eq!(Builtin::named(builtin.name()), Some(*builtin));
    }
}

#[test]
fn lengths_are_characters_octets_or_items() {
    let text = derive(Builtin::String, &[(FacetKind::MinLength, "2"), (FacetKind::MaxLength, "3")]);
    takes(&text, &["ææ", "æøå", "a\n"], &["æ", "æøåa", ""]);
    assert_eq!(reason(&text, "æøåa"), Some(Reason::TooLong(4)));
    assert_eq!(reason(&text, "æ"), Some(Reason::TooShort(1)));
    takes(&derive(Builtin::Token, &[(FacetKind::Length, "3")]), &[" a  b "], &["a  b c"]);
    takes(&derive(Builtin::Base64Binary, &[(FacetKind::Length, "2")]), &["AAA="], &["AA==", "AAAA"]);
    takes(&derive(Builtin::HexBinary, &[(FacetKind::MaxLength, "1")]), &["", "aa"], &["aaaa"]);
    let pair = Compiled::list_of(&Compiled::builtin(Builtin::Integer));
    let pair = Compiled::restrict(&pair, &facets(&[(FacetKind::Length, "2")])).unwrap();
    takes(&pair, &["1 2", "\n1\t 2 "], &["1", "1 2 3", "1 b"]);
    takes(&derive(Builtin::QName, &[(FacetKind::MaxLength, "1")]), &["a:bcd"], &[]);
}

#[test]
fn ranges_follow_the_value_space() {
    let part = derive(Builtin::Decimal, &[(FacetKind::MinExclusive, "0"), (FacetKind::MaxInclusive, "1.50")]);
    takes(&part, &["0.0000000000000000000000001", "1.5", "01.500"], &["0", "-0.0", "1.50000000000000000001"]);
    assert_eq!(reason(&part, "2"), Some(Reason::TooLarge));
    let narrower = Compiled::restrict(&part, &facets(&[(FacetKind::MinInclusive, "1")])).unwrap();
    takes(&narrower, &["1", "1.5"], &["0.9", "1.6"]);
    let wider = Compiled::restrict(&part, &facets(&[(FacetKind::MaxInclusive, "2")]));
    assert_eq!(wider.unwrap_err(), FacetError::Wider(FacetKind::MaxInclusive));

    let after = derive(Builtin::DateTime, &[(FacetKind::MinInclusive, "2000-01-01T12:00:00Z")]);
    takes(
        &after,
        &["2000-01-01T13:00:00+01:00", "2000-01-02T02:00:01"],
        // Without a zone it might still be before.
        &["2000-01-01T12:00:00+01:00", "2000-01-01T13:00:00"],
    );
    let day = derive(Builtin::Integer, &[(FacetKind::TotalDigits, "2")]);
    takes(&day, &["99", "0099"], &["100"]);
    takes(&derive(Builtin::Decimal, &[(FacetKind::FractionDigits, "1")]), &["1.5", "1.50"], &["1.55"]);
}

#[test]
fn enumerations_compare_values() {
    let code = derive(Builtin::Token, &[(FacetKind::Enumeration, "A"), (FacetKind::Enumeration, "B C")]);
    takes(&code, &["A", " A ", "B \n C"], &["a", "BC", ""]);
    assert_eq!(code.check("x", None).unwrap_err().expected(), r#"one of "A", "B C""#);
    takes(&derive(Builtin::String, &[(FacetKind::Enumeration, "A")]), &["A"], &[" A"]);
    takes(&derive(Builtin::Integer, &[(FacetKind::Enumeration, "1")]), &["1", "+01"], &["2"]);
    takes(&derive(Builtin::Boolean, &[(FacetKind::Enumeration, "true")]), &["1", "true"], &["0"]);
    takes(&derive(Builtin::Base64Binary, &[(FacetKind::Enumeration, "AA==")]), &["A A = ="], &["AQ=="]);
    takes(&derive(Builtin::HexBinary, &[(FacetKind::Enumeration, "aa")]), &["AA"], &["ab"]);
    takes(
        &derive(Builtin::Date, &[(FacetKind::Enumeration, "2000-01-01Z")]),
        &["2000-01-01+00:00"],
        &["2000-01-01"],
    );
    let list = Compiled::list_of(&Compiled::builtin(Builtin::Integer));
    let list = Compiled::restrict(&list, &facets(&[(FacetKind::Enumeration, "1 2")])).unwrap();
    takes(&list, &["01  2"], &["2 1", "1"]);
}

#[test]
fn names_compare_by_namespace() {
    struct Bound;
    impl Prefixes for Bound {
        fn namespace(&self, prefix: &str) -> Option<&str> {
            match prefix {
                "x" | "y" => Some("urn:a"),
                "" => Some(""),
                _ => None,
            }
        }
    }
    let mut facet = facets(&[(FacetKind::Enumeration, "p:n")]);
    facet[0].name = Some(QName::new("urn:a", "n"));
    let name = Compiled::restrict(&Compiled::builtin(Builtin::QName), &facet).unwrap();
    assert!(name.check("x:n", Some(&Bound)).is_ok() && name.check("y:n", Some(&Bound)).is_ok());
    assert_eq!(name.check("n", Some(&Bound)).unwrap_err().reason, Reason::Enumeration);
    assert_eq!(name.check("z:n", Some(&Bound)).unwrap_err().reason, Reason::Prefix);
    assert!(name.same("x:n", "y:n", Some(&Bound)) && !name.same("x:n", "n", Some(&Bound)));
}

#[test]
fn patterns_of_one_step_are_or_and_steps_are_and() {
    let first = derive(Builtin::String, &[(FacetKind::Pattern, "[ab]+"), (FacetKind::Pattern, "c")]);
    takes(&first, &["ab", "c"], &["cc", ""]);
    let second = Compiled::restrict(&first, &facets(&[(FacetKind::Pattern, ".")])).unwrap();
    takes(&second, &["a", "c"], &["ab", "d"]);
    // The official pattern of an OID takes time in the length of the text only.
    let oid = derive(Builtin::String, &[(FacetKind::Pattern, r"(\d+\.?)*\d+")]);
    takes(&oid, &["2.16.578.1.12.4.1.1.8221"], &[&format!("{}x", "1".repeat(50_000)), "1.", ""]);
    // The pattern sees the value after white space is settled.
    takes(&derive(Builtin::Token, &[(FacetKind::Pattern, "a b")]), &[" a   b "], &["a  c"]);
}

#[test]
fn unions_take_what_any_member_takes() {
    let number = Compiled::builtin(Builtin::Integer);
    let unknown = derive(Builtin::String, &[(FacetKind::Enumeration, "unknown")]);
    let union = Compiled::union_of(vec![number, unknown]);
    takes(&union, &["1", " 1 ", "unknown"], &["x", " unknown", ""]);
    assert!(union.same("1", "+1", None) && !union.same("1", "unknown", None));
    let one = Compiled::restrict(&union, &facets(&[(FacetKind::Enumeration, "1")])).unwrap();
    takes(&one, &["01"], &["2", "unknown"]);
    assert!(matches!(
        Compiled::restrict(&union, &facets(&[(FacetKind::MaxLength, "1")])),
        Err(FacetError::NotApplicable { .. })
    ));
}

#[test]
fn white_space_only_ever_tightens() {
    let replaced =
        derive(Builtin::String, &[(FacetKind::WhiteSpace, "replace"), (FacetKind::Enumeration, "a b")]);
    takes(&replaced, &["a\tb", "a b"], &["a  b"]);
    let base = Compiled::builtin(Builtin::Token);
    let loosened = Compiled::restrict(&base, &facets(&[(FacetKind::WhiteSpace, "preserve")]));
    assert_eq!(loosened.unwrap_err(), FacetError::Wider(FacetKind::WhiteSpace));
}

#[test]
fn refuses_restrictions_that_mean_nothing() {
    let restrict =
        |base, kind, value| Compiled::restrict(&Compiled::builtin(base), &facets(&[(kind, value)])).err();
    assert_eq!(restrict(Builtin::AnySimpleType, FacetKind::Length, "1"), Some(FacetError::NoBase));
    assert!(matches!(
        restrict(Builtin::Date, FacetKind::Length, "1"),
        Some(FacetError::NotApplicable { .. })
    ));
    assert!(matches!(
        restrict(Builtin::String, FacetKind::MinInclusive, "1"),
        Some(FacetError::NotApplicable { .. })
    ));
    assert!(matches!(restrict(Builtin::String, FacetKind::Length, "-1"), Some(FacetError::Value { .. })));
    assert!(matches!(
        restrict(Builtin::Integer, FacetKind::Enumeration, "x"),
        Some(FacetError::Value { .. })
    ));
    assert!(matches!(
        restrict(Builtin::Integer, FacetKind::MaxInclusive, "1.5"),
        Some(FacetError::Value { .. })
    ));
    assert!(matches!(restrict(Builtin::String, FacetKind::Pattern, "("), Some(FacetError::Pattern(_))));
    assert_eq!(restrict(Builtin::Int, FacetKind::MaxInclusive, "99"), None);
}

#[test]
fn equality_is_of_values() {
    let same = |builtin, a, b| Compiled::builtin(builtin).same(a, b, None);
    assert!(same(Builtin::Integer, "1", "+01") && !same(Builtin::String, "1", "01"));
    assert!(same(Builtin::Token, " a ", "a") && !same(Builtin::String, " a ", "a"));
    assert!(same(Builtin::DateTime, "2000-01-01T00:00:00+01:00", "1999-12-31T23:00:00Z"));
    assert!(!same(Builtin::DateTime, "2000-01-01T00:00:00", "2000-01-01T00:00:00Z"));
    assert!(same(Builtin::Boolean, "1", "true"));
    let value = |builtin, raw| Compiled::builtin(builtin).value(raw, None).unwrap();
    assert!(value(Builtin::AnyUri, "a") != value(Builtin::String, "a"));
    assert!(value(Builtin::Int, "1") == value(Builtin::Decimal, "1.0"));
}

#[test]
fn faults_never_quote_the_value() {
    let secret = "13116900216";
    let types = [
        derive(Builtin::String, &[(FacetKind::MaxLength, "3")]),
        derive(Builtin::String, &[(FacetKind::Pattern, "[a-z]*")]),
        derive(Builtin::Integer, &[(FacetKind::MaxInclusive, "9")]),
        derive(Builtin::String, &[(FacetKind::Enumeration, "A")]),
        Compiled::builtin(Builtin::Date),
        Compiled::union_of(vec![Compiled::builtin(Builtin::Date), Compiled::builtin(Builtin::Boolean)]),
    ];
    for of in &types {
        let fault = of.check(secret, None).unwrap_err();
        let all = format!("{fault} {} {} {fault:?}", fault.expected(), fault.remedy());
        assert!(!all.contains(secret), "{all}");
    }
    assert_eq!(types[4].check("", None).unwrap_err().to_string(), "The value is not a date, YYYY-MM-DD.");
    assert_eq!(types[2].expectation(), "a whole number, at most 9");
    assert_eq!(types[2].named("small").expectation(), "a whole number, at most 9 (small)");
}

#[test]
fn says_which_values_identify() {
    let identifies = |b| Compiled::builtin(b).identifies();
    assert_eq!(identifies(Builtin::Id), Some(Identifies::Itself));
    assert_eq!(identifies(Builtin::IdRef), Some(Identifies::Another));
    assert_eq!(identifies(Builtin::IdRefs), Some(Identifies::Others));
    assert_eq!(identifies(Builtin::NcName), None);
    assert_eq!(derive(Builtin::Id, &[(FacetKind::MaxLength, "9")]).identifies(), Some(Identifies::Itself));
}

#[test]
fn random_text_never_panics() {
    let alphabet: Vec<char> = " \t\n-+.:TZPYMDHS0123456789eEINFa=æ%#[]".chars().collect();
    let mut state = 0x2545_F491_4F6C_DD1D_u64;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state
    };
    let types: Vec<Compiled> = Builtin::ALL.iter().map(|b| Compiled::builtin(*b)).collect();
    for _ in 0..4_000 {
        let length = next() % 24;
        let text: String = (0..length).map(|_| alphabet[(next() % alphabet.len() as u64) as usize]).collect();
        for of in &types {
            let valid = of.check(&text, None).is_ok();
            // What is valid has a value, and equals itself.
            assert!(!valid || of.same(&text, &text, None), "{text:?} {of:?}");
        }
    }
}
