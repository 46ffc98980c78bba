//! Keys and scalar values of the YAML subset. `key`, `quoted` and `escape` return what follows what they read.

/// Bytes from a key's first to its colon that every parser still takes for a key (§7.4.2).
const MAX_KEY: usize = 1024;

/// Words that some parser, in some spelling, reads as a boolean, null or a number (§10.3). Of `true`
/// and `false`, the lower-case spelling is read alike everywhere.
const RESERVED: [&str; 13] =
    ["true", "false", "yes", "no", "on", "off", "y", "n", "null", ".inf", "+.inf", "-.inf", ".nan"];

/// A key, lower case, and what follows its colon.
pub fn key(text: &str) -> Result<(String, &str), String> {
    let (name, rest) = if text.starts_with(['"', '\'']) { quoted(text)? } else { plain_key(text)? };
    let Some(rest) = rest.trim_start_matches(' ').strip_prefix(':') else {
        return Err(format!("no \":\" after {name:?}"));
    };
    if !(rest.is_empty() || rest.starts_with(' ')) {
        return Err(format!("no space after the \":\" of {name:?}"));
    }
    if text.len() - rest.len() > MAX_KEY {
        return Err(format!("a key longer than {MAX_KEY} bytes"));
    }
    if let Some(c) = name.chars().find(|&c| !is_key_character(c)) {
        return Err(not_in_a_key(c));
    }
    // Viper splits such a name in a way of its own.
    if name.split('.').any(str::is_empty) {
        return Err(format!("the key {name:?} has nothing before, between or after its dots"));
    }
    Ok((name.to_lowercase(), rest))
}

/// Letters and digits of any script. Of a few letters, Python's lower case is not Go's.
fn is_key_character(c: char) -> bool {
    let is_letter = c.is_alphanumeric() && c != 'Σ' && c.to_lowercase().count() == 1;
    is_letter || matches!(c, '_' | '-' | '.' | ' ')
}

fn not_in_a_key(c: char) -> String {
    format!("a key may not have the character {:?}", c.to_string())
}

fn plain_key(text: &str) -> Result<(String, &str), String> {
    refuse_indicator(text)?;
    let end = text.find(|c| !is_key_character(c)).unwrap_or(text.len());
    let (name, rest) = text.split_at(end);
    let name = name.trim_end_matches(' ');
    if let Some(c) = rest.chars().next().filter(|&c| c != ':' && rest.contains(':')) {
        return Err(not_in_a_key(c));
    }
    if name.is_empty() {
        return Err(format!("{text:?} does not begin with a key"));
    }
    if !name.starts_with(|c: char| c.is_alphabetic() || c == '_') || is_reserved(name) {
        return Err(format!("the key {name:?} is not text to every YAML parser: put it in quotes"));
    }
    Ok((name.to_owned(), rest))
}

/// The value after a key's colon; `None` when there is none.
pub fn value(rest: &str) -> Result<Option<String>, String> {
    let text = rest.trim_start_matches(' ');
    if text.is_empty() || text.starts_with('#') {
        return Ok(None);
    }
    if text.starts_with(['"', '\'']) {
        let (value, rest) = quoted(text)?;
        end_of_line(rest, "the closing quote")?;
        return Ok(Some(value));
    }
    plain(text).map(|value| Some(value.to_owned()))
}

/// Accepts spaces and a comment (§6.6). `before` names, in the refusal, what the line has before them.
pub fn end_of_line(rest: &str, before: &str) -> Result<(), String> {
    let text = rest.trim_start_matches(' ');
    if text.is_empty() || text.starts_with('#') && text.len() < rest.len() {
        return Ok(());
    }
    Err(format!("{text:?} after {before}"))
}

/// Constructs of YAML that begin with an indicator character (§5.3) and are outside the subset.
fn refuse_indicator(text: &str) -> Result<(), String> {
    let mut chars = text.chars();
    let first = chars.next();
    let alone = matches!(chars.next(), None | Some(' ' | '\t'));
    let construct = match first {
        Some('-') if alone => "sequences (\"- \")",
        Some('?') if alone => "complex keys (\"? \")",
        Some('[' | ']' | '{' | '}' | ',') => "flow collections (\"[\", \"{\")",
        Some('&') => "anchors (\"&\")",
        Some('*') => "aliases (\"*\")",
        Some('!') => "tags (\"!\")",
        Some('|' | '>') => "block scalars (\"|\", \">\")",
        _ if text.starts_with("<<") => "merge keys (\"<<\")",
        _ => return Ok(()),
    };
    Err(format!("{construct} are not supported"))
}

