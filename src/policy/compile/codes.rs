//! The codes of faults in what policies mean: TG30x, TG31x and TG33x. (TG32x are those of policy
//! tests.)

/// A name or id that cannot be one.
pub const NAME: &str = "TG300";
/// A name or id twice.
pub const DUPLICATE: &str = "TG301";
/// A tool that no upstream has.
pub const UNKNOWN_TOOL: &str = "TG302";
/// A tag that no tool has.
pub const UNKNOWN_TAG: &str = "TG303";
/// A pattern that fits no tool.
pub const NO_TOOL: &str = "TG304";
/// A refusal without words for the model.
pub const NO_MESSAGE: &str = "TG305";
/// A precondition where none makes sense.
pub const ALLOW_REQUIRES: &str = "TG306";
/// A condition that is never true.
pub const NEVER: &str = "TG307";
/// A window that the measure cannot have.
pub const WITHIN: &str = "TG308";
/// A measure that does not exist, or a value it cannot have.
pub const MEASURE: &str = "TG309";
/// `default: deny` in two policies.
pub const TWO_DEFAULTS: &str = "TG310";
/// Something that changes nothing.
pub const NO_EFFECT: &str = "TG311";
/// Braces of a message that do not match.
pub const TEMPLATE: &str = "TG312";
/// A message too long to be shown.
pub const LONG_MESSAGE: &str = "TG313";
/// Something that limits cannot be counted by.
pub const PER: &str = "TG314";
/// A list that must not be empty, or a number that must not be zero.
pub const EMPTY: &str = "TG315";
/// Keys that contradict each other.
pub const CONTRADICTION: &str = "TG316";
/// An argument that no tool takes which the rule is about.
pub const UNKNOWN_ARGUMENT: &str = "TG330";
/// A measure that no tool of its limit is measured by.
pub const UNMEASURED: &str = "TG331";
/// Something a rule of `phase: result` cannot do.
pub const PHASE: &str = "TG317";
/// A path that is none, or not one of what the rule changes.
pub const PATH: &str = "TG318";
/// Two rules that change the same value.
pub const CONFLICT: &str = "TG319";
