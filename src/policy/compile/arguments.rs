//! Arguments that expressions name, checked against what tools declare.

use super::{Catalogue, Compiler, File, codes};
use crate::contract::Declared;
use crate::policy::expr::Program;
use crate::policy::matcher::Matcher;
use crate::policy::view::ToolFacts;
use crate::yaml::{Diagnostic, Text};

/// Deepest path that is looked up.
const PATH_LIMIT_NAMES: usize = 32;

impl Catalogue {
    /// The tools that `tools` names, when they are known and none beside them can be meant.
    fn all_meant(&self, tools: &Matcher) -> Option<Vec<&ToolFacts>> {
        let meant = self.tools.iter().filter(|tool| tools.matches(tool));
        let meant: Vec<&ToolFacts> = meant.collect();
        let complete = match tools.exact_names() {
            Some(names) => names.iter().all(|name| meant.iter().any(|tool| tool.name == *name)),
            None => self.open_servers.is_empty(),
        };
        (complete && !meant.is_empty()).then_some(meant)
    }

    /// Whether one of the tools may take the argument; if not, the name most likely meant.
    fn declares(&self, tools: &[&ToolFacts], path: &[&str]) -> Declared {
        let mut meant = None;
        for tool in tools {
            let Some(contract) = self.contracts.get(&tool.name) else { return Declared::Perhaps };
            match contract.declares(path) {
                Declared::No(close) => meant = meant.or(close),
                known @ (Declared::Yes | Declared::Perhaps) => return known,
            }
        }
        Declared::No(meant)
    }
}

impl Compiler<'_> {
    /// Reports arguments of an expression that none of the tools takes which the rule or limit in
    /// hand is about: it would read what is never there.
    pub(super) fn arguments_asked_for(&mut self, file: &File<'_>, text: &Text, program: &Program) {
        let Some(catalogue) = self.catalogue else { return };
        let Some(tools) = catalogue.all_meant(&self.subject) else { return };
        let mut faults: Vec<(String, Diagnostic)> = Vec::new();
        for (path, range) in program.argument_paths() {
            let under = |(known, _): &(String, Diagnostic)| path.starts_with(known.as_str());
            if faults.iter().any(under) {
                continue;
            }
            let names: Vec<&str> = path.split('.').skip(1).take(PATH_LIMIT_NAMES).collect();
            let Declared::No(meant) = catalogue.declares(&tools, &names) else { continue };
            let name = names.last().copied().unwrap_or_default();
            let message = match (tools.as_slice(), names.as_slice()) {
                ([tool], [_]) => format!("`{name}` is not an argument of `{}`", tool.name),
                ([tool], _) => format!("`{path}` is not an argument of `{}`", tool.name),
                _ => format!("`{name}` is not an argument of any tool this is about"),
            };
            let mut fault = Diagnostic::error(codes::UNKNOWN_ARGUMENT, message);
            fault.help = meant.map(|meant| format!("did you mean `{meant}`?"));
            let span = text.locate(range.clone());
            faults.push((format!("{path}."), fault.at(file.source, span)));
        }
        self.faults.extend(faults.into_iter().map(|(_, fault)| fault));
    }
}
