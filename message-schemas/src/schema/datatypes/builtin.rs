//! The simple types that every schema starts from.

use super::moment::Calendar;
use super::text::WhiteSpace;

macro_rules! builtins {
    ($($variant:ident = $name:literal, $base:ident, $phrase:literal;)+) => {
        /// A built-in simple type of XML Schema 1.0.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum Builtin {
            /// `anySimpleType`: any characters at all.
            AnySimpleType,
            $(#[doc = concat!("`", $name, "`: ", $phrase, ".")] $variant,)+
        }

        impl Builtin {
            /// All of them, each behind its base.
            pub const ALL: &'static [Self] = &[Self::AnySimpleType, $(Self::$variant,)+];

            /// Its local name in the namespace of XML Schema.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self {
                    Self::AnySimpleType => "anySimpleType",
                    $(Self::$variant => $name,)+
                }
            }

            /// The type that it restricts; for the built-in lists `anySimpleType`.
            #[must_use]
            pub const fn base(self) -> Self {
                match self {
                    Self::AnySimpleType => Self::AnySimpleType,
                    $(Self::$variant => Self::$base,)+
                }
            }

            /// What a value is, for people; with article.
            #[must_use]
            pub const fn phrase(self) -> &'static str {
                match self {
                    Self::AnySimpleType => "any text",
                    $(Self::$variant => $phrase,)+
                }
            }
        }
    };
}

builtins! {
    String = "string", AnySimpleType, "a text";
    NormalizedString = "normalizedString", String, "a text on one line";
    Token = "token", NormalizedString, "a text on one line";
    Language = "language", Token, "a language code such as nb or nb-NO";
    Nmtoken = "NMTOKEN", Token, "a name token (letters, digits and .-_: without blanks)";
    Name = "Name", Token, "an XML name";
    NcName = "NCName", Name, "an XML name without colon";
    Id = "ID", NcName, "an identifier that is an XML name without colon";
    IdRef = "IDREF", NcName, "a reference that is an XML name without colon";
    Entity = "ENTITY", NcName, "the name of an unparsed entity";
    Nmtokens = "NMTOKENS", AnySimpleType, "one or more name tokens";
    IdRefs = "IDREFS", AnySimpleType, "one or more references";
    Entities = "ENTITIES", AnySimpleType, "one or more names of unparsed entities";
    Boolean = "boolean", AnySimpleType, "true, false, 1 or 0";
    Decimal = "decimal", AnySimpleType, "a decimal number with point, without exponent";
    Integer = "integer", Decimal, "a whole number";
    NonPositiveInteger = "nonPositiveInteger", Integer, "a whole number, 0 or less";
    NegativeInteger = "negativeInteger", NonPositiveInteger, "a whole number below 0";
    Long = "long", Integer, "a whole number of at most 64 bits";
    Int = "int", Long, "a whole number from -2147483648 to 2147483647";
    Short = "short", Int, "a whole number from -32768 to 32767";
    Byte = "byte", Short, "a whole number from -128 to 127";
    NonNegativeInteger = "nonNegativeInteger", Integer, "a whole number, 0 or more";
    UnsignedLong = "unsignedLong", NonNegativeInteger, "a whole number from 0, of at most 64 bits";
    UnsignedInt = "unsignedInt", UnsignedLong, "a whole number from 0 to 4294967295";
    UnsignedShort = "unsignedShort", UnsignedInt, "a whole number from 0 to 65535";
    UnsignedByte = "unsignedByte", UnsignedShort, "a whole number from 0 to 255";
    PositiveInteger = "positiveInteger", NonNegativeInteger, "a whole number, 1 or more";
    Float = "float", AnySimpleType, "a number, INF, -INF or NaN";
    Double = "double", AnySimpleType, "a number, INF, -INF or NaN";
    Base64Binary = "base64Binary", AnySimpleType, "content in base64";
    HexBinary = "hexBinary", AnySimpleType, "content in hexadecimal digits";
    AnyUri = "anyURI", AnySimpleType, "a URI reference";
    QName = "QName", AnySimpleType, "a name with a declared prefix";
    Notation = "NOTATION", AnySimpleType, "the name of a notation";
    Duration = "duration", AnySimpleType, "a duration such as P1Y2M3DT4H5M6S";
    DateTime = "dateTime", AnySimpleType, "a date and time, YYYY-MM-DDThh:mm:ss";
    Date = "date", AnySimpleType, "a date, YYYY-MM-DD";
    Time = "time", AnySimpleType, "a time, hh:mm:ss";
    GYear = "gYear", AnySimpleType, "a year, YYYY";
    GYearMonth = "gYearMonth", AnySimpleType, "a year and month, YYYY-MM";
    GMonthDay = "gMonthDay", AnySimpleType, "a month and day, --MM-DD";
    GDay = "gDay", AnySimpleType, "a day of the month, ---DD";
    GMonth = "gMonth", AnySimpleType, "a month, --MM";
}

