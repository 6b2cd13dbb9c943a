//! Ids of XA transactions, in the prepare event and as the statements `XA COMMIT X'..',X'..',1` print them.

use std::fmt;

/// The id of an XA transaction.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Xid {
    pub format: u32,
    pub global: Vec<u8>,
    pub branch: Vec<u8>,
}

/// The end of a prepared transaction's rows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct XaPrepare {
    pub xid: Xid,
    /// `XA COMMIT .. ONE PHASE`: the rows are committed here.
    pub one_phase: bool,
}

impl fmt::Display for Xid {
    /// As the server writes it into its statements: `X'6162',X'',1`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for part in [&self.global, &self.branch] {
            f.write_str("X'")?;
            for byte in part {
                write!(f, "{byte:02x}")?;
            }
            f.write_str("',")?;
        }
        write!(f, "{}", self.format)
    }
}
