//! YAML files as serde values that know where they stand, and the faults found in them.
