//! From text to a tree of values: bounded, with every duplicate key reported.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use granit_parser::{Event, Options, Parser, ScalarStyle};

use super::codes;
use super::diagnostic::Diagnostic;
use super::node::{Entry, Key, Kind, Node, Style};
use super::repair::repair;
use super::source::{Source, Span};
use super::syntax;

/// Largest file that is read.
pub(super) const FILE_LIMIT_BYTES: usize = 4 * 1024 * 1024;
/// Most values in a file, those that aliases repeat included.
pub(super) const NODE_LIMIT_VALUES: usize = 200_000;
/// Deepest nesting.
pub(super) const DEPTH_LIMIT_LEVELS: usize = 32;
/// Most syntax errors reported of one file.
const SYNTAX_LIMIT_ERRORS: usize = 16;

/// A loaded document.
pub(super) struct Document {
    pub root: Node,
    /// Values that do not mean what was written, because the text around a syntax error was
    /// overwritten; nothing is to be said of them.
    pub repaired: Vec<Span>,
    /// Ids of values with a tag, which was reported.
    pub tagged: HashSet<usize>,
}

/// Loads the one document of a file. Faults do not stop loading as long as a tree can be made.
pub(super) fn load(source: &Arc<Source>, faults: &mut Vec<Diagnostic>) -> Option<Document> {
    if source.text.len() > FILE_LIMIT_BYTES {
        let message = format!("the file is larger than {FILE_LIMIT_BYTES} bytes");
        faults.push(Diagnostic::error(codes::BOUNDS, message).at(source, Span::default()));
        return None;
    }
    let mut text = source.text.clone();
    let mut repaired: Vec<Span> = Vec::new();
    for _ in 0..SYNTAX_LIMIT_ERRORS {
        let mut loader = Loader::new(source);
        let Err(error) = loader.run(&text) else {
            faults.append(&mut loader.faults);
            let root = loader.root?;
            return Some(Document { root, repaired, tagged: loader.tagged });
        };
        match error {
            Stop::Syntax(error) => {
                let offset = syntax::offset(&error, &text);
                faults.push(syntax::fault(source, &error));
                let again = repaired.iter().any(|span| span.start >= offset);
                if again {
                    return None;
                }
                repaired.push(repair(&mut text, offset)?);
            }
            Stop::Fault(fault) => {
                faults.push(*fault);
                return None;
            }
        }
    }
    None
}

enum Stop {
    Syntax(granit_parser::ScanError),
    Fault(Box<Diagnostic>),
}

/// A list or mapping that is still open.
struct Frame {
    id: usize,
    anchor: usize,
    start: usize,
    open: Open,
}

enum Open {
    Sequence(Vec<Node>),
    Mapping(OpenMapping),
}

#[derive(Default)]
struct OpenMapping {
    entries: Vec<Entry>,
    /// Where each key stands.
    seen: HashMap<String, Span>,
    /// The key that waits for its value; `Some(None)` drops the value.
    key: Option<Option<Key>>,
}

struct Loader<'s> {
    source: &'s Arc<Source>,
    stack: Vec<Frame>,
    anchors: HashMap<usize, Node>,
    values: usize,
    root: Option<Node>,
    documents: usize,
    tagged: HashSet<usize>,
    faults: Vec<Diagnostic>,
}

impl<'s> Loader<'s> {
    fn new(source: &'s Arc<Source>) -> Self {
        Self {
            source,
            stack: Vec::new(),
            anchors: HashMap::new(),
            values: 0,
            root: None,
            documents: 0,
            tagged: HashSet::new(),
            faults: Vec::new(),
        }
    }

    fn run(&mut self, text: &str) -> Result<(), Stop> {
        let mut options = Options::default();
        options.set_emit_comments(false);
        options.flow_nesting_limit = DEPTH_LIMIT_LEVELS;
        options.block_nesting_limit = DEPTH_LIMIT_LEVELS;
        for event in Parser::new_from_str_with_options(text, options) {
            let (event, place) = event.map_err(Stop::Syntax)?;
            let start = place.start.byte_offset().unwrap_or(0);
            let end = place.end.byte_offset().unwrap_or(start).max(start);
            if let Some(tag) = place.tag_span() {
                let start = tag.start.byte_offset().unwrap_or(start);
                let end = tag.end.byte_offset().unwrap_or(end);
                self.faults.push(syntax::tag(self.source, Span { start, end }));
                self.tagged.insert(self.values);
            }
            self.take(event, Span { start, end })?;
        }
        if self.root.is_none() {
            return Err(self.stop(codes::DOCUMENT, "the file is empty", Span::default()));
        }
        Ok(())
    }

