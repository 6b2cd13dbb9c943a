//! A position that a person names: `binlog.000003:1547`, as `checkpoint get` shows it. Judged against the server of a known
//! checkpoint, which also tells which transactions lie before it. Nothing is changed.

use std::sync::Arc;

use syncline_engine::error::{Code, Error, Result};
use syncline_engine::position::StoredPosition;

use super::binlog::gtid_mariadb::GtidPosition;
use super::binlog::gtid_mysql::{Gtid, GtidSet};
use super::client::{self, Session};
use super::context::Context;
use super::position::{Gtids, Token};
use super::server::{Coordinate, split_file};
use super::sql::text_literal;
use super::stream::held;

/// Events that are asked for at once.
const EVENTS: usize = 10_000;
/// Where the first event of a file stands.
const FIRST: u64 = 4;
/// Events that stand between two transactions.
const BETWEEN: &[&str] = &[
    "Format_desc",
    "Previous_gtids",
    "Gtid_list",
    "Binlog_checkpoint",
    "Rotate",
    "Stop",
    "Start_encryption",
];

/// An event as the server lists it.
struct Event {
    at: u64,
    kind: String,
    end: u64,
    info: String,
}

/// The position there, if a transaction begins or may begin there.
pub async fn position(context: &Context, text: &str, known: &StoredPosition) -> Result<StoredPosition> {
    let refused = |why: &str| Error::new(Code::CheckpointPosition, format!("{text:?}: {why}"));
    let of = Token::decode(&known.token)?;
    let named = text.rsplit_once(':').and_then(|(file, offset)| {
        Some((split_file(file).map(|_| file.to_owned())?, offset.parse::<u64>().ok()?))
    });
    let Some((file, offset)) = named.filter(|(_, offset)| *offset >= FIRST) else {
        return Err(refused("a position of a MySQL source is written `FILE:OFFSET`"));
    };
    let mut session = client::connect(&context.config, Some(&of.identity)).await?;
    let at = Coordinate { file, offset };
    let token = Token {
        file: at.file.as_str().into(),
        offset,
        gtids: Arc::new(Gtids::None),
        identity: of.identity,
        // What is known of the file is proven when a stream begins there; of another one it is learned then.
        format: if *of.file == *at.file { of.format } else { 0 },
    };
    held(&mut session, &token).await.map_err(|error| refused(error.message()))?;
    let present = session.coordinate().await?;
    if at != present {
        let first = events(&mut session, &at.file, offset, 1).await;
        let begins =
            first.as_ref().is_ok_and(|found| found.first().is_some_and(|event| event.begins(offset)));
        if !begins {
            let error = refused("no transaction begins there");
            return Err(first.err().map_or_else(|| error.clone(), |cause| error.clone().cause(cause)));
        }
    }
    let gtids = Arc::new(before(&mut session, &at).await?);
    Ok(StoredPosition::from(&Token { gtids, ..token }.position(known.version.epoch())?))
}

impl Event {
    /// Whether it stands there, and a transaction may begin with it.
    fn begins(&self, offset: u64) -> bool {
        let begins = match &*self.kind {
            "Anonymous_Gtid" => true,
            "Query" => self.info == "BEGIN",
            kind => BETWEEN.contains(&kind) || kind.starts_with("Gtid"),
        };
        self.at == offset && begins
    }
}

async fn events(session: &mut Session, file: &str, from: u64, many: usize) -> Result<Vec<Event>> {
    let sql = format!("SHOW BINLOG EVENTS IN {} FROM {from} LIMIT {many}", text_literal(file));
    let event = |row: Vec<Option<String>>| {
        let mut row = row.into_iter().skip(1);
        let mut next = || row.next().flatten();
        let (at, kind, _server, end) = (next()?.parse().ok()?, next()?, next()?, next()?.parse().ok()?);
        Some(Event { at, kind, end, info: next().unwrap_or_default() })
    };
    Ok(session.texts(&sql).await?.into_iter().filter_map(event).collect())
}

/// The transactions that lie before.
async fn before(session: &mut Session, at: &Coordinate) -> Result<Gtids> {
    let facts = Arc::clone(session.facts());
    if facts.mariadb() {
        let sql = format!("SELECT BINLOG_GTID_POS({}, {})", text_literal(&at.file), at.offset);
        let text = session.texts(&sql).await?.into_iter().flatten().flatten().next().unwrap_or_default();
        return Ok(Gtids::MariaDb(GtidPosition::parse(&text)?));
    }
    if !facts.mysql_gtid() {
        return Ok(Gtids::None);
    }
    let (mut set, mut from) = (GtidSet::default(), FIRST);
    while from < at.offset {
        let page = events(session, &at.file, from, EVENTS).await?;
        let Some(last) = page.last() else { break };
        from = last.end;
        for event in page.iter().filter(|event| event.at < at.offset) {
            match &*event.kind {
                "Previous_gtids" => set.merge(&GtidSet::parse(&event.info)?),
                kind if kind.starts_with("Gtid") => {
                    // SET @@SESSION.GTID_NEXT= '..'
                    let gtid = event.info.split('\'').nth(1).map(Gtid::parse).transpose()?;
                    gtid.iter().for_each(|gtid| set.add(gtid));
                }
                _ => {}
            }
        }
    }
    Ok(Gtids::MySql(set))
}
