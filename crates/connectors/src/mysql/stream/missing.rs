//! What a server does not tell: that a binlog file ends early, between two events, or is not there any more. The next file
//! begins with the GTIDs of all before it, no transaction goes on in another file, and a file says that it ends; that is held
//! against what was read.

use std::fmt::Display;

use syncline_engine::error::{Code, Error, Result};

use super::follow::Follow;
use crate::mysql::binlog::gtid_mariadb::GtidPosition;
use crate::mysql::binlog::gtid_mysql::GtidSet;
use crate::mysql::position::Gtids;

/// At the start of a file of MySQL's. A server that had no GTIDs when it was first read may have some by now.
pub fn mysql(before: GtidSet, read: &mut Gtids) -> Result<()> {
    match read {
        Gtids::MySql(read) if !before.is_subset(read) => Err(lacking(&before, read)),
        Gtids::None if !before.is_empty() => {
            *read = Gtids::MySql(before);
            Ok(())
        }
        _ => Ok(()),
    }
}

/// At the start of a file of MariaDB's.
pub fn mariadb(before: &GtidPosition, read: &Gtids) -> Result<()> {
    match read {
        Gtids::MariaDb(read) if !read.is_empty() && !before.is_subset(read) => Err(lacking(before, read)),
        _ => Ok(()),
    }
}

fn lacking(before: &impl Display, read: &impl Display) -> Error {
    let what = format!(
        "the file begins behind transactions that the files before it do not have: {before}; those that were read: {read}"
    );
    Error::new(Code::MysqlChecksum, what)
}

impl Follow {
    /// No transaction goes on in another file.
    pub(super) fn require_whole(&self, next: &str) -> Result<()> {
        match &self.transaction {
            Some(transaction) if *self.head.file != *next => Err(cut_off(&self.head.file, transaction.start)),
            _ => Ok(()),
        }
    }

    /// A file that does not say that it ends was left by a crash, or is another one by now: after a RESET, servers go on with
    /// the next file of the new binlog as if nothing had happened. Opening the stream again from where it stands tells the two
    /// apart; so nothing is read of the next file before.
    pub(super) async fn require_end(&mut self, next: &str) -> Result<()> {
        if self.head.may_end || *self.head.file == *next {
            return Ok(());
        }
        self.hand_over().await?;
        self.tell_position(false).await?;
        let what = format!(
            "{} goes on in {next} without an end: whether it is still the same is looked at",
            self.head.file
        );
        Err(Error::new(Code::Interrupted, what))
    }
}

/// A file that ends within a transaction.
fn cut_off(file: &str, start: u64) -> Error {
    Error::new(Code::MysqlChecksum, format!("{file} ends within the transaction that begins at {start}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_written_and_not_read_is_missing() {
        let uuid = "3e11fa47-71ca-11e1-9e33-c80aa9429562";
        let set = |range: &str| GtidSet::parse(&format!("{uuid}:{range}")).unwrap();
        let mut read = Gtids::MySql(set("1-7"));
        assert!(mysql(set("1-7"), &mut read).is_ok() && mysql(set("3"), &mut read).is_ok());
        assert_eq!(mysql(set("1-8"), &mut read).unwrap_err().code(), Code::MysqlChecksum);
        let mut none = Gtids::None;
        assert!(mysql(GtidSet::default(), &mut none).is_ok() && none == Gtids::None);
        assert!(mysql(set("1-8"), &mut none).is_ok() && none == Gtids::MySql(set("1-8")));
        let position = |text: &str| GtidPosition::parse(text).unwrap();
        let read = Gtids::MariaDb(position("0-1-7,3-1-2"));
        assert!(mariadb(&position("0-2-6"), &read).is_ok() && mariadb(&position("0-1-7"), &read).is_ok());
        for missing in ["0-1-8", "5-1-1"] {
            assert_eq!(mariadb(&position(missing), &read).unwrap_err().code(), Code::MysqlChecksum);
        }
        assert!(mariadb(&position("0-1-8"), &Gtids::MariaDb(position(""))).is_ok());
    }
}
