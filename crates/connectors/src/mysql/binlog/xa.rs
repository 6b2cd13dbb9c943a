//! Ids of XA transactions, in the prepare event and as the statements `XA COMMIT X'..',X'..',1` print them.

use std::fmt;

use syncline_engine::error::Result;

use super::cursor::Cursor;

/// The id of an XA transaction.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Xid {
    pub format: u32,
    pub global: Vec<u8>,
    pub branch: Vec<u8>,
}

/// The end of a prepared transaction's rows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct XaPrepare {
    pub xid: Xid,
    /// `XA COMMIT .. ONE PHASE`: the rows are committed here.
    pub one_phase: bool,
}

/// Each part of an id has at most so many bytes.
const MAX_PART: usize = 64;

impl XaPrepare {
    /// The body of event 38.
    pub fn parse(body: &[u8]) -> Result<XaPrepare> {
        let mut c = Cursor::new(body, "XA prepare event");
        let one_phase = c.u8()? != 0;
        let format = c.u32()?;
        let (global, branch) = (c.u32()? as usize, c.u32()? as usize);
        Ok(XaPrepare { xid: Xid::read(&mut c, format, global, branch)?, one_phase })
    }
}

impl Xid {
    /// The two parts, whose lengths were read before.
    pub fn read(c: &mut Cursor<'_>, format: u32, global: usize, branch: usize) -> Result<Xid> {
        if global > MAX_PART || branch > MAX_PART {
            return Err(c.bad());
        }
        Ok(Xid { format, global: c.take(global)?.to_vec(), branch: c.take(branch)?.to_vec() })
    }

    /// Finds the id in a statement such as `XA COMMIT X'6162',X'',1` (as servers log it) or `XA COMMIT 'ab'`.
    /// `None` if there is none.
    pub fn parse(sql: &str) -> Option<Xid> {
        let (xa, rest) = sql.trim_start().split_once(char::is_whitespace)?;
        if !xa.eq_ignore_ascii_case("XA") {
            return None;
        }
        let (_verb, rest) = rest.trim_start().split_once(char::is_whitespace)?;
        let (global, rest) = literal(rest.trim_start())?;
        let Some(rest) = rest.trim_start().strip_prefix(',') else {
            return Some(Xid { format: 1, global, branch: Vec::new() });
        };
        let (branch, rest) = literal(rest.trim_start())?;
        let format = match rest.trim_start().strip_prefix(',') {
            Some(number) => {
                let number = number.trim();
                let end = number.find(|c: char| !c.is_ascii_digit()).unwrap_or(number.len());
                number[..end].parse().ok()?
            }
            None => 1,
        };
        Some(Xid { format, global, branch })
    }
}

/// `X'6162'`, `0x6162` or `'ab'` (no escapes), and what follows it.
fn literal(text: &str) -> Option<(Vec<u8>, &str)> {
    if let Some(quoted) = text.strip_prefix("X'").or_else(|| text.strip_prefix("x'")) {
        let (digits, rest) = quoted.split_once('\'')?;
        return Some((hex(digits)?, rest));
    }
    if let Some(digits) = text.strip_prefix("0x") {
        let end = digits.find(|c: char| !c.is_ascii_hexdigit()).unwrap_or(digits.len());
        return Some((hex(&digits[..end])?, &digits[end..]));
    }
    let (inside, rest) = text.strip_prefix('\'')?.split_once('\'')?;
    Some((inside.as_bytes().to_vec(), rest))
}

fn hex(digits: &str) -> Option<Vec<u8>> {
    let bytes = digits.as_bytes();
    if !bytes.len().is_multiple_of(2) {
        return None;
    }
    bytes
        .chunks_exact(2)
        .map(|pair| {
            let text = std::str::from_utf8(pair).ok()?;
            u8::from_str_radix(text, 16).ok()
        })
        .collect()
}

impl fmt::Display for Xid {
    /// As the server writes it into its statements: `X'6162',X'',1`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for part in [&self.global, &self.branch] {
            f.write_str("X'")?;
            for byte in part {
                write!(f, "{byte:02x}")?;
            }
            f.write_str("',")?;
        }
        write!(f, "{}", self.format)
    }
}
