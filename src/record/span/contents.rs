//! Arguments and results on a span, where the config has them captured.

use std::time::SystemTime;

use super::draft::{Attributes, Draft};
use super::names;
use crate::call::{Content, Contents, Language};

/// Puts captured contents where they are to stand. They were redacted and cut when they were
/// captured.
pub(super) fn put(draft: &mut Draft, contents: Contents, language: &Language, end: SystemTime) {
    let place = contents.place;
    let event = match language {
        Language::Llm(_) => names::INFERENCE_EVENT,
        Language::Http | Language::Mcp(_) => names::CONTENT_EVENT,
    };
    let own = |contents: &Contents, attributes: &mut Attributes| match language {
        Language::Llm(_) => {
            attributes.put_some(names::INPUT_MESSAGES, contents.input_messages.clone());
            attributes.put_some(names::OUTPUT_MESSAGES, contents.output_messages.clone());
        }
        // Of what is no call of a tool there are no arguments and no result of one.
        Language::Mcp(message) if !message.is_tool_call() => {}
        Language::Http | Language::Mcp(_) => {
            let text = |content: &Option<Content>| content.as_ref().map(|it| it.text.clone());
            attributes.put_some(names::TOOL_ARGUMENTS, text(&contents.input));
            attributes.put_some(names::TOOL_RESULT, text(&contents.output));
        }
    };
    if place.is_event() {
        let mut attributes = Attributes::default();
        own(&contents, &mut attributes);
        draft.event(event, end, attributes);
    }
    if place.is_span() {
        own(&contents, &mut draft.attributes);
        // What Phoenix and its kin show in the panes of a span.
        let Contents { input, output, .. } = contents;
        pane(&mut draft.attributes, input, (names::INPUT, names::INPUT_TYPE));
        pane(&mut draft.attributes, output, (names::OUTPUT, names::OUTPUT_TYPE));
    }
}

fn pane(
    attributes: &mut Attributes,
    content: Option<Content>,
    (value, kind): (&'static str, &'static str),
) {
    let Some(Content { text, is_json }) = content else { return };
    attributes.put(value, text);
    attributes.put(kind, if is_json { "application/json" } else { "text/plain" });
}
