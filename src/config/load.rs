//! Reads a config and the policy files it names.

use std::collections::HashSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::codes;
use super::export;
use super::fixed::{self, Fixed};
use super::mask::mask;
use super::raw;
use super::reads::Reads;
use super::secrets::Secrets;
use super::settings::Settings;
use super::validate::{Check, relative_to, validate};
use super::wrapped::Wrapped;
use crate::yaml::{self, Diagnostic, Either, Field, ScalarFault, Severity, Source, Span, Text};

/// Largest config or policy file.
const FILE_LIMIT_BYTES: u64 = 4 * 1024 * 1024;
/// Most policy files.
const POLICY_LIMIT_FILES: usize = 4_096;
/// Deepest folder that is searched.
const FOLDER_LIMIT_LEVELS: usize = 16;

/// A config that holds.
#[derive(Debug)]
pub struct Loaded {
    pub settings: Settings,
    pub warnings: Vec<Diagnostic>,
    /// The file itself, without the secrets that are written into it.
    pub config: Arc<Source>,
    /// What holds until the gate is started again.
    pub fixed: Vec<Fixed>,
    /// The policy files, in the order of `policies` and, of a folder, by path. They are read,
    /// not yet compiled.
    pub sources: Vec<Arc<Source>>,
}

/// Reads the config at `path` and the policy files it names.
///
/// An entry of `policies` is a file, or a folder below which all `*.yaml` and `*.yml` files are
/// policies, except `*.test.yaml`, `*.test.yml` and what is hidden (a name that begins with `.`).
/// Paths are relative to the config's folder. A file that is named twice is read once.
///
/// # Errors
/// Every fault at once, in the order of the file; warnings among them.
pub fn load(path: &Path) -> Result<Loaded, Vec<Diagnostic>> {
    load_with(path, &|name| std::env::var(name).ok())
}

/// As [`load`], with another environment than the process's.
///
/// # Errors
/// As [`load`].
pub fn load_with(
    path: &Path,
    environment: &dyn Fn(&str) -> Option<String>,
) -> Result<Loaded, Vec<Diagnostic>> {
    load_through(&Reads::default(), path, environment)
}

/// As [`load`], for commands that need no secrets: where a variable is not set, something stands in
/// for it that is fit for a key and differs from what stands in for every other.
///
/// # Errors
/// As [`load`].
pub fn load_without_secrets(path: &Path) -> Result<Loaded, Vec<Diagnostic>> {
    load_with(path, &|name| {
        let set = std::env::var(name).ok().filter(|value| !value.is_empty());
        if export::is_unasked(name) {
            return set;
        }
        Some(set.unwrap_or_else(|| format!("not-needed-for-what-is-asked-now-{name}")))
    })
}

/// As [`load_with`]; what was read can be asked of `reads`, also when it does not hold.
///
/// # Errors
/// As [`load`].
pub fn load_through(
    reads: &Reads,
    path: &Path,
    environment: &dyn Fn(&str) -> Option<String>,
) -> Result<Loaded, Vec<Diagnostic>> {
    let source = read(path, reads).map_err(|fault| {
        let mut fault = Diagnostic::error(yaml::codes::UNREADABLE, fault.message);
        fault.help = (!path.exists()).then(|| "`toolgate init` writes a first config".to_owned());
        vec![fault]
    })?;
    let folder = path.parent().unwrap_or(Path::new(""));
    load_source(&source, Secrets { folder, environment, reads }, None)
}

/// As [`load_through`], with one more upstream if the config has none of its name: a command that
/// has all of this process's environment. Without a path, there is nothing else in the config.
///
/// # Errors
/// As [`load`].
pub fn load_wrapped(
    reads: &Reads,
    path: Option<&Path>,
    environment: &dyn Fn(&str) -> Option<String>,
    wrapped: &Wrapped<'_>,
) -> Result<Loaded, Vec<Diagnostic>> {
    let source = match path {
        None => Ok(Wrapped::nothing()),
        Some(path) => read(path, reads),
    };
    let source =
        source.map_err(|fault| vec![Diagnostic::error(yaml::codes::UNREADABLE, fault.message)])?;
    let folder = path.and_then(Path::parent).unwrap_or(Path::new(""));
    load_source(&source, Secrets { folder, environment, reads }, Some(wrapped))
}

