//! What of a request's baggage goes on to an upstream.

use std::sync::Arc;

use http::{HeaderMap, HeaderName, HeaderValue};

use super::members;

const BAGGAGE: HeaderName = HeaderName::from_static("baggage");

/// Which members of baggage an upstream is given.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Pass {
    #[default]
    All,
    /// Those of these names.
    Only(Arc<[Arc<str>]>),
}

/// What is left of baggage.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Left {
    /// As it came.
    Whole,
    /// These members of it.
    Some(String),
    Nothing,
}

impl Pass {
    /// What goes on of the values of all `baggage` headers. Of a list that is longer than readers
    /// have to take nothing does: half of it may say something else (Baggage, section 3.3.2).
    pub fn of<'a>(&self, values: impl IntoIterator<Item = &'a str>) -> Left {
        let Some(members) = members(values).filter(|members| !members.is_empty()) else {
            return Left::Nothing;
        };
        let names = match self {
            Self::All => return Left::Whole,
            Self::Only(names) => names,
        };
        let named = |member: &&str| names.iter().any(|name| **name == *name_of(member));
        let all = members.len();
        let kept: Vec<&str> = members.into_iter().filter(named).map(str::trim).collect();
        match kept.len() {
            0 => Left::Nothing,
            // Also where the blanks around them differ, which nobody can see.
            count if count == all => Left::Whole,
            _ => Left::Some(kept.join(",")),
        }
    }

    /// Leaves in the headers of a request what goes on of its baggage.
    pub fn apply(&self, headers: &mut HeaderMap) {
        if !headers.contains_key(BAGGAGE) {
            return;
        }
        let values = headers.get_all(BAGGAGE).iter().map(HeaderValue::to_str);
        let left = match values.collect::<Result<Vec<_>, _>>() {
            Ok(values) => self.of(values),
            Err(_) => Left::Nothing,
        };
        let kept = match left {
            Left::Whole => return,
            Left::Some(members) => HeaderValue::from_str(&members).ok(),
            Left::Nothing => None,
        };
        headers.remove(BAGGAGE);
        if let Some(kept) = kept {
            headers.insert(BAGGAGE, kept);
        }
    }
}

/// The name of a member: what stands before its value and its properties.
fn name_of(member: &str) -> &str {
    let end = member.find(['=', ';']).unwrap_or(member.len());
    member.get(..end).unwrap_or(member).trim_matches([' ', '\t'])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn only(names: &[&str]) -> Pass {
        Pass::Only(names.iter().map(|name| Arc::from(*name)).collect())
    }

    fn passed(pass: &Pass, values: &[&str]) -> Vec<String> {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(BAGGAGE, HeaderValue::from_bytes(value.as_bytes()).unwrap());
        }
        pass.apply(&mut headers);
        let left = headers.get_all(BAGGAGE).iter();
        left.map(|value| value.to_str().unwrap().to_owned()).collect()
    }

    #[test]
    fn all_of_it_goes_on_as_it_came() {
        for values in
            [&["a=1"][..], &["a=1, b=2;p;q=3 ,c=%20"], &["a=1", "b=2"], &["a"], &["a=1,,b=2"]]
        {
            assert_eq!(passed(&Pass::All, values), values);
        }
        assert_eq!(passed(&Pass::All, &["a=é"]), [""; 0], "what is no text is no baggage");
        assert_eq!(passed(&Pass::All, &[""]), [""; 0]);
        assert_eq!(passed(&Pass::All, &[" , "]), [""; 0]);
    }

    #[test]
    fn of_a_list_that_is_too_long_nothing_goes_on() {
        let members = |count: usize| {
            (0..count).map(|index| format!("k{index}=v")).collect::<Vec<_>>().join(",")
        };
        assert_eq!(passed(&Pass::All, &[&members(64)]), [members(64)]);
        assert_eq!(passed(&Pass::All, &[&members(65)]), [""; 0]);
        assert_eq!(passed(&Pass::All, &[&members(32), &members(33)]), [""; 0]);
        assert_eq!(passed(&only(&["k1"]), &[&members(64)]), ["k1=v"]);
        assert_eq!(passed(&only(&["k1"]), &[&members(65)]), [""; 0]);
        let long = |length: usize| format!("a={}", "v".repeat(length - 2));
        assert_eq!(passed(&Pass::All, &[&long(8_192)]), [long(8_192)]);
        assert_eq!(passed(&Pass::All, &[&long(8_193)]), [""; 0]);
        // The comma that joins two headers counts.
        assert_eq!(passed(&Pass::All, &[&long(8_188), "b=1"]).len(), 2);
        assert_eq!(passed(&Pass::All, &[&long(8_189), "b=1"]), [""; 0]);
    }

    #[test]
    fn a_list_of_names_lets_those_pass_and_no_others() {
        let pass = only(&["session.id", "tier"]);
        for (values, left) in [
            (&["session.id=s1"][..], &["session.id=s1"][..]),
            (&["user=me,session.id=s1;p=1 , secret=x"], &["session.id=s1;p=1"]),
            (&["user=me"], &[]),
            (&["session.id=s1", "tier=2"], &["session.id=s1", "tier=2"]),
            (&["session.id=s1,user=me", "tier=2"], &["session.id=s1,tier=2"]),
            (&["Session.Id=s1,session.id2=s,xsession.id=s"], &[]),
            (&["user=session.id=s1"], &[]),
            (&["user;session.id=s1"], &[]),
            (&[" session.id =s1,a=1"], &["session.id =s1"]),
        ] {
            assert_eq!(passed(&pass, values), left, "{values:?}");
        }
        assert_eq!(passed(&only(&[]), &["session.id=s1"]), [""; 0]);
    }
}
