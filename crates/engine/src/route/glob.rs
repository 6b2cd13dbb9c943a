//! Text with wildcards, matched in bounded time: table patterns and `like` share it.
//! How wildcards are spelled is decided by who makes the parts.

/// One piece of a text with wildcards.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Part {
    Char(char),
    One,
    Any,
}

/// Whether the whole text matches. Goes back to the last `Any` only, so the time is bounded by parts times text.
pub(crate) fn matches(parts: &[Part], text: &str) -> bool {
    let mut rest = text.chars();
    let mut at = 0;
    let mut retry: Option<(usize, std::str::Chars<'_>)> = None;
    loop {
        let before = rest.clone();
        match (parts.get(at), rest.next()) {
            (Some(Part::Any), _) => {
                retry = Some((at, before.clone()));
                rest = before;
                at += 1;
                continue;
            }
            (None, None) => return true,
            (Some(Part::One), Some(_)) => {
                at += 1;
                continue;
            }
            (Some(Part::Char(wanted)), Some(c)) if *wanted == c => {
                at += 1;
                continue;
            }
            _ => {}
        }
        let Some((star, from)) = &mut retry else { return false };
        if from.next().is_none() {
            return false;
        }
        at = *star + 1;
        rest = from.clone();
    }
}
