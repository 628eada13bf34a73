//! Programs that run other programs: where in their arguments the inner command is.

use super::interpreters::{SHELLS, alias, dash_c, script, script_file, shell, split_string};
use super::scan::name_length;
use super::table::{PLAIN, WRAPPERS, Wrapper};
use super::walkers::{find, with_input};
use super::word::Field;

/// What a command would itself run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Inner {
    /// A command with its arguments.
    Argv(Vec<Field>),
    /// A script; whether an expansion is in it, so that it may be any script.
    Script { text: String, expanded: bool },
    /// A script that comes from standard input.
    Input,
    /// Something that is known only at run time.
    Unknown,
    /// No command: `$0`, `$1`, … from here on.
    Positional(Vec<String>),
}

/// What the command `name` with these arguments would itself run.
pub(super) fn inner(name: &str, args: &[Field]) -> Vec<Inner> {
    if SHELLS.contains(&name) {
        return shell(args);
    }
    match name {
        "find" => return find(args),
        "source" | "." => return args.first().and_then(script_file).into_iter().collect(),
        "at" | "batch" => return vec![Inner::Input],
        "trap" => {
            let action = args.iter().find(|field| field.text != "--");
            let action = action.filter(|field| !field.text.starts_with('-'));
            return action.map(|action| script(std::slice::from_ref(action))).into_iter().collect();
        }
        "alias" => return args.iter().filter_map(alias).collect(),
        "set" => {
            let rest = args.iter().skip_while(|field| field.text != "--").skip(1);
            let mut values = vec![String::new()];
            values.extend(rest.map(|field| field.text.clone()));
            return if values.len() > 1 { vec![Inner::Positional(values)] } else { Vec::new() };
        }
        "command" if asks_only(args) => return Vec::new(),
        _ => {}
    }
    let mut found: Vec<Inner> = match name {
        "su" | "runuser" | "script" | "flock" => dash_c(args).into_iter().collect(),
        "env" => split_string(args).into_iter().collect(),
        _ => Vec::new(),
    };
    let loader = name.starts_with("ld-linux") || name.starts_with("ld-musl");
    let wrapper = if loader {
        Some(&PLAIN)
    } else {
        WRAPPERS.iter().find(|wrapper| wrapper.names.contains(&name))
    };
    let Some(wrapper) = wrapper else { return found };
    let rest = args.get(command_start(wrapper, args)..).unwrap_or_default();
    if rest.is_empty() {
        return found;
    }
    found.push(match name {
        "xargs" | "parallel" => Inner::Argv(with_input(args, rest)),
        _ if wrapper.script => script(rest),
        _ => Inner::Argv(rest.to_vec()),
    });
    found
}

/// Index of the first argument that is not the wrapper's own.
fn command_start(wrapper: &Wrapper, args: &[Field]) -> usize {
    let mut at = 0;
    let mut operands = wrapper.operands;
    let mut flags = true;
    while let Some(field) = args.get(at) {
        let text = field.text.as_str();
        at += 1;
        if flags && text == "--" {
            flags = false;
        } else if flags && text.starts_with("--") {
            if wrapper.long.contains(&text.trim_start_matches('-')) {
                at += 1;
            }
        } else if flags && text.starts_with('-') {
            // A value-taking flag ends its cluster; its value is the rest, or the next argument.
            let cluster = text.trim_start_matches('-');
            if let Some(taker) = cluster.find(|c| wrapper.short.contains(c))
                && taker + 1 == cluster.len()
            {
                at += 1;
            }
        } else if wrapper.assignments && is_assignment(text) {
        } else if operands > 0 {
            operands -= 1;
        } else {
            return at - 1;
        }
    }
    at
}

fn is_assignment(text: &str) -> bool {
    let name = name_length(text);
    name > 0 && text.get(name..).is_some_and(|rest| rest.starts_with('='))
}

/// `command -v` looks a command up and runs nothing.
fn asks_only(args: &[Field]) -> bool {
    args.first().is_some_and(|field| {
        field.text.starts_with('-') && !field.open && field.text.contains(['v', 'V'])
    })
}
