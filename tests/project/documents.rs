//! What README says in two languages, and what `make help` prints.

use std::fs;
use std::path::Path;

fn text(name: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(name)).unwrap()
}

/// `make help` prints a target in 23 columns and what it does in the rest.
#[test]
fn the_list_of_targets_fits_100_columns() {
    let makefile = text("Makefile");
    let targets: Vec<_> = makefile.lines().filter_map(|line| line.split_once(" ## ")).collect();
    assert!(targets.len() > 15);
    for (target, what) in targets {
        let name = target.split(':').next().unwrap();
        assert!(name.len() <= 20 && what.chars().count() <= 77, "{name}: {what}");
    }
}

/// Both languages show the same commands and the same settings.
#[test]
fn the_two_languages_say_the_same() {
    let blocks = |name: &str| {
        let text = text(name);
        let code: Vec<_> = text.split("```").skip(1).step_by(2).map(str::to_owned).collect();
        let rows = text.lines().filter(|line| line.starts_with("| `"));
        let keys: Vec<_> = rows.map(|row| row.split(" | ").next().unwrap().to_owned()).collect();
        (code, keys)
    };
    for (english, spanish, least) in
        [("README.md", "README.es.md", (5, 14)), ("docs/swarm.md", "docs/swarm.es.md", (5, 0))]
    {
        let (english, spanish) = (blocks(english), blocks(spanish));
        assert!(english.0.len() >= least.0 && english.1.len() >= least.1);
        assert_eq!(english, spanish);
    }
}
