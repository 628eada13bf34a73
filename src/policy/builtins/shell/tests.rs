//! What must be seen, what must not, and that nothing panics.

use proptest::prelude::*;

use super::{Command, UNKNOWN, shell};

fn read(text: &str) -> Vec<Command> {
    shell(text).unwrap_or_else(|fault| panic!("{text:?}: {fault}"))
}

fn is_recursive_delete(command: &Command) -> bool {
    command.name == "rm" && (command.has("r") || command.has("R") || command.has("recursive"))
}

fn deletes(text: &str) -> bool {
    read(text).iter().any(is_recursive_delete)
}

fn unknown(text: &str) -> bool {
    read(text)
        .iter()
        .any(|command| command.name == UNKNOWN || command.has(UNKNOWN))
}

fn only(text: &str) -> Command {
    let commands = read(text);
    assert_eq!(commands.len(), 1, "{text:?} gives {commands:?}");
    commands.into_iter().next().unwrap()
}

fn names(text: &str) -> Vec<String> {
    read(text).into_iter().map(|command| command.name).collect()
}

/// Spellings of `rm -rf /`: each must be seen for what it is.
const DELETES: &[&str] = &[
    // Flags.
    "rm -rf /",
    "rm -fr /",
    "rm -r -f /",
    "rm -R /",
    "rm / -rf",
    "rm -f --recursive /",
    "rm --recursive --force /",
    "rm --recurs /",
    "rm --r /",
    "rm -rf -- /",
    "rm -vrf /",
    "rm '-rf' /",
    "rm \"-rf\" /",
    "rm -\"r\"f /",
    "rm -r\\f /",
    "rm --no-preserve-root -rf /",
    // The name.
    "/bin/rm -rf /",
    "/usr/bin/../bin/rm -rf /",
    "./rm -rf /",
    "r\\m -rf /",
    "\\rm -rf /",
    "'r'm -rf /",
    "\"rm\" -rf /",
    "r''m -rf /",
    "r\"\"m -rf /",
    "$'\\x72m' -rf /",
    "$'\\162\\155' -rf /",
    "$'rm' $'\\055rf' /",
    "$'\\u0072m' -rf /",
    "r\\\nm -rf /",
    "rm\\\n -rf /",
    "{rm,-rf,/}",
    "r{m,m} -rf /",
    "r{m..m} -rf /",
    "rm -{r,f} /",
    "  rm\t-rf\t/",
    // Position.
    "true; rm -rf /",
    "true\nrm -rf /",
    "true && rm -rf /",
    "false || rm -rf /",
    "sleep 1 & rm -rf /",
    "yes | rm -rf /",
    "yes |& rm -rf /",
    "(rm -rf /)",
    "{ rm -rf /; }",
    "((rm -rf /))",
    "! rm -rf /",
    "if true; then rm -rf /; fi",
    "if rm -rf /; then :; fi",
    "if false; then :; elif rm -rf /; then :; fi",
    "if false; then :; else rm -rf /; fi",
    "for f in a b; do rm -rf /; done",
    "for f in $(rm -rf /); do :; done",
    "for ((i=0;i<1;i++)); do rm -rf /; done",
    "while true; do rm -rf /; done",
    "until rm -rf /; do :; done",
    "case x in x) rm -rf /;; esac",
    "case x in (a|b) :;; *) rm -rf / ;& esac",
    "case $(rm -rf /) in x) :;; esac",
    "select x in a; do rm -rf /; done",
    "f() { rm -rf /; }; f",
    "f() ( rm -rf / ); f",
    "function f { rm -rf /; }; f",
    "function f() { rm -rf /; }; f",
    "coproc rm -rf /",
    "[[ x && rm -rf / ]]",
    "[[ -n $(rm -rf /) ]]",
    // Substitutions.
    "echo $(rm -rf /)",
    "echo \"$(rm -rf /)\"",
    "echo \"a $(echo \"b $(rm -rf /)\")\"",
    "echo `rm -rf /`",
    "echo \"`rm -rf /`\"",
    "echo `echo \\`rm -rf /\\``",
    "cat <(rm -rf /)",
    "tee >(rm -rf /)",
    "X=$(rm -rf /)",
    "X=$(rm -rf /) true",
    "A=(1 $(rm -rf /))",
    "declare -a A=($(rm -rf /))",
    "echo ${X:-$(rm -rf /)}",
    "echo \"${X:-$(rm -rf /)}\"",
    "echo \"${X:-'$(rm -rf /)'}\"",
    "echo $((1 + $(rm -rf /)))",
    "((x = $(rm -rf /)))",
    "echo $(case x in x) rm -rf /;; esac)",
    "echo $(# )\nrm -rf /\n)",
    "cat > $(rm -rf /)",
    "cat <<< $(rm -rf /)",
    "cat <<E\n$(rm -rf /)\nE\n",
    "cat <<E\n`rm -rf /`\nE",
    "cat <<'E'\n$(true)\nE\nrm -rf /",
    "cat <<-E\n\tx\n\tE\nrm -rf /",
    "cat <<A <<B\nA\nB\nrm -rf /",
    // Prefixes and redirections.
    "X=1 rm -rf /",
    "X=1 Y=2 /bin/rm -rf /",
    "> /dev/null rm -rf /",
    "2>/dev/null rm -rf / 2>&1",
    "rm 2>&1 -rf /",
    // Wrappers.
    "sudo rm -rf /",
    "sudo -u root rm -rf /",
    "sudo -uroot -n -- rm -rf /",
    "sudo --user=root rm -rf /",
    "sudo --user root rm -rf /",
    "sudo A=b rm -rf /",
    "doas -u root rm -rf /",
    "env rm -rf /",
    "env -i A=b PATH=/bin rm -rf /",
    "env - rm -rf /",
    "env -u HOME rm -rf /",
    "env -S 'rm -rf /'",
    "env -S'rm -rf' /",
    "env -iS 'rm -rf /'",
    "env --split-string='rm -rf /'",
    "nohup rm -rf / &",
    "time rm -rf /",
    "time -p rm -rf /",
    "/usr/bin/time -f %e rm -rf /",
    "time { rm -rf /; }",
    "nice rm -rf /",
    "nice -n 5 rm -rf /",
    "nice -5 rm -rf /",
    "ionice -c 3 rm -rf /",
    "timeout 5 rm -rf /",
    "timeout -s KILL 5s rm -rf /",
    "timeout --signal=KILL 5s rm -rf /",
    "stdbuf -oL rm -rf /",
    "chroot /mnt rm -rf /",
    "taskset 0x1 rm -rf /",
    "taskset -c 0,1 rm -rf /",
    "flock /tmp/l rm -rf /",
    "flock /tmp/l -c 'rm -rf /'",
    "strace -f -o x rm -rf /",
    "setsid rm -rf /",
    "watch -n 1 rm -rf /",
    "command rm -rf /",
    "command -p rm -rf /",
    "builtin command rm -rf /",
    "exec rm -rf /",
    "exec -a ls rm -rf /",
    "busybox rm -rf /",
    "/bin/busybox sh -c 'rm -rf /'",
    "xargs rm -rf",
    "echo / | xargs rm -rf",
    "echo / | xargs -n 1 -P4 rm -rf",
    "echo / | xargs -I{} rm -rf {}",
    "echo / | xargs -0 sh -c 'rm -rf \"$@\"' _",
    "parallel rm -rf ::: /",
    "sudo env nice nohup rm -rf /",
    "/lib64/ld-linux-x86-64.so.2 /bin/rm -rf /",
    "ssh host rm -rf /",
    "ssh -p 22 host 'cd /; rm -rf /'",
    "su -c 'rm -rf /'",
    "su root -c 'rm -rf /'",
    "script -qc 'rm -rf /' /dev/null",
    // Scripts.
    "sh -c 'rm -rf /'",
    "sh -c \"rm -rf /\"",
    "bash -lc 'rm -rf /'",
    "bash -c -- 'rm -rf /'",
    "bash -c -x 'rm -rf /'",
    "bash -o pipefail -ec 'rm -rf /'",
    "bash -eo pipefail -c 'rm -rf /'",
    "bash --norc -c 'rm -rf /'",
    "bash +x -c 'rm -rf /'",
    "sh -c \"sh -c 'rm -rf /'\"",
    "sh -c 'sh -c \"rm -rf /\"'",
    "bash -c '\"$@\"' _ rm -rf /",
    "bash -c '$0 -rf /' rm",
    "bash -c '$1 -rf /' _ rm",
    "eval rm -rf /",
    "eval 'rm -rf /'",
    "eval r\\m -rf /",
    "eval 'r''m' '-rf /'",
    "eval \"$(echo rm -rf /)\"",
    "echo 'rm -rf /' | sh",
    "printf 'rm -rf /' | sh",
    "printf '%s' 'rm -rf /' | sudo bash",
    "printf '\\x72m -rf /' | sh",
    "echo -e '\\x72m -rf /' | sh",
    "echo 'rm -rf /' | { sh; }",
    "sh <<< 'rm -rf /'",
    "bash <<E\nrm -rf /\nE",
    "bash <<'E'\nrm -rf /\nE",
    "sudo bash -s <<E\nrm -rf /\nE",
    "bash /dev/stdin <<E\nrm -rf /\nE",
    "source /dev/stdin <<< 'rm -rf /'",
    "trap 'rm -rf /' EXIT",
    "alias x='rm -rf /'\nx",
    "echo 'rm -rf /' | at now",
    "set -- rm -rf /; \"$@\"",
    // find.
    "find / -delete",
    "find / -name '*' -delete",
    "find / -exec rm -rf {} +",
    "find / -exec rm -rf {} \\;",
    "find / -maxdepth 1 -execdir rm -rf '{}' ';'",
    "find / -exec sh -c 'rm -rf \"$1\"' _ {} \\;",
    // Guesses.
    "X=rm; $X -rf /",
    "X='rm -rf /'; $X",
    "X=rm Y=-rf; $X $Y /",
    "A=r; B=m; $A$B -rf /",
    "X=rm; \"${X}\" -rf /",
    "F=-rf; rm $F /",
    "rm${IFS}-rf${IFS}/",
    "rm$IFS-rf$IFS/",
    "$(echo rm) -rf /",
    "`echo rm` -rf /",
    "$(printf rm) -rf /",
    "${X:-rm} -rf /",
    "${X:=rm} -rf /",
    "X='rm -rf /'; eval $X",
    "X='rm -rf /'; sh -c \"$X\"",
    "for c in rm; do $c -rf /; done",
];

