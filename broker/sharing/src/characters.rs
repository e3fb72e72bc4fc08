//! The characters that the national document store takes in metadata, and what stands for the others.
//!
//! Sámi and many foreign names hold letters that it refuses. They are replaced in metadata alone, never in a document,
//! by a fixed table, so that the same message always gives the same metadata; what has no letter there is left out.

use std::borrow::Cow;

/// May this character stand in metadata there?
#[must_use]
pub fn allowed(c: char) -> bool {
    c.is_ascii_alphanumeric() || "æøåÆØÅáÁéÉíÍóÓúÚýÝ .,:;()-–—_÷*'\"/+%&@£$€{}[]§|!?^".contains(c)
}

/// The text with every other character replaced; borrowed if there was none.
#[must_use]
pub fn substitute(text: &str) -> Cow<'_, str> {
    if text.chars().all(allowed) {
        return Cow::Borrowed(text);
    }
    let replaced: String =
        text.chars().filter_map(|c| if allowed(c) { Some(c) } else { stand_in(c) }).collect();
    Cow::Owned(replaced)
}

const fn stand_in(c: char) -> Option<char> {
    Some(match c {
        'ä' => 'a',
        'Ä' => 'A',
        'ö' => 'o',
        'Ö' => 'O',
        'ü' => 'u',
        'Ü' => 'U',
        'š' => 's',
        'Š' => 'S',
        'ŋ' => 'n',
        'Ŋ' => 'N',
        'đ' => 'd',
        'Đ' => 'D',
        'č' => 'c',
        'Č' => 'C',
        'ž' => 'z',
        'Ž' => 'Z',
        'ŧ' => 't',
        'Ŧ' => 'T',
        // Micro sign and Greek mu look alike and both occur.
        'µ' | 'μ' => 'u',
        c if c.is_whitespace() => ' ',
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn letters_of_sami_and_neighbours_have_a_stand_in_and_the_rest_goes() {
        assert_eq!(substitute("Gáŋgaviika"), "Gángaviika");
        assert_eq!(substitute("Đorđe Žižek Öström"), "Dorde Zizek Ostrom");
        assert_eq!(substitute("Hb < 7 µg\tx"), "Hb  7 ug x");
        assert!(matches!(substitute("Káre Ånstad - Sør, (2)"), Cow::Borrowed(_)));
        for c in ('\u{1}'..'\u{3000}').filter(|c| !allowed(*c)) {
            assert!(substitute(&c.to_string()).chars().all(allowed), "{c:?}");
        }
        for c in ['ä', 'ö', 'ü', 'š', 'ŋ', 'đ', 'ŧ', 'µ', '°', '<', '>', '#', '=', '~'] {
            assert!(!allowed(c), "{c}");
        }
    }
}
