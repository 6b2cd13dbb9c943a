//! Any text as a set of GTIDs, a GTID, an XA id, a checkpoint: what is read and printed reads back the same.
#![no_main]

use libfuzzer_sys::fuzz_target;
use syncline_connectors::mysql::binlog::Xid;
use syncline_connectors::mysql::binlog::gtid_mariadb::{self, GtidPosition};
use syncline_connectors::mysql::binlog::gtid_mysql::{self, GtidSet};
use syncline_connectors::mysql::reach::{Gtids, Token, split_file};
use syncline_engine::position::ResumeToken;
use syncline_fuzz::bounded;
use syncline_fuzz::reading::{same_position, same_set, same_xid, told};

fn token(text: &str) {
    let Ok(token) = Token::decode(text).map_err(told) else { return };
    match &*token.gtids {
        Gtids::None => {}
        Gtids::MySql(set) => same_set(set),
        Gtids::MariaDb(position) => same_position(position),
    }
    let encoded = token.encode();
    let back = Token::decode(&encoded).expect("a checkpoint's own text");
    assert_eq!(back.encode(), encoded);
    assert_eq!((&back.file, back.offset, back.format), (&token.file, token.offset, token.format));
    let position = token.position(3).expect("a checkpoint's file has a number");
    assert_eq!(Token::of(&position).map(ResumeToken::encode), Some(encoded));
}

fn run(data: &[u8]) {
    let text = &*String::from_utf8_lossy(data);
    if let Ok(set) = GtidSet::parse(text).map_err(told) {
        same_set(&set);
        // Two halves of a text are two sets: what holds for one with the other.
        let half = text.find(',').map_or("", |at| &text[..at]);
        if let Ok(part) = GtidSet::parse(half) {
            assert!(part.is_subset(&set), "{part} in {set}");
        }
    }
    if let Ok(gtid) = gtid_mysql::Gtid::parse(text).map_err(told) {
        assert_eq!(gtid_mysql::Gtid::parse(&gtid.to_string()).ok(), Some(gtid));
    }
    if let Ok(position) = GtidPosition::parse(text).map_err(told) {
        same_position(&position);
    }
    if let Ok(gtid) = gtid_mariadb::Gtid::parse(text).map_err(told) {
        assert_eq!(gtid_mariadb::Gtid::parse(&gtid.to_string()).ok(), Some(gtid));
    }
    for statement in [text, &format!("XA COMMIT {text}")] {
        if let Some(xid) = Xid::parse(statement) {
            same_xid(&xid);
        }
    }
    if let Some((base, number)) = split_file(text) {
        assert!(text.starts_with(base) && text.ends_with(&number.to_string()), "{text}");
    }
    token(text);
}

fuzz_target!(|data: &[u8]| bounded(data, || run(data)));
