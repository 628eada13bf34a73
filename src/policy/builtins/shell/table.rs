//! Programs that run the command that follows their own arguments.

/// How a wrapper's own arguments are told from the command it runs.
pub(super) struct Wrapper {
    pub(super) names: &'static [&'static str],
    /// Short flags that take the next argument as value.
    pub(super) short: &'static str,
    /// Long flags that do.
    pub(super) long: &'static [&'static str],
    /// Operands before the command.
    pub(super) operands: usize,
    /// Assignments may stand before the command.
    pub(super) assignments: bool,
    /// What follows is joined with blanks and read by a shell.
    pub(super) script: bool,
}

pub(super) const PLAIN: Wrapper =
    Wrapper { names: &[], short: "", long: &[], operands: 0, assignments: false, script: false };

pub(super) const WRAPPERS: &[Wrapper] = &[
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
    Wrapper { names: &["doas"], short: "Cu", ..PLAIN },
    Wrapper {
        names: &["env"],
        short: "uCa",
        long: &["unset", "chdir", "argv0"],
        assignments: true,
        ..PLAIN
    },
    Wrapper { names: &["time"], short: "fo", long: &["format", "output"], ..PLAIN },
    Wrapper { names: &["nice"], short: "n", long: &["adjustment"], ..PLAIN },
    Wrapper { names: &["ionice"], short: "cnpPu", long: &["class", "classdata", "pid"], ..PLAIN },
    Wrapper {
        names: &["timeout", "gtimeout"],
        short: "ks",
        long: &["kill-after", "signal"],
        operands: 1,
        ..PLAIN
    },
    Wrapper { names: &["stdbuf"], short: "ioe", long: &["input", "output", "error"], ..PLAIN },
    Wrapper { names: &["chroot"], long: &["groups", "userspec"], operands: 1, ..PLAIN },
    Wrapper {
        names: &["unshare"],
        short: "SGRw",
        long: &["setuid", "setgid", "root", "wd"],
        ..PLAIN
    },
    Wrapper { names: &["nsenter"], short: "tSG", long: &["target", "setuid", "setgid"], ..PLAIN },
    Wrapper { names: &["chrt", "taskset"], operands: 1, ..PLAIN },
    Wrapper { names: &["flock"], short: "wE", long: &["timeout", "wait"], operands: 1, ..PLAIN },
    Wrapper { names: &["strace", "ltrace"], short: "aeEIoOpPsSuUXb", ..PLAIN },
    Wrapper { names: &["exec"], short: "a", ..PLAIN },
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
        long: &["jobs", "arg-file", "sshlogin", "max-args", "delimiter", "results", "joblog"],
        ..PLAIN
    },
    Wrapper { names: &["pkexec"], long: &["user"], ..PLAIN },
    Wrapper { names: &["runuser", "setpriv"], short: "ugGs", long: &["user", "group"], ..PLAIN },
    Wrapper { names: &["proxychains", "proxychains4"], short: "f", ..PLAIN },
    Wrapper { names: &["chpst", "softlimit"], short: "uUbendmofpcrtalsv", ..PLAIN },
    Wrapper {
        names: &["systemd-run"],
        short: "pHMuE",
        long: &["property", "unit", "description", "slice", "uid", "gid", "setenv", "machine"],
        ..PLAIN
    },
    Wrapper {
        names: &["watch"],
        short: "nq",
        long: &["interval", "equexit"],
        script: true,
        ..PLAIN
    },
    Wrapper { names: &["eval"], script: true, ..PLAIN },
    Wrapper {
        names: &["ssh"],
        short: "BbcDEeFIiJLlmOoPpQRSWw",
        operands: 1,
        script: true,
        ..PLAIN
    },
];
