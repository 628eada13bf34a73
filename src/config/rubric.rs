//! A rubric: a file of its own that says what a judge is asked and which answers there are.

use std::collections::HashSet;
use std::sync::Arc;

use schemars::JsonSchema;
use serde::Deserialize;

use super::raw::ApiVersion;
use super::validate::Check;
use super::{codes, load};
use crate::evaluate::{Grade, RESERVED_LABELS, Rubric, SCALE_LIMIT_GRADES};
use crate::yaml::{self, Diagnostic, Field, ScalarFault, Shape, Source, Span, Text};

/// Longest question, in bytes.
const QUESTION_LIMIT_BYTES: usize = 16 * 1024;

/// Longest name, label or meaning, in bytes.
const NAME_LIMIT_BYTES: usize = 64;
const MEANING_LIMIT_BYTES: usize = 1_024;

/// A rubric as it is written.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RubricFile {
    /// The version of the format.
    #[serde(rename = "apiVersion")]
    #[schemars(required)]
    pub api_version: Option<ApiVersion>,
    /// What the file is.
    #[schemars(required)]
    pub kind: Option<FileKind>,
    /// What evaluations by it are called, in events, metrics and spans.
    #[schemars(required)]
    pub name: Option<Field<String>>,
    /// What the judge is to find out about a run.
    #[schemars(required)]
    pub question: Option<Text>,
    /// `contents` where the question can only be answered from what calls said: where bodies are not
    /// recorded, nobody is asked and the evaluation is `undecidable`.
    pub needs: Option<Field<Needs>>,
    /// The answers there are, from 2 to 16.
    #[schemars(required)]
    pub scale: Option<Field<Vec<RawGrade>>>,
}

/// What the file is.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
pub enum FileKind {
    Rubric,
}

/// What a rubric cannot do without.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Needs {
    /// Arguments and results.
    Contents,
}

/// An answer.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RawGrade {
    /// As events, metrics and spans have it.
    #[schemars(required)]
    pub label: Option<Field<String>>,
    /// What it counts; the judge does not see it.
    #[schemars(required)]
    pub score: Option<Field<f64>>,
    /// When it applies.
    pub meaning: Option<Text>,
}

const SHAPE: Shape = Shape {
    required: &[
        ("RubricFile", &["apiVersion", "kind", "name", "question", "scale"]),
        ("RawGrade", &["label", "score"]),
    ],
    planned: &[],
};

/// A rubric file on its way.
struct Reading<'c, 'a> {
    source: Arc<Source>,
    check: &'c mut Check<'a>,
}

/// The rubric of the file that `field` names; its faults are reported where they stand.
pub(super) fn rubric(field: &Field<String>, check: &mut Check<'_>) -> Option<Rubric> {
    let read = load::read(&check.path(&field.value), check.secrets.reads);
    let source = check.ok(codes::FILE, field.span, read)?;
    let before = check.faults.len();
    let file = yaml::read_partial::<RubricFile>(&source, SHAPE, check.faults)?;
    let rubric = Reading { source, check }.rubric(&file);
    rubric.filter(|_| check.faults.len() == before)
}

impl Reading<'_, '_> {
    fn rubric(&mut self, file: &RubricFile) -> Option<Rubric> {
        let name = file.name.as_ref()?;
        self.name(&name.value, name.span);
        let question = file.question.as_ref()?;
        self.text(question, QUESTION_LIMIT_BYTES, "a question");
        let scale = file.scale.as_ref()?;
        if !(2..=SCALE_LIMIT_GRADES).contains(&scale.value.len()) {
            let text = format!("a scale has 2 to {SCALE_LIMIT_GRADES} labels");
            self.fault(codes::RANGE, scale.span, ScalarFault::new(text));
        }
        let mut seen = HashSet::new();
        let grades = scale.value.iter().filter_map(|raw| self.grade(raw, &mut seen)).collect();
        Some(Rubric {
            name: Arc::from(name.value.as_str()),
            question: question.value.clone(),
            needs_contents: file.needs.is_some_and(|needs| match needs.value {
                Needs::Contents => true,
            }),
            scale: grades,
        })
    }

    fn grade<'r>(&mut self, raw: &'r RawGrade, seen: &mut HashSet<&'r str>) -> Option<Grade> {
        let label = raw.label.as_ref()?;
        self.name(&label.value, label.span);
        if RESERVED_LABELS.contains(&label.value.as_str()) {
            let text = format!("`{}` says how an evaluation went, and is no grade", label.value);
            self.fault(codes::NAME, label.span, ScalarFault::new(text).help("use another word"));
        }
        if !seen.insert(&label.value) {
            let text = format!("the label `{}` stands here twice", label.value);
            self.fault(codes::NAME, label.span, ScalarFault::new(text));
        }
        if let Some(meaning) = &raw.meaning {
            self.text(meaning, MEANING_LIMIT_BYTES, "a meaning");
        }
        let score = raw.score.as_ref()?;
        Some(Grade {
            label: Arc::from(label.value.as_str()),
            score: score.value,
            meaning: raw.meaning.as_ref().map(|text| text.value.clone()).unwrap_or_default(),
        })
    }

    fn name(&mut self, name: &str, span: Span) {
        let holds =
            |letter: char| letter.is_ascii_alphanumeric() || matches!(letter, '_' | '-' | '.');
        if name.is_empty() || name.len() > NAME_LIMIT_BYTES || !name.chars().all(holds) {
            let text = ScalarFault::new(format!("`{name}` is not a name here"));
            let help = format!("letters, digits, `_`, `-` and `.`, up to {NAME_LIMIT_BYTES}");
            self.fault(codes::NAME, span, text.help(help));
        }
    }

    fn text(&mut self, text: &Text, limit_bytes: usize, what: &str) {
        if text.value.trim().is_empty() || text.value.len() > limit_bytes {
            let fault = ScalarFault::new(format!("{what} has 1 to {limit_bytes} bytes"));
            self.fault(codes::RANGE, text.span, fault);
        }
    }

    fn fault(&mut self, code: &'static str, span: Span, text: ScalarFault) {
        let mut fault = Diagnostic::error(code, text.message).at(&self.source, span);
        fault.help = text.help;
        self.check.faults.push(fault);
    }
}
