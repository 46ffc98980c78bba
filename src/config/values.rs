//! Parsers of single values. An error is the reason, for the end of a line.

use std::fmt::Display;
use std::ops::RangeInclusive;
use std::str::FromStr;
use std::time::Duration;

use super::duration;
use crate::log::Level;

/// A level, and the word it was written with.
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

/// Decimal digits and nothing else: what has a sign, a prefix, a leading zero or a `_` is not read alike
/// everywhere.
pub fn number<T: FromStr + PartialOrd + Display>(
    range: RangeInclusive<T>,
) -> impl Fn(&str) -> Result<T, String> {
    move |text| {
        let is_digit = |c: char| c.is_ascii_digit();
        let is_plain = text.chars().all(is_digit) && (text == "0" || !text.starts_with('0'));
        let kind =
            if is_plain || !text.contains(is_digit) { "number" } else { "plain decimal number" };
        let number = text.parse().ok().filter(|number| is_plain && range.contains(number));
        let (from, to) = (range.start(), range.end());
        number.ok_or_else(|| format!("{text:?} is not a {kind} from {from} to {to}"))
    }
}

/// A duration as Go writes it, more than nothing.
pub fn positive_duration(text: &str) -> Result<Duration, String> {
    match duration::parse(text)? {
        Duration::ZERO => Err(format!("{text:?} leaves no time at all")),
        duration => Ok(duration),
    }
}
