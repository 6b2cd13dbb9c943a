//! The project's files as the rules see them: paths from the root, build output and hidden folders left out.

use std::fs;
use std::path::{Path, PathBuf};

/// The project's root.
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().expect("the app lies in crates/app")
}

/// Every file below the root with this extension, as a path from the root.
pub fn files(extension: &str) -> Vec<String> {
    let mut found = Vec::new();
    walk(&root(), "", extension, &mut found);
    found.sort();
    found
}

/// Every Rust file of ours.
pub fn rust_files() -> Vec<String> {
    files("rs")
}

pub fn read(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_default()
}

fn walk(folder: &Path, prefix: &str, extension: &str, found: &mut Vec<String>) {
    let Ok(entries) = fs::read_dir(folder) else { return };
    for entry in entries.flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        if name.starts_with('.') || matches!(name.as_str(), "target" | "node_modules" | "__pycache__") {
            continue;
        }
        let path = if prefix.is_empty() { name.clone() } else { format!("{prefix}/{name}") };
        if entry.path().is_dir() {
            walk(&entry.path(), &path, extension, found);
        } else if name.rsplit_once('.').is_some_and(|(_, e)| e == extension) {
            found.push(path);
        }
    }
}
