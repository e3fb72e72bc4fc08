//! The operators' questions to a journal on PostgreSQL: the statements of `ops/postgresql/questions.sql`.

use std::collections::BTreeMap;

const FILE: &str = include_str!("../../../ops/postgresql/questions.sql");
const TITLE: &str = "-- question: ";

/// One of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Question {
    /// What it is called.
    pub title: &'static str,
    /// The statement, with values where the file has names.
    pub statement: String,
}

/// All of them, in the order of the file.
///
/// # Errors
/// The names that no value was given for.
pub fn all(values: &BTreeMap<&str, String>) -> Result<Vec<Question>, Vec<String>> {
    let mut missing = Vec::new();
    let questions = FILE.split(TITLE).skip(1).filter_map(|block| {
        let (title, statement) = block.split_once('\n')?;
        Some(Question { title, statement: filled(statement.trim(), values, &mut missing) })
    });
    let questions = questions.collect();
    if missing.is_empty() { Ok(questions) } else { Err(missing) }
}

/// As psql fills in: `:name` as it is, `:'name'` as a literal; `::type` is none of these.
fn filled(statement: &str, values: &BTreeMap<&str, String>, missing: &mut Vec<String>) -> String {
    let mut parts = statement.split(':');
    let mut out = parts.next().unwrap_or_default().to_owned();
    let mut is_cast = false;
    for part in parts {
        if part.is_empty() || is_cast {
            out.push_str(if is_cast { part } else { "::" });
            is_cast = !is_cast;
            continue;
        }
        let (named, quote) = part.strip_prefix('\'').map_or((part, ""), |named| (named, "'"));
        let end = named.find(|c: char| c != '_' && !c.is_ascii_alphanumeric()).unwrap_or(named.len());
        let (name, rest) = named.split_at(end);
        match values.get(name) {
            Some(value) => out.push_str(&format!("{quote}{}{quote}", value.replace('\'', "''"))),
            None => missing.push(name.to_owned()),
        }
        out.push_str(rest.strip_prefix(quote).unwrap_or(rest));
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_filled_in_and_casts_are_left_alone() {
        let values = BTreeMap::from([("id", "o'clock".to_owned()), ("receiver", "7".to_owned())]);
        let mut missing = Vec::new();
        let text = filled("WHERE a = :'id'::uuid AND b = :receiver AND c = :'what'", &values, &mut missing);
        assert_eq!(text, "WHERE a = 'o''clock'::uuid AND b = 7 AND c = ");
        assert_eq!(missing, ["what"]);
    }

    #[test]
    fn the_file_holds_questions_and_names_what_they_want() {
        let missing = all(&BTreeMap::new()).expect_err("nothing is given");
        for name in ["id", "owner", "sender", "receiver", "family", "code", "state", "since", "until"] {
            assert!(missing.iter().any(|m| m == name), "{name}");
        }
    }
}
