//! Opens a stream: which server, from where in its binlog, and with which tables. A position that this server's history
//! does not hold is an error here, before a single row is read.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use mysql_common::crypto::rsa::{GetRandom, Rng};
use syncline_engine::change::Captured;
use syncline_engine::error::{Code, Error, Result};
use syncline_engine::ledger::{AuditRecord, TableState};
use syncline_engine::position::StoredPosition;
use syncline_engine::version::Version;
use tokio::sync::mpsc;

use super::batch::Builder;
use super::complete::Completion;
use super::follow::{Follow, Out, Sample};
use super::opening::Opening;
use super::prepared::Prepared;
use super::resume::Found;
use super::tables::{State, Tables};
use super::{gtid_set, resume};
use crate::mysql::binlog::gtid_mariadb::GtidPosition;
use crate::mysql::binlog::gtid_mysql::GtidSet;
use crate::mysql::client::Session;
use crate::mysql::context::Context;
use crate::mysql::ddl::Dialect;
use crate::mysql::position::{Gtids, Token};
use crate::mysql::reader::snapshot_coordinate;
use crate::mysql::schema::{self, Columns, History, Hold, Known, TableDetail, TableName};
use crate::mysql::server::{Coordinate, Facts, Identity};
use crate::mysql::sql::text_literal;
use crate::mysql::wire::{Dump, DumpStart, Wire};

const SERVER_ID: &str = "mysql.server_id";
/// The last epoch that began with a failover, and whose it is.
const EPOCH: &str = "mysql.epoch";

/// Opens the stream and reads up to the first event that says where it stands.
pub async fn open(
    context: &Arc<Context>,
    from: Option<&StoredPosition>,
    sender: mpsc::Sender<Result<Captured>>,
) -> Result<Follow> {
    let known = context.ledger.pipeline(&context.pipeline).await?.epoch;
    let token = from.map(|from| Token::decode(&from.token)).transpose()?;
    let (mut session, facts, successor) = connect(context, token.as_ref()).await?;
    let before = from.map_or(known, |from| from.version.epoch());
    let (epoch, moved) = epoch_of(context, known, before, successor.then_some(&facts.identity)).await?;
    let ledger = Arc::clone(&context.ledger);
    let mut history = History::load(ledger, &context.pipeline, facts.folds_names()).await?;
    let charsets = charsets(&mut session).await?;
    let wire = Wire::connect(&context.config, session.endpoint()).await?;
    let plan = match &token {
        Some(token) => resume_tables(context, &mut session, &mut history, token, (before, epoch)).await?,
        None => first_tables(context, &mut session).await?,
    };
    let plan = plan.at_successor(token.as_ref().filter(|_| successor))?;
    let server_id = server_id(context).await?;
    let mut opening = Opening::new(Dump::start(wire, server_id, facts.mariadb(), &plan.start).await?);
    let head = opening.head(&plan.start, plan.at.as_ref(), token.as_ref().filter(|_| !successor)).await?;
    if moved {
        begin_epoch(context, epoch, &facts.identity).await?;
    }
    let mut tables = plan.tables;
    let at = Version::new(epoch, head.number, head.settled);
    capture_first(plan.first, at, &mut history, &mut tables).await?;
    context.set_halted(tables.halted());
    let selection_changed = tables.any_joining();
    if !selection_changed {
        context.remember_selection().await?;
    }
    Ok(Follow {
        context: Arc::clone(context),
        dialect: dialect(&facts),
        identity: Arc::new(facts.identity.clone()),
        facts,
        dump: opening.dump,
        decoder: opening.decoder,
        skip_until: if head.settled > head.next { head.settled } else { 0 },
        head,
        gtids: Arc::new(plan.gtids),
        epoch,
        selection_changed,
        tables,
        history,
        transaction: None,
        ahead: opening.ahead,
        broken: plan.broken,
        builder: Builder::default(),
        completion: Completion::default(),
        out: Out::new(sender),
        sample: Sample::default(),
        charsets,
        prepared: Prepared::load(&*context.ledger, &context.pipeline).await?,
        last_commit: None,
    })
}

/// The history of a first start begins with the tables that there are.
async fn capture_first(
    first: Vec<(TableName, TableDetail)>,
    at: Version,
    history: &mut History,
    tables: &mut Tables,
) -> Result<()> {
    for (name, detail) in first {
        let known = Known::new(&name, detail);
        history.add(&name, at, Columns::Known(known.clone())).await?;
        tables.set(&name, Some(State::Captured(known)));
    }
    Ok(())
}

/// In which epoch the stream's versions are, and whether it begins with it. `known`: the ledger's; `before`: that of the
/// checkpoint; `successor`: the server that takes the place of the checkpoint's.
async fn epoch_of(
    context: &Context,
    known: u16,
    before: u16,
    successor: Option<&Identity>,
) -> Result<(u16, bool)> {
    if successor.is_none() && before == known {
        return Ok((known, false));
    }
    // Not every target has a checkpoint of the epoch that this server has begun: the same transactions have the same
    // versions there.
    let begun = context.ledger.property(&context.pipeline, EPOCH).await?;
    match successor {
        Some(identity) if begun.as_deref() == Some(&*epoch_text(known, identity)) => Ok((known, false)),
        // Also when it is the checkpoint's own server again: what the other one gave may stand in targets.
        _ => Ok((known.max(before) + 1, true)),
    }
}

