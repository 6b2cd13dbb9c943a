//! Events that real servers wrote, with what the catalog said of their table: the same files that the tests of the
//! decoder read. They give a target its server, and the first seeds.

use std::sync::LazyLock;

use bytes::Bytes;
use syncline_connectors::mysql::binlog::EventHeader;
use syncline_connectors::mysql::codec::ColumnDetail;

/// One server's events.
pub struct Fixture {
    pub name: &'static str,
    pub mariadb: bool,
    pub events: Vec<Bytes>,
    pub details: Vec<ColumnDetail>,
}

/// Events that come before all others: the rotate event that names the file, and the format of what follows.
pub const HEAD: usize = 2;

macro_rules! fixture {
    ($name:literal) => {
        fixture(
            $name,
            include_bytes!(concat!("../../crates/connectors/src/mysql/binlog/fixtures/", $name, ".binlog")),
            include_str!(concat!("../../crates/connectors/src/mysql/binlog/fixtures/", $name, ".json")),
        )
    };
}

/// All of them, in an order that inputs rely on.
pub fn fixtures() -> &'static [Fixture] {
    static ALL: LazyLock<Vec<Fixture>> = LazyLock::new(|| {
        vec![
            fixture!("mariadb"),
            fixture!("mariadb-compressed"),
            fixture!("mysql"),
            fixture!("mysql-compressed"),
            fixture!("mysql-5.6"),
        ]
    });
    &ALL
}

/// The one that a byte picks.
pub fn picked(byte: u8) -> &'static Fixture {
    &fixtures()[usize::from(byte) % fixtures().len()]
}

fn fixture(name: &'static str, mut bytes: &'static [u8], details: &str) -> Fixture {
    let mut events = Vec::new();
    while !bytes.is_empty() {
        let size = EventHeader::parse(bytes).expect("a fixture holds whole events").size as usize;
        let (event, rest) = bytes.split_at(size);
        events.push(Bytes::from_static(event));
        bytes = rest;
    }
    let details = serde_json::from_str(details).expect("a fixture's columns are JSON");
    Fixture { name, mariadb: name.starts_with("mariadb"), events, details }
}
