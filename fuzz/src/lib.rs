//! What the targets share: what holds for every settings file, and a peer that plays a script.
#![forbid(unsafe_code)]

mod script;
mod settings;

pub use script::Script;
pub use settings::check;
