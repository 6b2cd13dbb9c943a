//! House rules as a failing test: sizes of files and functions, files nothing compiles, paths that documents name,
//! module comments, names that say nothing. An exception is a line below, and it may only shrink.

#[path = "tidy/code.rs"]
mod code;
#[path = "tidy/documents.rs"]
mod documents;
#[path = "tidy/exceptions.rs"]
mod exceptions;
#[path = "tidy/tree.rs"]
mod tree;

use std::collections::BTreeSet;

use code::functions;
use exceptions::{Budget, EXCEPTIONS};

const FILE_LINES: usize = 400;
const FUNCTION_LINES: usize = 60;
const SAYS_NOTHING: [&str; 7] = ["util", "utils", "helper", "helpers", "manager", "common", "misc"];

#[test]
fn files_and_functions_keep_their_budgets() {
    let mut found = Vec::new();
    for file in tree::rust_files() {
        let text = tree::read(&file);
        let lines = text.lines().count();
        if lines > FILE_LINES {
            found.push((Budget::File, file.clone(), lines));
        }
        for function in functions(&text) {
            if function.lines > FUNCTION_LINES {
                found.push((Budget::Function, format!("{file}::{}", function.name), function.lines));
            }
        }
    }
    let mut wrong = Vec::new();
    for (budget, place, lines) in &found {
        match EXCEPTIONS.iter().find(|e| e.budget == *budget && e.place == place) {
            None => wrong.push(format!("{place} has {lines} lines: {}", budget.rule())),
            Some(e) if e.lines < *lines => {
                wrong.push(format!("{place} grew from {} to {lines} lines", e.lines))
            }
            Some(e) if e.lines > *lines => {
                wrong.push(format!("{place} shrank to {lines} lines: lower its exception"))
            }
            Some(_) => {}
        }
    }
    for e in EXCEPTIONS {
        if !found.iter().any(|(budget, place, _)| *budget == e.budget && place == e.place) {
            wrong.push(format!("{} needs no exception any more: remove it", e.place));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_rust_file_is_compiled() {
    let reached = code::reached();
    let files: BTreeSet<String> = tree::rust_files().into_iter().collect();
    let dead: Vec<&String> = files.difference(&reached).collect();
    assert!(dead.is_empty(), "nothing compiles these: {dead:?}");
    assert!(reached.len() > 20, "the walk over modules is broken");
}

#[test]
fn every_module_says_what_lives_there() {
    let silent: Vec<String> =
        tree::rust_files().into_iter().filter(|f| !tree::read(f).starts_with("//! ")).collect();
    assert!(silent.is_empty(), "these do not begin with `//!`: {silent:?}");
}

#[test]
fn names_say_something() {
    let mut empty = Vec::new();
    for file in tree::rust_files() {
        let words = file.split(['/', '.', '_']);
        empty.extend(words.filter(|w| SAYS_NOTHING.contains(w)).map(|w| format!("{file}: {w}")));
        let text = code::stripped(&tree::read(&file));
        for pair in text.split_whitespace().collect::<Vec<_>>().windows(2) {
            let name = pair[1].split(|c: char| !c.is_alphanumeric() && c != '_').next().unwrap_or("");
            let type_ends = ["Manager", "Helper", "Helpers", "Util", "Utils"];
            let says_nothing = match pair[0] {
                "mod" => SAYS_NOTHING.contains(&name),
                "struct" | "enum" | "trait" => type_ends.iter().any(|e| name.ends_with(e)),
                _ => false,
            };
            if says_nothing {
                empty.push(format!("{file}: {} {name}", pair[0]));
            }
        }
    }
    assert!(empty.is_empty(), "names that say nothing: {empty:?}");
}

#[test]
fn documents_name_only_what_exists() {
    let missing = documents::missing();
    assert!(missing.is_empty(), "documents name what is not there: {missing:#?}");
}

#[test]
fn the_rules_find_what_they_should() {
    let text = "//! x\nfn a() {\n  let s = \"}\"; // }\n  let c = '{';\n}\nimpl X { fn b<'a>(x: &'a str) -> u8 { 1 } }\n";
    let found: Vec<(String, usize)> = functions(text).into_iter().map(|f| (f.name, f.lines)).collect();
    assert_eq!(found, [("a".to_owned(), 4), ("b".to_owned(), 1)]);
    assert!(!code::stripped("let x = \"mod utils\"; /* mod utils */ // mod utils").contains("utils"));
    assert_eq!(
        documents::paths("see `crates/app/src/main.rs` and [x](docs/y.md#z), `a/b c`, `cargo run`"),
        ["crates/app/src/main.rs", "docs/y.md"]
    );
}
