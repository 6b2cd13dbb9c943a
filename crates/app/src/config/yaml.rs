//! YAML as a tree whose every node knows its place. Anchors and aliases are refused: a file is read by people.
//! What the nodes mean is decided by the readers of `read.rs`.

use saphyr_parser::{Event, Parser, ScalarStyle, Span};

/// A node and where it stands (counted from 1).
#[derive(Clone, Debug)]
pub(crate) struct Node {
    pub content: Content,
    pub line: u64,
    pub column: u64,
}

/// What a node is.
#[derive(Clone, Debug)]
pub(crate) enum Content {
    Null,
    /// `plain` text may stand for a number or a truth value, quoted text not.
    Scalar {
        text: String,
        plain: bool,
    },
    List(Vec<Node>),
    Map(Vec<(Key, Node)>),
}

/// A key and where it stands.
#[derive(Clone, Debug)]
pub(crate) struct Key {
    pub text: String,
    pub line: u64,
    pub column: u64,
}

/// Why a file is not YAML that we read.
#[derive(Debug)]
pub(crate) struct SyntaxError {
    pub message: String,
    pub line: u64,
    pub column: u64,
}

/// Lists and maps inside one another at most.
const DEPTH: usize = 32;

/// Reads one document; an empty file is `Null`.
pub(crate) fn parse(text: &str) -> Result<Node, SyntaxError> {
    let mut builder = Builder { events: Parser::new_from_str(text), depth: 0 };
    let mut root = Node { content: Content::Null, line: 1, column: 1 };
    let mut documents = 0;
    loop {
        let (event, span) = builder.owned()?;
        match event {
            Event::StreamEnd => return Ok(root),
            Event::StreamStart | Event::DocumentEnd | Event::Nothing => {}
            Event::DocumentStart(_) => {
                documents += 1;
                if documents > 1 {
                    return Err(refused("the file holds more than one document", span));
                }
            }
            event => root = builder.node(event, span)?,
        }
    }
}

struct Builder<'a> {
    events: Parser<'a, saphyr_parser::StrInput<'a>>,
    depth: usize,
}

fn place(span: Span) -> (u64, u64) {
    (span.start.line() as u64, span.start.col() as u64 + 1)
}

fn refused(message: &str, span: Span) -> SyntaxError {
    let (line, column) = place(span);
    SyntaxError { message: message.to_owned(), line, column }
}

impl Builder<'_> {
    fn next(&mut self) -> Result<(Event<'_>, Span), SyntaxError> {
        match self.events.next_event() {
            Some(Ok(found)) => Ok(found),
            Some(Err(error)) => Err(SyntaxError {
                message: error.info().to_owned(),
                line: error.marker().line() as u64,
                column: error.marker().col() as u64 + 1,
            }),
            None => Err(SyntaxError { message: "the file ends too early".into(), line: 1, column: 1 }),
        }
    }

    fn node(&mut self, event: Event<'_>, span: Span) -> Result<Node, SyntaxError> {
        let (line, column) = place(span);
        let content = match event {
            Event::Scalar(text, style, _, _) => scalar(&text, style),
            Event::SequenceStart(..) => {
                self.deeper(span)?;
                self.list()?
            }
            Event::MappingStart(..) => {
                self.deeper(span)?;
                self.map()?
            }
            _ => return Err(refused("anchors and aliases are not read: write the value out", span)),
        };
        Ok(Node { content, line, column })
    }

    fn deeper(&mut self, span: Span) -> Result<(), SyntaxError> {
        self.depth += 1;
        if self.depth > DEPTH { Err(refused("too many levels", span)) } else { Ok(()) }
    }

    fn list(&mut self) -> Result<Content, SyntaxError> {
        let mut items = Vec::new();
        loop {
            let (event, span) = self.owned()?;
            if event == Event::SequenceEnd {
                self.depth -= 1;
                return Ok(Content::List(items));
            }
            items.push(self.node(event, span)?);
        }
    }

    fn map(&mut self) -> Result<Content, SyntaxError> {
        let mut entries: Vec<(Key, Node)> = Vec::new();
        loop {
            let (event, span) = self.owned()?;
            if event == Event::MappingEnd {
                self.depth -= 1;
                return Ok(Content::Map(entries));
            }
            let Event::Scalar(text, ..) = event else {
                return Err(refused("a key must be plain text", span));
            };
            let (line, column) = place(span);
            if entries.iter().any(|(key, _)| key.text == text) {
                return Err(refused(&format!("`{text}` stands twice"), span));
            }
            let key = Key { text: text.into_owned(), line, column };
            let (event, span) = self.owned()?;
            let value = self.node(event, span)?;
            entries.push((key, value));
        }
    }

    fn owned(&mut self) -> Result<(Event<'static>, Span), SyntaxError> {
        let (event, span) = self.next()?;
        Ok((own(event), span))
    }
}

fn own(event: Event<'_>) -> Event<'static> {
    match event {
        Event::Scalar(text, style, anchor, _) => Event::Scalar(text.into_owned().into(), style, anchor, None),
        Event::SequenceStart(anchor, _) => Event::SequenceStart(anchor, None),
        Event::MappingStart(anchor, _) => Event::MappingStart(anchor, None),
        Event::SequenceEnd => Event::SequenceEnd,
        Event::MappingEnd => Event::MappingEnd,
        Event::Alias(id) => Event::Alias(id),
        Event::DocumentStart(explicit) => Event::DocumentStart(explicit),
        Event::DocumentEnd => Event::DocumentEnd,
        Event::StreamStart => Event::StreamStart,
        Event::StreamEnd => Event::StreamEnd,
        Event::Nothing => Event::Nothing,
    }
}

fn scalar(text: &str, style: ScalarStyle) -> Content {
    let plain = style == ScalarStyle::Plain;
    if plain && matches!(text, "" | "~" | "null" | "Null" | "NULL") {
        return Content::Null;
    }
    Content::Scalar { text: text.to_owned(), plain }
}

impl Node {
    /// What it is, in words, for errors. Values are not shown: they may be secrets.
    pub fn kind(&self) -> &'static str {
        match self.content {
            Content::Null => "nothing",
            Content::Scalar { .. } => "a single value",
            Content::List(_) => "a list",
            Content::Map(_) => "a map",
        }
    }
}
