//! Ids of calls and unlabelled runs: they sort by time and are not secret.

use ulid::Ulid;

/// The id of a call and of the decision over it.
pub(super) fn call_id(wall_ms: i64, sequence: u64) -> String {
    // The sequence number keeps two calls of one millisecond apart and in order.
    let random = u128::from(sequence) << 40 | u128::from(fastrand::u64(..) >> 24);
    let millis = u64::try_from(wall_ms).unwrap_or_default();
    format!("dec_{}", Ulid::from_parts(millis, random))
}
