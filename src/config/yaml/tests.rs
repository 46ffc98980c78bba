//! The subset in tables: one line a case, refusals word for word.

use super::super::document::shown;
use super::parse;

#[test]
fn reads_documents() {
    let table = [
        ("", ""),
        ("# c\n\n  # c", ""),
        ("---\n# c\n", ""),
        ("a: b", "a=b@1"),
        ("\u{feff}--- # c\r\nA: b # c\r\n\r\n", "a=b@2"),
        (
            "server:\n  address: server:12345\nLoop:\n    Amount: 5",
            "server.address=server:12345@2 loop.amount=5@4",
        ),
        ("server.address: x\nserver.timeout: 1s", "server.address=x@1 server.timeout=1s@2"),
        ("a.b:\n  c: 1\na:\n  d: 2", "a.b.c=1@2 a.d=2@4"),
        ("a:\n  b:\n    c: 1\n  d: 2\ne: 3", "a.b.c=1@3 a.d=2@4 e=3@5"),
        ("  a: 1\n  b: 2", "a=1@1 b=2@2"),
        ("a:\nb: # c\nc: \"\"", "c=@3"),
        ("a:\n\n# c\n      # c\n  b: 1", "a.b=1@5"),
        (
            "tama\u{f1}o_lote: 3\nMax  Amount : 3\n\"\u{d1} \": 1",
            "tama\u{f1}o_lote=3@1 max  amount=3@2 \u{f1} =1@3",
        ),
        ("\"a\" : 1\n'B': 2\n\"on\": 3", "a=1@1 b=2@2 on=3@3"),
    ];
    for (text, expected) in table {
        assert_eq!(shown(parse(text)), expected, "{text:?}");
    }
}

#[test]
fn reads_values() {
    let table = [
        ("x", "x"),
        ("a  b   # c", "a  b"),
        ("a#b:c", "a#b:c"),
        ("it's", "it's"),
        ("10.0.0.1:12345", "10.0.0.1:12345"),
        ("1h15m30.5s", "1h15m30.5s"),
        ("0", "0"),
        ("-3", "-3"),
        ("9223372036854775807", "9223372036854775807"),
        ("true", "true"),
        ("'it''s # \\n' # c", "it's # \\n"),
        ("\"a # b: 'c'\"  ", "a # b: 'c'"),
        ("\"\\\"\\\\\\ \\t\\n\\x41\\u00e9\\U0001F600\"", "\"\\ \t\nA\u{e9}\u{1f600}"),
        (
            "\"\\0\\a\\b\\v\\f\\r\\e\\N\\_\\L\\P\"",
            "\0\u{7}\u{8}\u{b}\u{c}\r\u{1b}\u{85}\u{a0}\u{2028}\u{2029}",
        ),
        ("\"010\"", "010"),
    ];
    for (value, expected) in table {
        assert_eq!(shown(parse(&format!("k: {value}\n"))), format!("k={expected}@1"), "{value:?}");
    }
}

#[test]
fn refuses_documents_outside_the_subset() {
    let table = [
        ("\ta: 1", "1: a tab in the indentation: use spaces"),
        ("a:\n \tb: 1", "2: a tab in the indentation: use spaces"),
        ("a:\tb", "1: no space after the \":\" of \"a\""),
        ("a:b", "1: no space after the \":\" of \"a\""),
        ("hello", "1: no \":\" after \"hello\""),
        ("a: b\n  c", "2: no \":\" after \"c\""),
        ("my key", "1: no \":\" after \"my key\""),
        ("a/b: 1", "1: a key may not have the character \"/\""),
        ("a\tb: 1", "1: a key may not have the character \"\\t\""),
        ("\u{130}: 1", "1: a key may not have the character \"\u{130}\""),
        ("1: a", "1: the key \"1\" is not text to every YAML parser: put it in quotes"),
        ("on: a", "1: the key \"on\" is not text to every YAML parser: put it in quotes"),
        ("\"a/b\": 1", "1: a key may not have the character \"/\""),
        ("a..b: 1", "1: the key \"a..b\" has nothing before, between or after its dots"),
        ("\"\": 1", "1: the key \"\" has nothing before, between or after its dots"),
        ("- a", "1: sequences (\"- \") are not supported"),
        ("a:\n-", "2: sequences (\"- \") are not supported"),
        ("? a", "1: complex keys (\"? \") are not supported"),
        ("{a: b}", "1: flow collections (\"[\", \"{\") are not supported"),
        ("&x a: 1", "1: anchors (\"&\") are not supported"),
        ("<<: *x", "1: merge keys (\"<<\") are not supported"),
        ("%YAML 1.2\n---", "1: \"%YAML 1.2\" does not begin with a key"),
        ("a: 1\n---\nb: 2", "2: a second document begins: only one is supported"),
        ("---\n---", "2: a second document begins: only one is supported"),
        ("--- a: b", "1: \"a: b\" after \"---\""),
        ("a: 1\n...", "2: the key \"...\" is not text to every YAML parser: put it in quotes"),
        ("a: 1\nA: 2", "2: \"a\" already stands on line 1"),
        ("a:\n  b: 1\na.b: 2", "3: \"a.b\" already stands on line 2"),
        ("a:\na:\n", "2: \"a\" already stands on line 1"),
        ("a: 1\na.b: 2", "2: \"a\" has a value on line 1 and \"a.b\" under it"),
        ("a: 1\n  b: 2", "2: indented deeper than a setting that has its value"),
        ("a:\n    b: 1\n  c: 2", "3: the indentation fits no line above"),
        ("  a: 1\nb: 2", "2: the indentation fits no line above"),
        ("a: \"b\u{2028}\"", "1: the character U+2028 is not allowed"),
        ("a: 1\n# \u{7f}", "2: the character U+007F is not allowed"),
    ];
    for (text, expected) in table {
        assert_eq!(shown(parse(text)), expected, "{text:?}");
    }
}

