//! Which files are found and read.

use std::fs;
use std::path::{Path, PathBuf};

use super::{Wanted, read, read_all};

fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for name in [
        "b.yaml",
        "a.yml",
        "a.test.yaml",
        "notes.txt",
        ".hidden.yaml",
        "below/c.yaml",
        "below/c.test.yml",
        ".git/d.test.yaml",
    ] {
        let path = folder.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, name).unwrap();
    }
    folder
}

fn found(paths: &[PathBuf], wanted: Wanted, root: &Path) -> (Vec<String>, Vec<String>) {
    let mut faults = Vec::new();
    let sources = read_all(paths, wanted, &mut faults);
    let root = format!("{}/", root.display());
    let names = sources.iter().map(|source| source.name.replace(&root, "")).collect();
    (names, faults.into_iter().map(|fault| fault.message.replace(&root, "")).collect())
}

#[test]
fn policies_and_tests_are_taken_from_all_folders_as_the_config_takes_them() {
    let folder = folder();
    let root = folder.path();
    let (policies, faults) = found(&[root.to_owned()], Wanted::Policies, root);
    let expected = ["a.yml", "b.yaml", "below/c.yaml"].map(str::to_owned).to_vec();
    assert_eq!((policies, faults.len()), (expected, 0));
    let (tests, faults) = found(&[root.to_owned()], Wanted::Tests, root);
    let expected = vec!["a.test.yaml".to_owned(), "below/c.test.yml".to_owned()];
    assert_eq!((tests, faults.len()), (expected, 0));
}

#[test]
fn a_file_is_taken_whatever_its_name_and_only_once() {
    let folder = folder();
    let root = folder.path();
    let twice = [root.join("notes.txt"), root.join("notes.txt")];
    assert_eq!(found(&twice, Wanted::Tests, root).0, ["notes.txt"]);
}

#[test]
fn what_cannot_be_looked_at_is_a_fault() {
    let folder = folder();
    let root = folder.path();
    let paths = [root.join("nowhere"), root.join("below"), root.join(".git")];
    let (sources, faults) = found(&paths, Wanted::Policies, root);
    assert_eq!(sources, ["below/c.yaml"]);
    assert!(faults[0].starts_with("nowhere cannot be read"), "{faults:?}");
    assert!(faults[1].starts_with("there are no policies in"), "{faults:?}");
}

#[test]
fn only_text_of_a_bounded_size_is_read() {
    let folder = folder();
    let path = folder.path().join("x.yaml");
    fs::write(&path, [0xff, 0xfe]).unwrap();
    assert!(read(&path).unwrap_err().message.ends_with("is not UTF-8"));
    fs::write(&path, vec![b' '; 4 * 1024 * 1024 + 1]).unwrap();
    assert_eq!(read(&path).unwrap_err().code, "TG005");
    fs::write(&path, vec![b' '; 4 * 1024 * 1024]).unwrap();
    assert!(read(&path).is_ok());
}
