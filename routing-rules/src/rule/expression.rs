//! Conditions in CEL, the Common Expression Language.
//!
//! **Invariant:** an expression that loads is cheap. It has at most [`LONGEST`] characters and [`DEEPEST`]
//! levels, names only what the tables below hold, and has no macros (`exists`, `map` …), so nothing in it
//! loops: its cost is bounded by its own length times the longest field of the head. The one list there is,
//! `message.attachment_types`, is asked with `in`.

use super::condition::{Scene, weekday_name};
use cel::common::ast::{Expr, IdedExpr, operators as op};
use cel::objects::Key;
use cel::{Context, Env, ExecutionError, Program, Value};
use message_schemas::head::ServiceType;
use std::collections::HashMap;
use std::sync::{Arc, LazyLock};

const LONGEST: usize = 1000;
const DEEPEST: usize = 48;

/// The fields of each variable. What a message or party does not have is the empty text, 0 or false.
const FIELDS: &[(&str, &[&str])] = &[
    (
        "message",
        &[
            "family",
            "version",
            "type",
            "function",
            "service_type",
            "report_status",
            "urgency",
            "content_kind",
            "emergency",
            "test",
            "size",
            "attachments",
            "attachment_types",
        ],
    ),
    ("sender", &["her_id", "enterprise_her_id", "name", "kind", "region", "organisation", "known"]),
    ("receiver", &["her_id", "enterprise_her_id", "name", "kind", "region", "organisation", "known", "copy"]),
    ("time", &["hour", "minute", "weekday", "date"]),
];

const FUNCTIONS: &[&str] = &["size", "contains", "startsWith", "endsWith"];

const OPERATORS: &[&str] = &[
    op::CONDITIONAL,
    op::LOGICAL_AND,
    op::LOGICAL_OR,
    op::LOGICAL_NOT,
    op::SUBSTRACT,
    op::ADD,
    op::MULTIPLY,
    op::DIVIDE,
    op::MODULO,
    op::EQUALS,
    op::NOT_EQUALS,
    op::GREATER_EQUALS,
    op::LESS_EQUALS,
    op::GREATER,
    op::LESS,
    op::NEGATE,
    op::IN,
];

/// The standard functions without macros and without optional values.
static ENV: LazyLock<Arc<Env>> =
    LazyLock::new(|| Arc::new(Env::default().with_optional_support(false).with_stdlib()));

/// An expression that was checked and compiled.
#[derive(Debug)]
pub(crate) struct Expression {
    source: String,
    program: Program,
    /// The variables that it names: only these are made for it.
    names: Vec<&'static str>,
}

impl Expression {
    /// Compiles an expression.
    pub(crate) fn compile(source: &str) -> Result<Self, String> {
        let source = source.trim();
        if source.chars().count() > LONGEST {
            return Err(format!("The expression is longer than {LONGEST} characters."));
        }
        let program = ENV.compile(source).map_err(|errors| {
            let first = errors.errors.first().map(|e| e.msg.clone()).unwrap_or_default();
            format!("This is not an expression: {first}.")
        })?;
        check(program.expression(), DEEPEST)?;
        let variables = FIELDS.iter().map(|(variable, _)| *variable);
        let named = program.references();
        let names = variables.filter(|variable| named.has_variable(variable)).collect();
        Ok(Self { source: source.to_owned(), program, names })
    }

    /// The text that it was compiled from.
    pub(crate) fn source(&self) -> &str {
        &self.source
    }

    /// Whether it holds. An error names no value of the message.
    pub(crate) fn holds(&self, scene: &Scene<'_>) -> Result<bool, String> {
        let mut context = Context::with_env(Arc::clone(&ENV));
        for &name in &self.names {
            let fields = match name {
                "message" => message(scene),
                "sender" => side(&scene.sender, None),
                "receiver" => side(&scene.receiver, Some(scene.copy)),
                _ => time(scene),
            };
            context.add_variable_from_value(name, fields);
        }
        match self.program.execute(&context) {
            Ok(Value::Bool(holds)) => Ok(holds),
            Ok(_) => Err("The expression does not give true or false.".to_owned()),
            Err(error) => Err(told(&error)),
        }
    }
}

/// Refuses what is unknown, loops, or is too deep.
fn check(node: &IdedExpr, depth: usize) -> Result<(), String> {
    let depth =
        depth.checked_sub(1).ok_or(format!("The expression is nested deeper than {DEEPEST} levels."))?;
    let unknown_field = |variable: &str, fields: &[&str]| {
        format!("{variable} has these fields, and is asked as {variable}.<field>: {}.", fields.join(", "))
    };
    match &node.expr {
        Expr::Literal(_) => Ok(()),
        Expr::List(list) => list.elements.iter().try_for_each(|e| check(e, depth)),
        Expr::Ident(name) => Err(match FIELDS.iter().find(|(variable, _)| variable == name) {
            Some((variable, fields)) => unknown_field(variable, fields),
            None => format!("There is no variable {name}; there are message, sender, receiver and time."),
        }),
        Expr::Select(select) => match &select.operand.expr {
            Expr::Ident(variable) => match FIELDS.iter().find(|(known, _)| known == variable) {
                Some((_, fields)) if fields.contains(&select.field.as_str()) => Ok(()),
                Some((variable, fields)) => Err(unknown_field(variable, fields)),
                None => Err(format!("There is no variable {variable}.")),
            },
            Expr::Unspecified
            | Expr::Call(_)
            | Expr::Comprehension(_)
            | Expr::List(_)
            | Expr::Literal(_)
            | Expr::Map(_)
            | Expr::Select(_)
            | Expr::Struct(_) => Err(format!("There is nothing that has a field {}.", select.field)),
        },
        Expr::Call(call) => {
            let name = call.func_name.as_str();
            if !FUNCTIONS.contains(&name) && !OPERATORS.contains(&name) {
                return Err(format!(
                    "{name} is not offered to rules; besides operators there are: {}.",
                    FUNCTIONS.join(", ")
                ));
            }
            call.target.iter().map(|t| &**t).chain(&call.args).try_for_each(|e| check(e, depth))
        }
        Expr::Comprehension(_) | Expr::Map(_) | Expr::Struct(_) | Expr::Unspecified => {
            Err("Maps, structures and loops are not offered to rules.".to_owned())
        }
    }
}

