//! Parsers of single values. Each returns the value, or the reason why it refuses the text.

use std::fmt::Display;
use std::ops::RangeInclusive;
use std::str::FromStr;
use std::time::Duration;

use super::duration;
use crate::log::Level;

/// A level, and the word that the user wrote for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LevelSetting {
    pub level: Level,
    pub written: String,
}

pub const LEVELS: &str = "CRITICAL FATAL ERROR WARNING WARN NOTICE INFO DEBUG";

pub fn level(text: &str) -> Result<LevelSetting, String> {
    match Level::parse(text) {
        Some(level) => Ok(LevelSetting { level, written: text.to_owned() }),
        None => Err(format!("{text:?} is not a level ({LEVELS})")),
    }
}

/// Reads decimal digits and nothing else. Go and Python disagree about some numbers with a sign, a
/// prefix, a leading zero or a `_`.
pub fn number<T: FromStr + PartialOrd + Display>(
    text: &str,
    range: RangeInclusive<T>,
) -> Result<T, String> {
    let has_digits_only = text.bytes().all(|byte| byte.is_ascii_digit());
    let has_leading_zero = text.starts_with('0') && text != "0";
    match text.parse() {
        Ok(number) if has_digits_only && !has_leading_zero && range.contains(&number) => Ok(number),
        _ => Err(format!("{text:?} is not a number from {} to {}", range.start(), range.end())),
    }
}

pub fn positive_duration(text: &str) -> Result<Duration, String> {
    match duration::parse(text)? {
        Duration::ZERO => Err(format!("{text:?} must be greater than 0")),
        duration => Ok(duration),
    }
}