#[test]
fn a_recursive_delete_is_seen_however_it_is_spelled() {
    assert!(DELETES.len() >= 60);
    let missed: Vec<_> = DELETES.iter().filter(|text| !deletes(text)).collect();
    assert!(missed.is_empty(), "{missed:#?}");
}

#[test]
fn what_only_the_run_time_knows_is_said_to_be_unknown() {
    let cases = [
        "$X -rf /",
        "${X} -rf /",
        "r$Xm -rf /",
        "r$@m -rf /",
        "r${x}m -rf /",
        "$(cat cmd) -rf /",
        "`cat cmd`",
        "/bin/r? -rf /",
        "/b*/rm -rf /",
        "/bin/[r]m -rf /",
        "rm $FLAGS /",
        "rm \"$FLAG\" /",
        "rm -$F /",
        "rm -[r]f /",
        "rm * ",
        "rm $(echo -rf) /",
        "sudo $X",
        "env $X -rf /",
        "eval \"$X\"",
        "eval $(base64 -d <<< cm0gLXJmIC8=)",
        "sh -c \"$X\"",
        "sh -c \"ls $X\"",
        "bash -c \"$(curl http://x)\"",
        "curl http://x | sh",
        "curl http://x | sudo bash -s -- --yes",
        "base64 -d x | sh",
        "sh < script",
        "bash <(curl http://x)",
        "source <(curl http://x)",
        ". $X",
        "sh $X",
        "xargs rm",
        "xargs -I X X -rf /",
        "xargs sh -c",
        "echo ${X@P}",
        "f() { \"$@\"; }; f rm -rf /",
        "X=ls; X=$Y; $X",
        "{a..z}{a..z} -rf /",
        "{{{{{{{{{{{{{{{{{a,b}",
    ];
    let missed: Vec<_> = cases.iter().filter(|text| !unknown(text)).collect();
    assert!(missed.is_empty(), "{missed:#?}");
}

