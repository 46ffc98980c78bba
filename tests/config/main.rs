//! Settings: values, errors, and the tables of README.

mod errors;
mod table;
mod values;

#[path = "../support/mod.rs"]
mod support;