fn load_source(
    source: &Arc<Source>,
    secrets: Secrets<'_>,
    wrapped: Option<&Wrapped<'_>>,
) -> Result<Loaded, Vec<Diagnostic>> {
    let mut faults = Vec::new();
    let mut raw: Option<raw::Config> = yaml::read_partial(source, raw::SHAPE, &mut faults);
    let added = wrapped.is_some_and(|wrapped| raw.as_mut().is_some_and(|raw| wrapped.add_to(raw)));
    let mut settings = None;
    let mut sources = Vec::new();
    if let Some(raw) = &raw {
        let mut check = Check { source, secrets, faults: &mut faults };
        settings = validate(raw, &mut check);
        if let (true, Some(wrapped), Some(settings)) = (added, wrapped, &mut settings) {
            wrapped.complete(settings);
        }
        sources = policies(&raw.policies, &mut check);
        if sources.is_empty() && !check.faults.iter().any(is_error) {
            let warning = Diagnostic::warning(codes::NO_POLICIES, "no policies: every call passes");
            faults.push(match raw.policies.first() {
                None => warning.at(source, Span::default()).help("name a folder in `policies`"),
                Some(entry) => warning.at(source, entry.span).help("there is no `*.yaml` below it"),
            });
        }
    }
    faults.sort_by_key(|fault| fault.span.start);
    let config = hide_secrets(source, raw.as_ref(), &mut faults);
    match (settings, &raw) {
        (Some(settings), Some(raw)) if !faults.iter().any(is_error) => {
            let fixed = fixed::fixed(raw, &settings);
            Ok(Loaded { settings, warnings: faults, config, fixed, sources })
        }
        (Some(_), Some(_)) | (None, _) | (_, None) => Err(faults),
    }
}

/// The policy files that a config names, as far as they can be read, so that they can be checked
/// although the config is at fault. What is wrong with the config itself, [`load`] says.
pub fn policy_sources(path: &Path) -> Vec<Arc<Source>> {
    let reads = &Reads::default();
    let Ok(source) = read(path, reads) else { return Vec::new() };
    let mut faults = Vec::new();
    let raw: Option<raw::Config> = yaml::read_partial(&source, raw::SHAPE, &mut faults);
    let Some(raw) = raw else { return Vec::new() };
    let folder = path.parent().unwrap_or(Path::new(""));
    let secrets = Secrets { folder, environment: &|_| None, reads };
    policies(&raw.policies, &mut Check { source: &source, secrets, faults: &mut faults })
}

fn is_error(fault: &Diagnostic) -> bool {
    fault.severity == Severity::Error
}

/// The sources of the entries of `policies`.
fn policies(entries: &[Field<String>], check: &mut Check<'_>) -> Vec<Arc<Source>> {
    let reads = check.secrets.reads;
    let mut seen = HashSet::new();
    let mut sources = Vec::new();
    for entry in entries {
        let path = check.path(&entry.value);
        let files = match policy_files(&path, reads) {
            Ok(files) => files,
            Err(text) => {
                check.fault(codes::FILE, entry.span, text);
                continue;
            }
        };
        for file in files {
            if !seen.insert(file.canonicalize().unwrap_or_else(|_| file.clone())) {
                continue;
            }
            sources.extend(check.ok(codes::FILE, entry.span, read(&file, reads)));
        }
    }
    sources
}

/// The policy files at a path: itself, or those below the folder, sorted.
fn policy_files(path: &Path, reads: &Reads) -> Result<Vec<PathBuf>, ScalarFault> {
    let mut files = Vec::new();
    // A file that is named is taken whatever it is called.
    let found = fs::metadata(path).inspect_err(|_| reads.nothing(path));
    if !found.map_err(|error| unreadable(path, &error))?.is_dir() {
        files.push(path.to_owned());
        return Ok(files);
    }
    search(path, 0, reads, &mut files)?;
    files.sort();
    Ok(files)
}

/// Adds the policy files below a folder. Recursion ends at [`FOLDER_LIMIT_LEVELS`].
fn search(
    folder: &Path,
    level: usize,
    reads: &Reads,
    files: &mut Vec<PathBuf>,
) -> Result<(), ScalarFault> {
    if level >= FOLDER_LIMIT_LEVELS {
        let text = format!("folders nest deeper than {FOLDER_LIMIT_LEVELS} levels");
        return Err(ScalarFault::new(text));
    }
    let failed = |error: std::io::Error| unreadable(folder, &error);
    for path in reads.folder(folder, may_hold_policies).map_err(failed)? {
        if path.is_dir() {
            search(&path, level + 1, reads, files)?;
        } else {
            files.push(path);
        }
        if files.len() > POLICY_LIMIT_FILES {
            return Err(ScalarFault::new(format!("more than {POLICY_LIMIT_FILES} policy files")));
        }
    }
    Ok(())
}

