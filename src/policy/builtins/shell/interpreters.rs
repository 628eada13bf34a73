//! Programs that run a script given to them: shells, `su -c`, `env -S`, `source`, `alias`.

use super::word::Field;
use super::wrappers::Inner;

pub(super) const SHELLS: &[&str] = &[
    "sh", "bash", "dash", "zsh", "ksh", "ksh93", "mksh", "ash", "yash", "rbash", "fish", "csh",
    "tcsh", "lksh", "oksh", "posh",
];

pub(super) fn script(fields: &[Field]) -> Inner {
    let words: Vec<&str> = fields.iter().map(|field| field.text.as_str()).collect();
    let expanded = fields.iter().any(|field| field.expanded);
    Inner::Script { text: words.join(" "), expanded }
}

pub(super) fn script_file(field: &Field) -> Option<Inner> {
    if field.expanded {
        return Some(Inner::Unknown);
    }
    let input = ["/dev/stdin", "/dev/fd/0", "/proc/self/fd/0", "-"];
    input.contains(&field.text.as_str()).then_some(Inner::Input)
}

pub(super) fn alias(field: &Field) -> Option<Inner> {
    let (_, value) = field.text.split_once('=')?;
    Some(Inner::Script { text: value.to_owned(), expanded: field.expanded })
}

pub(super) fn shell(args: &[Field]) -> Vec<Inner> {
    let mut at = 0;
    let mut command = false;
    let mut input = false;
    while let Some(field) = args.get(at) {
        let text = field.text.as_str();
        if field.expanded && field.may_be_flag {
            return vec![Inner::Unknown];
        }
        if text == "--" || text == "-" {
            at += 1;
            break;
        }
        if !text.starts_with(['-', '+']) {
            break;
        }
        at += 1;
        if text.starts_with("--") {
            command |= text == "--command";
            if matches!(text, "--rcfile" | "--init-file" | "--init-command") {
                at += 1;
            }
            continue;
        }
        command |= text.starts_with('-') && text.contains('c');
        input |= text.starts_with('-') && text.contains('s');
        at += text.matches(['o', 'O']).count();
    }
    let rest = args.get(at..).unwrap_or_default();
    let Some((first, values)) = rest.split_first() else {
        return if command { Vec::new() } else { vec![Inner::Input] };
    };
    if command {
        let positional = values.iter().map(|field| field.text.clone()).collect();
        return vec![Inner::Positional(positional), script(std::slice::from_ref(first))];
    }
    if input {
        return vec![Inner::Input];
    }
    script_file(first).into_iter().collect()
}

/// The script after `-c`, wherever it stands: `su root -c '…'`.
pub(super) fn dash_c(args: &[Field]) -> Option<Inner> {
    let mut rest = args.iter();
    while let Some(field) = rest.next() {
        let text = field.text.as_str();
        if let Some(value) = text.strip_prefix("--command=") {
            return Some(Inner::Script { text: value.to_owned(), expanded: field.expanded });
        }
        let short = text.starts_with('-') && !text.starts_with("--") && text.ends_with('c');
        if short || matches!(text, "--command" | "--session-command") {
            return rest.next().map(|value| script(std::slice::from_ref(value)));
        }
    }
    None
}

/// The command line in `env -S 'rm -rf /'`.
pub(super) fn split_string(args: &[Field]) -> Option<Inner> {
    for (index, field) in args.iter().enumerate() {
        let text = field.text.as_str();
        let value = text.strip_prefix("--split-string=").or_else(|| {
            let cluster = text.strip_prefix('-').filter(|cluster| !cluster.starts_with('-'))?;
            let (before, value) = cluster.split_once('S')?;
            before.chars().all(|c| c.is_ascii_alphanumeric()).then_some(value)
        });
        let first = match value {
            Some("") => args.get(index + 1).map(|next| next.text.as_str())?,
            Some(value) => value,
            None if text == "--split-string" => args.get(index + 1)?.text.as_str(),
            None => continue,
        };
        let skipped = if value.is_none_or(str::is_empty) { 2 } else { 1 };
        let rest = args.get(index + skipped..).unwrap_or_default();
        let mut words = vec![first];
        words.extend(rest.iter().map(|field| field.text.as_str()));
        let expanded = args.iter().any(|field| field.expanded);
        return Some(Inner::Script { text: format!("env {}", words.join(" ")), expanded });
    }
    None
}
