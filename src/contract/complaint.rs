//! What is wrong with a value, in words that a model can mend it by. Never the value itself, unless
//! it is a number or a boolean: text may be a secret.

use jsonschema::ValidationError;
use jsonschema::error::{TypeKind, ValidationErrorKind};
use serde_json::{Value, json};

use super::surface::{Surface, resolve};
use crate::policy::expr::Violation;
use crate::yaml::closest;

/// Longest piece of a schema that is shown, in bytes.
const SHOWN_LIMIT_BYTES: usize = 512;

/// Names listed as those there are.
const NAMES_LIMIT: usize = 24;

/// Longest name of the caller's that is repeated, in characters.
const NAME_LIMIT_CHARS: usize = 64;

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Complaint {
    /// For programs: where, what was expected, what would pass.
    pub violation: Violation,
    /// For the model: a sentence without its full stop.
    pub text: String,
}

impl Complaint {
    /// A member that the schema does not know.
    pub(super) fn unknown<'n>(
        parent: &str,
        name: &str,
        names: impl Iterator<Item = &'n str> + Clone,
    ) -> Self {
        let mut known: Vec<&str> = names.clone().take(NAMES_LIMIT).collect();
        known.sort_unstable();
        known.dedup();
        let shown = shown_name(name);
        let place = place(parent);
        let (text, passes) = match closest(name, names) {
            Some(close) => (
                format!("`{shown}` is not {place}: did you mean `{close}`?"),
                format!("absent (did you mean `{close}`?)"),
            ),
            None if known.is_empty() => {
                (format!("`{shown}` is not {place}: there are none"), "absent".to_owned())
            }
            None => {
                let list: Vec<String> = known.iter().map(|name| format!("`{name}`")).collect();
                let text = format!("`{shown}` is not {place}: there are {}", list.join(", "));
                (text, "absent".to_owned())
            }
        };
        Self {
            violation: Violation {
                path: format!("{parent}/{}", escape(&shown)),
                limit: json!(known).to_string(),
                actual: None,
                passes,
            },
            text,
        }
    }

    /// The arguments as a whole are no object.
    pub(super) fn not_an_object() -> Self {
        Self::at("/args", "\"object\"", None, "an object")
    }

    /// A value of a size and depth that cannot be checked against its schema.
    pub(super) fn too_much(root: &str) -> Self {
        Self::at(
            root,
            "\"smaller\"",
            None,
            "smaller or less deeply nested, so that it can be checked",
        )
    }

    /// A value that does not fit, where saying why would take too long.
    pub(super) fn unfit(root: &str) -> Self {
        Self::at(root, "\"schema\"", None, "as the schema of the tool says")
    }

    /// An answer that should have been JSON.
    pub(super) fn not_json() -> Self {
        Self::at("/result", "\"json\"", None, "JSON")
    }

    fn missing(parent: &str, name: &str) -> Self {
        let path = format!("{parent}/{}", escape(name));
        Self {
            text: format!("`{}` is missing", dotted(&path)),
            violation: Violation {
                path,
                limit: "\"present\"".to_owned(),
                actual: None,
                passes: "present".to_owned(),
            },
        }
    }

    fn at(path: &str, limit: &str, actual: Option<String>, passes: &str) -> Self {
        Self {
            text: format!("`{}` must be {passes}", dotted(path)),
            violation: Violation {
                path: path.to_owned(),
                limit: limit.to_owned(),
                actual,
                passes: passes.to_owned(),
            },
        }
    }
}

/// What is wrong with a value, by the error of the check.
pub(super) fn of_value(error: &ValidationError<'_>, schema: &Value, root: &str) -> Vec<Complaint> {
    let path = format!("{root}{}", error.instance_path());
    match error.kind() {
        ValidationErrorKind::AdditionalProperties { unexpected }
        | ValidationErrorKind::UnevaluatedProperties { unexpected } => {
            let names = names_at(error.schema_path().as_str(), schema);
            let unknown = unexpected.iter().take(NAMES_LIMIT);
            unknown
                .map(|name| Complaint::unknown(&path, name, names.iter().map(String::as_str)))
                .collect()
        }
        ValidationErrorKind::Required { property } => {
            vec![Complaint::missing(&path, property.as_str().unwrap_or_default())]
        }
        kind => {
            let (limit, passes) = expectation(kind);
            let actual = match error.instance().as_ref() {
                Value::Number(number) => Some(number.to_string()),
                Value::Bool(value) => Some(value.to_string()),
                Value::Null | Value::String(_) | Value::Array(_) | Value::Object(_) => None,
            };
            let mut complaint = Complaint::at(&path, &limit.to_string(), actual, &passes);
            if matches!(kind, ValidationErrorKind::Type { .. }) {
                let found = kind_of(error.instance());
                complaint.text.push_str(&format!(", not {found}"));
            }
            vec![complaint]
        }
    }
}

