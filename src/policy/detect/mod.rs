//! Detectors: what looks like a card number, a key or a mail address in a text.
//!
//! They are heuristics that would rather miss than tear ordinary text apart: a match must stand
//! alone, between characters that are no letters or digits, and whatever has a checksum must pass
//! it. Each takes time in proportion to the text.

mod identity;
mod keys;
mod money;

use std::ops::Range;

/// Something to be found in a text. The order is the one in which several are applied, so that what
/// they leave does not depend on the order of rules.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Detector {
    /// A PEM block of a private key (RFC 7468), up to its end or that of the text.
    PrivateKey,
    /// A JSON Web Token (RFC 7519) in compact form.
    Jwt,
    /// An access key id of AWS, or a secret access key named beside it.
    AwsKey,
    GithubToken,
    SlackToken,
    /// A key with the prefix of a well-known service, the two above among them.
    ApiKey,
    /// All of the above.
    Secret,
    /// An international bank account number (ISO 13616): known country, its length, mod 97.
    Iban,
    /// 13 to 19 digits that begin as an issuer's and pass the Luhn check (ISO/IEC 7812).
    CardNumber,
    Email,
    /// A social security number of the United States, written with its hyphens.
    UsSsn,
    /// An IPv4 or IPv6 address.
    IpAddress,
    /// `+` and 8 to 15 digits (E.164), or a number of the United States with its area code apart.
    Phone,
}

impl Detector {
    /// Every detector, in the order they are applied.
    pub const ALL: [Self; 13] = [
        Self::PrivateKey,
        Self::Jwt,
        Self::AwsKey,
        Self::GithubToken,
        Self::SlackToken,
        Self::ApiKey,
        Self::Secret,
        Self::Iban,
        Self::CardNumber,
        Self::Email,
        Self::UsSsn,
        Self::IpAddress,
        Self::Phone,
    ];

    /// The name users see.
    pub fn name(self) -> &'static str {
        match self {
            Self::PrivateKey => "private_key",
            Self::Jwt => "jwt",
            Self::AwsKey => "aws_key",
            Self::GithubToken => "github_token",
            Self::SlackToken => "slack_token",
            Self::ApiKey => "api_key",
            Self::Secret => "secret",
            Self::Iban => "iban",
            Self::CardNumber => "card_number",
            Self::Email => "email",
            Self::UsSsn => "us_ssn",
            Self::IpAddress => "ip_address",
            Self::Phone => "phone",
        }
    }

    /// What is looked for, each on its own: the whole takes one pass over the text for each.
    fn probes(self) -> Vec<Probe> {
        let shapes = |shapes: &'static [keys::Shape]| shapes.iter().map(Probe::Shape).collect();
        match self {
            Self::PrivateKey => vec![Probe::Search(keys::private_key)],
            Self::Jwt => vec![Probe::Search(keys::jwt)],
            Self::AwsKey => {
                let names = keys::AWS_SECRET_NAMES.iter().copied().map(Probe::Named);
                names.chain(keys::AWS_IDS.iter().map(Probe::Shape)).collect()
            }
            Self::GithubToken => shapes(keys::GITHUB),
            Self::SlackToken => shapes(keys::SLACK),
            Self::ApiKey => {
                [keys::GITHUB, keys::SLACK, keys::API].into_iter().flat_map(shapes).collect()
            }
            Self::Secret => [Self::PrivateKey, Self::Jwt, Self::AwsKey, Self::ApiKey]
                .into_iter()
                .flat_map(Self::probes)
                .collect(),
            Self::Iban => vec![Probe::Search(money::iban)],
            Self::CardNumber => vec![Probe::Search(money::card_number)],
            Self::Email => vec![Probe::Search(identity::email)],
            Self::UsSsn => vec![Probe::Search(identity::us_ssn)],
            Self::IpAddress => vec![Probe::Search(identity::ipv4), Probe::Search(identity::ipv6)],
            Self::Phone => vec![Probe::Search(identity::phone)],
        }
    }

    /// Whether there is anything to be found.
    pub fn finds(self, text: &str) -> bool {
        self.probes().iter().any(|probe| probe.find(text, 0).is_some())
    }

    /// The text with `with` in place of every match, and how many there were. `None` when there
    /// were none.
    pub fn replace(self, text: &str, with: &str) -> Option<(String, u64)> {
        let mut out = String::new();
        let (mut copied, mut count) = (0, 0_u64);
        for found in self.matches(text) {
            out.push_str(text.get(copied..found.start).unwrap_or_default());
            out.push_str(with);
            copied = found.end;
            count += 1;
        }
        if count == 0 {
            return None;
        }
        out.push_str(text.get(copied..).unwrap_or_default());
        Some((out, count))
    }

    /// Matches from left to right. They do not overlap.
    fn matches(self, text: &str) -> Vec<Range<usize>> {
        let mut all = Vec::new();
        for probe in self.probes() {
            let mut from = 0;
            while let Some(found) = probe.find(text, from) {
                from = found.end.max(found.start.saturating_add(1));
                all.push(found);
            }
        }
        all.sort_by_key(|found| (found.start, std::cmp::Reverse(found.end)));
        let mut end = 0;
        all.retain(|found| {
            let apart = found.start >= end;
            end = end.max(found.end);
            apart
        });
        all
    }

    /// Whether a number, as it is written in JSON, is one. Only card numbers are written so.
    pub fn is_number(self, number: &str) -> bool {
        self == Self::CardNumber
            && number.bytes().all(|byte| byte.is_ascii_digit())
            && money::is_card(number.bytes())
    }
}

/// One thing that is looked for.
enum Probe {
    /// The first match that begins at a byte of the text or later.
    Search(fn(&str, usize) -> Option<Range<usize>>),
    Shape(&'static keys::Shape),
    /// A secret access key behind this name.
    Named(&'static str),
}

impl Probe {
    fn find(&self, text: &str, from: usize) -> Option<Range<usize>> {
        match self {
            Self::Search(search) => search(text, from),
            Self::Shape(shape) => shape.find(text, from),
            Self::Named(name) => keys::behind(name, text, from),
        }
    }
}

/// Whether a match may begin at a byte: what stands before is no letter or digit.
fn begins(text: &str, at: usize) -> bool {
    let before = text.get(..at).and_then(|before| before.chars().next_back());
    !before.is_some_and(|letter| letter.is_alphanumeric() || letter == '_')
}

/// Whether a match may end before a byte: what follows is no letter or digit.
fn ends(text: &str, at: usize) -> bool {
    let after = text.get(at..).and_then(|after| after.chars().next());
    !after.is_some_and(|letter| letter.is_alphanumeric() || letter == '_')
}

/// How many bytes from `at` on are of a class.
fn run(text: &str, at: usize, class: impl Fn(u8) -> bool) -> usize {
    let rest = text.as_bytes().get(at..).unwrap_or_default();
    rest.iter().take_while(|byte| class(**byte)).count()
}

#[cfg(test)]
mod tests;
