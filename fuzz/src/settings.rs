//! The check of a parser with any settings file.

use tp0::config::document::Entry;

/// Reads `text` with `parse`, which must not panic, and checks what holds for any text.
pub fn check(parse: fn(&str) -> Result<Vec<Entry>, String>, text: &str) {
    let parsed = parse(text);
    let lines = 1..=text.lines().count();
    match &parsed {
        Ok(entries) => entries.iter().for_each(|entry| {
            assert!(lines.contains(&entry.line), "{entry:?}");
            assert!(!entry.key.is_empty() && entry.key == entry.key.to_lowercase(), "{entry:?}");
            let others = entries.iter().filter(|other| other.key == entry.key);
            assert_eq!(others.count(), 1, "{entry:?}");
        }),
        Err(error) => {
            let (line, _) = error.split_once(": ").expect("a line and a reason");
            assert!(lines.contains(&line.parse().expect("a line")), "{error}");
            assert!(!error.contains(['\n', '\r']), "{error:?}");
        }
    }
    // A byte order mark, line ends and a comment at the end change nothing.
    if !text.starts_with('\u{feff}') {
        assert_eq!(parse(&format!("\u{feff}{text}")), parsed);
    }
    if !text.contains('\r') {
        assert_eq!(parse(&text.replace('\n', "\r\n")), parsed);
        assert_eq!(parse(&format!("{text}\n# comment\n")), parsed);
    }
}
