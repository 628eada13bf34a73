//! Tests of the JSON module, by what they prove.

mod basics;
mod generate;
mod python;
