//! Which call of a model API a request is: by its method and path. What is not known to exist is
//! refused, so that nothing passes whose cost nobody counts.

use http::Method;

use super::Provider;

/// What comes of a call, as far as the gate counts it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// A model generates.
    Generate,
    /// A model reads only.
    Embed,
    /// Nothing that is billed by tokens.
    Look,
    /// Something that the provider keeps is changed or taken away; no model is asked.
    Manage,
}

/// One call of a model API.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Operation {
    /// The name of the tool: `chat`, `messages`, …
    pub name: &'static str,
    pub kind: Kind,
    /// The answer always is a stream, whatever the body says.
    pub is_stream: bool,
}

/// A request as its path reads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Routed<'p> {
    pub operation: Operation,
    /// The model, where the path names it.
    pub model: Option<&'p str>,
    /// `v1`, when the path begins with a version.
    pub version: Option<&'p str>,
    /// The path without its version.
    pub rest: &'p str,
    /// A cloud's own path, which is sent as it is.
    pub is_deployment: bool,
}

struct Known {
    method: Method,
    /// `*` stands for one part.
    path: &'static str,
    name: &'static str,
    kind: Kind,
}

const fn known(method: Method, path: &'static str, name: &'static str, kind: Kind) -> Known {
    Known { method, path, name, kind }
}

/// OpenAI API reference; those of its paths whose bodies are JSON.
static OPENAI: [Known; 25] = [
    known(Method::POST, "chat/completions", "chat", Kind::Generate),
    known(Method::POST, "responses", "responses", Kind::Generate),
    known(Method::POST, "completions", "completions", Kind::Generate),
    known(Method::POST, "embeddings", "embeddings", Kind::Embed),
    known(Method::GET, "models", "models", Kind::Look),
    known(Method::GET, "models/*", "model", Kind::Look),
    known(Method::GET, "models/*/*", "model", Kind::Look),
    known(Method::POST, "responses/input_tokens", "count_tokens", Kind::Look),
    known(Method::POST, "responses/compact", "compact", Kind::Generate),
    known(Method::GET, "responses/*", "get_response", Kind::Look),
    known(Method::GET, "responses/*/input_items", "input_items", Kind::Look),
    known(Method::POST, "responses/*/cancel", "cancel_response", Kind::Manage),
    known(Method::DELETE, "responses/*", "delete_response", Kind::Manage),
    known(Method::GET, "chat/completions", "stored_chats", Kind::Look),
    known(Method::GET, "chat/completions/*", "stored_chat", Kind::Look),
    known(Method::DELETE, "chat/completions/*", "delete_chat", Kind::Manage),
    known(Method::POST, "conversations", "create_conversation", Kind::Manage),
    known(Method::GET, "conversations/*", "conversation", Kind::Look),
    known(Method::POST, "conversations/*", "update_conversation", Kind::Manage),
    known(Method::DELETE, "conversations/*", "delete_conversation", Kind::Manage),
    known(Method::GET, "conversations/*/items", "conversation_items", Kind::Look),
    known(Method::POST, "conversations/*/items", "add_conversation_items", Kind::Manage),
    known(Method::GET, "conversations/*/items/*", "conversation_item", Kind::Look),
    known(Method::DELETE, "conversations/*/items/*", "delete_conversation_item", Kind::Manage),
    known(Method::POST, "moderations", "moderations", Kind::Look),
];

/// Anthropic API reference.
static ANTHROPIC: [Known; 4] = [
    known(Method::POST, "messages", "messages", Kind::Generate),
    known(Method::POST, "messages/count_tokens", "count_tokens", Kind::Look),
    known(Method::GET, "models", "models", Kind::Look),
    known(Method::GET, "models/*", "model", Kind::Look),
];

/// What Gemini's paths call on a model, behind a colon. Gemini API reference.
static GEMINI: [(&str, Operation); 6] = [
    ("generateContent", of("generate_content", Kind::Generate, false)),
    ("streamGenerateContent", of("generate_content", Kind::Generate, true)),
    ("countTokens", of("count_tokens", Kind::Look, false)),
    ("embedContent", of("embed_content", Kind::Embed, false)),
    ("batchEmbedContents", of("embed_content", Kind::Embed, false)),
    ("embedText", of("embed_content", Kind::Embed, false)),
];

const fn of(name: &'static str, kind: Kind, is_stream: bool) -> Operation {
    Operation { name, kind, is_stream }
}

/// The names of the tools that an upstream of this provider has.
pub fn names(provider: Provider) -> Vec<&'static str> {
    let mut names: Vec<&'static str> = match provider {
        Provider::OpenAi => OPENAI.iter().map(|known| known.name).collect(),
        Provider::Anthropic => ANTHROPIC.iter().map(|known| known.name).collect(),
        Provider::Gemini => {
            let called = GEMINI.iter().map(|(_, operation)| operation.name);
            called.chain(["models", "model"]).collect()
        }
    };
    names.sort_unstable();
    names.dedup();
    names
}

