use std::fs;
use std::path::{Path, PathBuf};

use super::load::load_with;

/// Rendered faults of every config in `tests/goldens/config` equal the file beside it.
/// `UPDATE_GOLDENS=1` writes them.
#[test]
fn broken_configs_are_explained() {
    let folder = Path::new("tests/goldens/config");
    let mut configs: Vec<PathBuf> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "yaml"))
        .collect();
    configs.sort();
    assert!(configs.len() >= 40, "{} goldens", configs.len());
    let update = std::env::var_os("UPDATE_GOLDENS").is_some();
    let mut differing = Vec::new();
    for config in configs {
        let rendered = explain(&config);
        let golden = config.with_extension("stderr");
        if update {
            fs::write(&golden, &rendered).unwrap();
        } else if fs::read_to_string(&golden).unwrap_or_default() != rendered {
            differing.push(format!("{}\n{rendered}", config.display()));
        }
        assert!(!rendered.contains("canary"), "a secret is shown:\n{rendered}");
    }
    assert!(differing.is_empty(), "{}", differing.join("\n"));
}

fn explain(config: &Path) -> String {
    let faults = match load_with(config, &environment) {
        Ok(loaded) => loaded.warnings,
        Err(faults) => faults,
    };
    assert!(!faults.is_empty(), "{} is not broken", config.display());
    faults.iter().map(|fault| fault.render(false) + "\n").collect()
}

fn environment(name: &str) -> Option<String> {
    let value = match name {
        "TOKEN" => "sk-canary-token",
        "EMPTY" => "",
        "SHORT" => "canary",
        "TWO_LINES" => "canary\nline",
        "KEY" => "canary-key-of-sixteen-bytes",
        _ => return None,
    };
    Some(value.to_owned())
}
