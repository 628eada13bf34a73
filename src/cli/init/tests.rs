//! What is written loads, compiles and passes its own tests; nothing is overwritten.

use std::fs;

use super::*;
use crate::config;
use crate::policy::compile::compile;
use crate::rehearse::rehearse;
use crate::yaml::Source;

#[test]
fn what_is_written_loads_compiles_and_passes_its_tests() {
    let folder = tempfile::tempdir().unwrap();
    let said = run(folder.path()).unwrap();
    assert_eq!(said.matches("wrote").count(), 3, "{said}");
    assert!(said.contains("Next:"));

    let loaded = config::load(&folder.path().join("toolgate.yaml")).unwrap_or_else(|faults| {
        panic!("{}", faults.iter().map(|fault| fault.render(false)).collect::<String>())
    });
    assert!(loaded.warnings.is_empty(), "{:?}", loaded.warnings);
    assert_eq!(loaded.sources.len(), 1, "the test is no policy");
    let catalogue = loaded.settings.catalogue();
    let (_, warnings) = compile(&loaded.sources, Some(&catalogue)).unwrap_or_else(|faults| {
        panic!("{}", faults.iter().map(|fault| fault.render(false)).collect::<String>())
    });
    assert!(warnings.is_empty(), "{warnings:?}");

    let path = folder.path().join("policies/first.test.yaml");
    let text = fs::read_to_string(&path).unwrap();
    let source = Source { name: path.display().to_string(), text };
    for rehearsal in rehearse(&source.into(), Some(&catalogue)) {
        assert!(rehearsal.faults.is_empty(), "{:?}", rehearsal.faults);
    }
}

#[test]
fn nothing_is_overwritten() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("toolgate.yaml"), "mine").unwrap();
    let said = run(folder.path()).unwrap();
    assert!(said.contains("kept") && said.matches("wrote").count() == 2, "{said}");
    assert_eq!(fs::read_to_string(folder.path().join("toolgate.yaml")).unwrap(), "mine");
    let again = run(folder.path()).unwrap();
    assert!(again.matches("kept").count() == 3 && !again.contains("Next:"), "{again}");
}

#[test]
fn a_folder_that_cannot_be_made_is_named() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("policies"), "a file in the way").unwrap();
    let error = run(folder.path()).unwrap_err().to_string();
    assert!(error.contains("policies"), "{error}");
}
