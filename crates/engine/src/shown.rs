//! The marks that a sink's calls have shown so far (DESIGN 4.6), for connectors to keep. What a mark is, and what it tells,
//! is each connector's; what follows from a loss is `pipeline/recall.rs`'s.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::mark::{Mark, Marks};

/// The marks as they were last seen.
#[derive(Default)]
pub struct Shown(Mutex<Seen>);

/// A copy to compare with.
#[derive(Clone, Default)]
pub struct Seen {
    marks: Marks,
    /// Parts that have lost something.
    lost: BTreeMap<String, Loss>,
    /// Parts that may be gone.
    doubted: BTreeSet<String>,
}

/// Kept until the target was asked after it was told of.
#[derive(Clone, PartialEq)]
struct Loss {
    /// What the part was before.
    before: Mark,
    /// It may have happened more than once.
    times: u64,
    told: bool,
}

impl Shown {
    fn lock(&self) -> MutexGuard<'_, Seen> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// As it is now.
    pub fn seen(&self) -> Seen {
        self.lock().clone()
    }

    /// All of them. Those that have lost something since the target was last asked have no token.
    pub fn marks(&self) -> Marks {
        let mut seen = self.lock();
        let mut marks = seen.marks.clone();
        for (name, loss) in &mut seen.lost {
            loss.told = true;
            marks.0.insert(name.clone(), Mark { token: String::new(), ..loss.before.clone() });
        }
        marks
    }

    /// What the target said when it was asked after `before`. What writes have shown since then is newer and stays: were
    /// it taken back, the next write would not miss it.
    pub fn asked(&self, before: &Seen, now: Marks) {
        let mut seen = self.lock();
        seen.marks.settle(&before.marks, now);
        let Seen { marks, lost, doubted } = &mut *seen;
        lost.retain(|name, loss| !loss.told || before.lost.get(name) != Some(loss));
        doubted.retain(|name| marks.0.contains_key(name));
    }

    /// Calls that are made one after the other have shown this.
    pub fn answered(&self, now: Marks) {
        let mut seen = self.lock();
        for (name, mark) in now.0 {
            seen.replace(name, mark);
        }
    }

    /// A call has shown this of a part. Calls are made beside each other: only another token tells of a loss.
    pub fn answered_beside_others(&self, name: &str, mark: Mark) {
        let mut seen = self.lock();
        let known = seen.marks.0.get(name);
        if known.is_none_or(|known| known.token != mark.token || known.count < mark.count) {
            seen.replace(name.to_owned(), mark);
        }
    }

    /// Some parts may be gone: they do not count as known before they are seen again.
    pub fn doubt(&self, doubted: impl Fn(&Mark) -> bool) {
        let mut seen = self.lock();
        let Seen { marks, doubted: names, .. } = &mut *seen;
        names.extend(marks.0.iter().filter(|(_, mark)| doubted(mark)).map(|(name, _)| name.clone()));
    }

    /// Whether a part is known.
    pub fn contains(&self, name: &str) -> bool {
        let seen = self.lock();
        seen.marks.0.contains_key(name) && !seen.doubted.contains(name)
    }

    /// The count that is known to be at a part.
    pub fn count(&self, name: &str) -> u64 {
        self.lock().marks.0.get(name).map_or(0, |mark| mark.count)
    }
}

impl Seen {
    fn replace(&mut self, name: String, mark: Mark) {
        self.doubted.remove(&name);
        let before = self.marks.0.insert(name.clone(), mark.clone());
        if let Some(before) = before.filter(|before| !before.kept_by(&mark)) {
            let loss = self.lost.entry(name).or_insert(Loss { before, times: 0, told: false });
            loss.times += 1;
            loss.told = false;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mark(token: &str, count: u64) -> Mark {
        Mark { token: token.to_owned(), count, ..Mark::default() }
    }

    fn one(name: &str, token: &str, count: u64) -> Marks {
        Marks([(name.to_owned(), mark(token, count))].into())
    }

    #[test]
    fn what_a_write_shows_while_the_target_is_asked_is_not_taken_back() {
        let shown = Shown::default();
        shown.answered_beside_others("a", mark("x", 5));
        let before = shown.seen();
        shown.answered_beside_others("a", mark("x", 6));
        shown.answered_beside_others("b", mark("y", 1));
        shown.asked(&before, one("a", "x", 5));
        assert_eq!((shown.count("a"), shown.count("b")), (6, 1));

        // Nothing was written meanwhile: what the target says counts, even if it is less.
        shown.asked(&shown.seen(), one("a", "x", 4));
        assert_eq!((shown.count("a"), shown.contains("b")), (4, false));
        shown.answered_beside_others("a", mark("x", 3));
        assert_eq!(shown.count("a"), 4);
    }

    #[test]
    fn a_loss_is_told_until_the_target_was_asked_after_it() {
        let shown = Shown::default();
        shown.answered_beside_others("a", mark("x", 5));
        let before = shown.seen();
        shown.answered_beside_others("a", mark("other", 6));
        shown.asked(&before, one("a", "x", 5));
        shown.asked(&shown.seen(), one("a", "other", 6));
        assert_eq!(shown.marks(), one("a", "", 5), "nobody was told");
        shown.asked(&before, one("a", "x", 5));
        assert_eq!(shown.marks(), one("a", "", 5), "it was asked before it happened");
        assert_eq!(shown.count("a"), 6, "the next write must find what this one has left");
        shown.asked(&shown.seen(), one("a", "other", 6));
        assert_eq!(shown.marks(), one("a", "other", 6));

        shown.answered(one("a", "other", 2));
        assert_eq!(shown.marks(), one("a", "", 6));
        shown.asked(&shown.seen(), one("a", "other", 2));
        shown.doubt(|mark| mark.count == 2);
        assert!(!shown.contains("a"));
        assert_eq!(shown.marks(), one("a", "other", 2), "it may be there yet");
        shown.answered(one("a", "third", 3));
        assert!(shown.contains("a"));
        assert_eq!(shown.marks(), one("a", "", 2));
    }
}
