//! Programs that run other programs: where in their arguments the inner command is.

use super::Command;
use super::quote::{OCTAL_PRINT_DIGITS, decode_escapes};
use super::scan::name_length;
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

/// How a wrapper's own arguments are told from the command it runs.
struct Wrapper {
    names: &'static [&'static str],
    /// Short flags that take the next argument as value.
    short: &'static str,
    /// Long flags that do.
    long: &'static [&'static str],
    /// Operands before the command.
    operands: usize,
    /// Assignments may stand before the command.
    assignments: bool,
    /// What follows is joined with blanks and read by a shell.
    script: bool,
}

const PLAIN: Wrapper = Wrapper {
    names: &[],
    short: "",
    long: &[],
    operands: 0,
    assignments: false,
    script: false,
};

const WRAPPERS: &[Wrapper] = &[
    Wrapper {
        names: &[
            "nohup",
            "builtin",
            "busybox",
            "toybox",
            "noglob",
            "nocorrect",
            "setsid",
            "fakeroot",
            "torsocks",
            "tsocks",
            "catchsegv",
            "unbuffer",
            "command",
            "winpty",
            "dbus-run-session",
            "eatmydata",
            "linux32",
            "linux64",
            "setarch",
        ],
        ..PLAIN
    },
    Wrapper {
        names: &["sudo"],
        short: "CDgpRrtTUuh",
        long: &[
            "close-from",
            "chdir",
            "group",
            "prompt",
            "chroot",
            "role",
            "type",
            "command-timeout",
            "other-user",
            "user",
            "host",
        ],
        assignments: true,
        ..PLAIN
    },
    Wrapper {
        names: &["doas"],
        short: "Cu",
        ..PLAIN
    },
    Wrapper {
        names: &["env"],
        short: "uCa",
        long: &["unset", "chdir", "argv0"],
        assignments: true,
        ..PLAIN
    },
    Wrapper {
        names: &["time"],
        short: "fo",
        long: &["format", "output"],
        ..PLAIN
    },
    Wrapper {
        names: &["nice"],
        short: "n",
        long: &["adjustment"],
        ..PLAIN
    },
    Wrapper {
        names: &["ionice"],
        short: "cnpPu",
        long: &["class", "classdata", "pid"],
        ..PLAIN
    },
    Wrapper {
        names: &["timeout", "gtimeout"],
        short: "ks",
        long: &["kill-after", "signal"],
        operands: 1,
        ..PLAIN
    },
    Wrapper {
        names: &["stdbuf"],
        short: "ioe",
        long: &["input", "output", "error"],
        ..PLAIN
    },
    Wrapper {
        names: &["chroot"],
        long: &["groups", "userspec"],
        operands: 1,
        ..PLAIN
    },
    Wrapper {
        names: &["unshare"],
        short: "SGRw",
        long: &["setuid", "setgid", "root", "wd"],
        ..PLAIN
    },
    Wrapper {
        names: &["nsenter"],
        short: "tSG",
        long: &["target", "setuid", "setgid"],
        ..PLAIN
    },
    Wrapper {
        names: &["chrt", "taskset"],
        operands: 1,
        ..PLAIN
    },
    Wrapper {
        names: &["flock"],
        short: "wE",
        long: &["timeout", "wait"],
        operands: 1,
        ..PLAIN
    },
    Wrapper {
        names: &["strace", "ltrace"],
        short: "aeEIoOpPsSuUXb",
        ..PLAIN
    },
    Wrapper {
        names: &["exec"],
        short: "a",
        ..PLAIN
    },
    Wrapper {
        names: &["xargs"],
        short: "IELnPsadRS",
        long: &[
            "arg-file",
            "delimiter",
            "max-args",
            "max-chars",
            "max-lines",
            "max-procs",
            "process-slot-var",
        ],
        ..PLAIN
    },
    Wrapper {
        names: &["parallel"],
        short: "jINLdaSsC",
        long: &[
            "jobs",
            "arg-file",
            "sshlogin",
            "max-args",
            "delimiter",
            "results",
            "joblog",
        ],
        ..PLAIN
    },
    Wrapper {
        names: &["pkexec"],
        long: &["user"],
        ..PLAIN
    },
    Wrapper {
        names: &["runuser", "setpriv"],
        short: "ugGs",
        long: &["user", "group"],
        ..PLAIN
    },
    Wrapper {
        names: &["proxychains", "proxychains4"],
        short: "f",
        ..PLAIN
    },
    Wrapper {
        names: &["chpst", "softlimit"],
        short: "uUbendmofpcrtalsv",
        ..PLAIN
    },
    Wrapper {
        names: &["systemd-run"],
        short: "pHMuE",
        long: &[
            "property",
            "unit",
            "description",
            "slice",
            "uid",
            "gid",
            "setenv",
            "machine",
        ],
        ..PLAIN
    },
    Wrapper {
        names: &["watch"],
        short: "nq",
        long: &["interval", "equexit"],
        script: true,
        ..PLAIN
    },
    Wrapper {
        names: &["eval"],
        script: true,
        ..PLAIN
    },
    Wrapper {
        names: &["ssh"],
        short: "BbcDEeFIiJLlmOoPpQRSWw",
        operands: 1,
        script: true,
        ..PLAIN
    },
];

