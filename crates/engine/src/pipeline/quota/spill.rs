//! A file without a name that holds pieces of any length in slots, which are used again: it is as long as the most that was
//! ever held at once. Whose pieces they are, and in which order, is `hold.rs`.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Bytes of a slot.
pub(super) const SLOT: usize = 16 * 1024;

/// The file of one sink.
pub(super) struct Spill {
    folder: PathBuf,
    name: String,
    file: Option<Arc<File>>,
    free: Vec<u32>,
    slots: u32,
}

/// Where a piece lies.
#[derive(Debug)]
pub(super) struct Segment {
    slots: Vec<u32>,
    length: usize,
}

impl Spill {
    /// `name` tells its file from others of the folder, which must exist once something is written.
    pub fn new(folder: &Path, name: &str) -> Spill {
        Spill { folder: folder.to_owned(), name: name.to_owned(), file: None, free: Vec::new(), slots: 0 }
    }

    /// Bytes in use.
    pub fn bytes(&self) -> u64 {
        (u64::from(self.slots) - self.free.len() as u64) * SLOT as u64
    }

    /// The folder, for messages.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Room for a piece of so many bytes, and the file to write it to.
    pub fn reserve(&mut self, length: usize) -> io::Result<(Arc<File>, Segment)> {
        let file = self.open()?;
        let mut segment = Segment { slots: Vec::new(), length };
        for _ in 0..length.div_ceil(SLOT) {
            let Some(slot) = self.slot() else {
                self.forget(&segment);
                return Err(io::Error::other("the file has no more slots"));
            };
            segment.slots.push(slot);
        }
        Ok((file, segment))
    }

    /// Gives a piece back, and its slots free.
    pub fn read(&mut self, segment: &Segment) -> io::Result<Vec<u8>> {
        let mut bytes = vec![0; segment.length];
        for (part, slot) in bytes.chunks_mut(SLOT).zip(&segment.slots) {
            let file = self.file.as_ref().ok_or_else(|| io::Error::other("nothing was written"))?;
            file.read_exact_at(part, at(*slot))?;
        }
        self.forget(segment);
        Ok(bytes)
    }

    /// Its slots are free again.
    pub fn forget(&mut self, segment: &Segment) {
        self.free.extend_from_slice(&segment.slots);
        if self.free.len() == self.slots as usize {
            // Nothing is in use: the next piece begins a new file, and the disk has this one's room back.
            (self.file, self.free, self.slots) = (None, Vec::new(), 0);
        }
    }

    fn slot(&mut self) -> Option<u32> {
        if let Some(slot) = self.free.pop() {
            return Some(slot);
        }
        let slot = self.slots;
        self.slots = self.slots.checked_add(1)?;
        Some(slot)
    }

    fn open(&mut self) -> io::Result<Arc<File>> {
        if let Some(file) = &self.file {
            return Ok(Arc::clone(file));
        }
        // Another run of the process may be about to take its own file's name away.
        static OPENED: AtomicU64 = AtomicU64::new(0);
        let (process, number) = (std::process::id(), OPENED.fetch_add(1, Ordering::Relaxed));
        let path = self.folder.join(format!("{}-{process}-{number}.held", self.name));
        let file = OpenOptions::new().read(true).write(true).create(true).truncate(true).open(&path)?;
        // It lives as long as it is open, and no longer than this process.
        std::fs::remove_file(path)?;
        Ok(Arc::clone(self.file.insert(Arc::new(file))))
    }
}

/// Writes a piece where there is room for it.
pub(super) fn write(file: &File, segment: &Segment, bytes: &[u8]) -> io::Result<()> {
    for (part, slot) in bytes.chunks(SLOT).zip(&segment.slots) {
        file.write_all_at(part, at(*slot))?;
    }
    Ok(())
}

fn at(slot: u32) -> u64 {
    u64::from(slot) * SLOT as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keep(spill: &mut Spill, bytes: &[u8]) -> Segment {
        let (file, segment) = spill.reserve(bytes.len()).unwrap();
        write(&file, &segment, bytes).unwrap();
        segment
    }

    #[test]
    fn pieces_come_back_and_their_slots_are_used_again() {
        let folder = tempfile::tempdir().unwrap();
        let mut spill = Spill::new(folder.path(), "held");
        let piece = |n: usize| vec![n as u8; n * 5000];
        let mut kept: std::collections::VecDeque<(usize, Segment)> = Default::default();
        let mut most = 0;
        for round in 0..500 {
            let n = round % 11;
            kept.push_back((n, keep(&mut spill, &piece(n))));
            assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0, "its file has no name");
            if kept.len() > 20 {
                let which = round * 7 % kept.len();
                let (n, segment) = kept.remove(which).unwrap();
                assert_eq!(spill.read(&segment).unwrap(), piece(n));
            }
            most = most.max(spill.slots);
        }
        assert!(most <= 21 * 4, "{most} slots for 21 pieces of at most 4");
        for (n, segment) in kept {
            assert_eq!(spill.read(&segment).unwrap(), piece(n));
        }
        assert_eq!(spill.bytes(), 0);
        assert!(spill.file.is_none(), "and its room is given back");
    }

    #[test]
    fn a_folder_that_is_gone_is_an_error() {
        let mut spill = Spill::new(Path::new("/nowhere/at/all"), "held");
        assert!(spill.reserve(1).is_err());
        assert_eq!(spill.bytes(), 0);
    }
}
