//! What a judge has answered, read strictly: a completed chat completion whose content is one JSON
//! object with a label of the rubric's. Nothing is searched for in other text, for there an agent
//! that is judged could have put it.

use bytes::Bytes;

use super::rubric::Rubric;
use super::{Failure, Outcome};
use crate::json::{Document, JSON_DEPTH_LIMIT, Object, Value};

/// Longest explanation that is kept, in bytes.
const EXPLANATION_LIMIT_BYTES: usize = 1_024;

/// Reads the body of an answer (OpenAI, "The chat completion object").
///
/// # Errors
/// What is wrong with it.
pub(super) fn read(body: Bytes, rubric: &Rubric) -> Result<Outcome, Failure> {
    let completion =
        Document::parse(body, JSON_DEPTH_LIMIT).map_err(|_| Failure::NotACompletion)?;
    let content = content(completion.root()).ok_or(Failure::NotACompletion)?;
    let answer = Document::from_text(content).map_err(|_| Failure::NotAGrade)?;
    let object = answer.root().as_object().ok_or(Failure::NotAGrade)?;
    graded(object, rubric).ok_or(Failure::NotAGrade)
}

/// The text of the first choice, when the model came to its end with it.
fn content(completion: Value<'_>) -> Option<&str> {
    let choice = completion.as_object()?.get("choices")?.as_array()?.get(0)?.as_object()?;
    let complete = match choice.get("finish_reason") {
        None | Some(Value::Null) => true,
        Some(reason) => reason.as_str() == Some("stop"),
    };
    let message = choice.get("message")?.as_object()?;
    let refused = message.get("refusal").is_some_and(|refusal| refusal.as_str().is_some());
    message.get("content")?.as_str().filter(|_| complete && !refused)
}

fn graded(object: Object<'_>, rubric: &Rubric) -> Option<Outcome> {
    if object.names().any(|name| !matches!(name, "label" | "explanation")) {
        return None;
    }
    let grade = rubric.grade(object.get("label")?.as_str()?)?;
    let explanation = match object.get("explanation") {
        None => "",
        Some(explanation) => explanation.as_str()?,
    };
    Some(Outcome::Graded {
        label: grade.label.clone(),
        score: grade.score,
        explanation: plain(explanation),
    })
}

/// A text without what terminals and log readers would act on, cut.
fn plain(text: &str) -> String {
    let cut = text.get(..text.floor_char_boundary(EXPLANATION_LIMIT_BYTES)).unwrap_or_default();
    cut.chars().map(|letter| if letter.is_control() { ' ' } else { letter }).collect()
}
