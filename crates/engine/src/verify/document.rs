//! Canonical documents compared by what they say, not by how a store prints them: the order of members, and whether an
//! empty one is there, make no difference.

use std::collections::BTreeMap;

use serde_json::Value;
use serde_json::value::RawValue;
use xxhash_rust::xxh3::xxh3_64;

/// The same for two documents with the same members, in whatever order, members that are null left out. Documents of one
/// digest are taken for the same; of two digests they may still be (`1.0` and `1`): then [`differing`] decides.
pub(super) fn digest(document: &[u8]) -> u64 {
    flat(document).unwrap_or_else(|| any(document))
}

/// Of a document as we write it, without white space, and without members of members: most are, and this is quick.
fn flat(document: &[u8]) -> Option<u64> {
    let mut rest = document.strip_prefix(b"{")?;
    let mut sum = 0u64;
    if rest == b"}" {
        return Some(sum);
    }
    loop {
        let name = string(rest)?;
        let value = rest.get(name..)?.strip_prefix(b":")?;
        let length = match value.first()? {
            b'"' => string(value)?,
            b'{' | b'[' | b',' | b'}' => return None,
            _ => value.iter().position(|byte| matches!(byte, b',' | b'}' | b'\0'..=b' '))?,
        };
        let end = name + 1 + length;
        if &value[..length] != b"null" {
            sum = sum.wrapping_add(xxh3_64(&rest[..end]));
        }
        rest = match rest.get(end)? {
            b',' => &rest[end + 1..],
            b'}' if rest.len() == end + 1 => return Some(sum),
            _ => return None,
        };
    }
}

/// The length of a string that the text begins with, quotation marks included.
fn string(text: &[u8]) -> Option<usize> {
    let mut at = 1;
    text.strip_prefix(b"\"")?;
    loop {
        match text.get(at)? {
            b'"' => return Some(at + 1),
            b'\\' => at += 2,
            _ => at += 1,
        }
    }
}

/// Of any document.
fn any(document: &[u8]) -> u64 {
    let mut sum = 0u64;
    let mut members = Members { text: document, at: 0, first: true };
    loop {
        match members.next() {
            Some(Ok(Member { value: b"null", .. })) => {}
            Some(Ok(member)) => sum = sum.wrapping_add(member.digest()),
            Some(Err(NotAnObject)) => return xxh3_64(document),
            None => return sum,
        }
    }
}

/// The names of members that differ; `None` if the documents say the same.
pub(super) fn differing(expected: &[u8], held: &[u8]) -> Option<Vec<String>> {
    type Object<'a> = BTreeMap<String, &'a RawValue>;
    let read = |text| serde_json::from_slice::<Object<'_>>(text).ok();
    let expected = read(expected).unwrap_or_default();
    let Some(held) = read(held) else { return Some(expected.into_keys().collect()) };
    let names = expected.keys().chain(held.keys().filter(|name| !expected.contains_key(*name)));
    let differs = |name: &&String| !same(expected.get(*name).copied(), held.get(*name).copied());
    let names: Vec<String> = names.filter(differs).cloned().collect();
    (!names.is_empty()).then_some(names)
}

fn same(a: Option<&RawValue>, b: Option<&RawValue>) -> bool {
    let text = |raw: Option<&RawValue>| raw.map_or("null", RawValue::get).to_owned();
    let (a, b) = (text(a), text(b));
    if a == b {
        return true;
    }
    match (serde_json::from_str::<Value>(&a), serde_json::from_str::<Value>(&b)) {
        (Ok(a), Ok(b)) => equal(&a, &b),
        _ => false,
    }
}

fn equal(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Number(a), Value::Number(b)) => numbers_equal(&a.to_string(), &b.to_string()),
        (Value::Array(a), Value::Array(b)) => a.len() == b.len() && a.iter().zip(b).all(|(a, b)| equal(a, b)),
        (Value::Object(a), Value::Object(b)) => {
            a.len() == b.len() && a.iter().all(|(name, a)| b.get(name).is_some_and(|b| equal(a, b)))
        }
        (a, b) => a == b,
    }
}

/// Exact where both are integers; else as the nearest floats, which is all that a JSON number of a row can be.
fn numbers_equal(a: &str, b: &str) -> bool {
    match (a.parse::<i128>(), b.parse::<i128>()) {
        (Ok(a), Ok(b)) => a == b,
        _ => matches!((a.parse::<f64>(), b.parse::<f64>()), (Ok(a), Ok(b)) if a == b),
    }
}

#[derive(Debug)]
struct NotAnObject;

/// A member as it is written.
struct Member<'a> {
    /// With its quotation marks.
    name: &'a [u8],
    value: &'a [u8],
    /// From the name to the value, with any white space between.
    whole: &'a [u8],
}

impl Member<'_> {
    fn digest(&self) -> u64 {
        if self.whole.len() == self.name.len() + 1 + self.value.len() {
            return xxh3_64(self.whole);
        }
        xxh3_64(&[self.name, b":", self.value].concat())
    }
}

/// Walks the members of an object.
struct Members<'a> {
    text: &'a [u8],
    at: usize,
    first: bool,
}

