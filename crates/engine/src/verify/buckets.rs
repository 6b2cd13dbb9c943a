//! Records sorted into buckets by the hash of their address, in memory up to a bound and in a file beyond it: what two sides
//! hold of the same documents meets in the same bucket, whatever order each side was read in.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use xxhash_rust::xxh3::{xxh3_64, xxh3_128_with_seed};

use crate::error::{Code, Error, Result};
use crate::route::TargetPlan;
use crate::sink::Address;

/// Buckets of one side. With ten million rows each is about 2 MB.
pub(super) const BUCKETS: usize = 256;
/// What a bucket gathers in memory before it is written behind its file.
const BUFFER: usize = 32 * 1024;
/// Address and digest, which every record begins with.
const HEAD: usize = 16 + 8;
const MOST_VARINT: usize = 10;

/// 128 bits of an address: two addresses of a target never share them in practice.
///
/// In an archive a row has its lines wherever it was when they were written, so only its key tells it from others.
pub(super) fn hash(plan: &TargetPlan, address: &Address) -> u128 {
    hash_at(plan, &address.target, &address.id)
}

/// The same of its two halves.
pub(super) fn hash_at(plan: &TargetPlan, target: &str, id: &str) -> u128 {
    hash_of(if plan.spec.kind.keeps_lines() { "" } else { target }, id)
}

pub(super) fn hash_of(target: &str, id: &str) -> u128 {
    xxh3_128_with_seed(id.as_bytes(), xxh3_64(target.as_bytes()))
}

/// What one side says of one address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Record<'a> {
    /// [`hash`] of the address.
    pub address: u128,
    /// Digest of the document.
    pub digest: u64,
    /// What else the side has to say in a number.
    pub number: u64,
    /// And in bytes.
    pub bytes: &'a [u8],
}

impl Record<'_> {
    /// Behind others of its bucket.
    pub fn write(&self, bucket: &mut Vec<u8>) {
        let mut head = [0; HEAD];
        head[..16].copy_from_slice(&self.address.to_le_bytes());
        head[16..24].copy_from_slice(&self.digest.to_le_bytes());
        bucket.reserve(HEAD + 2 * MOST_VARINT + self.bytes.len());
        bucket.extend_from_slice(&head);
        write_varint(bucket, self.number);
        write_varint(bucket, self.bytes.len() as u64);
        bucket.extend_from_slice(self.bytes);
    }
}

/// Seven bits a byte, the lowest first; the last byte has no eighth.
fn write_varint(out: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        out.push(number as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}

fn varint(rest: &mut &[u8]) -> Option<u64> {
    let mut number = 0;
    for shift in (0..64).step_by(7) {
        let (byte, behind) = rest.split_first()?;
        *rest = behind;
        number |= u64::from(byte & 0x7f) << shift;
        if *byte < 0x80 {
            return Some(number);
        }
    }
    None
}

/// All buckets of one side. Their file goes with it.
pub(super) struct Buckets {
    path: PathBuf,
    buckets: Vec<Bucket>,
    /// What memory does not hold: pieces of all buckets, one behind the other.
    file: Option<File>,
    end: u64,
}

#[derive(Default)]
struct Bucket {
    buffer: Vec<u8>,
    /// Where its pieces are in the file, and how long.
    pieces: Vec<(u64, usize)>,
}

impl Buckets {
    /// `name` tells the file of this side from those of others in the folder, which must exist.
    pub fn new(folder: &Path, name: &str) -> Buckets {
        let mut buckets = Vec::new();
        buckets.resize_with(BUCKETS, Bucket::default);
        Buckets { path: folder.join(name), buckets, file: None, end: 0 }
    }

    /// Adds a record to its bucket.
    pub fn push(&mut self, record: &Record<'_>) -> Result<()> {
        let index = (record.address >> 120) as usize % BUCKETS;
        let buffer = &mut self.buckets[index].buffer;
        record.write(buffer);
        if buffer.len() >= BUFFER {
            self.spill(index).map_err(|error| self.failed(error))?;
        }
        Ok(())
    }

    /// Takes a bucket out, its records in the order in which they were added.
    pub fn take(&mut self, index: usize) -> Result<Vec<u8>> {
        let bucket = std::mem::take(&mut self.buckets[index]);
        self.read(bucket).map_err(|error| self.failed(error))
    }

    fn spill(&mut self, index: usize) -> io::Result<()> {
        let file = match &self.file {
            Some(file) => file,
            None => {
                let file = File::options().read(true).write(true).create_new(true).open(&self.path)?;
                // It lives as long as it is open, and no longer than this process.
                std::fs::remove_file(&self.path)?;
                self.file.insert(file)
            }
        };
        let Bucket { buffer, pieces } = &mut self.buckets[index];
        file.write_all_at(buffer, self.end)?;
        pieces.push((self.end, buffer.len()));
        self.end += buffer.len() as u64;
        buffer.clear();
        Ok(())
    }

    fn read(&self, bucket: Bucket) -> io::Result<Vec<u8>> {
        let Some(file) = self.file.as_ref().filter(|_| !bucket.pieces.is_empty()) else {
            return Ok(bucket.buffer);
        };
        let written: usize = bucket.pieces.iter().map(|(_, length)| length).sum();
        let mut all = Vec::with_capacity(written + bucket.buffer.len());
        all.resize(written, 0);
        let mut rest = &mut all[..];
        for (start, length) in bucket.pieces {
            let (piece, behind) = rest.split_at_mut(length);
            file.read_exact_at(piece, start)?;
            rest = behind;
        }
        all.extend_from_slice(&bucket.buffer);
        Ok(all)
    }

    fn failed(&self, error: io::Error) -> Error {
        Error::new(Code::VerifyFolder, format!("{} cannot hold what is compared", self.path.display()))
            .cause(error)
    }
}

/// The records of a bucket.
pub(super) fn records(mut bucket: &[u8]) -> impl Iterator<Item = Record<'_>> {
    std::iter::from_fn(move || {
        let (head, mut rest) = bucket.split_first_chunk::<HEAD>()?;
        let number = varint(&mut rest)?;
        let length = usize::try_from(varint(&mut rest)?).ok()?;
        let (bytes, rest) = rest.split_at_checked(length)?;
        bucket = rest;
        Some(Record {
            address: u128::from_le_bytes(*head.first_chunk()?),
            digest: u64::from_le_bytes(*head.last_chunk()?),
            number,
            bytes,
        })
    })
}

