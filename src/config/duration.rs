//! Go's durations: what `time.ParseDuration` reads and `Duration.String` prints, without the negative
//! ones, which no setting takes.
//!
//! One difference, on purpose: Go adds up units in 64 bits that may wrap once, so that 2⁶³ ns written
//! twice is zero; here that is out of range.

use std::fmt;
use std::time::Duration;

const MICROSECOND: u64 = 1_000;
const MILLISECOND: u64 = 1_000 * MICROSECOND;
const SECOND: u64 = 1_000 * MILLISECOND;
const MINUTE: u64 = 60 * SECOND;
const HOUR: u64 = 60 * MINUTE;

/// Where Go's parser gives up: 2⁶³ nanoseconds.
const LIMIT: u64 = 1 << 63;

/// A duration of up to 292 years, displayed as Go does: `1h15m30.5s`, `1.5µs`, `0s`.
pub struct GoDuration(pub Duration);

/// Reads a sign, if any, and numbers with units, with no space anywhere: `300ms`, `1.5h`, `1h30m`,
/// `.5s`, `1.s`. The number `0` alone needs no unit.
///
/// # Errors
///
/// Not of that form, a number without a unit, an unknown unit, negative, or outside of 63 bits.
pub fn parse(text: &str) -> Result<Duration, String> {
    nanoseconds(text).map(Duration::from_nanos).map_err(|reason| format!("{text:?} {reason}"))
}

fn nanoseconds(text: &str) -> Result<u64, String> {
    let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
    if unsigned == "0" {
        return Ok(0);
    }
    let (mut total, mut rest) = quantity(unsigned)?;
    while !rest.is_empty() {
        let (more, after) = quantity(rest)?;
        total = total.checked_add(more).filter(|&sum| sum <= LIMIT).ok_or_else(out_of_range)?;
        rest = after;
    }
    match total {
        1.. if text.starts_with('-') => Err("is negative".to_owned()),
        LIMIT.. => Err(out_of_range()),
        _ => Ok(total),
    }
}

fn out_of_range() -> String {
    "is longer than 292 years".to_owned()
}

/// One number with its unit, in nanoseconds up to [`LIMIT`].
fn quantity(text: &str) -> Result<(u64, &str), String> {
    let (whole, after_whole) = digits(text);
    let (fraction, rest) = after_whole.strip_prefix('.').map_or(("", after_whole), digits);
    if whole.is_empty() && fraction.is_empty() {
        return Err("is not a duration (such as \"1m30s\")".to_owned());
    }
    // Go looks at the size of the number before it looks for the unit.
    let count = whole.bytes().try_fold(0, push_digit).ok_or_else(out_of_range)?;
    let (unit, rest) = unit(rest)?;
    let nanoseconds =
        count.checked_mul(unit).and_then(|ns| ns.checked_add(fraction_of(unit, fraction)));
    let nanoseconds = nanoseconds.filter(|&ns| ns <= LIMIT).ok_or_else(out_of_range)?;
    Ok((nanoseconds, rest))
}

fn digits(text: &str) -> (&str, &str) {
    text.split_at(text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len()))
}

fn push_digit(number: u64, digit: u8) -> Option<u64> {
    number.checked_mul(10)?.checked_add(u64::from(digit - b'0')).filter(|&number| number <= LIMIT)
}

/// The nanoseconds in a fraction of a unit, rounded toward zero. In floating point and in Go's order
/// of operations, because its rounding shows; digits beyond 63 bits are dropped, as Go drops them.
fn fraction_of(unit: u64, digits: &str) -> u64 {
    let (mut number, mut scale) = (0u64, 1.0);
    for digit in digits.bytes() {
        let Some(longer) = push_digit(number, digit) else {
            break;
        };
        number = longer;
        scale *= 10.0;
    }
    (number as f64 * (unit as f64 / scale)) as u64
}

