//! W3C Baggage (<https://www.w3.org/TR/baggage/>), read for nothing but the ids of a session and of
//! a conversation, and passed on.

mod pass;

use std::borrow::Cow;

use crate::identify::percent;

pub use pass::{Left, Pass};

/// Most members of a list; a longer one is ignored as a whole (section 3.3.2).
const MEMBERS_LIMIT: usize = 64;

/// Most bytes, all headers together with the commas that join them; more are ignored as a whole.
const BAGGAGE_LIMIT_BYTES: usize = 8_192;

/// Names of the ids, strongest first (OpenTelemetry semantic conventions).
const NAMES: [&str; 2] = ["session.id", "gen_ai.conversation.id"];

/// Two members of one name give different values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Contradiction {
    pub name: &'static str,
}

/// The decoded session id or, without one, the conversation id, in the values of all `baggage`
/// headers.
///
/// # Errors
/// When the list gives that id in two ways.
pub fn session<'a>(
    headers: impl IntoIterator<Item = &'a str>,
) -> Result<Option<Cow<'a, str>>, Contradiction> {
    let Some(members) = members(headers) else { return Ok(None) };
    for name in NAMES {
        let mut values = members.iter().filter_map(|member| value_of(member, name));
        let Some(first) = values.next() else { continue };
        if values.any(|other| other != first) {
            return Err(Contradiction { name });
        }
        return Ok(Some(first));
    }
    Ok(None)
}

/// The members of a list, empty ones left out. `None` when it is longer than readers have to take.
fn members<'a>(headers: impl IntoIterator<Item = &'a str>) -> Option<Vec<&'a str>> {
    let mut bytes = 0usize;
    let mut members = Vec::new();
    for (place, header) in headers.into_iter().enumerate() {
        let comma = usize::from(place > 0);
        bytes = bytes.saturating_add(header.len()).saturating_add(comma);
        let listed = header.split(',').filter(|member| !member.trim().is_empty());
        members.extend(listed.take(MEMBERS_LIMIT + 1));
        if bytes > BAGGAGE_LIMIT_BYTES || members.len() > MEMBERS_LIMIT {
            return None;
        }
    }
    Some(members)
}

/// The decoded value of a member, if it has this name and can be decoded. Properties after `;` are
/// not part of it.
fn value_of<'a>(member: &'a str, name: &str) -> Option<Cow<'a, str>> {
    let (key, rest) = member.split_once('=')?;
    if key.trim_matches([' ', '\t']) != name {
        return None;
    }
    let value = rest.split_once(';').map_or(rest, |(value, _)| value);
    percent::decode(value.trim_matches([' ', '\t'])).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read<'a>(headers: &[&'a str]) -> Result<Option<Cow<'a, str>>, Contradiction> {
        session(headers.iter().copied())
    }

    #[test]
    fn ids_are_found_wherever_they_stand() {
        let cases: [(&[&str], Option<&str>); 14] = [
            (&[], None),
            (&[""], None),
            (&["session.id=s1"], Some("s1")),
            (&["a=b,session.id=s1"], Some("s1")),
            (&["a=b", "c=d, session.id = s1 ;prop;x=y"], Some("s1")),
            (&["gen_ai.conversation.id=c1"], Some("c1")),
            (&["gen_ai.conversation.id=c1,session.id=s1"], Some("s1")),
            (&["session.id=a%20b%C3%A9"], Some("a bé")),
            (&["session.id=a=b=="], Some("a=b==")),
            (&["session.id=s1,session.id=s1"], Some("s1")),
            (&["session.id=%zz,gen_ai.conversation.id=c1"], Some("c1")),
            (&["Session.Id=s1"], None),
            (&["session.id"], None),
            (&["x;session.id=s1"], None),
        ];
        for (headers, expected) in cases {
            assert_eq!(read(headers).unwrap().as_deref(), expected, "{headers:?}");
        }
    }

    #[test]
    fn a_contradiction_is_told() {
        let error = read(&["session.id=a", "session.id=b"]).unwrap_err();
        assert_eq!(error.name, "session.id");
        let error = read(&["gen_ai.conversation.id=a,gen_ai.conversation.id=b"]).unwrap_err();
        assert_eq!(error.name, "gen_ai.conversation.id");
        assert_eq!(
            read(&["session.id=s,gen_ai.conversation.id=a,gen_ai.conversation.id=b"])
                .unwrap()
                .as_deref(),
            Some("s")
        );
    }

    #[test]
    fn floods_are_ignored_as_a_whole() {
        let members = |count: usize| {
            let others: Vec<_> = (1..count).map(|index| format!("k{index}=v")).collect();
            format!("session.id=s1,{}", others.join(","))
        };
        assert_eq!(read(&[&members(64)]).unwrap().as_deref(), Some("s1"));
        assert_eq!(read(&[&members(65)]).unwrap(), None);
        let fits = format!("session.id=s1,a={}", "v".repeat(8_192 - 16));
        assert_eq!(fits.len(), 8_192);
        assert_eq!(read(&[&fits]).unwrap().as_deref(), Some("s1"));
        assert_eq!(read(&[&fits, "x"]).unwrap(), None);
    }
}
