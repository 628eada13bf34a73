//! Names of tools and tags in policies, checked against the tools there are.

use std::collections::BTreeSet;

use super::{Catalogue, Compiler, File, codes};
use crate::policy::expr::Program;
use crate::policy::glob::Glob;
use crate::policy::matcher::{Matcher, Pattern};
use crate::yaml::{Diagnostic, Field, Span, Text, closest, codes as yaml_codes};

/// The names that policies may use.
pub(super) struct Known<'c> {
    tools: BTreeSet<&'c str>,
    tags: BTreeSet<&'c str>,
    /// With the dot: `payments.`
    open_prefixes: Vec<String>,
}

impl<'c> Known<'c> {
    pub(super) fn of(catalogue: &'c Catalogue) -> Self {
        let tags = catalogue.tools.iter().flat_map(|tool| tool.tags.iter());
        Self {
            tools: catalogue.tools.iter().map(|tool| tool.name.as_ref()).collect(),
            tags: tags.map(AsRef::as_ref).collect(),
            open_prefixes: catalogue.open_servers.iter().map(|name| format!("{name}.")).collect(),
        }
    }

    /// What is wrong with one entry of a `tools` list.
    fn check(&self, text: &str) -> Option<Diagnostic> {
        match Pattern::parse(text) {
            Pattern::Exact(name) => self.check_name(&name),
            Pattern::Glob(glob) => self.check_glob(&glob),
            Pattern::Tag(tag) => self.check_tag(&tag),
        }
    }

    fn check_name(&self, name: &str) -> Option<Diagnostic> {
        // Servers that name their tools themselves put more into a name than a path can hold.
        let letter = |byte: u8| {
            byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.' | b'/' | b':')
        };
        let is_open = |operation: &str| !operation.is_empty() && operation.bytes().all(letter);
        let mut open = self.open_prefixes.iter().filter_map(|prefix| name.strip_prefix(&**prefix));
        if open.any(is_open) || self.tools.contains(name) {
            return None;
        }
        let fault = Diagnostic::error(codes::UNKNOWN_TOOL, format!("there is no tool `{name}`"));
        let suffix = format!(".{name}");
        let unprefixed = self.tools.iter().copied().find(|tool| tool.ends_with(&suffix));
        Some(match unprefixed.or_else(|| closest(name, self.tools.iter().copied())) {
            Some(close) => fault.help(format!("did you mean `{close}`?")),
            None => fault.help("a tool is `UPSTREAM.NAME`, as the config's `upstreams` have them"),
        })
    }

    fn check_glob(&self, glob: &Glob) -> Option<Diagnostic> {
        let head = glob.as_str().split('*').next().unwrap_or_default();
        let may_be_open = |prefix: &String| head.starts_with(prefix) || prefix.starts_with(head);
        let fits = self.tools.iter().any(|tool| glob.matches(tool));
        if fits || self.open_prefixes.iter().any(may_be_open) {
            return None;
        }
        let message = format!("`{glob}` matches none of the tools there are");
        Some(Diagnostic::warning(codes::NO_TOOL, message))
    }

    fn check_tag(&self, tag: &str) -> Option<Diagnostic> {
        if self.tags.contains(tag) {
            return None;
        }
        let message = format!("no tool has the tag `{tag}`");
        // Tools that are not known beforehand may have it.
        let fault = if self.open_prefixes.is_empty() {
            Diagnostic::error(codes::UNKNOWN_TAG, message)
        } else {
            Diagnostic::warning(codes::UNKNOWN_TAG, message)
        };
        Some(match closest(tag, self.tags.iter().copied()) {
            Some(close) => fault.help(format!("did you mean `tag:{close}`?")),
            None => fault,
        })
    }
}

impl Compiler<'_> {
    /// Reads a `tools` list; absent means every tool.
    pub(super) fn tools(
        &mut self,
        file: &File<'_>,
        list: Option<&Field<Vec<Field<String>>>>,
    ) -> Matcher {
        let Some(list) = list else {
            return Matcher::every();
        };
        if list.value.is_empty() && file.is_whole(list.span) {
            let fault = Diagnostic::error(codes::EMPTY, "an empty list matches no tool");
            self.fault(file, list.span, fault.help("leave `tools` out to mean every tool"));
        }
        for entry in &list.value {
            self.tool(file, &entry.value, entry.span);
        }
        Matcher::any_of(list.value.iter().map(|entry| Pattern::parse(&entry.value)).collect())
    }

    /// Checks the tools that an expression asks the run's history for.
    pub(super) fn tools_asked_for(&mut self, file: &File<'_>, text: &Text, program: &Program) {
        for (glob, range) in program.tool_patterns() {
            self.earlier_tool(file, glob.as_str(), text.locate(range.clone()));
        }
    }

    /// Checks a name or glob of earlier calls. Of those only the names are remembered.
    pub(super) fn earlier_tool(&mut self, file: &File<'_>, text: &str, span: Span) {
        if text.starts_with("tag:") {
            let message = "earlier calls are not found by tag";
            let fault = Diagnostic::error(yaml_codes::UNSUPPORTED, message);
            self.fault(file, span, fault.help("name the tools: `payments.*`"));
        } else {
            self.tool(file, text, span);
        }
    }

    /// Checks one name, glob or tag.
    pub(super) fn tool(&mut self, file: &File<'_>, text: &str, span: Span) {
        let fault = if text.is_empty() || text == "tag:" {
            Some(Diagnostic::error(codes::EMPTY, "a tool or tag without a name"))
        } else {
            self.known.as_ref().and_then(|known| known.check(text))
        };
        if let Some(fault) = fault {
            self.fault(file, span, fault);
        }
    }
}