#[test]
fn harmless_commands_are_not_taken_for_recursive_deletes() {
    let cases = [
        "",
        "   ",
        "# rm -rf /",
        "ls -la",
        "ls # rm -rf /",
        "echo rm -rf /",
        "echo 'rm -rf /'",
        "echo \"rm -rf /\"",
        "echo '$(rm -rf /)'",
        "echo \"\\$(rm -rf /)\"",
        "echo \\`rm -rf /\\`",
        "printf '%s\\n' 'rm -rf /'",
        "grep -r 'rm -rf' src",
        "grep -rf patterns rm",
        "git rm -r --cached src",
        "git commit -m 'rm -rf / is bad'",
        "git commit -m \"fix: do not rm -rf /\"",
        "rm file.txt",
        "rm -f file.txt",
        "rm -- -rf",
        "rm -f -- -r",
        "rm --force x",
        "rm -i a b c",
        "rmdir -p a/b",
        "rm-rf /",
        "rm_rf -rf /",
        "./rm.sh -rf /",
        "cp -r a b",
        "cp -rf a b",
        "chmod -R 755 x",
        "find . -name rm -print",
        "find . -type f -exec grep -l rm {} +",
        "docker run --rm -it image",
        "npm run rm -rf",
        "man rm",
        "which rm",
        "command -v rm",
        "type rm",
        "apt-get -y install rm-tools",
        "cat <<'E'\n$(rm -rf /)\nE",
        "cat <<E\nrm -rf /\nE",
        "cat <<\\E\n`rm -rf /`\nE",
        "cat <<< 'rm -rf /'",
        "echo x > rm; cat -r rm",
        "X='rm -rf /'",
        "X='rm -rf /' ls",
        "case rm in -rf) echo /;; rm) ls;; esac",
        "for rm in -rf /; do ls; done",
        "[[ rm == -rf ]]",
        "[ -f rm -a -r / ]",
        "test rm = -rf",
        "if [ -d build ]; then ls build; fi",
        "while read -r line; do echo \"$line\"; done < rm",
        "echo $((rm - r))",
        "awk '{print $1}' file | sort -rn | uniq -c",
        "sed -e 's/rm -rf//' -i file",
        "echo a | tr -d rm",
        "make -j8 && make install",
        "tar -xzf rm.tar.gz",
        "python3 -m pytest -q -r a",
        "cargo test -- --nocapture",
        "time ls -r",
        "sudo ls -R /rm",
        "xargs -n1 echo rm -rf",
        "echo ok; exit 0",
        "ls 2>&1 | tee rm",
        "function rm_all { ls; }",
        "A=(rm -rf /)",
        ":(){ :|:& };:",
    ];
    assert!(cases.len() >= 40);
    let wrong: Vec<_> = cases.iter().filter(|text| deletes(text)).collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn common_commands_are_fully_known() {
    let cases = [
        "ls -la /workspace",
        "cd /workspace && cargo test --all 2>&1 | tail -50",
        "git diff --stat HEAD~1",
        "grep -rn 'fn main' src/ | head -5",
        "if [ -f Cargo.toml ]; then cargo build; else echo none; fi",
        "for i in 1 2 3; do echo x; done",
        "cat > /workspace/a.txt <<'EOF'\nhello $USER `x`\nEOF",
        "echo \"it's $HOME\"",
        "python3 - <<'E'\nprint(1)\nE",
        "[[ -f x && $y == z ]] && echo yes",
        "[[ $a =~ ^(x|y)[0-9]+$ ]] || exit 1",
        "((i++))",
        "test \"$(git status --porcelain)\" = ''",
        "export PATH=\"$HOME/bin:$PATH\"",
        "rm -rf /workspace/tmp/build 2>/dev/null || true",
        "awk -F: '{ print $1 }' /etc/passwd",
        "find . -name '*.rs' -not -path './target/*' | xargs wc -l",
        "curl -fsSL 'https://example.com/a?b=c&d=e' -o out.html",
        "tar czf - src | ssh host 'cat > src.tgz'",
    ];
    for text in cases {
        let commands = read(text);
        assert!(
            commands.iter().all(|command| command.name != UNKNOWN),
            "{text:?}: {commands:?}"
        );
    }
}

#[test]
fn a_command_is_taken_apart() {
    let command =
        only("A=1 /usr/bin/git -C /src --color=never push -fu origin -- -main > log 2>&1");
    assert_eq!(command.name, "git");
    let args = [
        "-C",
        "/src",
        "--color=never",
        "push",
        "-fu",
        "origin",
        "--",
        "-main",
    ];
    assert_eq!(command.args, args);
    assert_eq!(command.flags, ["C", "color", "f", "u", "fu"]);
    assert_eq!(command.paths, ["/src", "push", "origin", "-main", "log"]);
    assert!(command.has("f") && command.has("color") && !command.has("main"));
}

#[test]
fn operands_and_redirections_are_paths() {
    assert_eq!(
        only("rm -rf a 'b c' d\\ e \"f\" {g,h} ~/i $J - > k >> l < m").paths,
        [
            "a", "b c", "d e", "f", "g", "h", "~/i", "$J", "-", "k", "l", "m"
        ]
    );
    assert_eq!(
        only("rm -rf /x > /dev/null 2>&1 < /dev/stdin").paths,
        ["/x"]
    );
    assert_eq!(only("> /etc/passwd").paths, ["/etc/passwd"]);
    assert_eq!(only("> /etc/passwd").name, ":");
    assert_eq!(only("ls &> a").paths, ["a"]);
    assert_eq!(only("ls >| a").paths, ["a"]);
    assert_eq!(only("ls 2> a <> b").paths, ["a", "b"]);
    assert_eq!(only("ls >& a").paths, ["a"]);
    let looped = read("while read -r x; do ls; done < in > out");
    assert_eq!(
        looped.last().map(|command| command.paths.clone()).unwrap(),
        ["in", "out"]
    );
}

#[test]
fn deleting_through_a_walk_or_a_pipe_has_the_paths_it_can_reach() {
    let paths = |text: &str| {
        read(text)
            .into_iter()
            .filter(is_recursive_delete)
            .flat_map(|c| c.paths)
            .collect::<Vec<_>>()
    };
    assert_eq!(paths("find / /tmp -delete"), ["/", "/tmp"]);
    assert_eq!(paths("find -delete"), ["."]);
    assert_eq!(paths("find /a /b -exec rm -rf {}/x \\;"), ["/a/x", "/b/x"]);
    assert_eq!(paths("cat list | xargs rm -rf"), [UNKNOWN]);
    assert_eq!(paths("cat list | xargs -I@ rm -rf /tmp/@"), ["/tmp/@"]);
}

#[test]
fn wrappers_and_what_they_wrap_are_both_listed() {
    assert_eq!(
        names("sudo -u bob env A=b timeout 5 ls"),
        ["sudo", "env", "timeout", "ls"]
    );
    assert_eq!(names("sh -c 'ls | wc'"), ["sh", "ls", "wc"]);
    assert_eq!(names("curl x | sh"), ["curl", "sh", UNKNOWN]);
    assert_eq!(names("command -v ls"), ["command"]);
    assert_eq!(names("sudo"), ["sudo"]);
    assert_eq!(
        names("ls | cat && pwd; id & date"),
        ["ls", "cat", "pwd", "id", "date"]
    );
    assert_eq!(names("git push; [ -f x ]"), ["git", "["]);
}

#[test]
fn text_that_is_not_shell_or_reads_two_ways_is_refused() {
    let cases = [
        "echo 'open",
        "echo \"open",
        "echo `open",
        "echo $(open",
        "echo ${open",
        "echo $((1",
        "(ls",
        "{ ls",
        "ls )",
        "ls }; }",
        "if true; then ls",
        "if true; ls; fi",
        "for x in a; ls; done",
        "for 1x in a; do ls; done",
        "while true; ls; done",
        "case x in a) ls",
        "case x a) ls;; esac",
        "fi",
        "done",
        "&& ls",
        "| ls",
        "ls |",
        "; ls",
        "ls ;; ls",
        "ls &&& ls",
        "ls >",
        "ls > ; x",
        "ls <<",
        "cat <<E\nno end",
        "cat <<E",
        "cat <<$X\n$X",
        "[[ -f x",
        "A=(1",
        "echo \\",
        "echo a(b)",
        "r@(m) -rf /",
        "f(x) { ls; }",
        "$\\\n(rm -rf /)",
        "echo $[1+1]",
        "echo ${ rm -rf /; }",
        "echo \"${x#'}'}\"",
        "$'\\x{72}m' -rf /",
        "echo $((rm -rf /) )",
        "nul\0",
        "sh -c 'if'",
    ];
    let accepted: Vec<_> = cases.iter().filter(|text| shell(text).is_ok()).collect();
    assert!(accepted.is_empty(), "{accepted:#?}");
}

#[test]
fn reading_is_bounded() {
    let nest =
        |open: &str, close: &str, n: usize| format!("{}ls{}", open.repeat(n), close.repeat(n));
    for (open, close) in [
        ("(", ")"),
        ("( ", " )"),
        ("$(", ")"),
        ("{ ", "; }"),
        ("((", "))"),
        ("echo $((", "))"),
        ("echo ${x:-", "}"),
        ("echo \"${x:-", "}\""),
        ("if ", "; then x; fi"),
        ("f() ", ""),
        ("coproc ", ""),
        ("sudo ", ""),
        ("eval ", ""),
        ("<(", ")"),
        ("`", "`"),
        ("echo \"$(", ")\""),
    ] {
        let _ = shell(&nest(open, close, 5));
        let _ = shell(&nest(open, close, 1_000));
    }
    assert!(shell(&nest("( ", " )", 20)).is_ok());
    assert!(shell(&nest("( ", " )", 30)).is_err());
    assert!(shell(&nest("sudo ", "", 30)).is_err());
    assert!(shell(&"ls;".repeat(256)).is_ok());
    assert!(shell(&"ls;".repeat(257)).is_err());
    assert!(shell(&"x".repeat(16 * 1024)).is_ok());
    assert!(shell(&"x".repeat(16 * 1024 + 1)).is_err());
    let doubling = format!("X=aa;{}$X", "X=$X$X;".repeat(200));
    assert!(shell(&doubling).is_ok());
    let braces = format!("echo {}", "{a,b}".repeat(1_000));
    assert!(only(&braces).has(UNKNOWN));
    assert!(shell(&format!("echo -{}", "abc".repeat(4_000))).is_ok());
}

fn shellish() -> impl Strategy<Value = String> {
    let token = prop::sample::select(vec![
        "rm",
        "-rf",
        "/",
        " ",
        "  ",
        "\n",
        ";",
        "&",
        "&&",
        "|",
        "||",
        "(",
        ")",
        "((",
        "))",
        "{",
        "}",
        "$(",
        "${",
        "$((",
        "`",
        "'",
        "\"",
        "\\",
        "$",
        "$X",
        "X=",
        "X=(",
        "<",
        ">",
        "<<E",
        "\nE\n",
        "<<<",
        "<(",
        ">(",
        "2>&1",
        "if ",
        "then ",
        "fi",
        "for x in ",
        "do ",
        "done",
        "case x in ",
        "esac",
        ";;",
        "[[ ",
        " ]]",
        "function f ",
        "f()",
        "!",
        "time ",
        "sudo ",
        "env ",
        "-S",
        "sh -c ",
        "eval ",
        "xargs ",
        "find ",
        "-exec ",
        "{}",
        "*",
        "~",
        "{a,b}",
        "{1..9}",
        "#",
        "$'\\x72'",
        "é",
        "\u{0}",
        "=",
        "+=",
        ":-",
        "@P",
        "coproc ",
        "alias a=",
        "set -- ",
        "\"$@\"",
        "bash <<E\n",
    ]);
    prop::collection::vec(token, 0..40).prop_map(|tokens| tokens.concat())
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn nothing_panics_on_shell_like_text(text in shellish()) {
        let _ = shell(&text);
    }

    #[test]
    fn nothing_panics_on_any_text(text in any::<String>()) {
        let _ = shell(&text);
    }

    /// Quoting never changes what a word is.
    #[test]
    fn a_quoted_argument_comes_back(argument in "[^'\u{0}]{0,40}") {
        let command = only(&format!("echo -- '{argument}'"));
        prop_assert_eq!(command.args, vec!["--".to_owned(), argument]);
    }

    /// What stands in front of a delete does not hide it.
    #[test]
    fn a_delete_after_anything_readable_is_seen(prefix in shellish()) {
        if shell(&prefix).is_ok() && !prefix.trim_end_matches(' ').ends_with(['\\', '&', '|', ';', '!'])
            && let Ok(commands) = shell(&format!("{prefix}\nrm -rf /"))
        {
            prop_assert!(commands.iter().any(is_recursive_delete), "{prefix:?}: {commands:?}");
        }
    }
}
