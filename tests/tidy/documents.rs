//! Paths that Markdown documents name, in backticks or links, and whether they exist. Names of things a user makes
//! (`shop.yaml`, `DIR/pipeline.yaml`) are not paths of ours and are left alone.

use super::tree;

/// `document: path` for every path that is not there.
pub fn missing() -> Vec<String> {
    let mut missing = Vec::new();
    for document in tree::files("md") {
        let folder = document.rsplit_once('/').map_or("", |(folder, _)| folder);
        for path in paths(&tree::read(&document)) {
            let beside = if folder.is_empty() { path.clone() } else { format!("{folder}/{path}") };
            if !tree::root().join(&path).exists() && !tree::root().join(beside).exists() {
                missing.push(format!("{document}: {path}"));
            }
        }
    }
    missing
}

/// What looks like a path of the project.
pub fn paths(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    for (n, span) in text.split('`').enumerate() {
        if n % 2 == 1 && is_ours(span) {
            found.push(span.trim_end_matches('/').to_owned());
        }
    }
    for link in text.split("](").skip(1) {
        let target = link.split([')', '#', ' ']).next().unwrap_or("");
        if !target.is_empty() && !target.contains("://") && !target.starts_with("mailto:") {
            found.push(target.to_owned());
        }
    }
    found
}

/// Begins with a folder of the project and holds nothing a path of ours would not.
fn is_ours(span: &str) -> bool {
    const FOLDERS: [&str; 6] = ["crates/", "deploy/", "docs/", "tests/", "benches/", "fuzz/"];
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._-".contains(c);
    FOLDERS.iter().any(|f| span.starts_with(f)) && span.chars().all(plain) && !span.contains("NNNN")
}
