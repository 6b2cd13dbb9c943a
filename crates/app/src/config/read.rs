//! Reading nodes strictly: every wrong type, unknown key and missing value is noted with its place, and reading goes on,
//! so that one look finds them all.

use std::cell::RefCell;
use std::fmt::Display;
use std::time::Duration;

use syncline_engine::error::{Code, Error, Place};

use super::units;
use super::variables::expand;
use super::yaml::{Content, Key, Node};

/// Collects the errors of one file.
pub(crate) struct Reader {
    file: String,
    errors: RefCell<Vec<Error>>,
}

/// A value and its place.
#[derive(Clone, Debug)]
pub(crate) struct At<T> {
    pub value: T,
    pub place: Place,
}

impl Reader {
    pub fn new(file: &str) -> Reader {
        Reader { file: file.to_owned(), errors: RefCell::default() }
    }

    pub fn place(&self, line: u64, column: u64) -> Place {
        Place { file: self.file.clone(), line, column }
    }

    pub fn note(&self, error: Error) {
        self.errors.borrow_mut().push(error);
    }

    /// Everything found, in the order of the file.
    pub fn into_errors(self) -> Vec<Error> {
        let mut errors = self.errors.into_inner();
        errors.sort_by_key(|e| e.place().map_or((0, 0), |p| (p.line, p.column)));
        errors
    }

    pub fn bad(&self, node: &Node, message: impl Display) {
        let error = Error::new(Code::ConfigBadValue, message.to_string());
        self.note(error.at(self.place(node.line, node.column)));
    }

    /// A map as a section; anything else is noted. Nothing at all is an empty section.
    pub fn section<'a>(&'a self, node: &'a Node, name: &str) -> Option<Section<'a>> {
        let entries: &[(Key, Node)] = match &node.content {
            Content::Map(entries) => entries,
            Content::Null => &[],
            _ => {
                self.bad(node, format!("{name} must be a map, this is {}", node.kind()));
                return None;
            }
        };
        Some(Section { reader: self, node, entries, name: name.to_owned(), known: Vec::new() })
    }

    /// Text with its variables filled in.
    pub fn text(&self, node: &Node, name: &str) -> Option<At<String>> {
        let Content::Scalar { text, .. } = &node.content else {
            self.bad(node, format!("{name} must be text, this is {}", node.kind()));
            return None;
        };
        let place = self.place(node.line, node.column);
        match expand(text, |name| std::env::var(name).ok()) {
            Ok(value) => Some(At { value, place }),
            Err(message) => {
                self.note(Error::new(Code::ConfigVariable, message).at(place));
                None
            }
        }
    }

    /// A list of texts; a single text is a list of one.
    pub fn texts(&self, node: &Node, name: &str) -> Vec<At<String>> {
        match &node.content {
            Content::List(items) => items.iter().filter_map(|item| self.text(item, name)).collect(),
            _ => self.text(node, name).into_iter().collect(),
        }
    }
}

/// A map while it is read. Keys that nobody asked for are errors when it is finished.
pub(crate) struct Section<'a> {
    pub reader: &'a Reader,
    pub node: &'a Node,
    pub entries: &'a [(Key, Node)],
    pub name: String,
    known: Vec<&'static str>,
}

