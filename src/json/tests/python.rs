//! The digest is the one that Python computes: compared over thousands of random documents.

use std::io::{Read, Write};
use std::process::{Command, Stdio};

use super::generate::{Random, damaged_document, document};
use crate::json::{Document, digest};

const DOCUMENTS: usize = 3_000;

/// Reads one hex-encoded JSON text a line; prints digest and canonical form of each.
const SCRIPT: &str = r#"
import hashlib, json, sys
def unique(pairs):
    assert len(dict(pairs)) == len(pairs), "duplicate name"
    return dict(pairs)
for line in sys.stdin.read().split():
    args = json.loads(bytes.fromhex(line).decode(), object_pairs_hook=unique)
    canonical = json.dumps(args, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()
    print(hashlib.sha256(canonical).hexdigest()[:24], canonical.hex())
"#;

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The lines that Python prints for these texts.
fn ask_python(texts: &[String]) -> Vec<String> {
    let spawned = Command::new("python3")
        .args(["-I", "-c", SCRIPT])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn();
    let mut python = spawned.expect("these tests compare digests with Python's: install python3");
    let input: String = texts.iter().map(|text| hex(text.as_bytes()) + "\n").collect();
    python.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    let mut printed = String::new();
    python.stdout.take().unwrap().read_to_string(&mut printed).unwrap();
    assert!(python.wait().unwrap().success(), "python3 failed; see its message above");
    printed.lines().map(str::to_owned).collect()
}

fn compare(texts: &[String]) {
    let printed = ask_python(texts);
    assert_eq!(printed.len(), texts.len());
    for (text, expected) in texts.iter().zip(printed) {
        let read = Document::from_text(text).unwrap_or_else(|error| panic!("{error}: {text}"));
        let mut canonical = Vec::new();
        read.root().write_canonical(&mut canonical);
        let ours = format!("{} {}", digest(read.root(), None), hex(&canonical));
        assert_eq!(ours, expected, "differs from Python for {text}");
        let copy = read.root().to_document();
        assert_eq!(digest(copy.root(), None), digest(read.root(), None), "copy of {text}");
    }
}

#[test]
fn random_documents_have_the_digest_that_python_computes() {
    let mut random = Random::seeded(20_261_121);
    let texts: Vec<_> = (0..DOCUMENTS).map(|_| document(&mut random)).collect();
    assert!(texts.iter().map(String::len).sum::<usize>() > 200_000, "documents are too small");
    compare(&texts);
}

#[test]
fn what_is_read_in_spite_of_damage_is_read_as_python_reads_it() {
    let mut random = Random::seeded(33);
    let damaged = (0..2 * DOCUMENTS).map(|_| damaged_document(&mut random));
    let texts: Vec<String> = damaged
        .filter_map(|bytes| String::from_utf8(bytes).ok())
        .filter(|text| Document::from_text(text).is_ok())
        .collect();
    assert!(texts.len() > 500, "only {} damaged texts are still JSON", texts.len());
    compare(&texts);
}

#[test]
fn every_power_of_two_and_ten_prints_as_python_prints_it() {
    let mut texts: Vec<String> = (-324..=308).map(|exponent| format!("[1e{exponent}]")).collect();
    for exponent in 0..0x7ff_u64 {
        for mantissa in [0, 1, 0x000f_ffff_ffff_ffff] {
            texts.push(format!("[{:e}]", f64::from_bits(exponent << 52 | mantissa)));
        }
    }
    compare(&texts);
}
