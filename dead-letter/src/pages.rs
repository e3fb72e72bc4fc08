//! The pages of `reasons/`, carried in the binary.

macro_rules! pages {
    ($($code:literal)*) => {
        /// Every page there is, as (code, text), in the order in which `explain` lists them.
        const PAGES: &[(&str, &str)] = &[$(($code, include_str!(concat!("../reasons/", $code, ".md"))),)*];
    };
}

pages! {}

/// The page of a code; case does not matter.
#[must_use]
pub fn page(code: &str) -> Option<&'static str> {
    PAGES.iter().find(|(known, _)| known.eq_ignore_ascii_case(code)).map(|(_, text)| *text)
}

/// All codes that have a page.
pub fn codes() -> impl Iterator<Item = &'static str> {
    PAGES.iter().map(|(code, _)| *code)
}
