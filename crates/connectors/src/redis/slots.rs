//! Which of a cluster's 16384 slots a key lies in, and the names of our own keys, made so that each lies where it must.

/// Slots of a cluster.
pub const SLOTS: usize = 16_384;

const TOMBSTONE: &str = "syncline:tombstone:";
const MARK: &str = "syncline:mark:";

/// The slot of a key: CRC-16 (XMODEM) of its hash tag, or of all of it.
pub fn slot(key: &str) -> u16 {
    crc16(hash_tag(key).unwrap_or(key).as_bytes()) % SLOTS as u16
}

/// What stands between the first `{` and the next `}`, unless that is nothing.
fn hash_tag(key: &str) -> Option<&str> {
    let (_, rest) = key.split_once('{')?;
    let (tag, _) = rest.split_once('}')?;
    (!tag.is_empty()).then_some(tag)
}

/// The key that remembers the version of a deleted document, in the same slot as the document's own.
pub fn tombstone(key: &str) -> String {
    match hash_tag(key) {
        Some(_) => format!("{TOMBSTONE}{key}"),
        None => format!("{TOMBSTONE}{{{key}}}"),
    }
}

/// Whether a document may not stand at this key, because it is one of ours.
pub fn is_ours(key: &str) -> bool {
    key.starts_with(TOMBSTONE) || key.starts_with(MARK)
}

/// The pipeline's mark: the first of a row of names that lies in a slot of this master, so one for each master.
pub fn mark(pipeline: &str, owns: impl Fn(u16) -> bool) -> Option<String> {
    let pipeline = pipeline.replace('{', "%7B").replace('}', "%7D");
    let first = format!("{MARK}{{{pipeline}}}");
    // A master with a single slot is found within as many names in all likelihood; one without slots takes no writes.
    let others = (1..20 * SLOTS).map(|n| format!("{MARK}{{{pipeline}:{n}}}"));
    std::iter::once(first).chain(others).find(|name| owns(slot(name)))
}

fn crc16(bytes: &[u8]) -> u16 {
    const TABLE: [u16; 256] = table();
    bytes.iter().fold(0, |crc, byte| (crc << 8) ^ TABLE[usize::from((crc >> 8) as u8 ^ byte)])
}

const fn table() -> [u16; 256] {
    let mut table = [0; 256];
    let mut n = 0;
    while n < 256 {
        let mut crc = (n as u16) << 8;
        let mut bit = 0;
        while bit < 8 {
            crc = if crc & 0x8000 != 0 { (crc << 1) ^ 0x1021 } else { crc << 1 };
            bit += 1;
        }
        table[n] = crc;
        n += 1;
    }
    table
}