fn unit(text: &str) -> Result<(u64, &str), String> {
    let end = text.find(|c: char| c.is_ascii_digit() || c == '.').unwrap_or(text.len());
    let (name, rest) = text.split_at(end);
    let unit = match name {
        "" => return Err("has no unit (such as \"s\" for seconds)".to_owned()),
        "ns" => 1,
        // The micro sign U+00B5, and the Greek mu U+03BC that keyboards type.
        "us" | "\u{b5}s" | "\u{3bc}s" => MICROSECOND,
        "ms" => MILLISECOND,
        "s" => SECOND,
        "m" => MINUTE,
        "h" => HOUR,
        _ => return Err(format!("has an unknown unit {name:?} (known: h m s ms us µs ns)")),
    };
    Ok((unit, rest))
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
            ("-0", 0, "0s"),
            ("0s", 0, "0s"),
            ("1ns", 1, "1ns"),
            ("1100ns", 1_100, "1.1\u{b5}s"),
            ("1.5us", 1_500, "1.5\u{b5}s"),
            ("1.5\u{b5}s", 1_500, "1.5\u{b5}s"),
            ("1.5\u{3bc}s", 1_500, "1.5\u{b5}s"),
            ("300ms", 300_000_000, "300ms"),
            ("2200us", 2_200_000, "2.2ms"),
            (".5s", 500_000_000, "500ms"),
            ("1.s", 1_000_000_000, "1s"),
            ("+5s", 5_000_000_000, "5s"),
            ("-.5ns", 0, "0s"),
            ("60s", 60_000_000_000, "1m0s"),
            ("1h", 3_600_000_000_000, "1h0m0s"),
            ("1h15m30.5s", 4_530_500_000_000, "1h15m30.5s"),
            ("5s5s1ms", 10_001_000_000, "10.001s"),
            ("0.9999999999ns", 0, "0s"),
            ("0.3333333333333333333h", 1_200_000_000_000, "20m0s"),
            ("0.100000000000000000000h", 360_000_000_000, "6m0s"),
            ("0.830103483285477580700h", 2_988_372_539_827, "49m48.372539827s"),
            ("9007199254740993ns", 9_007_199_254_740_993, "2501h59m59.254740993s"),
            ("9223372036854775807ns", i64::MAX as u64, "2562047h47m16.854775807s"),
        ];
        for (text, nanoseconds, printed) in table {
            let duration = Duration::from_nanos(nanoseconds);
            assert_eq!(parse(text), Ok(duration), "{text:?}");
            assert_eq!(GoDuration(duration).to_string(), printed, "{text:?}");
            assert_eq!(parse(printed), Ok(duration), "{text:?}");
        }
    }

    #[test]
    fn refuses_what_go_refuses_and_what_is_negative() {
        let table = [
            ("", "\"\" is not a duration (such as \"1m30s\")"),
            ("-", "\"-\" is not a duration (such as \"1m30s\")"),
            ("s", "\"s\" is not a duration (such as \"1m30s\")"),
            (".s", "\".s\" is not a duration (such as \"1m30s\")"),
            ("--5s", "\"--5s\" is not a duration (such as \"1m30s\")"),
            (" 5s", "\" 5s\" is not a duration (such as \"1m30s\")"),
            ("5\n", "\"5\\n\" has an unknown unit \"\\n\" (known: h m s ms us \u{b5}s ns)"),
            ("5", "\"5\" has no unit (such as \"s\" for seconds)"),
            ("1h30", "\"1h30\" has no unit (such as \"s\" for seconds)"),
            ("00", "\"00\" has no unit (such as \"s\" for seconds)"),
            ("5x", "\"5x\" has an unknown unit \"x\" (known: h m s ms us \u{b5}s ns)"),
            ("5 s", "\"5 s\" has an unknown unit \" s\" (known: h m s ms us \u{b5}s ns)"),
            ("5S", "\"5S\" has an unknown unit \"S\" (known: h m s ms us \u{b5}s ns)"),
            ("9223372036854775808ns", "\"9223372036854775808ns\" is longer than 292 years"),
            ("-9223372036854775809ns", "\"-9223372036854775809ns\" is longer than 292 years"),
            ("-1ns", "\"-1ns\" is negative"),
            ("-9223372036854775808ns", "\"-9223372036854775808ns\" is negative"),
            ("2562047h48m", "\"2562047h48m\" is longer than 292 years"),
            ("99999999999999999999s", "\"99999999999999999999s\" is longer than 292 years"),
        ];
        for (text, expected) in table {
            assert_eq!(parse(text), Err(expected.to_owned()));
        }
    }
}
