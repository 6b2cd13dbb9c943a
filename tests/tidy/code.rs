//! Just enough of Rust's grammar for the rules: text without comments and literals, functions with their lengths, and
//! which files the crates' roots reach through their modules.

use std::collections::BTreeSet;

use super::tree;

pub struct Function {
    pub name: String,
    pub lines: usize,
}

/// The text with comments, strings and characters blanked; every line keeps its place.
pub fn stripped(text: &str) -> String {
    let bytes: Vec<char> = text.chars().collect();
    let mut out = String::with_capacity(text.len());
    let mut i = 0;
    while i < bytes.len() {
        let end = literal_end(&bytes, i);
        if end == i {
            out.push(bytes[i]);
            i += 1;
        } else {
            out.extend(bytes[i..end].iter().map(|c| if *c == '\n' { '\n' } else { ' ' }));
            i = end;
        }
    }
    out
}

/// Where the comment or literal that begins at `i` ends; `i` itself if none begins there.
fn literal_end(text: &[char], i: usize) -> usize {
    let at = |n: usize| text.get(i + n).copied().unwrap_or('\0');
    match (at(0), at(1)) {
        ('/', '/') => find(text, i, |t, n| t[n] == '\n'),
        ('/', '*') => find(text, i + 2, |t, n| t[n] == '*' && t.get(n + 1) == Some(&'/')) + 2,
        ('"', _) => quoted(text, i + 1, '"'),
        ('r', '"' | '#') if i == 0 || !text[i - 1].is_alphanumeric() && text[i - 1] != '_' => raw(text, i),
        ('\'', '\\') => quoted(text, i + 1, '\''),
        ('\'', _) if at(2) == '\'' => i + 3,
        _ => i,
    }
    .min(text.len())
}

fn find(text: &[char], from: usize, stop: impl Fn(&[char], usize) -> bool) -> usize {
    (from..text.len()).find(|n| stop(text, *n)).unwrap_or(text.len())
}

fn quoted(text: &[char], mut i: usize, quote: char) -> usize {
    while i < text.len() && text[i] != quote {
        i += if text[i] == '\\' { 2 } else { 1 };
    }
    i + 1
}

/// `r"…"`, `r#"…"#`; `r#name` is no literal.
fn raw(text: &[char], i: usize) -> usize {
    let hashes = text[i + 1..].iter().take_while(|c| **c == '#').count();
    if text.get(i + 1 + hashes) != Some(&'"') {
        return i;
    }
    let closes =
        |t: &[char], n: usize| t[n] == '"' && t[n + 1..].iter().take_while(|c| **c == '#').count() >= hashes;
    find(text, i + 2 + hashes, closes) + 1 + hashes
}

/// Every function with a body, and the lines from `fn` to its closing brace.
pub fn functions(text: &str) -> Vec<Function> {
    let text = stripped(text);
    let mut found = Vec::new();
    let words = text.match_indices("fn ");
    for (start, _) in words {
        if text[..start].ends_with(|c: char| c.is_alphanumeric() || c == '_') {
            continue;
        }
        let rest = &text[start + 3..];
        let name: String = rest.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
        let Some(open) = rest.find(['{', ';']).filter(|i| rest[*i..].starts_with('{')) else { continue };
        if name.is_empty() {
            continue;
        }
        let lines = rest[..body_end(rest, open)].matches('\n').count() + 1;
        found.push(Function { name, lines });
    }
    found
}

fn body_end(text: &str, open: usize) -> usize {
    let mut depth = 0;
    for (i, c) in text[open..].char_indices() {
        match c {
            '{' => depth += 1,
            '}' if depth == 1 => return open + i,
            '}' => depth -= 1,
            _ => {}
        }
    }
    text.len()
}

/// Every file that some crate's root reaches through `mod`, with or without `#[path]`. Roots are what Cargo takes for
/// one: named by `path =`, or found in the folders of tests, examples and benchmarks.
pub fn reached() -> BTreeSet<String> {
    let mut reached = BTreeSet::new();
    for manifest in tree::files("toml").into_iter().filter(|f| f.ends_with("Cargo.toml")) {
        let folder = manifest.trim_end_matches("Cargo.toml").to_owned();
        let declared = tree::read(&manifest);
        let paths =
            declared.lines().filter_map(|l| l.strip_prefix("path = \"")).map(|l| l.trim_end_matches('"'));
        for path in paths.chain(["src/lib.rs", "src/main.rs", "build.rs"]) {
            follow(&normal(&format!("{folder}{path}")), &mut reached);
        }
        for root in tree::rust_files().iter().filter(|file| is_found_by_cargo(file, &folder)) {
            follow(root, &mut reached);
        }
    }
    reached
}

/// `tests/NAME.rs` and `tests/NAME/main.rs` of a crate, and the same of its examples and benchmarks.
fn is_found_by_cargo(file: &str, folder: &str) -> bool {
    let parts: Vec<&str> = file.strip_prefix(folder).unwrap_or_default().split('/').collect();
    match parts[..] {
        ["tests" | "examples" | "benches", _] => !folder.is_empty(),
        ["tests" | "examples" | "benches", _, "main.rs"] => !folder.is_empty(),
        _ => false,
    }
}

fn follow(file: &str, reached: &mut BTreeSet<String>) {
    let text = tree::read(file);
    if text.is_empty() || !reached.insert(file.to_owned()) {
        return;
    }
    let (folder, name) = file.rsplit_once('/').unwrap_or(("", file));
    let stem = name.trim_end_matches(".rs");
    let is_root = matches!(stem, "mod" | "lib" | "main") || !reached_as_module(file);
    let inside = if is_root { folder.to_owned() } else { format!("{folder}/{stem}") };
    let lines: Vec<&str> = text.lines().map(str::trim).collect();
    for (n, line) in lines.iter().enumerate() {
        let declared =
            line.rsplit_once("mod ").filter(|(before, _)| before.is_empty() || before.starts_with("pub"));
        let Some(module) = declared.and_then(|(_, m)| m.strip_suffix(';')) else { continue };
        let above = n.checked_sub(1).and_then(|n| lines[n].strip_prefix("#[path = \""));
        match above.and_then(|p| p.strip_suffix("\"]")) {
            Some(path) => follow(&normal(&format!("{folder}/{path}")), reached),
            None => {
                follow(&format!("{inside}/{module}.rs"), reached);
                follow(&format!("{inside}/{module}/mod.rs"), reached);
            }
        }
    }
}

/// Test roots named by `path =` look for their modules beside themselves, as `main.rs` does.
fn reached_as_module(file: &str) -> bool {
    file.contains("/src/")
}

/// Resolves `..`.
fn normal(path: &str) -> String {
    let mut parts = Vec::new();
    for part in path.split('/') {
        match part {
            ".." => drop(parts.pop()),
            "." | "" => {}
            part => parts.push(part),
        }
    }
    parts.join("/")
}
