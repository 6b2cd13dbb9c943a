//! JSON that comes as text (a SELECT from MySQL, MariaDB's JSON columns) as compact text: no space outside strings, of
//! duplicate members the last, numbers digit by digit as they were. What is no JSON is refused.

use std::collections::HashMap;

/// The server's limits are 100 (MySQL) and 32 (MariaDB).
const MAX_DEPTH: usize = 128;
/// Up to so many members are compared one by one.
const FEW: usize = 12;

/// Replaces `out` by the compact form. `None` if `text` is not exactly one JSON value.
pub fn compact(text: &str, out: &mut String) -> Option<()> {
    out.clear();
    // The compact form is never longer: keys lose escapes or keep them.
    out.reserve(text.len());
    let mut parser = Parser { text, at: 0, out, members: Vec::new() };
    parser.space();
    parser.value(0)?;
    parser.space();
    (parser.at == text.len()).then_some(())
}

struct Parser<'a> {
    text: &'a str,
    at: usize,
    out: &'a mut String,
    /// Of the objects that are open: where each member begins in `out`, and where its key ends.
    members: Vec<(usize, usize)>,
}

impl Parser<'_> {
    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn space(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
    }

    fn take(&mut self, byte: u8) -> Option<()> {
        (self.peek() == Some(byte)).then(|| {
            self.at += 1;
            self.out.push(byte as char);
        })
    }

    fn value(&mut self, depth: usize) -> Option<()> {
        if depth > MAX_DEPTH {
            return None;
        }
        match self.peek()? {
            b'{' => self.object(depth),
            b'[' => self.array(depth),
            b'"' => self.string(),
            b'-' | b'0'..=b'9' => self.number(),
            _ => ["null", "true", "false"].into_iter().find_map(|word| self.word(word)),
        }
    }

    fn word(&mut self, word: &str) -> Option<()> {
        self.text[self.at..].starts_with(word).then(|| {
            self.at += word.len();
            self.out.push_str(word);
        })
    }

    fn array(&mut self, depth: usize) -> Option<()> {
        self.take(b'[')?;
        self.space();
        if self.take(b']').is_some() {
            return Some(());
        }
        loop {
            self.space();
            self.value(depth + 1)?;
            self.space();
            if self.take(b',').is_none() {
                return self.take(b']');
            }
        }
    }

    fn object(&mut self, depth: usize) -> Option<()> {
        self.take(b'{')?;
        self.space();
        if self.take(b'}').is_some() {
            return Some(());
        }
        let first = self.members.len();
        loop {
            self.space();
            let begin = self.out.len();
            self.string()?;
            self.plain_key(begin);
            self.members.push((begin, self.out.len()));
            self.space();
            self.take(b':')?;
            self.space();
            self.value(depth + 1)?;
            self.space();
            if self.take(b',').is_none() {
                break;
            }
        }
        self.drop_duplicates(first);
        self.members.truncate(first);
        self.take(b'}')
    }

    /// A key with escapes is written again in the one canonical way, so that equal keys are equal bytes.
    fn plain_key(&mut self, begin: usize) {
        if !self.out[begin..].contains('\\') {
            return;
        }
        // Lone surrogates are no text: such a key stays as it is.
        if let Ok(key) = serde_json::from_str::<String>(&self.out[begin..]) {
            self.out.truncate(begin);
            super::json_binary::push_string(&key, self.out);
        }
    }

    /// Takes out members of the object that ends here whose key comes again.
    fn drop_duplicates(&mut self, first: usize) {
        let members = &self.members[first..];
        if members.len() < 2 {
            return;
        }
        let key = |n: usize| &self.out[members[n].0..members[n].1];
        let overtaken: Vec<usize> = if members.len() <= FEW {
            (0..members.len()).filter(|n| (n + 1..members.len()).any(|later| key(later) == key(*n))).collect()
        } else {
            let last: HashMap<&str, usize> = (0..members.len()).map(|n| (key(n), n)).collect();
            (0..members.len()).filter(|n| last.get(key(*n)) != Some(n)).collect()
        };
        let Some(lowest) = overtaken.first() else { return };
        // A member reaches to the next one's beginning: its comma goes with it, and the last member always stays.
        let begin = members[*lowest].0;
        let mut kept = String::new();
        for n in (*lowest..members.len()).filter(|n| overtaken.binary_search(n).is_err()) {
            let end = members.get(n + 1).map_or(self.out.len(), |next| next.0);
            kept.push_str(&self.out[members[n].0..end]);
        }
        self.out.truncate(begin);
        self.out.push_str(&kept);
    }

    fn string(&mut self) -> Option<()> {
        let begin = self.at;
        if self.peek() != Some(b'"') {
            return None;
        }
        self.at += 1;
        loop {
            let byte = self.peek()?;
            self.at += 1;
            match byte {
                b'"' => break,
                b'\\' => self.escape()?,
                0..=0x1f => return None,
                _ => {}
            }
        }
        self.out.push_str(&self.text[begin..self.at]);
        Some(())
    }

    fn escape(&mut self) -> Option<()> {
        let byte = self.peek()?;
        self.at += 1;
        match byte {
            b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't' => Some(()),
            b'u' => {
                let digits = self.text.as_bytes().get(self.at..self.at + 4)?;
                self.at += 4;
                digits.iter().all(u8::is_ascii_hexdigit).then_some(())
            }
            _ => None,
        }
    }

    fn number(&mut self) -> Option<()> {
        let begin = self.at;
        if self.peek() == Some(b'-') {
            self.at += 1;
        }
        if self.peek() == Some(b'0') {
            self.at += 1;
        } else {
            self.digits()?;
        }
        if self.peek() == Some(b'.') {
            self.at += 1;
            self.digits()?;
        }
        if matches!(self.peek(), Some(b'e' | b'E')) {
            self.at += 1;
            if matches!(self.peek(), Some(b'+' | b'-')) {
                self.at += 1;
            }
            self.digits()?;
        }
        self.out.push_str(&self.text[begin..self.at]);
        Some(())
    }

    fn digits(&mut self) -> Option<()> {
        let begin = self.at;
        while self.peek().is_some_and(|b| b.is_ascii_digit()) {
            self.at += 1;
        }
        (self.at > begin).then_some(())
    }
}
