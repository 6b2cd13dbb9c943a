//! Which files of a path to join, so that many small writes do not leave many small files, and large ones are not
//! written again for the sake of small ones. Pure; nothing here reads or writes.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use super::manifest::File;

/// How many files there must be.
const FAN: usize = 8;
/// A file of this size is not joined any more.
pub const FULL: u64 = 16 << 20;

/// The files, as indices into `files`, that become one; the last of them says where it stands.
pub fn plan(files: &[File], touched: &BTreeSet<String>) -> Vec<Vec<usize>> {
    let mut by_path: BTreeMap<&str, Vec<usize>> = touched.iter().map(|path| (&**path, Vec::new())).collect();
    for (n, file) in files.iter().enumerate() {
        if let Some(own) = by_path.get_mut(file.folder()) {
            own.push(n);
        }
    }
    let joined = |own: Vec<usize>| {
        let sizes: Vec<u64> = own.iter().map(|n| files[*n].bytes).collect();
        run(&sizes).map(|run| own[run].to_vec())
    };
    by_path.into_values().filter_map(joined).collect()
}

/// The run at the end of a path's files that is to be joined: the longest of eight or more whose oldest file is not
/// larger than the others together. So each time a file is written again it has at least doubled, and the files that
/// are left double from one to the next.
fn run(sizes: &[u64]) -> Option<Range<usize>> {
    let small = sizes.iter().rposition(|size| *size >= FULL).map_or(0, |full| full + 1);
    let mut rest: u64 = sizes[small..].iter().sum();
    let start = (small..sizes.len()).take_while(|start| sizes.len() - start >= FAN).find(|start| {
        rest -= sizes[*start];
        sizes[*start] <= rest
    });
    start.map(|start| bounded(sizes, start..sizes.len()))
}

/// Joining holds the files in memory: no more of them than make a full one.
fn bounded(sizes: &[u64], run: Range<usize>) -> Range<usize> {
    let mut sum = 0;
    let fits = sizes[run.clone()].iter().take_while(|size| {
        sum += **size;
        sum < 2 * FULL
    });
    let fits = fits.count();
    run.start..run.start + fits
}

#[cfg(test)]
mod tests {
    use syncline_engine::version::Version;

    use super::*;

    fn file(path: &str, bytes: u64) -> File {
        let (first_version, last_version) = (Version::ZERO, Version::ZERO);
        File { path: path.into(), sha256: String::new(), bytes, lines: 1, first_version, last_version }
    }

    /// Writes `count` files of a size, joining as planned; answers the sizes that are left and the bytes written.
    fn written(count: u64, size: u64) -> (Vec<u64>, u64) {
        let (mut files, mut total) = (Vec::new(), 0);
        let touched = BTreeSet::from(["a".to_owned()]);
        for _ in 0..count {
            files.push(file("a/x", size));
            total += size;
            for join in plan(&files, &touched) {
                let sum = join.iter().map(|n| files[*n].bytes).sum();
                let last = *join.last().unwrap();
                files[last] = file("a/x", sum);
                join[..join.len() - 1].iter().rev().for_each(|n| _ = files.remove(*n));
                total += sum;
            }
        }
        (files.iter().map(|file| file.bytes).collect(), total)
    }

    #[test]
    fn many_small_writes_leave_few_files_and_cost_a_few_times_their_bytes() {
        for (count, size) in [(20_000, 300), (20_000, 5_000), (500, 200_000), (200, 3 << 20), (30, 20 << 20)]
        {
            let (left, total) = written(count, size);
            assert_eq!(left.iter().sum::<u64>(), count * size);
            let small = left.iter().filter(|bytes| **bytes < FULL).count();
            assert!(small <= 24, "{count} of {size}: {small} small files");
            assert!(left.iter().all(|bytes| *bytes < 2 * FULL || *bytes == size));
            assert!(total <= 8 * count * size, "{count} of {size}: {total} written");
        }
    }

    #[test]
    fn only_neighbours_of_one_path_are_joined() {
        let mut files: Vec<File> =
            (0..14).map(|n| file(if n % 2 == 0 { "a/x" } else { "b/x" }, 10)).collect();
        let touched = BTreeSet::from(["a".to_owned(), "b".to_owned()]);
        assert!(plan(&files, &touched).is_empty());
        files.push(file("a/x", 10));
        assert_eq!(plan(&files, &touched), [[0, 2, 4, 6, 8, 10, 12, 14]]);
        assert!(plan(&files, &BTreeSet::from(["b".to_owned()])).is_empty());
        files[6] = file("a/x", FULL);
        assert!(plan(&files, &touched).is_empty(), "a full file ends the run");
    }
}