    fn take(&mut self, event: Event<'_>, span: Span) -> Result<(), Stop> {
        match event {
            Event::DocumentStart(..) => {
                self.documents += 1;
                if self.documents > 1 {
                    let message = "a second document; one file holds one document";
                    return Err(self.stop(codes::DOCUMENT, message, span));
                }
                Ok(())
            }
            Event::Scalar(value, style, anchor, _) => {
                let id = self.count(1, span)?;
                // An absent value is reported as `~` of no width.
                let value = if span.start == span.end && style == ScalarStyle::Plain {
                    String::new()
                } else {
                    value.into_owned()
                };
                let span = self.trimmed(span);
                let kind = Kind::Scalar { value, style: style_of(style) };
                self.complete(Node { id, span, kind }, anchor);
                Ok(())
            }
            Event::SequenceStart(_, anchor, _) => {
                self.open(span, anchor, Open::Sequence(Vec::new()))
            }
            Event::MappingStart(_, anchor, _) => {
                self.open(span, anchor, Open::Mapping(OpenMapping::default()))
            }
            Event::SequenceEnd | Event::MappingEnd => {
                self.close(span.end);
                Ok(())
            }
            Event::Alias(anchor) => self.alias(anchor, span),
            // Stream and document ends, and what the options above switch off.
            _ => Ok(()),
        }
    }

    fn open(&mut self, span: Span, anchor: usize, open: Open) -> Result<(), Stop> {
        let id = self.count(1, span)?;
        self.stack.push(Frame { id, anchor, start: span.start, open });
        Ok(())
    }

    fn close(&mut self, end: usize) {
        let Some(frame) = self.stack.pop() else {
            return;
        };
        let span = self.trimmed(Span { start: frame.start, end });
        let kind = match frame.open {
            Open::Sequence(items) => Kind::Sequence(items),
            Open::Mapping(mapping) => Kind::Mapping(mapping.entries),
        };
        self.complete(Node { id: frame.id, span, kind }, frame.anchor);
    }

    fn alias(&mut self, anchor: usize, span: Span) -> Result<(), Stop> {
        let Some(node) = self.anchors.get(&anchor).cloned() else {
            return Err(self.stop(codes::ALIAS, "an alias inside its own anchor", span));
        };
        let (values, depth) = node.measure();
        self.count(values, span)?;
        if self.stack.len() + depth > DEPTH_LIMIT_LEVELS {
            return Err(self.stop(codes::ALIAS, "aliases nest too deep", span));
        }
        self.complete(node, 0);
        Ok(())
    }

    /// Hands a finished value to what encloses it.
    fn complete(&mut self, node: Node, anchor: usize) {
        if anchor != 0 {
            self.anchors.insert(anchor, node.clone());
        }
        match self.stack.last_mut().map(|frame| &mut frame.open) {
            None => self.root = Some(node),
            Some(Open::Sequence(items)) => items.push(node),
            Some(Open::Mapping(mapping)) => match mapping.key.take() {
                None => mapping.key = Some(mapping.key(node, self.source, &mut self.faults)),
                Some(Some(key)) => mapping.entries.push(Entry { key, value: node }),
                Some(None) => {}
            },
        }
    }

    /// Counts values against the bound; the id of the next one.
    fn count(&mut self, values: usize, span: Span) -> Result<usize, Stop> {
        let id = self.values;
        self.values = self.values.saturating_add(values);
        if self.values > NODE_LIMIT_VALUES {
            let message = format!("the file holds more than {NODE_LIMIT_VALUES} values");
            return Err(self.stop(codes::BOUNDS, &message, span));
        }
        Ok(id)
    }

    fn stop(&self, code: &'static str, message: &str, span: Span) -> Stop {
        Stop::Fault(Box::new(Diagnostic::error(code, message).at(self.source, span)))
    }

    /// Collections and block scalars end where the next token begins: leave the white space out.
    fn trimmed(&self, span: Span) -> Span {
        let text = self.source.text.get(span.start..span.end).unwrap_or_default();
        Span { start: span.start, end: span.start + text.trim_end().len() }
    }
}

impl OpenMapping {
    /// The key a node makes; `None`, with a fault, for one that is no text or stands twice.
    fn key(
        &mut self,
        node: Node,
        source: &Arc<Source>,
        faults: &mut Vec<Diagnostic>,
    ) -> Option<Key> {
        let Kind::Scalar { value: text, .. } = node.kind else {
            faults.push(Diagnostic::error(codes::TYPE, "a key must be text").at(source, node.span));
            return None;
        };
        if let Some(first) = self.seen.get(&text) {
            let (line, _) = source.line_column(first.start);
            let fault = Diagnostic::error(codes::DUPLICATE_KEY, format!("`{text}` stands twice"))
                .at(source, node.span)
                .help(format!("remove one; the first is on line {line}"));
            faults.push(fault);
            return None;
        }
        self.seen.insert(text.clone(), node.span);
        Some(Key { text, span: node.span })
    }
}

fn style_of(style: ScalarStyle) -> Style {
    match style {
        ScalarStyle::Plain => Style::Plain,
        ScalarStyle::SingleQuoted => Style::SingleQuoted,
        ScalarStyle::DoubleQuoted => Style::DoubleQuoted,
        ScalarStyle::Literal => Style::Literal,
        ScalarStyle::Folded => Style::Folded,
    }
}
