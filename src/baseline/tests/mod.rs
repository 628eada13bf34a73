//! What is caught and what is not, in virtual time.

mod injected;
mod quiet_day;
mod recorded;
mod traffic;
mod units;
