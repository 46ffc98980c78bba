//! Go's durations: what `time.ParseDuration` reads, except for signs, and `Duration.String` prints.
//!
//! There are two differences on purpose. Go computes a fraction in floating point, which can be a nanosecond off; this
//! module is exact and rounds toward zero. Go adds up units in 64 bits that may wrap once, so that 2⁶³ ns written twice
//! is zero; here that is out of range.

use std::fmt;
use std::time::Duration;

const MICROSECOND: u64 = 1_000;
const MILLISECOND: u64 = 1_000 * MICROSECOND;
const SECOND: u64 = 1_000 * MILLISECOND;
const MINUTE: u64 = 60 * SECOND;
const HOUR: u64 = 60 * MINUTE;

/// A duration of up to 292 years, printed as Go prints it: `1h15m30.5s`, `1.5µs`, `0s`.
pub struct GoDuration(pub Duration);

/// Reads numbers with units, with no sign and no space: `300ms`, `1.5h`, `1h30m`, `.5s`, `1.s`. The
/// number `0` alone needs no unit.
///
/// # Errors
///
/// The text has another form, or the duration does not fit into 63 bits of nanoseconds.
pub fn parse(text: &str) -> Result<Duration, String> {
    if text == "0" {
        return Ok(Duration::ZERO);
    }
    let nanoseconds = nanoseconds(text).ok_or_else(|| {
        format!(
            "{text:?} is not a duration: write numbers with units (h m s ms us µs ns) and no sign, such as \"1m30s\""
        )
    })?;
    match i64::try_from(nanoseconds) {
        Ok(nanoseconds) => Ok(Duration::from_nanos(nanoseconds.unsigned_abs())),
        Err(_) => Err(format!("{text:?} is longer than 292 years")),
    }
}

/// One or more numbers with their units.
fn nanoseconds(text: &str) -> Option<u128> {
    let (mut total, mut rest) = quantity(text)?;
    while !rest.is_empty() {
        let (more, after) = quantity(rest)?;
        total += more;
        rest = after;
    }
    Some(total)
}

/// One number with its unit, in nanoseconds, and the text after it.
fn quantity(text: &str) -> Option<(u128, &str)> {
    let (whole, rest) = split_digits(text);
    let (fraction, rest) = rest.strip_prefix('.').map_or(("", rest), split_digits);
    if whole.is_empty() && fraction.is_empty() {
        return None;
    }
    let (unit, rest) = split_unit(rest)?;
    let whole = match whole {
        "" => 0,
        // A number that does not fit is longer than 292 years in any unit, and so is the largest that fits.
        digits => digits.parse().unwrap_or(u64::MAX),
    };
    // Digits after these are less than a nanosecond, even of an hour.
    let fraction = &fraction[..fraction.len().min(18)];
    let numerator: u128 = fraction.parse().unwrap_or(0);
    let denominator = 10u128.pow(fraction.len() as u32);
    Some((u128::from(whole) * unit + numerator * unit / denominator, rest))
}

fn split_digits(text: &str) -> (&str, &str) {
    text.split_at(text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len()))
}

fn split_unit(text: &str) -> Option<(u128, &str)> {
    let end = text.find(|c: char| c.is_ascii_digit() || c == '.').unwrap_or(text.len());
    let (name, rest) = text.split_at(end);
    let unit = match name {
        "ns" => 1,
        // The micro sign U+00B5, and the Greek mu U+03BC that keyboards type.
        "us" | "\u{b5}s" | "\u{3bc}s" => MICROSECOND,
        "ms" => MILLISECOND,
        "s" => SECOND,
        "m" => MINUTE,
        "h" => HOUR,
        _ => return None,
    };
    Some((u128::from(unit), rest))
}

impl fmt::Display for GoDuration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let total = self.0.as_nanos() as u64;
        match total {
            0 => f.write_str("0s"),
            1..MICROSECOND => write!(f, "{total}ns"),
            MICROSECOND..MILLISECOND => write_decimal(f, total, MICROSECOND, "µs"),
            MILLISECOND..SECOND => write_decimal(f, total, MILLISECOND, "ms"),
            SECOND.. => {
                if total >= HOUR {
                    write!(f, "{}h", total / HOUR)?;
                }
                if total >= MINUTE {
                    write!(f, "{}m", total % HOUR / MINUTE)?;
                }
                write_decimal(f, total % MINUTE, SECOND, "s")
            }
        }
    }
}

/// `total` in units, without trailing zeros.
fn write_decimal(f: &mut fmt::Formatter<'_>, total: u64, unit: u64, name: &str) -> fmt::Result {
    let width = unit.ilog10() as usize;
    let fraction = format!("{:0width$}", total % unit);
    let fraction = fraction.trim_end_matches('0');
    let dot = if fraction.is_empty() { "" } else { "." };
    write!(f, "{}{dot}{fraction}{name}", total / unit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_and_prints_as_go_does() {
        let table = [
            ("0", 0, "0s"),
            ("1ns", 1, "1ns"),
            ("1100ns", 1_100, "1.1µs"),
            ("1.5us", 1_500, "1.5µs"),
            ("1.5\u{3bc}s", 1_500, "1.5\u{b5}s"),
            (".5s", 500_000_000, "500ms"),
            ("1.s", 1_000_000_000, "1s"),
            ("60s", 60_000_000_000, "1m0s"),
            ("1h", 3_600_000_000_000, "1h0m0s"),
            ("1h15m30.5s", 4_530_500_000_000, "1h15m30.5s"),
            ("5s5s1ms", 10_001_000_000, "10.001s"),
            ("0.9999999999ns", 0, "0s"),
            ("0.0000000000003h", 1, "1ns"),
            ("0.1000000000000000000000000000000000000000h", 360_000_000_000, "6m0s"),
            ("9007199254740993ns", 9_007_199_254_740_993, "2501h59m59.254740993s"),
            ("9223372036854775807ns", i64::MAX as u64, "2562047h47m16.854775807s"),
        ];
        for (text, nanoseconds, printed) in table {
            let duration = Duration::from_nanos(nanoseconds);
            assert_eq!(parse(text), Ok(duration), "{text:?}");
            assert_eq!(GoDuration(duration).to_string(), printed);
            assert_eq!(parse(printed), Ok(duration), "{printed:?}");
        }
    }

    #[test]
    fn refuses_what_go_refuses_and_signs() {
        for text in
            ["", "s", ".s", "-5s", "+5s", " 5s", "5s ", "5 s", "5", "1h30", "00", "5x", "5S"]
        {
            let refusal = format!(
                "{text:?} is not a duration: write numbers with units (h m s ms us µs ns) and no sign, such as \"1m30s\""
            );
            assert_eq!(parse(text), Err(refusal));
        }
        for text in ["9223372036854775808ns", "2562047h48m", "99999999999999999999ns"] {
            assert_eq!(parse(text), Err(format!("{text:?} is longer than 292 years")));
        }
    }
}