/// Those of them by which a model is asked, so that tokens are used.
pub fn billed_names(provider: Provider) -> Vec<&'static str> {
    let is_billed = |kind: Kind| matches!(kind, Kind::Generate | Kind::Embed);
    let of = |table: &'static [Known]| {
        table.iter().filter(|known| is_billed(known.kind)).map(|known| known.name).collect()
    };
    let mut names: Vec<&'static str> = match provider {
        Provider::OpenAi => of(&OPENAI),
        Provider::Anthropic => of(&ANTHROPIC),
        Provider::Gemini => {
            let called = GEMINI.iter().filter(|(_, operation)| is_billed(operation.kind));
            called.map(|(_, operation)| operation.name).collect()
        }
    };
    names.sort_unstable();
    names.dedup();
    names
}

/// The call that `method` and `path`, below the upstream's own, ask for. `None` when the provider
/// has none such that is known here.
pub fn route<'p>(provider: Provider, method: &Method, path: &'p str) -> Option<Routed<'p>> {
    let whole = path.trim_start_matches('/');
    let (version, rest) = match whole.split_once('/') {
        Some((first, rest)) if is_version(first) => (Some(first), rest),
        _ => (None, whole),
    };
    let routed =
        |operation, model| Routed { operation, model, version, rest, is_deployment: false };
    match provider {
        Provider::OpenAi => {
            if let Some(found) = deployment(method, whole) {
                return Some(found);
            }
            find(&OPENAI, method, rest).map(|operation| routed(operation, None))
        }
        Provider::Anthropic => {
            find(&ANTHROPIC, method, rest).map(|operation| routed(operation, None))
        }
        Provider::Gemini => {
            let (operation, model) = gemini(method, rest)?;
            Some(routed(operation, model))
        }
    }
}

fn find(table: &[Known], method: &Method, path: &str) -> Option<Operation> {
    let fits = |pattern: &str| {
        let mut parts = path.split('/');
        let fits = pattern.split('/').all(|wanted| {
            parts.next().is_some_and(|part| wanted == part || (wanted == "*" && !part.is_empty()))
        });
        fits && parts.next().is_none()
    };
    let known = table.iter().find(|known| known.method == *method && fits(known.path))?;
    Some(of(known.name, known.kind, false))
}

/// `openai/deployments/NAME/chat/completions`, as Azure has it: the path names the model.
fn deployment<'p>(method: &Method, whole: &'p str) -> Option<Routed<'p>> {
    let named = whole.strip_prefix("openai/deployments/")?;
    let (model, rest) = named.split_once('/')?;
    let operation = find(&OPENAI, method, rest)?;
    let asks_a_model = matches!(operation.kind, Kind::Generate | Kind::Embed);
    asks_a_model.then_some(Routed {
        operation,
        model: Some(model),
        version: None,
        rest: whole,
        is_deployment: true,
    })
}

/// `models/NAME:CALL`; tuned models stand below `tunedModels`.
fn gemini<'p>(method: &Method, rest: &'p str) -> Option<(Operation, Option<&'p str>)> {
    let (family, model) = rest.split_once('/').unwrap_or((rest, ""));
    if !matches!(family, "models" | "tunedModels") || model.contains('/') {
        return None;
    }
    match (method, model.rsplit_once(':')) {
        (&Method::POST, Some((model, call))) if !model.is_empty() => {
            let (_, operation) = GEMINI.iter().find(|(name, _)| *name == call)?;
            Some((*operation, Some(model)))
        }
        (&Method::GET, None) if model.is_empty() => Some((of("models", Kind::Look, false), None)),
        (&Method::GET, None) => Some((of("model", Kind::Look, false), None)),
        _ => None,
    }
}

/// Whether a part of a path is the version of an API: `v1`, `v1beta`.
fn is_version(part: &str) -> bool {
    let Some(rest) = part.strip_prefix('v') else { return false };
    let name = rest.trim_start_matches(|letter: char| letter.is_ascii_digit());
    name.len() < rest.len() && name.bytes().all(|byte| byte.is_ascii_alphanumeric())
}

/// The path below the upstream's address, where its address has the path `base`. Clients write the
/// version or leave it out, and so do operators; it is sent once.
pub fn target(provider: Provider, base: &str, routed: &Routed<'_>) -> String {
    let base = base.trim_matches('/');
    let has_version = base.rsplit('/').next().is_some_and(is_version);
    match (routed.version, provider) {
        _ if has_version || routed.is_deployment => format!("/{}", routed.rest),
        (Some(version), _) => format!("/{version}/{}", routed.rest),
        (None, _) if !base.is_empty() => format!("/{}", routed.rest),
        (None, Provider::OpenAi | Provider::Anthropic) => format!("/v1/{}", routed.rest),
        (None, Provider::Gemini) => format!("/v1beta/{}", routed.rest),
    }
}

#[cfg(test)]
mod tests;
