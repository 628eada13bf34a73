//! Runs are found, told and listed.