fn epoch_text(epoch: u16, identity: &Identity) -> String {
    serde_json::json!({ "epoch": epoch, "server": identity }).to_string()
}

/// From here on versions are of another server's history, and above all of the last one's.
async fn begin_epoch(context: &Context, epoch: u16, identity: &Identity) -> Result<()> {
    if u64::from(epoch) > Version::MAX_EPOCH {
        return Err(Error::new(Code::MysqlIdentity, "there were too many failovers: no epoch is left"));
    }
    tracing::warn!(pipeline = context.pipeline, epoch, "another server goes on: {identity}");
    let detail = serde_json::json!({ "epoch": epoch, "server": identity.to_string() });
    let record = AuditRecord::now("syncline", "new epoch", &context.pipeline, &detail);
    context.ledger.audit(&record).await?;
    context.ledger.set_property(&context.pipeline, EPOCH, &epoch_text(epoch, identity)).await?;
    context.ledger.set_epoch(&context.pipeline, epoch).await
}

/// A session with the server of the token, or with one that has taken its place (then true), which can go on from there.
async fn connect(context: &Context, token: Option<&Token>) -> Result<(Session, Arc<Facts>, bool)> {
    let (mut session, successor) = match resume::connect(context, token).await? {
        Found::Same(session) => (session, false),
        Found::Successor(session) => (session, true),
    };
    let facts = Arc::clone(session.facts());
    tracing::info!(
        pipeline = context.pipeline,
        server = session.shown(),
        version = facts.version,
        "reading the binlog"
    );
    if !facts.is_on("log_bin") {
        return Err(crate::mysql::server::no_binlog(session.shown()));
    }
    if let Some(token) = token.filter(|_| !successor) {
        resume::check(&mut session, token).await?;
    }
    context.set_identity(&facts.identity);
    Ok((session, facts, successor))
}

/// How the server reads statements.
pub fn dialect(facts: &Facts) -> Dialect {
    let (major, minor, patch) = facts.number;
    Dialect {
        mariadb: facts.mariadb(),
        version: major * 10_000 + minor * 100 + patch,
        explicit_timestamp: facts.is_on("explicit_defaults_for_timestamp"),
        ..Dialect::default()
    }
}

/// Where to begin, and what is known of the tables there.
struct Plan {
    start: DumpStart,
    /// The place in the binlog, if it is known before the server says.
    at: Option<Coordinate>,
    gtids: Gtids,
    tables: Tables,
    /// Tables as of the start, for a history that begins here.
    first: Vec<(TableName, TableDetail)>,
    /// Tables that cannot be read.
    broken: Vec<(TableName, Error)>,
}

impl Plan {
    /// The same tables, from where the binlog of the server that has taken the place of the token's goes on, if one has.
    fn at_successor(self, token: Option<&Token>) -> Result<Plan> {
        match token {
            Some(token) => Ok(Plan { start: resume::behind(&token.gtids)?, at: None, ..self }),
            None => Ok(self),
        }
    }
}

/// The first start of a pipeline: tables and position of one moment, at which everything before the position is visible
/// to reads.
async fn first_tables(context: &Context, session: &mut Session) -> Result<Plan> {
    let facts = Arc::clone(session.facts());
    let folds = facts.folds_names();
    let names = schema::list(session, &context.selection).await?;
    let mut probe = Session::connect(&context.config, session.endpoint()).await?;
    let hold = Hold::take(session, &names).await?;
    let (start, at, gtids) = present(&mut probe, &facts).await?;
    let mut first = Vec::new();
    let mut keyless = Vec::new();
    let mut broken = Vec::new();
    for (name, detail) in hold.release().await? {
        let detail = match detail {
            Ok(detail) => detail,
            Err(error) => {
                broken.push((name, error));
                continue;
            }
        };
        keyless.extend(context.lacks_key(&name, &detail, folds).map(|_| name.to_string()));
        first.push((name, detail));
    }
    if !keyless.is_empty() {
        return Err(Error::new(Code::MysqlNoKey, format!("no primary key: {}", keyless.join(", "))));
    }
    Ok(Plan { start, at, gtids, tables: Tables::new(folds), first, broken })
}