const SHELLS: &[&str] = &[
    "sh", "bash", "dash", "zsh", "ksh", "ksh93", "mksh", "ash", "yash", "rbash", "fish", "csh",
    "tcsh", "lksh", "oksh", "posh",
];

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
            let action = args.iter().find(|field| !field.text.starts_with('-'));
            return action
                .map(|action| script(std::slice::from_ref(action)))
                .into_iter()
                .collect();
        }
        "alias" => return args.iter().filter_map(alias).collect(),
        "set" => {
            let rest = args.iter().skip_while(|field| field.text != "--").skip(1);
            let mut values = vec![String::new()];
            values.extend(rest.map(|field| field.text.clone()));
            return if values.len() > 1 {
                vec![Inner::Positional(values)]
            } else {
                Vec::new()
            };
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
        WRAPPERS
            .iter()
            .find(|wrapper| wrapper.names.contains(&name))
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
            let words: Vec<&str> = command
                .args
                .iter()
                .skip_while(is_flag)
                .map(String::as_str)
                .collect();
            let text = words.join(" ");
            Some(decode_escapes(&text, OCTAL_PRINT_DIGITS).unwrap_or(text))
        }
        "printf" => {
            let args: Vec<&str> = command
                .args
                .iter()
                .map(String::as_str)
                .skip_while(|arg| *arg == "--")
                .collect();
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

fn script(fields: &[Field]) -> Inner {
    let words: Vec<&str> = fields.iter().map(|field| field.text.as_str()).collect();
    let expanded = fields.iter().any(|field| field.expanded);
    Inner::Script {
        text: words.join(" "),
        expanded,
    }
}

fn script_file(field: &Field) -> Option<Inner> {
    if field.expanded {
        return Some(Inner::Unknown);
    }
    let input = ["/dev/stdin", "/dev/fd/0", "/proc/self/fd/0", "-"];
    input.contains(&field.text.as_str()).then_some(Inner::Input)
}

fn alias(field: &Field) -> Option<Inner> {
    let (_, value) = field.text.split_once('=')?;
    Some(Inner::Script {
        text: value.to_owned(),
        expanded: field.expanded,
    })
}

fn shell(args: &[Field]) -> Vec<Inner> {
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
        return if command {
            Vec::new()
        } else {
            vec![Inner::Input]
        };
    };
    if command {
        let positional = values.iter().map(|field| field.text.clone()).collect();
        return vec![
            Inner::Positional(positional),
            script(std::slice::from_ref(first)),
        ];
    }
    if input {
        return vec![Inner::Input];
    }
    script_file(first).into_iter().collect()
}

/// The script after `-c`, wherever it stands: `su root -c '…'`.
fn dash_c(args: &[Field]) -> Option<Inner> {
    let mut rest = args.iter();
    while let Some(field) = rest.next() {
        let text = field.text.as_str();
        if let Some(value) = text.strip_prefix("--command=") {
            return Some(Inner::Script {
                text: value.to_owned(),
                expanded: field.expanded,
            });
        }
        let short = text.starts_with('-') && !text.starts_with("--") && text.ends_with('c');
        if short || matches!(text, "--command" | "--session-command") {
            return rest.next().map(|value| script(std::slice::from_ref(value)));
        }
    }
    None
}

/// The command line in `env -S 'rm -rf /'`.
fn split_string(args: &[Field]) -> Option<Inner> {
    for (index, field) in args.iter().enumerate() {
        let text = field.text.as_str();
        let value = text.strip_prefix("--split-string=").or_else(|| {
            let cluster = text
                .strip_prefix('-')
                .filter(|cluster| !cluster.starts_with('-'))?;
            let (before, value) = cluster.split_once('S')?;
            before
                .chars()
                .all(|c| c.is_ascii_alphanumeric())
                .then_some(value)
        });
        let first = match value {
            Some("") => args.get(index + 1).map(|next| next.text.as_str())?,
            Some(value) => value,
            None if text == "--split-string" => args.get(index + 1)?.text.as_str(),
            None => continue,
        };
        let skipped = if value.is_none_or(str::is_empty) {
            2
        } else {
            1
        };
        let rest = args.get(index + skipped..).unwrap_or_default();
        let mut words = vec![first];
        words.extend(rest.iter().map(|field| field.text.as_str()));
        let expanded = args.iter().any(|field| field.expanded);
        return Some(Inner::Script {
            text: format!("env {}", words.join(" ")),
            expanded,
        });
    }
    None
}

/// The command of `xargs` with what it adds from its input, which nobody knows yet.
fn with_input(args: &[Field], command: &[Field]) -> Vec<Field> {
    let own = args.len().saturating_sub(command.len());
    let own: Vec<&str> = args
        .iter()
        .take(own)
        .map(|field| field.text.as_str())
        .collect();
    let mut replaced = None;
    for (index, text) in own.iter().enumerate() {
        let attached = text
            .strip_prefix("-I")
            .or_else(|| text.strip_prefix("--replace="));
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
        let text = super::UNKNOWN.to_owned();
        fields.push(Field {
            text,
            open: true,
            may_be_flag: true,
            expanded: true,
        });
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
fn find(args: &[Field]) -> Vec<Inner> {
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
                let words = rest
                    .by_ref()
                    .take_while(|field| !matches!(field.text.as_str(), ";" | "+"));
                let mut argv = Vec::new();
                for word in words {
                    if word.text.contains("{}") {
                        argv.extend(starts.iter().map(|start| Field {
                            text: word.text.replace("{}", &start.text),
                            ..start.clone()
                        }));
                    } else {
                        argv.push(word.clone());
                    }
                }
                found.push(Inner::Argv(argv));
            }
            _ => {}
        }
    }
    found
}
