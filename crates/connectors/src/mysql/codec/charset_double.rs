//! Character sets of several bytes a character: the web's tables (`encoding_rs`), corrected where the servers differ.

use encoding_rs::{
    BIG5 as WEB_BIG5, DecoderResult, EUC_JP, EUC_KR, Encoding, GB18030 as WEB_GB18030, GBK as WEB_GBK,
    SHIFT_JIS,
};

use super::charset_runs::{self as runs, NONE, Run};

/// One character set.
pub struct Double {
    web: &'static Encoding,
    runs: &'static [Run],
    len: fn(&[u8]) -> usize,
}

macro_rules! double {
    ($($name:ident = $web:expr, $runs:expr, $len:expr;)*) => {
        $(pub static $name: Double = Double { web: $web, runs: $runs, len: $len };)*
    };
}

double! {
    BIG5 = WEB_BIG5, runs::BIG5, two_len;
    CP932 = SHIFT_JIS, &[], sjis_len;
    SJIS = SHIFT_JIS, runs::SJIS, sjis_len;
    UJIS = EUC_JP, runs::UJIS, euc_jp_len;
    EUCJPMS = EUC_JP, runs::EUCJPMS, euc_jp_len;
    EUCKR = EUC_KR, &[], two_len;
    GB2312 = WEB_GBK, runs::GB2312, two_len;
    GBK = WEB_GBK, runs::GBK, two_len;
    GB18030 = WEB_GB18030, runs::GB18030, gb18030_len;
}

fn two_len(bytes: &[u8]) -> usize {
    if bytes[0] < 0x80 { 1 } else { 2 }
}

fn sjis_len(bytes: &[u8]) -> usize {
    match bytes[0] {
        0x81..=0x9f | 0xe0..=0xfc => 2,
        _ => 1,
    }
}

fn euc_jp_len(bytes: &[u8]) -> usize {
    match bytes[0] {
        0x8f => 3,
        0x8e if !bytes.get(1).is_some_and(|b| (0xa1..=0xdf).contains(b)) => 1,
        0x8e | 0xa1..=0xfe => 2,
        _ => 1,
    }
}

fn gb18030_len(bytes: &[u8]) -> usize {
    match (bytes[0], bytes.get(1)) {
        (0x81..=0xfe, Some(b'0'..=b'9')) => 4,
        (0x81..=0xfe, _) => 2,
        _ => 1,
    }
}

impl Double {
    /// Adds the text to `out`.
    pub fn decode(&self, mut bytes: &[u8], out: &mut String) {
        while !bytes.is_empty() {
            let (plain, differing) = self.plain_len(bytes);
            self.decode_plain(&bytes[..plain], out);
            bytes = &bytes[plain..];
            if let Some((len, c)) = differing {
                out.push(c);
                bytes = &bytes[len..];
            }
        }
    }

    /// How many bytes the web's table decodes right, and length and meaning of the character after them.
    fn plain_len(&self, bytes: &[u8]) -> (usize, Option<(usize, char)>) {
        let mut at = 0;
        while let Some(rest) = bytes.get(at..).filter(|rest| !rest.is_empty()) {
            let len = (self.len)(rest).min(rest.len());
            if let Some(c) = self.differing(&rest[..len]) {
                return (at, Some((len, c)));
            }
            at += len;
        }
        (bytes.len(), None)
    }

    fn differing(&self, unit: &[u8]) -> Option<char> {
        if unit.len() < 2 || self.runs.is_empty() {
            // Half a character; what MySQL's EUC-JP has as one byte is nothing either.
            return (unit.len() == 1 && !unit.is_ascii() && std::ptr::eq(self.web, EUC_JP)).then_some('?');
        }
        let code = unit.iter().fold(0u32, |code, b| code << 8 | u32::from(*b));
        let run = self.runs.get(self.runs.partition_point(|run| run.1 < code))?;
        match *run {
            (from, ..) if code < from => None,
            (_, _, NONE) => Some('?'),
            (from, _, first) => char::from_u32(first + (code - from)),
        }
    }

    fn decode_plain(&self, mut bytes: &[u8], out: &mut String) {
        let mut decoder = self.web.new_decoder_without_bom_handling();
        while !bytes.is_empty() {
            let room = decoder.max_utf8_buffer_length_without_replacement(bytes.len());
            out.reserve(room.unwrap_or(bytes.len()));
            let begin = bytes;
            let (result, read) = decoder.decode_to_string_without_replacement(bytes, out, true);
            bytes = &bytes[read..];
            match result {
                DecoderResult::InputEmpty => return,
                DecoderResult::OutputFull => {}
                // The web reads the second half again if it is ASCII, the servers pass over the whole character.
                DecoderResult::Malformed(..) => {
                    out.push('?');
                    let mut end = 0;
                    while end < read {
                        end += (self.len)(&begin[end..]);
                    }
                    bytes = &begin[end.min(begin.len())..];
                    decoder = self.web.new_decoder_without_bom_handling();
                }
            }
        }
    }
}