#[test]
fn refuses_values_that_parsers_read_in_different_ways() {
    let numbers = "010 0o17 0x1f 1_000 +3 -0 9223372036854775808 1.0 1. .5 1.5 -0.5 1e3 1.5e30 0.00001 \
        12:30:45 2024-01-01 2024-01-01T10:00:00Z";
    for value in numbers.split_whitespace() {
        let refusal = format!(
            "1: {value:?} is not the same to every YAML parser: put it in quotes, or write a whole number in plain decimal digits"
        );
        assert_eq!(shown(parse(&format!("k: {value}"))), refusal, "{value:?}");
    }
    let words = ".inf -.INF .NaN yes No on OFF y N True FALSE null Null";
    for value in words.split_whitespace() {
        let refusal = format!("1: {value:?} is not text to every YAML parser: put it in quotes");
        assert_eq!(shown(parse(&format!("k: {value}"))), refusal, "{value:?}");
    }
}

#[test]
fn refuses_values_outside_the_subset() {
    let table = [
        ("[a]", "flow collections (\"[\", \"{\") are not supported"),
        ("&x a", "anchors (\"&\") are not supported"),
        ("*x", "aliases (\"*\") are not supported"),
        ("!!str a", "tags (\"!\") are not supported"),
        ("|", "block scalars (\"|\", \">\") are not supported"),
        (">-", "block scalars (\"|\", \">\") are not supported"),
        ("- a", "sequences (\"- \") are not supported"),
        ("~", "\"~\" begins with a special character: put it in quotes"),
        ("=", "\"=\" begins with a special character: put it in quotes"),
        ("@a", "\"@a\" begins with a special character: put it in quotes"),
        ("%a", "\"%a\" begins with a special character: put it in quotes"),
        (":a", "\":a\" begins with a special character: put it in quotes"),
        ("a: b", "\"a: b\" has a \":\" as a key has it: put it in quotes"),
        ("a:", "\"a:\" has a \":\" as a key has it: put it in quotes"),
        ("a\tb", "a tab outside quotes"),
        ("a\t# c", "a tab outside quotes"),
        ("\"a\"b", "\"b\" after the closing quote"),
        ("\"a\"# c", "\"# c\" after the closing quote"),
        ("'a' b", "\"b\" after the closing quote"),
        ("\"a", "the quote is not closed on its line"),
        ("'a''", "the quote is not closed on its line"),
        ("\"a\\", "the quote is not closed on its line"),
        ("\"\\q\"", "unknown escape \"\\q\""),
        ("\"\\/\"", "unknown escape \"\\/\""),
        ("\"\\u12\"", "an escape that is not 4 hexadecimal digits of a character"),
        ("\"\\ud800\"", "an escape that is not 4 hexadecimal digits of a character"),
    ];
    for (value, expected) in table {
        assert_eq!(shown(parse(&format!("k: {value}"))), format!("1: {expected}"), "{value:?}");
    }
}

#[test]
fn has_limits_where_other_parsers_have_them() {
    let nested = |depth: usize| (0..depth).map(|n| format!("{:n$}a:\n", "")).collect::<String>();
    assert_eq!(shown(parse(&nested(32))), "");
    assert_eq!(shown(parse(&nested(33))), "33: more than 32 mappings inside one another");
    let key = |length: usize| format!("{}: 1", "a".repeat(length));
    assert!(parse(&key(1023)).is_ok());
    assert_eq!(shown(parse(&key(1024))), "1: a key longer than 1024 bytes");
}
