//! Index names that the servers take, and how a name stands in a URL's path. Checked before anything is sent; names of
//! fields are the engine's (`route/reserved.rs`).

use syncline_engine::error::{Code, Error, Result};

/// What is put behind the alias to name the first index.
pub(super) const FIRST_INDEX: &str = "-000001";

/// The servers' limit, in bytes.
const MAX_NAME: usize = 255;
const FORBIDDEN: &[char] = &['\\', '/', '*', '?', '"', '<', '>', '|', ' ', ',', '#', ':'];

/// Whether the name can be that of an alias of ours (so that `NAME-000001` is a valid index name as well).
pub fn valid_index_name(name: &str) -> Result<()> {
    let wrong = if name.is_empty() {
        "it is empty".into()
    } else if name == "." || name == ".." {
        "it is a relative path".into()
    } else if name.starts_with(['_', '-', '+']) {
        "it starts with one of _ - +".into()
    } else if name.to_lowercase() != name {
        "it has upper-case letters".into()
    } else if let Some(c) = name.chars().find(|c| FORBIDDEN.contains(c) || c.is_control()) {
        format!("it has the character {c:?}")
    } else if name.len() + FIRST_INDEX.len() > MAX_NAME {
        format!("it is longer than {} bytes", MAX_NAME - FIRST_INDEX.len())
    } else {
        return Ok(());
    };
    let mut shown: String = name.chars().take(80).collect();
    if shown.len() < name.len() {
        shown.push('…');
    }
    Err(Error::new(Code::SearchName, format!("the index name {shown:?} cannot be used: {wrong}"))
        .fix("use lower-case letters, digits, - _ and ., and begin with a letter or digit"))
}

/// The same for a template, as far as it can be known before a row is rendered: placeholders count as one letter.
pub fn valid_index_template(template: &str) -> Result<()> {
    let mut name = String::new();
    let mut rest = template;
    while let Some((before, inside)) = rest.split_once('{') {
        let Some((_, after)) = inside.split_once('}') else { break };
        name.push_str(before);
        name.push('x');
        rest = after;
    }
    name.push_str(rest);
    valid_index_name(&name)
}

/// A name as one segment of a URL's path.
pub(super) fn in_path(name: &str) -> String {
    let mut out = String::with_capacity(name.len());
    for byte in name.bytes() {
        if byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
    out
}

/// The same for what a user may search: several names by comma, with wildcards.
pub(super) fn pattern_in_path(names: &str) -> String {
    in_path(names).replace("%2A", "*").replace("%2C", ",")
}
