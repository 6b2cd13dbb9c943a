//! Causes of trouble, what may be done about each, and what the file chose. Every error that halts something is of one cause here, or
//! of none, and then always waits for a person.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::error::{Code, Kind};

/// Why something does not go on, as users name it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Cause {
    /// A peer does not answer, or is busy.
    Unreachable,
    /// A row was refused for good.
    RowRefused,
    /// More rows of a table were refused than may be.
    ManyRefused,
    /// A table's columns are not those of its changes.
    SchemaChanged,
    /// Rows of a table changed without row events.
    RowsUnseen,
    /// A route changed: older documents are as it was before.
    RouteChanged,
    /// The source no longer has what comes after the checkpoint.
    HistoryLost,
    /// The source's history, or the server itself, is another one.
    HistoryChanged,
    /// The source's log cannot be read on.
    LogDamaged,
    /// The source refuses the login, a privilege or a setting.
    SourceRefused,
    /// A target refuses whole requests for good.
    TargetRefused,
    /// A target does not hold what it held.
    TargetLost,
    /// Somebody else, or a later history, wrote to a target.
    TargetForeign,
}

/// What is done about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Strategy {
    /// It stands still until a person has looked.
    Manual,
    /// The same again, later and later.
    Retry,
    /// The row goes to the dead letters, the others flow.
    DeadLetter,
    /// What the table or the target lacks is read again into the live target.
    Backfill,
    /// The same, and search indices are made anew beside the live ones.
    Resync,
}

impl Strategy {
    /// The word in the file.
    pub const fn name(self) -> &'static str {
        match self {
            Strategy::Manual => "manual",
            Strategy::Retry => "retry",
            Strategy::DeadLetter => "dead_letter",
            Strategy::Backfill => "backfill",
            Strategy::Resync => "resync",
        }
    }

    /// All of them.
    pub const ALL: [Strategy; 5] =
        [Strategy::Manual, Strategy::Retry, Strategy::DeadLetter, Strategy::Backfill, Strategy::Resync];
}

impl Cause {
    /// All of them.
    pub const ALL: [Cause; 13] = [
        Cause::Unreachable,
        Cause::RowRefused,
        Cause::ManyRefused,
        Cause::SchemaChanged,
        Cause::RowsUnseen,
        Cause::RouteChanged,
        Cause::HistoryLost,
        Cause::HistoryChanged,
        Cause::LogDamaged,
        Cause::SourceRefused,
        Cause::TargetRefused,
        Cause::TargetLost,
        Cause::TargetForeign,
    ];

    /// The word in the file.
    pub fn name(self) -> &'static str {
        match self {
            Cause::Unreachable => "unreachable",
            Cause::RowRefused => "row_refused",
            Cause::ManyRefused => "many_refused",
            Cause::SchemaChanged => "schema_changed",
            Cause::RowsUnseen => "rows_unseen",
            Cause::RouteChanged => "route_changed",
            Cause::HistoryLost => "history_lost",
            Cause::HistoryChanged => "history_changed",
            Cause::LogDamaged => "log_damaged",
            Cause::SourceRefused => "source_refused",
            Cause::TargetRefused => "target_refused",
            Cause::TargetLost => "target_lost",
            Cause::TargetForeign => "target_foreign",
        }
    }

    /// What is sound for it; the first is what happens if the file says nothing. To read again what somebody else writes, or to
    /// park rows when none is to blame, is not.
    pub fn strategies(self) -> &'static [Strategy] {
        use Strategy::{Backfill, DeadLetter, Manual, Resync, Retry};
        match self {
            Cause::Unreachable => &[Retry],
            Cause::RowRefused => &[DeadLetter],
            Cause::ManyRefused => &[Manual, Backfill],
            Cause::SchemaChanged | Cause::RowsUnseen | Cause::RouteChanged => &[Manual, Backfill, Resync],
            Cause::HistoryLost | Cause::HistoryChanged => &[Manual, Backfill],
            Cause::LogDamaged => &[Manual, Retry, Backfill],
            Cause::SourceRefused | Cause::TargetRefused => &[Manual, Retry],
            Cause::TargetLost => &[Backfill, Manual],
            Cause::TargetForeign => &[Manual],
        }
    }

    /// Why a table with this error does not go on.
    pub(crate) fn of_table(code: Code) -> Option<Cause> {
        match code {
            Code::MysqlSchema | Code::SqliteSchema => Some(Cause::SchemaChanged),
            Code::MysqlPartialImage | Code::MysqlStatement | Code::MysqlXa | Code::MysqlTruncate => {
                Some(Cause::RowsUnseen)
            }
            Code::TooManyDeadLetters => Some(Cause::ManyRefused),
            Code::RouteStale => Some(Cause::RouteChanged),
            _ => None,
        }
    }

    /// Why a pipeline with this error does not go on. Its own book, disk and program are for a person.
    pub(crate) fn of_pipeline(code: Code) -> Option<Cause> {
        match code {
            Code::MysqlPurged | Code::SqliteGap => Some(Cause::HistoryLost),
            Code::MysqlIdentity => Some(Cause::HistoryChanged),
            Code::MysqlDecode | Code::MysqlChecksum | Code::MysqlUnknownEvent => Some(Cause::LogDamaged),
            code if code.kind() == Kind::Config && (1200..1500).contains(&code.number()) => {
                Some(Cause::SourceRefused)
            }
            _ => None,
        }
    }

    /// Why a target with this error does not go on.
    pub(crate) fn of_target(code: Code) -> Option<Cause> {
        match code {
            Code::SearchForeign
            | Code::RedisForeign
            | Code::SqliteSinkForeign
            | Code::ArchiveManifest
            | Code::TargetForeign => Some(Cause::TargetForeign),
            Code::TargetLost => Some(Cause::TargetLost),
            Code::LedgerOpen
            | Code::LedgerLocked
            | Code::LedgerWrite
            | Code::LedgerFormat
            | Code::LedgerRead
            | Code::StdoutClosed
            | Code::Internal => None,
            _ => Some(Cause::TargetRefused),
        }
    }
}

