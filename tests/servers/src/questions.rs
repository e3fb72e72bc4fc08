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
    let mut value = |name: &str, quoted: bool| match values.get(name) {
        Some(value) if quoted => literal(value),
        Some(value) => value.clone(),
        None => {
            missing.push(name.to_owned());
            String::new()
        }
    };
    let questions = blocks()
        .map(|(title, statement)| Question { title, statement: filled(statement, &mut value) })
        .collect();
    if missing.is_empty() { Ok(questions) } else { Err(missing) }
}

/// All of them as statements that explain how they are read by a plan that knows no values, as a client gets one that prepares
/// its statements and asks often. What no value is given for stays empty.
#[must_use]
pub fn explained_without_values(values: &BTreeMap<&str, String>) -> Vec<Question> {
    let explain = |(title, statement)| {
        let mut names: Vec<String> = Vec::new();
        let body = filled(statement, &mut |name, _| {
            let at = names.iter().position(|known| known == name).unwrap_or_else(|| {
                names.push(name.to_owned());
                names.len() - 1
            });
            format!("${}", at + 1)
        });
        let given: Vec<String> = names
            .iter()
            .map(|name| literal(values.get(name.as_str()).map(String::as_str).unwrap_or_default()))
            .collect();
        let given = if given.is_empty() { String::new() } else { format!("({})", given.join(", ")) };
        let statement = format!(
            "SET plan_cache_mode = force_generic_plan; PREPARE question AS {body} EXPLAIN EXECUTE question{given}"
        );
        Question { title, statement }
    };
    blocks().map(explain).collect()
}

fn literal(value: &str) -> String {
    format!("'{}'", value.replace('\'', "''"))
}

/// Title and statement of each: remarks on the next one are none of it.
fn blocks() -> impl Iterator<Item = (&'static str, &'static str)> {
    FILE.split(TITLE).skip(1).filter_map(|block| {
        let (title, statement) = block.split_once('\n')?;
        let end = statement.find(";\n").map_or(statement.len(), |at| at + 1);
        Some((title, statement.get(..end)?.trim()))
    })
}

/// As psql fills in: `:name` as it is, `:'name'` as a literal; `::type` is none of these.
fn filled(statement: &str, value: &mut impl FnMut(&str, bool) -> String) -> String {
    let mut parts = statement.split(':');
    let mut out = parts.next().unwrap_or_default().to_owned();
    let mut is_cast = false;
    for part in parts {
        if part.is_empty() || is_cast {
            out.push_str(if is_cast { part } else { "::" });
            is_cast = !is_cast;
            continue;
        }
        let (named, quoted) = part.strip_prefix('\'').map_or((part, false), |named| (named, true));
        let end = named.find(|c: char| c != '_' && !c.is_ascii_alphanumeric()).unwrap_or(named.len());
        let (name, rest) = named.split_at(end);
        out.push_str(&value(name, quoted));
        out.push_str(if quoted { rest.strip_prefix('\'').unwrap_or(rest) } else { rest });
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_filled_in_and_casts_are_left_alone() {
        let mut asked = Vec::new();
        let mut value = |name: &str, quoted: bool| {
            asked.push((name.to_owned(), quoted));
            if quoted { literal("o'clock") } else { "7".to_owned() }
        };
        let text = filled("WHERE a = :'id'::uuid AND b = :receiver AND c = :'what'", &mut value);
        assert_eq!(text, "WHERE a = 'o''clock'::uuid AND b = 7 AND c = 'o''clock'");
        assert_eq!(
            asked.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>(),
            ["id", "receiver", "what"]
        );
    }

    #[test]
    fn the_file_holds_questions_and_names_what_they_want() {
        let missing = all(&BTreeMap::new()).expect_err("nothing is given");
        for name in ["id", "owner", "sender", "receiver", "family", "code", "state", "since", "until"] {
            assert!(missing.iter().any(|m| m == name), "{name}");
        }
    }
}
