//! What a target remembers of a pipeline, so that a target that was emptied, restored or failed over is noticed (DESIGN
//! 4.6). Who keeps a mark where is each connector's; what follows from a difference is `pipeline/recall.rs`'s.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// The mark of one part of a target that can be lost by itself: an index, the keys of one master, a file.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mark {
    /// Drawn anew whenever the part is made; another one means that it was made again.
    pub token: String,
    /// Never falls while the part loses nothing; 0 where the token tells everything.
    pub count: u64,
    /// The highest epoch that was written there.
    pub epoch: u16,
    /// The rendered target name whose documents the part holds; `None` for those of the whole connection.
    pub target: Option<String>,
}

/// The marks of one target, by the names of its parts. Empty for targets that keep nothing and for untouched ones.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Marks(pub BTreeMap<String, Mark>);

impl Marks {
    /// The highest epoch of any part; `None` if there is none.
    pub fn epoch(&self) -> Option<u16> {
        self.0.values().map(|mark| mark.epoch).max()
    }

    /// The marks of these that have lost something, given what the target has now.
    pub fn lost<'a>(&'a self, now: &'a Marks) -> impl Iterator<Item = (&'a str, &'a Mark)> {
        let kept = |name: &str, mark: &Mark| now.0.get(name).is_some_and(|now| mark.kept_by(now));
        self.0.iter().map(|(name, mark)| (name.as_str(), mark)).filter(move |(name, mark)| !kept(name, mark))
    }

    /// Takes over what writes have shown of some parts; answers whether anything is new. A part that has lost something
    /// by that has no token any more: whatever it shows later, it counts as lost until it was compared.
    pub fn learn(&mut self, shown: &Marks) -> bool {
        let mut changed = false;
        for (name, mark) in &shown.0 {
            let known = self.0.entry(name.clone()).or_insert_with(|| {
                changed = true;
                mark.clone()
            });
            let learned = match known.kept_by(mark) {
                true => mark.clone(),
                false => Mark { token: String::new(), ..known.clone() },
            };
            changed |= *known != learned;
            *known = learned;
        }
        changed
    }

    /// Whether what these parts lost is still to be compared.
    pub fn doubtful(&self) -> bool {
        self.0.values().any(|mark| mark.token.is_empty())
    }

    /// Takes over what the target said when these were `before`. What writes have shown meanwhile stays.
    pub fn settle(&mut self, before: &Marks, now: Marks) {
        self.0.retain(|name, mark| before.0.get(name) != Some(mark));
        for (name, mark) in now.0 {
            self.0.entry(name).or_insert(mark);
        }
    }
}

impl Mark {
    /// Whether a part that is known by this mark lost nothing if it shows that one now.
    pub(crate) fn kept_by(&self, now: &Mark) -> bool {
        now.token == self.token && now.count >= self.count
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn marks(parts: &[(&str, &str, u64)]) -> Marks {
        let mark = |token: &str, count| Mark { token: token.to_owned(), count, ..Mark::default() };
        Marks(parts.iter().map(|(name, token, count)| ((*name).to_owned(), mark(token, *count))).collect())
    }

    #[test]
    fn a_part_is_lost_if_it_is_gone_or_another_or_older() {
        let before = marks(&[("a", "x", 5), ("b", "y", 5), ("c", "z", 5), ("d", "w", 5)]);
        let now = marks(&[("a", "x", 6), ("b", "other", 9), ("c", "z", 4), ("e", "new", 1)]);
        assert_eq!(before.lost(&now).map(|(name, _)| name).collect::<Vec<_>>(), ["b", "c", "d"]);
        assert_eq!(before.lost(&before).count(), 0);
        assert_eq!(Marks::default().lost(&now).count(), 0);
    }

    #[test]
    fn what_writes_show_to_be_lost_stays_lost_until_it_was_compared() {
        let mut known = marks(&[("a", "x", 5), ("b", "y", 5)]);
        assert!(known.learn(&marks(&[("a", "x", 6), ("c", "z", 1)])));
        assert_eq!(known, marks(&[("a", "x", 6), ("b", "y", 5), ("c", "z", 1)]));
        assert!(!known.learn(&marks(&[("a", "x", 6)])));

        assert!(known.learn(&marks(&[("a", "other", 7)])));
        assert!(known.doubtful());
        let before = known.clone();
        // A backup comes back, which has the token that was known: still lost.
        assert!(!known.learn(&marks(&[("a", "x", 9)])));
        let now = marks(&[("a", "x", 9), ("b", "y", 5)]);
        assert_eq!(before.lost(&now).map(|(name, _)| name).collect::<Vec<_>>(), ["a", "c"]);
        known.learn(&marks(&[("b", "y", 6)]));
        known.settle(&before, now);
        assert_eq!(known, marks(&[("a", "x", 9), ("b", "y", 6)]));
    }
}