/// How many steps of one cause may be taken for one table or target.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limit {
    pub times: u32,
    /// Steps before that are forgotten.
    pub within: Duration,
    /// Between the first step and the second; twice as long before the third, and so on.
    pub pause: Duration,
}

impl Default for Limit {
    fn default() -> Limit {
        Limit { times: 3, within: Duration::from_secs(86_400), pause: Duration::from_secs(10) }
    }
}

/// More requests at once while the pipeline is behind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Widen {
    /// A lag above this counts.
    pub behind: Duration,
    /// Requests in flight to one target at most.
    pub lanes: usize,
}

/// What the file says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RecoverySpec {
    /// Between two probes of the same thing; zero for none.
    pub probe: Duration,
    /// Where it says something else than the default of the cause.
    pub on: BTreeMap<Cause, Strategy>,
    /// `None` without a section: what is done by default has no limit.
    pub limit: Option<Limit>,
    pub widen: Option<Widen>,
}

impl RecoverySpec {
    /// What is to be done.
    pub fn strategy(&self, cause: Cause) -> Strategy {
        let default = cause.strategies().first().copied().unwrap_or(Strategy::Manual);
        self.on.get(&cause).copied().unwrap_or(default)
    }

    /// Whether a halted pipeline or target may be started again by itself.
    pub(crate) fn starts_again(&self) -> bool {
        let whole = [
            Cause::HistoryLost,
            Cause::HistoryChanged,
            Cause::LogDamaged,
            Cause::SourceRefused,
            Cause::TargetRefused,
        ];
        whole.into_iter().any(|cause| self.strategy(cause) != Strategy::Manual)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whatever_halts_is_of_a_cause_or_waits_for_a_person() {
        let by_hand = |code: &&Code| {
            code.kind() == Kind::HaltPipeline
                && Cause::of_pipeline(**code).is_none()
                && Cause::of_target(**code).is_none()
        };
        let left: Vec<Code> = Code::ALL.iter().filter(by_hand).copied().collect();
        assert_eq!(left, [Code::LedgerWrite, Code::LedgerRead, Code::Internal, Code::StdoutClosed]);
        for code in Code::ALL.iter().filter(|code| code.kind() == Kind::HaltTable) {
            assert!(Cause::of_table(*code).is_some(), "{code}");
        }
    }

    #[test]
    fn without_a_section_all_is_as_it_was() {
        let spec = RecoverySpec::default();
        assert!(!spec.starts_again() && spec.limit.is_none() && spec.probe.is_zero());
        for cause in Cause::ALL {
            let expected = match cause {
                Cause::Unreachable => Strategy::Retry,
                Cause::RowRefused => Strategy::DeadLetter,
                Cause::TargetLost => Strategy::Backfill,
                _ => Strategy::Manual,
            };
            assert_eq!(spec.strategy(cause), expected, "{}", cause.name());
        }
    }

    #[test]
    fn what_others_wrote_is_never_read_over_by_itself() {
        assert_eq!(Cause::TargetForeign.strategies(), [Strategy::Manual]);
        assert_eq!(Cause::of_target(Code::RedisForeign), Some(Cause::TargetForeign));
        assert_eq!(Cause::HistoryChanged.strategies().first(), Some(&Strategy::Manual));
    }
}
