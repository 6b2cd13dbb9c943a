//! What a server says about itself: family, version, identity, settings, and where its binlog stands. Asked once per
//! connection; judged by `check/`, `stream/` and `reader/`.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use syncline_engine::error::{Code, Error, Result};
use syncline_engine::version::Version;

use super::binlog::Flavor;

/// Settings that somebody here looks at. Asked in one statement; a server leaves out what it does not know.
const VARIABLES: &[&str] = &[
    "binlog_expire_logs_seconds",
    "binlog_format",
    "binlog_legacy_event_pos",
    "binlog_row_image",
    "binlog_row_metadata",
    "binlog_row_value_options",
    "expire_logs_days",
    "gtid_mode",
    "hostname",
    "log_bin",
    "log_replica_updates",
    "log_slave_updates",
    "lower_case_table_names",
    "server_id",
    "server_uid",
    "server_uuid",
    "version",
    "version_comment",
];

/// The statement that asks for [`VARIABLES`].
pub fn variables_sql() -> String {
    format!("SHOW GLOBAL VARIABLES WHERE Variable_name IN ('{}')", VARIABLES.join("','"))
}

/// Who a server is. Two servers differ in `uid`, except that MariaDB computes its `server_uid` from network card and
/// port and so changes it when a container is made again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Identity {
    /// `server_uuid`, `server_uid`, or empty where a server has neither.
    pub uid: String,
    pub server_id: u32,
    pub mariadb: bool,
}

impl Identity {
    /// Whether the binlog of `other` can be the one that we read from `self`. For MariaDB the format event of the file
    /// has the last word (`stream/resume.rs`).
    pub fn may_be(&self, other: &Identity) -> bool {
        self.mariadb == other.mariadb
            && (!self.uid.is_empty() && self.uid == other.uid
                || self.mariadb && self.server_id == other.server_id)
    }
}

impl std::fmt::Display for Identity {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let family = if self.mariadb { "MariaDB" } else { "MySQL" };
        write!(f, "{family} {} (server_id {})", self.uid, self.server_id)
    }
}

/// A server as of when it was asked.
#[derive(Clone, Debug)]
pub struct Facts {
    pub flavor: Flavor,
    /// `10.11.19-MariaDB-log`.
    pub version: String,
    /// `(10, 11, 19)`.
    pub number: (u32, u32, u32),
    pub identity: Identity,
    variables: BTreeMap<String, String>,
}

impl Facts {
    /// From the rows of [`variables_sql`].
    pub fn new(rows: impl IntoIterator<Item = (String, String)>) -> Facts {
        let variables: BTreeMap<String, String> =
            rows.into_iter().map(|(name, value)| (name.to_ascii_lowercase(), value)).collect();
        let text = |name: &str| variables.get(name).cloned().unwrap_or_default();
        let version = text("version");
        let mariadb = version.to_ascii_lowercase().contains("mariadb")
            || text("version_comment").to_ascii_lowercase().contains("mariadb");
        let uid = if mariadb { text("server_uid") } else { text("server_uuid") };
        let identity = Identity { uid, server_id: text("server_id").parse().unwrap_or(0), mariadb };
        let flavor = if mariadb { Flavor::MariaDb } else { Flavor::MySql };
        Facts { flavor, number: number(&version), version, identity, variables }
    }

    /// A setting's value; `None` if this server has no such setting.
    pub fn variable(&self, name: &str) -> Option<&str> {
        self.variables.get(name).map(String::as_str)
    }

    /// Whether a setting is ON.
    pub fn is_on(&self, name: &str) -> bool {
        self.variable(name).is_some_and(|v| v.eq_ignore_ascii_case("on") || v == "1")
    }

    /// Whether it is MariaDB.
    pub fn mariadb(&self) -> bool {
        self.flavor == Flavor::MariaDb
    }

    /// Whether a statement that changes a table stands in the binlog only when the catalog shows the change.
    pub fn atomic_ddl(&self) -> bool {
        self.mariadb() || self.number.0 >= 8
    }

    /// MySQL, and every transaction has a GTID.
    pub fn mysql_gtid(&self) -> bool {
        !self.mariadb() && self.variable("gtid_mode").is_some_and(|v| v.eq_ignore_ascii_case("on"))
    }

