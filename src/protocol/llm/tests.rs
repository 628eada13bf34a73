//! Recorded answers, and what is read of them.
