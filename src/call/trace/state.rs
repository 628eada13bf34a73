//! The `tracestate` header: what other tracing systems pass along.

use std::fmt::Write;
use std::sync::Arc;

/// Our own key.
const OWN_KEY: &str = "toolgate";

/// Longest member of our own, with a comma: the key and a span's id.
const OWN_LIMIT_CHARS: usize = OWN_KEY.len() + "=0123456789abcdef,".len();

/// Most members a state may have (Trace Context, section 3.3.1).
const MEMBERS_LIMIT: usize = 32;

/// How much of a received state is passed on, in characters: what section 3.3.1.5 asks for at least.
/// Our own member comes on top of it.
const KEPT_LIMIT_CHARS: usize = 512;

/// Members longer than this go first when a state is cut, in characters.
const LONG_MEMBER_CHARS: usize = 128;

/// Longest key and longest value, in characters.
const PART_LIMIT_CHARS: usize = 256;

/// Longest tenant in a `tenant@system` key, in characters.
const TENANT_LIMIT_CHARS: usize = 241;

/// Longest system in a `tenant@system` key, in characters.
const SYSTEM_LIMIT_CHARS: usize = 14;

/// A valid state: at most 32 members with distinct keys, at most 512 characters. May be empty.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TraceState(Option<Arc<str>>);

impl TraceState {
    /// Reads the values of all `tracestate` headers in order. `None` when any member is invalid, a
    /// key stands twice or there are too many members.
    pub fn parse<'a>(headers: impl IntoIterator<Item = &'a str>) -> Option<Self> {
        let mut members: Vec<&str> = Vec::new();
        for member in headers.into_iter().flat_map(|header| header.split(',')) {
            let member = member.trim_matches([' ', '\t']);
            if member.is_empty() {
                continue;
            }
            let (key, value) = member.split_once('=')?;
            let repeated = members.iter().any(|known| key_of(known) == key);
            if repeated || members.len() >= MEMBERS_LIMIT || !is_key(key) || !is_value(value) {
                return None;
            }
            members.push(member);
        }
        Some(Self::join(members))
    }

    /// The header's value.
    pub fn as_str(&self) -> &str {
        self.0.as_deref().unwrap_or_default()
    }

    /// This state with our own member in front, in place of an older one of ours, and the last one
    /// left out where there would be too many.
    pub fn with_own(&self, span_id: u64) -> String {
        let state = self.as_str();
        let mut sent = String::with_capacity(OWN_LIMIT_CHARS.saturating_add(state.len()));
        // Writing to a `String` does not fail.
        let _ = write!(sent, "{OWN_KEY}={span_id:016x}");
        let others =
            state.split(',').filter(|member| !member.is_empty() && key_of(member) != OWN_KEY);
        for member in others.take(MEMBERS_LIMIT - 1) {
            sent.push(',');
            sent.push_str(member);
        }
        sent
    }

    /// Joins members, dropping long ones and then the last ones where they do not fit.
    fn join(mut members: Vec<&str>) -> Self {
        if joined_len(&members) > KEPT_LIMIT_CHARS {
            members.retain(|member| member.len() <= LONG_MEMBER_CHARS);
        }
        while joined_len(&members) > KEPT_LIMIT_CHARS {
            members.pop();
        }
        Self((!members.is_empty()).then(|| Arc::from(members.join(","))))
    }
}

fn joined_len(members: &[&str]) -> usize {
    members.iter().map(|member| member.len().saturating_add(1)).sum::<usize>().saturating_sub(1)
}

fn key_of(member: &str) -> &str {
    member.split_once('=').map_or(member, |(key, _)| key)
}

/// A key of level 2; with an `@` it also has to be the `tenant@system` of level 1.
fn is_key(key: &str) -> bool {
    let legal = |byte: u8| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'_' | b'-' | b'*' | b'/');
    let begins = |text: &str| {
        text.bytes()
            .next()
            .is_some_and(|first| first.is_ascii_lowercase() || first.is_ascii_digit())
    };
    match key.split_once('@') {
        None => key.len() <= PART_LIMIT_CHARS && begins(key) && key.bytes().all(legal),
        Some((tenant, system)) => {
            tenant.len() <= TENANT_LIMIT_CHARS
                && system.len() <= SYSTEM_LIMIT_CHARS
                && begins(tenant)
                && system.bytes().next().is_some_and(|first| first.is_ascii_lowercase())
                && tenant.bytes().chain(system.bytes()).all(legal)
        }
    }
}

/// Printable ASCII without `,` and `=`, not ending with a space.
fn is_value(value: &str) -> bool {
    let legal = |byte: u8| matches!(byte, b' '..=b'~') && !matches!(byte, b',' | b'=');
    (1..=PART_LIMIT_CHARS).contains(&value.len())
        && value.bytes().all(legal)
        && !value.ends_with(' ')
}
