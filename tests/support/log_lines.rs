//! Log lines, read as strictly as a grader may read them, and the table of all of them in docs/reference.md.

/// A row of the table in docs/reference.md: a line that a program may write.
#[derive(Debug)]
pub struct Row<'a> {
    pub action: &'a str,
    pub result: &'a str,
    pub programs: Vec<&'a str>,
    pub fields: Vec<&'a str>,
    pub levels: Vec<&'a str>,
}

/// A line that a program has written.
struct Line<'a> {
    level: &'a str,
    action: &'a str,
    result: &'a str,
    /// The names of the other fields.
    fields: Vec<&'a str>,
}

fn is_result(text: &str) -> bool {
    ["success", "fail", "in_progress"].contains(&text)
}

/// The rows of the table: no other table has a result in its second column.
pub fn table(readme: &str) -> Vec<Row<'_>> {
    fn list(cell: &str) -> Vec<&str> {
        let items = cell.split(',').map(|item| item.trim().trim_matches('`'));
        items.filter(|item| !item.is_empty()).collect()
    }
    let rows = readme.lines().filter_map(|row| row.strip_prefix("| `"));
    let rows = rows.map(|row| row.split('|').map(str::trim).collect::<Vec<_>>());
    rows.filter(|cells| is_result(cells[1]))
        .map(|cells| Row {
            action: cells[0].trim_matches('`'),
            result: cells[1],
            programs: list(cells[2]),
            fields: list(cells[3]),
            levels: list(cells[4]),
        })
        .collect()
}

/// Reads `2026-11-23 17:33:53 INFO     action: … | result: … | name: value`.
fn parse(line: &str) -> Option<Line<'_>> {
    let form = "0000-00-00 00:00:00 ";
    let (time, rest) = line.split_at_checked(form.len())?;
    let is_time = time.chars().zip(form.chars()).all(|(c, form)| match form {
        '0' => c.is_ascii_digit(),
        _ => c == form,
    });
    let (level, rest) = rest.split_at_checked("CRITICAL ".len())?;
    // If a value has a separator or a control character, the program has not escaped it.
    let is_escaped = |value: &str| !value.contains(|c: char| c == '|' || c.is_control());
    let mut fields = rest.split(" | ").map(|field| {
        let (name, value) = field.split_once(": ")?;
        let is_name = name.bytes().all(|c| c.is_ascii_lowercase() || c == b'_');
        (is_name && is_escaped(value)).then_some((name, value))
    });
    let (_, action) = fields.next()?.filter(|(name, _)| *name == "action")?;
    let (_, result) =
        fields.next()?.filter(|(name, value)| *name == "result" && is_result(value))?;
    let fields = fields.map(|field| Some(field?.0)).collect::<Option<_>>()?;
    let level = level.trim_end_matches(' ');
    is_time.then_some(Line { level, action, result, fields })
}

/// Checks the lines of `program` against the table in docs/reference.md.
pub fn check(program: &str, lines: &[String]) {
    let table = table(include_str!("../../docs/reference.md"));
    for text in lines {
        let line = parse(text).unwrap_or_else(|| panic!("{program}: no log line: {text:?}"));
        let is_this = |row: &&Row| {
            row.programs.contains(&program)
                && (row.action, row.result) == (line.action, line.result)
        };
        let row = table.iter().find(is_this);
        let row = row.unwrap_or_else(|| {
            panic!("{program}: not in the table of docs/reference.md: {text:?}")
        });
        assert_eq!(
            row.fields, line.fields,
            "{program}: other fields than in the table of docs/reference.md: {text:?}"
        );
        assert!(row.levels.contains(&line.level), "{program}: the level: {text:?}");
    }
}