impl<'a> Section<'a> {
    /// The value of a key; `None` if it is absent or null.
    pub fn get(&mut self, key: &'static str) -> Option<&'a Node> {
        self.known.push(key);
        let found = self.entries.iter().find(|(k, _)| k.text == key)?;
        (!matches!(found.1.content, Content::Null)).then_some(&found.1)
    }

    /// Whether the key stands there, even with nothing behind it.
    pub fn has(&mut self, key: &'static str) -> bool {
        self.known.push(key);
        self.entries.iter().any(|(k, _)| k.text == key)
    }

    pub fn place(&self) -> Place {
        self.reader.place(self.node.line, self.node.column)
    }

    pub fn missing(&self, key: &str) {
        let error = Error::new(Code::ConfigMissing, format!("{} needs `{key}`", self.name));
        self.reader.note(error.at(self.place()));
    }

    fn path(&self, key: &str) -> String {
        format!("{}.{key}", self.name)
    }

    pub fn text(&mut self, key: &'static str) -> Option<At<String>> {
        let node = self.get(key)?;
        self.reader.text(node, &self.path(key))
    }

    /// The text, or an error that it is missing.
    pub fn needed(&mut self, key: &'static str) -> Option<At<String>> {
        if self.get(key).is_none() {
            self.missing(key);
        }
        self.text(key)
    }

    pub fn texts(&mut self, key: &'static str) -> Option<Vec<At<String>>> {
        let node = self.get(key)?;
        Some(self.reader.texts(node, &self.path(key)))
    }

    /// A text that `read` understands; `what` says what it should have been.
    pub fn parsed<T>(
        &mut self,
        key: &'static str,
        what: &str,
        read: impl Fn(&str) -> Option<T>,
    ) -> Option<T> {
        let node = self.get(key)?;
        let text = self.reader.text(node, &self.path(key))?;
        let value = read(&text.value);
        if value.is_none() {
            self.reader.bad(node, format!("{} must be {what}", self.path(key)));
        }
        value
    }

    pub fn boolean(&mut self, key: &'static str) -> Option<bool> {
        self.parsed(key, "true or false", |text| match text {
            "true" => Some(true),
            "false" => Some(false),
            _ => None,
        })
    }

    pub fn duration(&mut self, key: &'static str) -> Option<Duration> {
        self.parsed(key, "a duration such as 500ms, 30s, 5m, 1h, 7d", units::duration)
    }

    pub fn size(&mut self, key: &'static str) -> Option<usize> {
        self.parsed(key, "a size such as 64KiB, 32MiB, 1GiB", units::size)
    }

    /// A whole number of at least `least`.
    pub fn number(&mut self, key: &'static str, least: u64, most: u64) -> Option<u64> {
        let what = format!("a whole number from {least} to {most}");
        self.parsed(key, &what, |text| text.parse().ok().filter(|n| (least..=most).contains(n)))
    }

    /// One of a few words.
    pub fn word<T: Copy>(&mut self, key: &'static str, words: &[(&str, T)]) -> Option<T> {
        let node = self.get(key)?;
        let text = self.reader.text(node, &self.path(key))?.value;
        if let Some((_, value)) = words.iter().find(|(word, _)| *word == text) {
            return Some(*value);
        }
        let all: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
        let error =
            Error::new(Code::ConfigBadValue, format!("{} must be one of {}", self.path(key), all.join(", ")));
        let error = suggest(error, &text, all.iter().copied());
        self.reader.note(error.at(self.reader.place(node.line, node.column)));
        None
    }

    /// Notes every key that nobody asked for.
    pub fn finish(self) {
        for (key, _) in self.entries.iter().filter(|(key, _)| !self.known.contains(&&*key.text)) {
            let error =
                Error::new(Code::ConfigUnknownKey, format!("unknown key `{}` in {}", key.text, self.name));
            let error = suggest(error, &key.text, self.known.iter().copied());
            self.reader.note(error.at(self.reader.place(key.line, key.column)));
        }
    }
}

/// Adds `did you mean NAME?` if one of the names is near.
pub(crate) fn suggest<'a>(error: Error, text: &str, names: impl Iterator<Item = &'a str>) -> Error {
    let nearest = names.map(|name| (strsim::damerau_levenshtein(text, name), name)).min();
    match nearest {
        Some((distance, name)) if distance <= 1 + name.len() / 4 => {
            error.fix(format!("did you mean {name}?"))
        }
        _ => error,
    }
}

/// The items of a list; anything else is noted.
pub(crate) fn list<'a>(reader: &Reader, node: &'a Node, name: &str) -> &'a [Node] {
    match &node.content {
        Content::List(items) => items,
        _ => {
            reader.bad(node, format!("{name} must be a list, this is {}", node.kind()));
            &[]
        }
    }
}
