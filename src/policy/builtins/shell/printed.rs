//! What `echo` and `printf` write, for scripts that are piped into a shell.

use super::Command;
use super::quote::{OCTAL_PRINT_DIGITS, decode_escapes};

/// What one command prints when that is plain: `echo` and `printf` of text.
pub(super) fn printed(commands: &[Command]) -> Option<String> {
    let [command] = commands else { return None };
    let known = |arg: &String| !arg.contains(['$', '`']);
    if !command.args.iter().all(known) {
        return None;
    }
    match command.name.as_str() {
        "echo" => {
            let is_flag = |arg: &&String| {
                arg.len() > 1 && arg.trim_start_matches(['-', 'n', 'e', 'E']).is_empty()
            };
            let words: Vec<&str> =
                command.args.iter().skip_while(is_flag).map(String::as_str).collect();
            let text = words.join(" ");
            Some(decode_escapes(&text, OCTAL_PRINT_DIGITS).unwrap_or(text))
        }
        "printf" => {
            let args: Vec<&str> =
                command.args.iter().map(String::as_str).skip_while(|arg| *arg == "--").collect();
            let (format, values) = args.split_first()?;
            let format = decode_escapes(format, OCTAL_PRINT_DIGITS)?;
            if !format.contains('%') {
                return Some(format);
            }
            let format = format.replace("%b", "%s");
            if format.matches('%').count() != format.matches("%s").count() {
                return None;
            }
            let mut text = String::new();
            let mut parts = format.split("%s");
            text.push_str(parts.next().unwrap_or_default());
            for (index, part) in parts.enumerate() {
                text.push_str(values.get(index).copied().unwrap_or_default());
                text.push_str(part);
            }
            Some(text)
        }
        _ => None,
    }
}
