//! Settings: values, errors, and the tables in --help and docs/reference.md.

mod errors;
mod table;
mod values;

#[path = "../support/mod.rs"]
mod support;