    /// Whether table names compare without case.
    pub fn folds_names(&self) -> bool {
        self.variable("lower_case_table_names").is_some_and(|v| v != "0")
    }

    /// The statement that shows where the binlog ends.
    pub fn status_sql(&self) -> &'static str {
        if !self.mariadb() && self.number >= (8, 4, 0) {
            "SHOW BINARY LOG STATUS"
        } else {
            "SHOW MASTER STATUS"
        }
    }
}

fn number(version: &str) -> (u32, u32, u32) {
    // MariaDB's replication-friendly prefix.
    let version = version.strip_prefix("5.5.5-").unwrap_or(version);
    let mut parts = version.split(|c: char| !c.is_ascii_digit()).map(|n| n.parse().unwrap_or(0));
    let mut next = || parts.next().unwrap_or(0);
    (next(), next(), next())
}

/// A byte in a binlog file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Coordinate {
    pub file: String,
    pub offset: u64,
}

impl Coordinate {
    /// As a version; an error if the file's name does not end in a number.
    pub fn version(&self, epoch: u16) -> Result<Version> {
        Ok(Version::new(epoch, file_number(&self.file)?, self.offset))
    }
}

impl std::fmt::Display for Coordinate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:{}", self.file, self.offset)
    }
}

/// `mysql-bin.000003` is `("mysql-bin", 3)`.
pub fn split_file(file: &str) -> Option<(&str, u64)> {
    let (base, digits) = file.rsplit_once('.')?;
    let number = digits.bytes().all(|b| b.is_ascii_digit()).then(|| digits.parse().ok())??;
    Some((base, number))
}

/// The number at a binlog file's end.
pub fn file_number(file: &str) -> Result<u64> {
    split_file(file)
        .map(|(_, number)| number)
        .ok_or_else(|| Error::new(Code::MysqlDecode, format!("{file:?} is not the name of a binlog file")))
}

/// The server writes no binlog.
pub fn no_binlog(shown: &str) -> Error {
    Error::new(Code::MysqlSetting, format!("{shown}: log_bin is OFF"))
        .fix("start the server with --log-bin and a server_id other than 0")
}

/// The privilege that lets an account see where the binlog stands.
pub fn monitor(facts: &Facts) -> &'static str {
    if facts.mariadb() && facts.number >= (10, 5, 2) { "BINLOG MONITOR" } else { "REPLICATION CLIENT" }
}

/// The statement that lets an account see where the binlog stands.
pub fn replication_client_grant(facts: &Facts) -> String {
    format!("GRANT {} ON *.* TO the account of this connection", monitor(facts))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn facts(pairs: &[(&str, &str)]) -> Facts {
        Facts::new(pairs.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())))
    }

    #[test]
    fn families_versions_and_identities_are_told_apart() {
        let maria = facts(&[
            ("version", "10.11.19-MariaDB-log"),
            ("server_uid", "abc="),
            ("server_id", "7"),
            ("log_bin", "ON"),
        ]);
        assert!(maria.mariadb() && maria.is_on("log_bin") && !maria.mysql_gtid());
        assert_eq!(maria.number, (10, 11, 19));
        assert_eq!(maria.status_sql(), "SHOW MASTER STATUS");
        let mysql =
            facts(&[("Version", "9.7.4-2"), ("server_uuid", "u-1"), ("server_id", "7"), ("gtid_mode", "ON")]);
        assert!(mysql.mysql_gtid());
        assert_eq!(mysql.status_sql(), "SHOW BINARY LOG STATUS");
        assert!(!maria.identity.may_be(&mysql.identity));
        let mut again = maria.identity.clone();
        again.uid = "other container".into();
        assert!(maria.identity.may_be(&again));
        let mut other = mysql.identity.clone();
        other.uid = "u-2".into();
        assert!(!mysql.identity.may_be(&other));
    }

    #[test]
    fn files_have_numbers() {
        assert_eq!(split_file("a.b-bin.000012"), Some(("a.b-bin", 12)));
        assert_eq!(split_file("bin"), None);
        assert_eq!(split_file("bin.12x"), None);
        assert!(file_number("bin.").is_err());
    }
}