/// What is wrong with a schema, by the error of its compilation.
pub(super) fn of_schema(error: &ValidationError<'_>) -> String {
    match error.kind() {
        ValidationErrorKind::Referencing(fault) => format!("a reference leads nowhere: {fault}"),
        ValidationErrorKind::Format { format } if format == "regex" => {
            "a pattern that cannot be used: it must be one that is matched in linear time, without \
             look-around and back-references"
                .to_owned()
        }
        ValidationErrorKind::Required { property } => format!("{property} is missing"),
        kind => format!("not a JSON Schema: expected {}", expectation(kind).1),
    }
}

/// What was expected, as JSON and in words.
fn expectation(kind: &ValidationErrorKind) -> (Value, String) {
    use ValidationErrorKind as Kind;
    match kind {
        Kind::Type { kind } => {
            let names: Vec<String> = match kind {
                TypeKind::Single(one) => vec![one.to_string()],
                TypeKind::Multiple(many) => many.iter().map(|one| one.to_string()).collect(),
            };
            let words: Vec<&str> = names.iter().map(|name| article(name)).collect();
            let limit = if let [one] = names.as_slice() { json!(one) } else { json!(names) };
            (limit, words.join(" or "))
        }
        Kind::Enum { options } => (short(options), format!("one of {}", short(options))),
        Kind::Constant { expected_value } => {
            (short(expected_value), short(expected_value).to_string())
        }
        Kind::Minimum { limit } => (limit.clone(), format!(">= {limit}")),
        Kind::ExclusiveMinimum { limit } => (limit.clone(), format!("> {limit}")),
        Kind::Maximum { limit } => (limit.clone(), format!("<= {limit}")),
        Kind::ExclusiveMaximum { limit } => (limit.clone(), format!("< {limit}")),
        Kind::MultipleOf { multiple_of } => {
            (json!(multiple_of), format!("a multiple of {multiple_of}"))
        }
        Kind::MinLength { limit } => (json!(limit), format!("of {limit} characters or more")),
        Kind::MaxLength { limit } => (json!(limit), format!("of {limit} characters or fewer")),
        Kind::MinItems { limit } => (json!(limit), format!("a list of {limit} items or more")),
        Kind::MaxItems { limit } => (json!(limit), format!("a list of {limit} items or fewer")),
        Kind::MinProperties { limit } => (json!(limit), format!("of {limit} members or more")),
        Kind::MaxProperties { limit } => (json!(limit), format!("of {limit} members or fewer")),
        Kind::UniqueItems => (json!("uniqueItems"), "a list without repeats".to_owned()),
        Kind::Pattern { pattern } => {
            let shown = short(&json!(pattern));
            (shown.clone(), format!("text that matches {shown}"))
        }
        Kind::Format { format } => (json!(format), format!("of the format `{format}`")),
        Kind::FalseSchema => (json!(false), "absent".to_owned()),
        other => (json!(other.keyword()), format!("as `{}` in the schema has it", other.keyword())),
    }
}

/// The members known to the object whose `additionalProperties` stands at that place of the schema.
fn names_at(keyword: &str, schema: &Value) -> Vec<String> {
    let parent = keyword.rsplit_once('/').map_or("", |(parent, _)| parent);
    let found = schema.pointer(parent).and_then(|found| resolve(found, schema));
    found.map(|found| Surface::of(found, schema).members.into_keys().collect()).unwrap_or_default()
}

fn article(name: &str) -> &'static str {
    match name {
        "integer" => "an integer",
        "number" => "a number",
        "string" => "text",
        "boolean" => "true or false",
        "array" => "a list",
        "object" => "an object",
        _ => "null",
    }
}

fn kind_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "true or false",
        Value::Number(_) => "a number",
        Value::String(_) => "text",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}

/// A piece of the schema, cut to what can be shown.
fn short(value: &Value) -> Value {
    let text = value.to_string();
    if text.len() <= SHOWN_LIMIT_BYTES {
        return value.clone();
    }
    let cut = text.get(..text.floor_char_boundary(SHOWN_LIMIT_BYTES)).unwrap_or_default();
    Value::String(format!("{cut}…"))
}

/// What a member of that parent is called.
fn place(parent: &str) -> String {
    match parent {
        "/args" => "an argument".to_owned(),
        "/result" => "part of the result".to_owned(),
        parent => format!("part of `{}`", dotted(parent)),
    }
}

/// `/args/customer/id` as `args.customer.id`.
fn dotted(path: &str) -> String {
    let path = path.trim_start_matches('/').replace('/', ".");
    path.replace("~1", "/").replace("~0", "~")
}

/// A token of a JSON pointer (RFC 6901, section 4).
fn escape(name: &str) -> String {
    name.replace('~', "~0").replace('/', "~1")
}

/// A caller's name, short and without what terminals or headers would act on.
fn shown_name(name: &str) -> String {
    let visible = |letter: char| if letter.is_control() || letter == '`' { ' ' } else { letter };
    let mut shown: String = name.chars().map(visible).take(NAME_LIMIT_CHARS).collect();
    if name.chars().count() > NAME_LIMIT_CHARS {
        shown.push('…');
    }
    shown
}