/// What a value is compared and measured as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Primitive {
    Text,
    Boolean,
    Decimal,
    Float,
    Double,
    Base64,
    Hex,
    Uri,
    Name,
    Duration,
    Moment(Calendar),
}

impl Builtin {
    /// The type of this local name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|b| b.name() == name)
    }

    /// The type of the items, if it is one of the built-in lists.
    #[must_use]
    pub const fn item(self) -> Option<Self> {
        #[expect(clippy::wildcard_enum_match_arm, reason = "three of 45 are lists")]
        match self {
            Self::Nmtokens => Some(Self::Nmtoken),
            Self::IdRefs => Some(Self::IdRef),
            Self::Entities => Some(Self::Entity),
            _ => None,
        }
    }

    /// Whether it is `base` or derived from it by restriction.
    #[must_use]
    pub fn derives_from(self, base: Self) -> bool {
        let mut here = self;
        while here != base {
            if here == Self::AnySimpleType {
                return false;
            }
            here = here.base();
        }
        true
    }

    pub(super) const fn white_space(self) -> WhiteSpace {
        #[expect(clippy::wildcard_enum_match_arm, reason = "all others collapse")]
        match self {
            Self::AnySimpleType | Self::String => WhiteSpace::Preserve,
            Self::NormalizedString => WhiteSpace::Replace,
            _ => WhiteSpace::Collapse,
        }
    }

    pub(super) fn primitive(self) -> Primitive {
        #[expect(clippy::wildcard_enum_match_arm, reason = "the rest are told apart by their base")]
        match self {
            Self::Boolean => Primitive::Boolean,
            Self::Float => Primitive::Float,
            Self::Double => Primitive::Double,
            Self::Base64Binary => Primitive::Base64,
            Self::HexBinary => Primitive::Hex,
            Self::AnyUri => Primitive::Uri,
            Self::QName | Self::Notation => Primitive::Name,
            Self::Duration => Primitive::Duration,
            Self::DateTime => Primitive::Moment(Calendar::DateTime),
            Self::Date => Primitive::Moment(Calendar::Date),
            Self::Time => Primitive::Moment(Calendar::Time),
            Self::GYear => Primitive::Moment(Calendar::Year),
            Self::GYearMonth => Primitive::Moment(Calendar::YearMonth),
            Self::GMonthDay => Primitive::Moment(Calendar::MonthDay),
            Self::GDay => Primitive::Moment(Calendar::Day),
            Self::GMonth => Primitive::Moment(Calendar::Month),
            other if other.derives_from(Self::Decimal) => Primitive::Decimal,
            _ => Primitive::Text,
        }
    }

    /// Least and greatest value of the integer types.
    pub(super) const fn range(self) -> (Option<&'static str>, Option<&'static str>) {
        #[expect(clippy::wildcard_enum_match_arm, reason = "all others are unbounded")]
        match self {
            Self::NonPositiveInteger => (None, Some("0")),
            Self::NegativeInteger => (None, Some("-1")),
            Self::Long => (Some("-9223372036854775808"), Some("9223372036854775807")),
            Self::Int => (Some("-2147483648"), Some("2147483647")),
            Self::Short => (Some("-32768"), Some("32767")),
            Self::Byte => (Some("-128"), Some("127")),
            Self::NonNegativeInteger => (Some("0"), None),
            Self::UnsignedLong => (Some("0"), Some("18446744073709551615")),
            Self::UnsignedInt => (Some("0"), Some("4294967295")),
            Self::UnsignedShort => (Some("0"), Some("65535")),
            Self::UnsignedByte => (Some("0"), Some("255")),
            Self::PositiveInteger => (Some("1"), None),
            _ => (None, None),
        }
    }
}
