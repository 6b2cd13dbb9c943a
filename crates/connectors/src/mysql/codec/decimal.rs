//! MySQL's packed decimals as exact text, as many digits after the point as the column's scale.

/// The longest text: 81 digits (a column has at most 65, inside JSON the server counts a leading one more), sign, point,
/// a leading zero.
pub const MAX_TEXT: usize = 88;
const MAX_PRECISION: u8 = 81;

/// Bytes of a group's digits, by their count.
const GROUP_BYTES: [usize; 10] = [0, 1, 1, 2, 2, 3, 3, 4, 4, 4];
const POWERS: [u32; 10] =
    [1, 10, 100, 1_000, 10_000, 100_000, 1_000_000, 10_000_000, 100_000_000, 1_000_000_000];

/// How many bytes a decimal takes; `None` if the scale exceeds the precision.
pub fn packed_len(precision: u8, scale: u8) -> Option<usize> {
    let whole = usize::from(precision.checked_sub(scale)?);
    let scale = usize::from(scale);
    Some(whole / 9 * 4 + GROUP_BYTES[whole % 9] + scale / 9 * 4 + GROUP_BYTES[scale % 9])
}

/// Writes the text of `packed`, which must be as long as [`packed_len`] says. `None` if the bytes are no decimal.
pub fn text<'a>(packed: &[u8], precision: u8, scale: u8, out: &'a mut [u8; MAX_TEXT]) -> Option<&'a str> {
    if precision > MAX_PRECISION || packed_len(precision, scale)? != packed.len() || packed.is_empty() {
        return None;
    }
    let whole = usize::from(precision - scale);
    let scale = usize::from(scale);
    // The highest bit is set for what is not negative; all bits of a negative one are inverted.
    let negative = packed[0] & 0x80 == 0;
    let mut reader = Groups { packed, at: 0, mask: if negative { 0xff } else { 0 } };
    let mut text = Text { out, len: 0 };
    if negative {
        text.byte(b'-')?;
    }
    let digits_at = text.len;
    let first = reader.group(whole % 9)?;
    if first != 0 {
        text.number(first, 0)?;
    }
    for _ in 0..whole / 9 {
        let group = reader.group(9)?;
        if text.len > digits_at {
            text.number(group, 9)?;
        } else if group != 0 {
            text.number(group, 0)?;
        }
    }
    if text.len == digits_at {
        text.byte(b'0')?;
    }
    if scale > 0 {
        text.byte(b'.')?;
        for _ in 0..scale / 9 {
            let group = reader.group(9)?;
            text.number(group, 9)?;
        }
        let last = reader.group(scale % 9)?;
        text.number(last, scale % 9)?;
    }
    let len = text.len;
    std::str::from_utf8(&out[..len]).ok()
}

struct Groups<'a> {
    packed: &'a [u8],
    at: usize,
    mask: u8,
}

impl Groups<'_> {
    /// The next group of `digits` digits; `None` if it holds a number of more.
    fn group(&mut self, digits: usize) -> Option<u32> {
        let len = GROUP_BYTES[digits];
        let bytes = self.packed.get(self.at..self.at + len)?;
        let mut n = 0u32;
        for (i, byte) in bytes.iter().enumerate() {
            let mut byte = byte ^ self.mask;
            if self.at + i == 0 {
                byte ^= 0x80;
            }
            n = n << 8 | u32::from(byte);
        }
        self.at += len;
        (n < POWERS[digits]).then_some(n)
    }
}

struct Text<'a> {
    out: &'a mut [u8; MAX_TEXT],
    len: usize,
}

impl Text<'_> {
    fn byte(&mut self, b: u8) -> Option<()> {
        *self.out.get_mut(self.len)? = b;
        self.len += 1;
        Some(())
    }

    /// At least `width` digits.
    fn number(&mut self, mut n: u32, width: usize) -> Option<()> {
        let mut digits = [b'0'; 10];
        let mut at = 10;
        while n > 0 {
            at -= 1;
            digits[at] = b'0' + (n % 10) as u8;
            n /= 10;
        }
        let at = at.min(10 - width);
        for digit in &digits[at..] {
            self.byte(*digit)?;
        }
        Some(())
    }
}

/// The server's text of a decimal, if it is one: digits with at most one point and a sign. ZEROFILL's zeros are cut off.
pub fn exact(text: &[u8]) -> Option<&str> {
    let digits = text.strip_prefix(b"-").unwrap_or(text);
    let fits = digits.iter().all(|b| b.is_ascii_digit() || *b == b'.')
        && digits.first().is_some_and(u8::is_ascii_digit)
        && digits.iter().filter(|b| **b == b'.').count() <= 1;
    let zeros =
        text.iter().zip(text.iter().skip(1)).take_while(|(a, b)| **a == b'0' && b.is_ascii_digit()).count();
    fits.then(|| std::str::from_utf8(&text[zeros..]).ok()).flatten()
}
