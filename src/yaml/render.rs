//! A fault as text for a terminal.

use annotate_snippets::renderer::DecorStyle;
use annotate_snippets::{
    Annotation, AnnotationKind, Group, Level, Origin, Renderer, Snippet, normalize_untrusted_str,
};

use super::diagnostic::{Diagnostic, Severity};

/// Help up to this length stands beside the underlined place; longer help goes below.
const LABEL_LIMIT_CHARS: usize = 72;

/// The fault with its line, its place underlined, help and notes; ANSI colours when `color`.
/// A place of several lines shows its first.
pub(super) fn render(fault: &Diagnostic, color: bool) -> String {
    let level = match fault.severity {
        Severity::Error => Level::ERROR,
        Severity::Warning => Level::WARNING,
    };
    let mut group = Group::with_title(level.primary_title(&fault.message).id(fault.code));
    let help = fault.help.as_deref();
    let beside = help.filter(|help| {
        fault.source.is_some() && !help.contains('\n') && help.chars().count() <= LABEL_LIMIT_CHARS
    });
    if let Some(source) = &fault.source {
        group = if source.text.is_empty() {
            group.element(Origin::path(&source.name).line(1).char_column(1))
        } else {
            let span = source.first_line_of(fault.span);
            let annotation = AnnotationKind::Primary
                .span(span.start..span.end)
                .label(beside.map(|help| format!("help: {help}")));
            group.element(snippet(&source.name, &source.text, annotation))
        };
    }
    if let Some(help) = help.filter(|_| beside.is_none()) {
        group = group.element(Level::HELP.message(normalize_untrusted_str(help)));
    }
    let notes = fault.notes.iter();
    group = group.elements(notes.map(|note| Level::NOTE.message(normalize_untrusted_str(note))));
    let renderer = if color { Renderer::styled() } else { Renderer::plain() };
    renderer.decor_style(DecorStyle::Ascii).render(&[group])
}

fn snippet<'a>(
    name: &'a str,
    text: &'a str,
    annotation: Annotation<'a>,
) -> Snippet<'a, Annotation<'a>> {
    Snippet::source(text).path(name).annotation(annotation)
}
