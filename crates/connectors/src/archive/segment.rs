//! Files of the archive as bytes: lines compressed into one, several joined into one, lines read back.
//! Nothing here knows where they are stored.

use std::io::{self, BufRead, BufReader, Read, Write};

use bytes::Bytes;
use sha2::{Digest, Sha256};
use syncline_engine::error::{Code, Error, Result};
use syncline_engine::version::Version;

use super::manifest::{File, hex};

const LEVEL: i32 = 3;
/// Files that are smaller on average are compressed anew when they are joined: short frames compress badly.
const SMALL_FRAME: usize = 64 << 10;

/// Lines of one path, in order.
#[derive(Debug, Default)]
pub struct Lines {
    pub lines: Vec<Bytes>,
    pub first_version: Option<Version>,
    pub last_version: Version,
}

impl Lines {
    /// Adds one.
    pub fn push(&mut self, line: Bytes, version: Version) {
        self.lines.push(line);
        self.first_version = Some(self.first_version.map_or(version, |first| first.min(version)));
        self.last_version = self.last_version.max(version);
    }
}

/// A file that is not stored yet: its entry, and what is to stand in it.
#[derive(Debug)]
pub struct Segment {
    pub file: File,
    pub bytes: Bytes,
}

impl Segment {
    fn new(path: String, bytes: Vec<u8>, lines: u64, first: Version, last: Version) -> Segment {
        let file = File {
            path,
            sha256: hex(&Sha256::digest(&bytes)),
            bytes: bytes.len() as u64,
            lines,
            first_version: first,
            last_version: last,
        };
        Segment { file, bytes: bytes.into() }
    }
}

/// Compresses lines into one file.
pub fn compress(path: String, lines: &Lines) -> Result<Segment> {
    let made = (|| {
        let mut encoder = encoder()?;
        for line in &lines.lines {
            encoder.write_all(line)?;
            encoder.write_all(b"\n")?;
        }
        encoder.finish()
    })();
    let bytes = made.map_err(|error| failed("lines cannot be compressed", &error))?;
    let first = lines.first_version.unwrap_or_default();
    Ok(Segment::new(path, bytes, lines.lines.len() as u64, first, lines.last_version))
}

/// Joins files, in this order, into one. Frames stand one behind the other, as zstd allows.
pub fn join(path: String, parts: &[(File, Bytes)]) -> Result<Segment> {
    let bytes: usize = parts.iter().map(|(_, bytes)| bytes.len()).sum();
    let made = if bytes < SMALL_FRAME * parts.len() {
        (|| {
            let mut encoder = encoder()?;
            for (_, bytes) in parts {
                zstd::stream::copy_decode(&bytes[..], &mut encoder)?;
            }
            encoder.finish()
        })()
    } else {
        Ok(parts.iter().flat_map(|(_, bytes)| bytes.iter().copied()).collect())
    };
    let bytes = made.map_err(|error| failed("files cannot be joined", &error))?;
    let lines = parts.iter().map(|(file, _)| file.lines).sum();
    let first = parts.iter().map(|(file, _)| file.first_version).min().unwrap_or_default();
    let last = parts.iter().map(|(file, _)| file.last_version).max().unwrap_or_default();
    Ok(Segment::new(path, bytes, lines, first, last))
}

fn encoder() -> io::Result<zstd::Encoder<'static, Vec<u8>>> {
    let mut encoder = zstd::Encoder::new(Vec::new(), LEVEL)?;
    encoder.include_checksum(true)?;
    Ok(encoder)
}

/// Whether the bytes are those that the manifest names.
pub fn verify(file: &File, bytes: &[u8]) -> Result<()> {
    if bytes.len() as u64 == file.bytes && hex(&Sha256::digest(bytes)) == file.sha256 {
        return Ok(());
    }
    let what = format!("{} is damaged: its content is not what the manifest says", file.path);
    Err(Error::new(Code::ArchiveManifest, what).fix("put the file back from a copy"))
}

/// Calls `each` with every line of a file.
pub fn read_lines(file: &File, bytes: &[u8], mut each: impl FnMut(&[u8])) -> Result<()> {
    let wrong = |error: io::Error| {
        Error::new(Code::ArchiveManifest, format!("{} cannot be read", file.path)).cause(error)
    };
    let decoder = zstd::Decoder::new(bytes).map_err(wrong)?;
    let mut reader = BufReader::new(decoder);
    let mut line = Vec::new();
    loop {
        line.clear();
        // No line is as long as this, whatever the file holds.
        let limit = 1 << 30;
        let read = (&mut reader).take(limit).read_until(b'\n', &mut line).map_err(wrong)?;
        if read == 0 {
            return Ok(());
        }
        each(line.strip_suffix(b"\n").unwrap_or(&line));
    }
}

fn failed(what: &str, error: &io::Error) -> Error {
    Error::new(Code::ArchiveWrite, what).cause(error)
}
