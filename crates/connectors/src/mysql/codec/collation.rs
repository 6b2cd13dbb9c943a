//! Which character set a collation id has. The binlog and table maps name character sets by collation ids alone.

use super::charset::Charset;

/// MariaDB's collations without padding have the id of the padding one and this bit.
const NOPAD: u32 = 1024;

/// The character set of a collation id; `None` for one that no known server has.
pub fn charset_of_collation(id: u32) -> Option<Charset> {
    let id = match id {
        1025..=1279 => id - NOPAD,
        other => other,
    };
    let name = if id < 100 { classic(id)? } else { unicode(id)? };
    Charset::named(name)
}

fn classic(id: u32) -> Option<&'static str> {
    Some(match id {
        1 | 84 => "big5",
        2 | 9 | 21 | 27 | 77 => "latin2",
        3 | 69 => "dec8",
        4 | 80 => "cp850",
        5 | 8 | 15 | 31 | 47..=49 | 94 => "latin1",
        6 | 72 => "hp8",
        7 | 74 => "koi8r",
        10 | 82 => "swe7",
        11 | 65 => "ascii",
        12 | 91 => "ujis",
        13 | 88 => "sjis",
        14 | 23 | 50..=52 => "cp1251",
        16 | 71 => "hebrew",
        18 | 89 => "tis620",
        19 | 85 => "euckr",
        20 | 41 | 42 | 79 => "latin7",
        22 | 75 => "koi8u",
        24 | 86 => "gb2312",
        25 | 70 => "greek",
        26 | 34 | 44 | 66 | 99 => "cp1250",
        28 | 87 => "gbk",
        29 | 58 | 59 => "cp1257",
        30 | 78 => "latin5",
        32 | 64 => "armscii8",
        33 | 76 | 83 => "utf8mb3",
        35 | 90 => "ucs2",
        36 | 68 => "cp866",
        37 | 73 => "keybcs2",
        38 | 43 => "macce",
        39 | 53 => "macroman",
        40 | 81 => "cp852",
        45 | 46 => "utf8mb4",
        54 | 55 => "utf16",
        56 | 62 => "utf16le",
        57 | 67 => "cp1256",
        60 | 61 => "utf32",
        63 => "binary",
        92 | 93 => "geostd8",
        95 | 96 => "cp932",
        97 | 98 => "eucjpms",
        _ => return None,
    })
}

/// The families of MySQL (below 330) and MariaDB (576 and above).
fn unicode(id: u32) -> Option<&'static str> {
    Some(match id {
        101..=127 | 672..=703 | 2816..=3071 => "utf16",
        128..=159 | 640..=671 | 2560..=2815 => "ucs2",
        160..=191 | 736..=767 | 3072..=3327 => "utf32",
        192..=223 | 576..=607 | 2048..=2303 => "utf8mb3",
        224..=247 | 255..=323 | 608..=639 | 2304..=2559 => "utf8mb4",
        248..=250 => "gb18030",
        _ => return None,
    })
}