/// An address as the bytes of a record.
pub(super) fn address_bytes(address: &Address, out: &mut Vec<u8>) {
    out.clear();
    write_varint(out, address.target.len() as u64);
    out.extend_from_slice(address.target.as_bytes());
    out.extend_from_slice(address.id.as_bytes());
}

/// Back again.
pub(super) fn address_of(mut bytes: &[u8]) -> Option<Address> {
    let length = usize::try_from(varint(&mut bytes)?).ok()?;
    let (target, id) = bytes.split_at_checked(length)?;
    Some(Address {
        target: std::str::from_utf8(target).ok()?.into(),
        id: std::str::from_utf8(id).ok()?.into(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(id: &str) -> Address {
        Address { target: "index".into(), id: id.into() }
    }

    #[test]
    fn records_come_back_in_order_from_memory_and_from_files() {
        let folder = tempfile::tempdir().unwrap();
        let mut buckets = Buckets::new(folder.path(), "side");
        let bytes = [7u8; 100];
        for n in 0..200_000u64 {
            let address = hash_of("", &(n % 50_000).to_string());
            buckets
                .push(&Record {
                    address,
                    digest: n,
                    number: u64::MAX - n,
                    bytes: &bytes[..(n % 100) as usize],
                })
                .unwrap();
        }
        let mut seen = 0;
        for index in 0..BUCKETS {
            let bucket = buckets.take(index).unwrap();
            assert!(bucket.len() > BUFFER, "so that files were needed");
            let mut last = std::collections::HashMap::new();
            for record in records(&bucket) {
                seen += 1;
                assert_eq!(
                    (record.number, record.bytes.len() as u64),
                    (u64::MAX - record.digest, record.digest % 100)
                );
                assert!(
                    last.insert(record.address, record.digest).is_none_or(|before| before < record.digest)
                );
            }
            assert!(buckets.take(index).unwrap().is_empty());
        }
        assert_eq!(seen, 200_000);
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
    }

    #[test]
    fn an_address_comes_back() {
        let mut bytes = Vec::new();
        let long = Address { target: "t".repeat(300).into(), id: "a".into() };
        for address in [address(""), address("ü:\0x"), Address { target: "".into(), id: "a".into() }, long] {
            address_bytes(&address, &mut bytes);
            assert_eq!(address_of(&bytes), Some(address));
        }
        assert_eq!(address_of(&[9, 0, 0]), None);
    }

    #[test]
    fn a_folder_that_is_gone_is_an_error_with_its_name() {
        let mut buckets = Buckets::new(Path::new("/nowhere/at/all"), "side");
        let bytes = vec![0u8; BUFFER];
        let record = Record { address: 1, digest: 0, number: 0, bytes: &bytes };
        let error = buckets.push(&record).unwrap_err();
        assert_eq!(error.code(), Code::VerifyFolder);
        assert!(error.to_string().contains("/nowhere/at/all"));
    }
}