fn unreadable(path: &Path, error: &std::io::Error) -> ScalarFault {
    ScalarFault::new(format!("`{}` cannot be read: {error}", path.display()))
}

/// Whether a path in a folder is a policy file, or a folder that may have some.
fn may_hold_policies(path: &Path) -> bool {
    let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    // Hidden: editors' files, and `..data`, by which Kubernetes swaps mounted files.
    !name.starts_with('.') && (is_policy_name(name) || path.is_dir())
}

fn is_policy_name(name: &str) -> bool {
    let stem = name.strip_suffix(".yaml").or_else(|| name.strip_suffix(".yml"));
    stem.is_some_and(|stem| !stem.ends_with(".test"))
}

/// Reads a file as it is named.
pub(super) fn read(path: &Path, reads: &Reads) -> Result<Arc<Source>, ScalarFault> {
    read_up_to(path, FILE_LIMIT_BYTES, reads)
}

/// The same of a file that may have another size.
pub(super) fn read_up_to(
    path: &Path,
    limit_bytes: u64,
    reads: &Reads,
) -> Result<Arc<Source>, ScalarFault> {
    let shown = path.display();
    let failed = |error: std::io::Error| unreadable(path, &error);
    let bytes = reads.file(path, limit_bytes).map_err(failed)?;
    if bytes.len() as u64 > limit_bytes {
        return Err(ScalarFault::new(format!("`{shown}` is larger than {limit_bytes} bytes")));
    }
    let text = String::from_utf8(bytes)
        .map_err(|error| ScalarFault::new(format!("`{shown}` is not UTF-8: {error}")))?;
    let name = relative_to(Path::new(""), &shown.to_string()).display().to_string();
    Ok(Arc::new(Source { name, text }))
}

/// Lets the faults show a text without secrets, and gives that text.
fn hide_secrets(
    source: &Arc<Source>,
    raw: Option<&raw::Config>,
    faults: &mut [Diagnostic],
) -> Arc<Source> {
    let written = raw.map(written_secrets).unwrap_or_default();
    let masked = mask(&source.text, &written);
    let masked = Arc::new(Source { name: source.name.clone(), text: masked });
    for fault in faults {
        if fault.source.as_ref().is_some_and(|shown| Arc::ptr_eq(shown, source)) {
            fault.source = Some(Arc::clone(&masked));
        }
    }
    masked
}

/// Where secrets are written into the file.
fn written_secrets(raw: &raw::Config) -> Vec<Span> {
    let upstreams = raw.upstreams.iter().flat_map(|upstreams| upstreams.value.iter());
    let auths = upstreams.filter_map(|(_, upstream)| upstream.auth.as_ref());
    let judge = raw.evaluate.iter().filter_map(|evaluate| evaluate.value.auth.as_ref());
    let texts = auths.chain(judge).flat_map(|auth| [&auth.value.bearer, &auth.value.value]);
    let key = raw.digest.iter().map(|digest| &digest.key);
    let tokens = raw.admin_tokens.iter().flat_map(|tokens| [&tokens.read, &tokens.write]);
    let written = |text: &&Text| !text.value.contains("${");
    let headers = raw.export.iter().flat_map(|export| export.headers.iter());
    let headers = headers.map(|(_, value)| value);
    let texts = texts.chain(key).chain(tokens).flatten().chain(headers);
    texts.chain(variables(raw)).filter(written).map(|text| text.span).collect()
}

/// The environments of commands.
fn variables(raw: &raw::Config) -> impl Iterator<Item = &Text> {
    let upstreams = raw.upstreams.iter().flat_map(|upstreams| upstreams.value.iter());
    let commands = upstreams.filter_map(|(_, upstream)| match &upstream.mcp.as_ref()?.value {
        Either::Long(command) => Some(command),
        Either::Short(_) => None,
    });
    commands.flat_map(|command| command.env.iter().map(|(_, value)| value))
}
