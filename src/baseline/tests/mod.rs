//! What is caught and what is not, in virtual time.

mod injected;
mod quiet_day;
mod traffic;
mod units;
