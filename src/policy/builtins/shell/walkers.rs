//! Programs that run a command over what they find: `find`, `xargs`, `parallel`.

use super::word::Field;
use super::wrappers::Inner;

/// Most arguments that `{}` may become: every one of them stands for every folder.
const FIELDS_LIMIT: usize = 256;

/// Most `{}` in one argument, for the same reason.
const BRACES_LIMIT: usize = 4;

/// An argument of which nothing is known.
fn unknown() -> Field {
    let text = super::UNKNOWN.to_owned();
    Field { text, open: true, may_be_flag: true, expanded: true }
}

/// The command of `xargs` with what it adds from its input, which nobody knows yet.
pub(super) fn with_input(args: &[Field], command: &[Field]) -> Vec<Field> {
    let own = args.len().saturating_sub(command.len());
    let own: Vec<&str> = args.iter().take(own).map(|field| field.text.as_str()).collect();
    let mut replaced = None;
    for (index, text) in own.iter().enumerate() {
        let attached = text.strip_prefix("-I").or_else(|| text.strip_prefix("--replace="));
        match attached {
            Some("") => replaced = own.get(index + 1).copied(),
            Some(value) => replaced = Some(value),
            None if text.starts_with("-i") || *text == "--replace" => {
                let value = text.strip_prefix("-i").filter(|value| !value.is_empty());
                replaced = Some(value.unwrap_or("{}"));
            }
            None => {}
        }
    }
    let mut fields = command.to_vec();
    let Some(replaced) = replaced.filter(|replaced| !replaced.is_empty()) else {
        fields.push(unknown());
        return fields;
    };
    for field in &mut fields {
        if field.text.contains(replaced) {
            field.open = true;
            field.expanded = true;
            field.may_be_flag |= field.text.starts_with(replaced) || field.text.starts_with('-');
        }
    }
    fields
}

/// `find`: its `-exec` commands over the folders it walks, and `-delete` as the `rm -r` it is.
pub(super) fn find(args: &[Field]) -> Vec<Inner> {
    let flag = |text: &str| matches!(text, "-H" | "-L" | "-P") || text.starts_with("-O");
    let mut starts: Vec<Field> = args
        .iter()
        .skip_while(|field| flag(&field.text))
        .take_while(|field| !field.text.starts_with(['-', '(', '!']))
        .cloned()
        .collect();
    let literal = |text: &str| Field {
        text: text.to_owned(),
        open: false,
        may_be_flag: false,
        expanded: false,
    };
    if starts.is_empty() {
        starts.push(literal("."));
    }
    let mut found = Vec::new();
    let mut rest = args.iter();
    while let Some(field) = rest.next() {
        match field.text.as_str() {
            "-delete" => {
                let mut argv = vec![literal("rm"), literal("-r"), literal("-f"), literal("--")];
                argv.extend(starts.iter().cloned());
                found.push(Inner::Argv(argv));
            }
            "-exec" | "-execdir" | "-ok" | "-okdir" => {
                let words =
                    rest.by_ref().take_while(|field| !matches!(field.text.as_str(), ";" | "+"));
                let mut argv: Vec<Field> = Vec::new();
                for word in words {
                    if !word.text.contains("{}") {
                        argv.push(word.clone());
                    } else if argv.len() + starts.len() > FIELDS_LIMIT
                        || word.text.matches("{}").count() > BRACES_LIMIT
                    {
                        argv.push(unknown());
                    } else {
                        argv.extend(starts.iter().map(|start| Field {
                            text: word.text.replace("{}", &start.text),
                            ..start.clone()
                        }));
                    }
                }
                found.push(Inner::Argv(argv));
            }
            _ => {}
        }
    }
    found
}
