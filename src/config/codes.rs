//! The codes of faults in what a config means.

/// Not an address and port to listen on, or one that is taken by another key.
pub const ADDRESS: &str = "TG101";
/// Not the URL of an upstream.
pub const URL: &str = "TG102";
/// A name with characters that cannot stand there, or one that is reserved.
pub const NAME: &str = "TG103";
/// Not an HTTP method and path.
pub const MATCH: &str = "TG104";
/// Two tools with the same name, or that take the same requests.
pub const OVERLAP: &str = "TG105";
/// Nothing to do: no upstream, or an upstream without tools.
pub const EMPTY: &str = "TG106";
/// A secret that is written into the file.
pub const PLAIN_SECRET: &str = "TG107";
/// A secret that cannot be brought in.
pub const SECRET: &str = "TG108";
/// A file or folder that cannot be read.
pub const FILE: &str = "TG109";
/// A bound out of range.
pub const RANGE: &str = "TG110";
/// Two keys that exclude or need each other.
pub const CONFLICT: &str = "TG111";
/// Not the name or value of a header, or one that is not the user's to set.
pub const HEADER: &str = "TG112";
/// No amount of money.
pub const COST: &str = "TG113";
/// A key that a gate cannot change while it runs.
pub const RESTART: &str = "TG121";
/// A valid config that cannot be put to work.
pub const UNUSABLE: &str = "TG122";
/// No policies: every call is forwarded.
pub const NO_POLICIES: &str = "TG120";
