//! Tests of the JSON module, by what they prove.

mod arguments;
mod basics;
mod generate;
mod hashing;
mod properties;
mod python;
mod rejections;
mod suite;