/// An error in our words: the library's own may quote values of the message.
#[expect(clippy::wildcard_enum_match_arm, reason = "the library's enum is open, and its texts are not ours")]
fn told(error: &ExecutionError) -> String {
    match error {
        ExecutionError::DivisionByZero(_) | ExecutionError::RemainderByZero(_) => "It divides by zero.",
        ExecutionError::Overflow(..) => "A number grows beyond what can be held.",
        ExecutionError::NoSuchOverload(_)
        | ExecutionError::ValuesNotComparable(..)
        | ExecutionError::UnsupportedBinaryOperator(..)
        | ExecutionError::UnexpectedType { .. } => {
            "It compares or joins things of different kinds (numbers stand without quotes, texts in quotes)."
        }
        _ => "It could not be evaluated.",
    }
    .to_owned()
}

type Fields = HashMap<Key, Value>;

fn message(scene: &Scene<'_>) -> Fields {
    let head = scene.facts.head;
    let service_type = head.service_type.map_or("", |service_type| match service_type {
        ServiceType::New => "new",
        ServiceType::Change => "change",
        ServiceType::Cancel => "cancel",
        ServiceType::Addition => "addition",
        ServiceType::History => "history",
        ServiceType::Other => "other",
    });
    let kinds: Vec<String> = head.attachments.iter().filter_map(|a| a.mime_type.clone()).collect();
    [
        ("family", head.kind.family.as_str().into()),
        ("version", head.kind.version.to_string().into()),
        ("type", text(head.type_code.as_deref())),
        ("function", text(head.function.as_deref())),
        ("service_type", service_type.into()),
        ("report_status", text(head.report_status.as_deref())),
        ("urgency", text(head.urgency.as_deref())),
        ("content_kind", text(head.content_kind.as_deref())),
        ("emergency", Value::Bool(head.emergency)),
        ("test", Value::Bool(head.test)),
        ("size", count(scene.facts.size_bytes)),
        ("attachments", count(head.attachments.len())),
        ("attachment_types", kinds.into()),
    ]
    .into_iter()
    .map(|(name, value)| (name.into(), value))
    .collect()
}

fn side(side: &super::condition::Side<'_>, copy: Option<bool>) -> Fields {
    let number = |id: Option<message_schemas::ids::HerId>| Value::Int(id.map_or(0, |id| i64::from(id.0)));
    let mut fields: Fields = [
        ("her_id", number(side.her_id)),
        ("enterprise_her_id", number(side.enterprise)),
        ("name", text(side.party.map(|p| p.name.as_str()))),
        ("kind", text(side.party.map(|p| p.kind.as_str()))),
        ("region", text(side.region)),
        ("organisation", text(side.organisation.as_deref())),
        ("known", Value::Bool(side.party.is_some())),
    ]
    .into_iter()
    .map(|(name, value)| (name.into(), value))
    .collect();
    if let Some(copy) = copy {
        fields.insert("copy".into(), Value::Bool(copy));
    }
    fields
}

fn time(scene: &Scene<'_>) -> Fields {
    [
        ("hour", Value::Int(i64::from(scene.local.hour()))),
        ("minute", Value::Int(i64::from(scene.local.minute()))),
        ("weekday", weekday_name(scene.local.weekday()).into()),
        ("date", scene.local.date().to_string().into()),
    ]
    .into_iter()
    .map(|(name, value)| (name.into(), value))
    .collect()
}

fn text(value: Option<&str>) -> Value {
    value.unwrap_or_default().into()
}

fn count(value: usize) -> Value {
    Value::Int(i64::try_from(value).unwrap_or(i64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_field_that_may_be_asked_is_given() {
        let head = super::super::example::sample_head();
        let facts = crate::Facts { head: &head, at: jiff::Timestamp::UNIX_EPOCH, size_bytes: 9 };
        let parties = crate::Parties::default();
        let receiver = head.receivers.first().expect("one receiver");
        let scene = Scene::new(&facts, receiver, &parties);
        for (variable, fields) in FIELDS {
            for field in *fields {
                let source = format!("{variable}.{field} == {variable}.{field}");
                let expression = Expression::compile(&source).expect("a known field");
                assert_eq!(expression.holds(&scene), Ok(true), "{source}");
            }
        }
    }

    #[test]
    fn what_loops_is_unknown_or_too_big_is_refused() {
        let deep = format!("{}true{}", "!(".repeat(60), ")".repeat(60));
        let wide = vec!["1"; 400].join("+");
        let long = format!("message.family == \"{}\"", "x".repeat(LONGEST));
        for source in [
            "[1, 2].exists(x, x > 1)",
            "message.attachment_types.map(t, t) == []",
            "message.family.matches(\"(a+)+$\")",
            "patient.name == \"x\"",
            "message.patient == \"x\"",
            "message == message",
            "message[\"family\"] == \"referral\"",
            "{\"a\": 1} == {\"a\": 1}",
            "message.family ==",
            "",
            &deep,
            &wide,
            &long,
        ] {
            assert!(Expression::compile(source).is_err(), "{source}");
        }
    }
}