/// The present position. A coordinate shown by the server may run ahead of what a SELECT sees (DESIGN 4.1), so it is taken
/// only where it cannot, or where reads make sure of it themselves.
async fn present(probe: &mut Session, facts: &Facts) -> Result<(DumpStart, Option<Coordinate>, Gtids)> {
    if facts.mysql_gtid() {
        let rows = probe.texts("SELECT @@GLOBAL.gtid_executed").await?;
        let text = rows.into_iter().flatten().flatten().next().unwrap_or_default();
        let set = GtidSet::parse(&text)?;
        return Ok((DumpStart::Gtid { encoded: gtid_set::encode(&set) }, None, Gtids::MySql(set)));
    }
    let at = match snapshot_coordinate(probe).await? {
        Some(at) => at,
        None => probe.coordinate().await?,
    };
    let gtids = if facts.mariadb() {
        let sql = format!("SELECT BINLOG_GTID_POS({}, {})", text_literal(&at.file), at.offset);
        let text = probe.texts(&sql).await?.into_iter().flatten().flatten().next();
        Gtids::MariaDb(GtidPosition::parse(&text.unwrap_or_default())?)
    } else {
        Gtids::None
    };
    Ok((DumpStart::File { name: at.file.clone(), offset: at.offset }, Some(at), gtids))
}

/// A later start: tables as the history has them at the position, which is of the epoch `before`. Those that it does not know join where the catalog is
/// read now.
async fn resume_tables(
    context: &Context,
    session: &mut Session,
    history: &mut History,
    token: &Token,
    (before, epoch): (u16, u16),
) -> Result<Plan> {
    let folds = session.facts().folds_names();
    let from = token.clone().position(before)?.version;
    let last = context.last_selection().await?;
    // What the last stream did not capture has changed unseen since.
    let seen = |name: &TableName| last.as_ref().is_some_and(|last| last.takes(&name.to_string(), folds));
    let mut tables = Tables::new(folds);
    for known in history.existing(from) {
        let name = TableName::new(&known.schema.database, &known.schema.table);
        if context.selection.takes(&name.to_string(), folds) {
            if seen(&name) {
                tables.set(&name, Some(State::Captured(known)));
            }
        } else if super::alterations::is_ghost(&name) {
            tables.set(&name, Some(State::Shadow(known)));
        }
    }
    let records = context.ledger.pipeline(&context.pipeline).await?.tables;
    let halted: BTreeSet<String> =
        records.into_iter().filter(|(_, r)| r.state == TableState::Halted).map(|(name, _)| name).collect();
    let mut unknown = Vec::new();
    for name in schema::list(session, &context.selection).await? {
        match history.at(&name, from) {
            _ if !seen(&name) => unknown.push(name),
            Some(Columns::Lost) if halted.contains(&name.to_string()) => {
                tables.set(&name, Some(State::Halted))
            }
            Some(Columns::Lost) => unknown.push(name),
            // Captured already, or it comes into being further on in the stream.
            Some(Columns::Known(_) | Columns::Dropped) | None => {}
        }
    }
    let mut broken = Vec::new();
    if !unknown.is_empty() {
        let mut probe = Session::connect(&context.config, session.endpoint()).await?;
        let hold = Hold::take(session, &unknown).await?;
        let at = probe.coordinate().await?.version(epoch)?;
        for (name, detail) in hold.release().await? {
            match detail {
                Ok(detail) => {
                    let known = Known::new(&name, detail);
                    tables.set(&name, Some(State::Joins { at, known, back: false }));
                }
                Err(error) => broken.push((name, error)),
            }
        }
    }
    let at = Coordinate { file: token.file.to_string(), offset: token.offset };
    // A dump cannot begin beyond 4 GiB: then from the file's first event.
    let offset = if token.offset > u64::from(u32::MAX) { 4 } else { token.offset };
    let start = DumpStart::File { name: at.file.clone(), offset };
    Ok(Plan { start, at: Some(at), gtids: (*token.gtids).clone(), tables, first: Vec::new(), broken })
}

/// The replica id: configured, or drawn once and kept.
async fn server_id(context: &Context) -> Result<u32> {
    if let Some(id) = context.server_id {
        return Ok(id);
    }
    let kept = context.ledger.property(&context.pipeline, SERVER_ID).await?;
    if let Some(id) = kept.and_then(|text| text.parse().ok()) {
        return Ok(id);
    }
    let id = drawn_id()?;
    context.ledger.set_property(&context.pipeline, SERVER_ID, &id.to_string()).await?;
    Ok(id)
}

/// A replica id that nobody else has. High numbers: people give low ones to their servers.
pub fn drawn_id() -> Result<u32> {
    let mut bytes = [0; 4];
    GetRandom.fill(&mut bytes).map_err(|e| Error::new(Code::Internal, "no random numbers").cause(e))?;
    Ok(u32::from_le_bytes(bytes) | 1 << 31)
}

async fn charsets(session: &mut Session) -> Result<HashMap<String, String>> {
    let sql = "SELECT schema_name, default_character_set_name FROM information_schema.schemata";
    let rows = session.texts(sql).await?;
    Ok(rows
        .into_iter()
        .filter_map(|row| match <[_; 2]>::try_from(row) {
            Ok([Some(name), Some(charset)]) => Some((name, charset)),
            _ => None,
        })
        .collect())
}
