//! Time zones by name, with or without a database on the machine. What happens at a zone's changes is `next.rs`.

use jiff::tz::{TimeZone, TimeZoneDatabase};

use crate::error::{Code, Error, Result};

/// A time zone by its name in the IANA database. The system's own database comes first, for it may be newer; what it
/// lacks is in the one that is built in.
pub fn zone(name: &str) -> Result<TimeZone> {
    TimeZone::get(name).or_else(|_| TimeZoneDatabase::bundled().get(name)).map_err(|_| {
        let error = Error::new(Code::ConfigBadValue, format!("the time zone {name:?} is unknown"));
        match nearest(name) {
            Some(known) => error.fix(format!("did you mean {known}?")),
            None => error.fix("use a name of the IANA database, like Europe/Berlin, or UTC"),
        }
    })
}

fn nearest(name: &str) -> Option<String> {
    let distance = |known: &str| strsim::damerau_levenshtein(&name.to_lowercase(), &known.to_lowercase());
    let known = TimeZoneDatabase::bundled();
    let nearest = known.available().map(|known| (distance(known.as_str()), known.to_string())).min()?;
    (nearest.0 <= 1 + nearest.1.len() / 4).then_some(nearest.1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn zones_have_names() {
        assert!(zone("Europe/Berlin").is_ok());
        assert!(zone("UTC").is_ok());
        let error = zone("Europe/Berln").unwrap_err();
        assert_eq!((error.code(), error.fix_text()), (Code::ConfigBadValue, "did you mean Europe/Berlin?"));
        assert!(zone("somewhere far away").unwrap_err().fix_text().contains("IANA"));
        assert!(zone("").is_err());
    }

    /// Containers often have no database of their own.
    #[test]
    fn zones_are_built_in() {
        let built_in = TimeZoneDatabase::bundled();
        for name in ["Europe/Berlin", "America/New_York", "Africa/Cairo", "US/Eastern"] {
            let zone = built_in.get(name).unwrap();
            assert!(zone.following(jiff::Timestamp::UNIX_EPOCH).next().is_some(), "{name}");
        }
    }
}