/// A plain scalar (§7.3.3) up to the comment or the end of the line.
fn plain(text: &str) -> Result<&str, String> {
    refuse_indicator(text)?;
    let text = text.split(" #").next().unwrap_or(text).trim_end_matches(' ');
    if text.contains('\t') {
        return Err("a tab outside quotes".to_owned());
    }
    if text.contains(": ") || text.ends_with(':') {
        return Err(format!("{text:?} has a \":\" as a key has it: put it in quotes"));
    }
    if !text.starts_with(|c: char| c.is_alphanumeric() || "_/.+-$(".contains(c)) {
        return Err(format!("{text:?} begins with a special character: put it in quotes"));
    }
    // A whole number that prints as it is written: its text is the same after any parser.
    let is_canonical = |number: i64| number.to_string() == text;
    if matches!(text, "true" | "false") || text.parse().is_ok_and(is_canonical) {
        return Ok(text);
    }
    if is_reserved(text) {
        return Err(format!("{text:?} is not text to every YAML parser: put it in quotes"));
    }
    if could_be_number(text) {
        return Err(format!(
            "{text:?} is not the same to every YAML parser: put it in quotes, or write a whole number in plain decimal digits"
        ));
    }
    Ok(text)
}

fn is_reserved(text: &str) -> bool {
    RESERVED.iter().any(|word| word.eq_ignore_ascii_case(text))
}

/// Whether a parser might read a number or a time in some notation: octal, hexadecimal, binary,
/// with `_`, base 60 (`12:30:45`) or ISO 8601. None of these has two dots, as an address has. It
/// errs on the safe side: `-abc` is text everywhere, but refused.
fn could_be_number(text: &str) -> bool {
    let part = |c: char| c.is_ascii_hexdigit() || "+-_.: oxtzOXTZ".contains(c);
    let address = text.starts_with(|c: char| c.is_ascii_digit()) && text.matches('.').count() > 1;
    text.starts_with(|c: char| c.is_ascii_digit() || "+-.".contains(c))
        && text.chars().all(part)
        && !address
}

/// A quoted scalar that ends on its line (§7.3.1, §7.3.2), and what follows it.
fn quoted(text: &str) -> Result<(String, &str), String> {
    let (quote, mut rest) = text.split_at(1);
    let mut value = String::new();
    while let Some(stop) = rest.find(|c| quote.contains(c) || c == '\\' && quote == "\"") {
        value.push_str(&rest[..stop]);
        let (found, after) = rest[stop..].split_at(1);
        match (found, after.strip_prefix('\'')) {
            ("\\", _) => {
                let (c, after) = escape(after)?;
                value.push(c);
                rest = after;
            }
            ("'", Some(after)) => {
                value.push('\'');
                rest = after;
            }
            _ => return Ok((value, after)),
        }
    }
    Err("the quote is not closed on its line".to_owned())
}

/// What a backslash and one of these letters stand for (§5.7). Not among them: `\/`, new in YAML 1.2 and
/// unknown to yaml.v3, and a backslash that joins its line with the next.
const LETTERS: &str = "0abtnvfreN_LP \"\\";
const CHARACTERS: &str = "\0\u{7}\u{8}\t\n\u{b}\u{c}\r\u{1b}\u{85}\u{a0}\u{2028}\u{2029} \"\\";

/// The character of an escape, which is given without its backslash.
fn escape(text: &str) -> Result<(char, &str), String> {
    let mut chars = text.chars();
    let Some(letter) = chars.next() else {
        return Err("the quote is not closed on its line".to_owned());
    };
    let rest = chars.as_str();
    match letter {
        'x' => code_point(rest, 2),
        'u' => code_point(rest, 4),
        'U' => code_point(rest, 8),
        _ => match LETTERS.chars().zip(CHARACTERS.chars()).find(|&(known, _)| known == letter) {
            Some((_, c)) => Ok((c, rest)),
            None => Err(format!("unknown escape \"\\{}\"", letter.escape_debug())),
        },
    }
}

fn code_point(text: &str, digits: usize) -> Result<(char, &str), String> {
    let hex = text.get(..digits).filter(|hex| hex.chars().all(|c| c.is_ascii_hexdigit()));
    let c = hex.and_then(|hex| u32::from_str_radix(hex, 16).ok()).and_then(char::from_u32);
    match c {
        Some(c) => Ok((c, &text[digits..])),
        None => Err(format!("an escape that is not {digits} hexadecimal digits of a character")),
    }
}
