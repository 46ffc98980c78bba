//! The project's own rules, and its documents against the sources.

mod documents;
mod log_lines;
mod rules;

#[path = "../support/mod.rs"]
mod support;