impl<'a> Members<'a> {
    fn next(&mut self) -> Option<Result<Member<'a>, NotAnObject>> {
        self.member().transpose()
    }

    fn member(&mut self) -> Result<Option<Member<'a>>, NotAnObject> {
        if std::mem::take(&mut self.first) {
            self.expect(b'{')?;
            if self.peek() == Some(b'}') {
                return self.end();
            }
        } else if self.peek() == Some(b',') {
            self.at += 1;
        } else {
            return self.end();
        }
        self.peek();
        let start = self.at;
        let name = self.value()?;
        if name.first() != Some(&b'"') {
            return Err(NotAnObject);
        }
        self.expect(b':')?;
        let value = self.value()?;
        Ok(Some(Member { name, value, whole: &self.text[start..self.at] }))
    }

    /// Nothing may follow.
    fn end(&mut self) -> Result<Option<Member<'a>>, NotAnObject> {
        self.expect(b'}')?;
        if self.peek().is_some() { Err(NotAnObject) } else { Ok(None) }
    }

    /// The next byte that is no white space.
    fn peek(&mut self) -> Option<u8> {
        while self.text.get(self.at).is_some_and(|b| matches!(b, b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
        self.text.get(self.at).copied()
    }

    fn expect(&mut self, byte: u8) -> Result<(), NotAnObject> {
        if self.peek() != Some(byte) {
            return Err(NotAnObject);
        }
        self.at += 1;
        Ok(())
    }

    fn value(&mut self) -> Result<&'a [u8], NotAnObject> {
        self.peek();
        let start = self.at;
        let mut depth = 0usize;
        while let Some(byte) = self.text.get(self.at) {
            match byte {
                b'"' => self.string()?,
                b'{' | b'[' => depth += 1,
                b'}' | b']' | b',' | b':' | b' ' | b'\t' | b'\n' | b'\r' if depth == 0 => break,
                b'}' | b']' => depth -= 1,
                _ => {}
            }
            self.at += 1;
        }
        if self.at == start { Err(NotAnObject) } else { Ok(&self.text[start..self.at]) }
    }

    /// To the quotation mark at its end.
    fn string(&mut self) -> Result<(), NotAnObject> {
        loop {
            self.at += 1;
            match self.text.get(self.at) {
                Some(b'"') => return Ok(()),
                Some(b'\\') => self.at += 1,
                Some(_) => {}
                None => return Err(NotAnObject),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn order_white_space_and_null_members_make_no_difference() {
        let one = br#"{"a":1,"b":{"x":[1,"}\""]},"c":null}"#;
        let other = b"{ \"b\" : {\"x\":[1,\"}\\\"\"]} ,\n\"a\":1}";
        assert_eq!(digest(one), digest(other));
        assert_eq!(differing(one, other), None);
    }

    #[test]
    fn the_quick_way_says_what_the_other_says() {
        let flat_ones: [&[u8]; 6] = [
            b"{}",
            br#"{"a":1}"#,
            br#"{"a":null,"b":"x\"}, y","c":-1.5e3}"#,
            br#"{"a":true,"b":"","a":false}"#,
            "{\"ü\":\"\u{0}\u{fffd}\"}".as_bytes(),
            br#"{"a":"\\","b":null}"#,
        ];
        for document in flat_ones {
            assert_eq!(flat(document), Some(any(document)), "{}", String::from_utf8_lossy(document));
        }
        let others: [&[u8]; 10] = [
            b"",
            b"{",
            b"[]",
            br#"{"a":{}}"#,
            br#"{"a":1} "#,
            br#"{"a":1 }"#,
            br#"{"a" :1}"#,
            br#"{"a":1,}"#,
            br#"{"a":1}}"#,
            br#"{"a":"x}"#,
        ];
        for document in others {
            assert_eq!(flat(document), None, "{}", String::from_utf8_lossy(document));
        }
    }

    #[test]
    fn every_change_changes_the_digest_and_is_named() {
        let document = br#"{"a":1,"b":"x","c":[1,2]}"#;
        let changed: [(&[u8], &[&str]); 6] = [
            (br#"{"a":2,"b":"x","c":[1,2]}"#, &["a"]),
            (br#"{"a":"x","b":1,"c":[1,2]}"#, &["a", "b"]),
            (br#"{"b":"x","c":[1,2]}"#, &["a"]),
            (br#"{"a":1,"b":"x","c":[2,1]}"#, &["c"]),
            (br#"{"a":1,"b":"x","c":[1,2],"d":false}"#, &["d"]),
            (b"[]", &["a", "b", "c"]),
        ];
        for (other, names) in changed {
            assert_ne!(digest(document), digest(other), "{}", String::from_utf8_lossy(other));
            let found = differing(document, other).unwrap();
            assert_eq!(found, names, "{}", String::from_utf8_lossy(other));
        }
    }

    #[test]
    fn numbers_are_compared_by_value() {
        assert_eq!(differing(br#"{"a":1.0,"b":[100]}"#, br#"{"a":1,"b":[1e2]}"#), None);
        let (a, b) = (br#"{"a":18446744073709551615}"#, br#"{"a":18446744073709551614}"#);
        assert_eq!(differing(a, b).unwrap(), ["a"]);
    }

    #[test]
    fn what_is_no_object_has_a_digest_of_its_own() {
        let texts: [&[u8]; 9] =
            [b"", b"{", b"{}}", b"{\"a\"}", b"{\"a\":}", b"{\"a\":1,}", b"{1:2}", b"{\"a\":\"", b"{}x"];
        for text in texts {
            assert_eq!(digest(text), xxh3_64(text), "{}", String::from_utf8_lossy(text));
        }
        assert_eq!(digest(b"{}"), 0);
        assert_eq!(digest(b" { } "), 0);
    }
}
