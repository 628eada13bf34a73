//! `toolgate.yaml`: from the file to validated settings, with every fault reported at once.
//!
//! [`raw`] is the file as it is written, `validate` turns it into [`settings`], which cannot be
//! wrong, and [`load()`] does both, brings secrets in and reads the policy files. All files are read
//! through [`reads`], so that [`watch`] knows where a change would show.

mod address;
mod admin;
mod alias;
pub mod codes;
mod command;
mod contracts;
mod cost;
mod evaluate;
mod export;
pub mod fixed;
mod kind;
mod labels;
pub mod load;
mod mask;
mod named;
mod operation;
pub mod prices;
pub mod raw;
pub mod reads;
mod resilience;
pub mod rubric;
mod secrets;
pub mod settings;
mod upstream;
mod validate;
pub mod watch;
mod wrapped;

pub use self::load::{Loaded, load, policy_sources};
pub use self::settings::Settings;
pub use self::wrapped::Wrapped;

#[cfg(test)]
mod tests;
