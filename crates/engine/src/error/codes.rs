//! Every numbered error there is, with its kind and the next step to take. One page per code stands in
//! `docs/errors/`. Numbers are never reused; blocks of a hundred belong to one part of the program.

use std::fmt;

/// What an error leads to. The one match over it is in `pipeline/verdict.rs`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// The peer is down or busy: try again with backoff, park nothing.
    Retry,
    /// This row was refused for good: park it, go on.
    DeadLetter,
    /// This table cannot go on: stop it, the others flow.
    HaltTable,
    /// The pipeline cannot go on without a person.
    HaltPipeline,
    /// Bad configuration or usage, found before anything runs (exit 78, or 3 in `lint` and `check`).
    Config,
    /// Worth telling, stops nothing (`lint`, `check`).
    Warning,
    /// A command could not do what it was asked (exit 1).
    Command,
}

macro_rules! codes {
    ($($name:ident = $number:literal, $kind:ident, $title:literal, $fix:literal;)*) => {
        /// A numbered error.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Code {
            $(#[doc = $title] $name = $number,)*
        }

        impl Code {
            /// All codes, in order.
            pub const ALL: &'static [Code] = &[$(Code::$name,)*];

            /// What it leads to.
            pub fn kind(self) -> Kind {
                match self { $(Code::$name => Kind::$kind,)* }
            }

            /// One line that names the problem.
            pub fn title(self) -> &'static str {
                match self { $(Code::$name => $title,)* }
            }

            /// The next step when the error itself names none.
            pub fn fix(self) -> &'static str {
                match self { $(Code::$name => $fix,)* }
            }
        }
    };
}

codes! {
    // 10xx: the configuration file
    ConfigSyntax = 1001, Config, "the file is not valid YAML", "correct the line that is named";
    ConfigUnknownKey = 1002, Config, "unknown key", "correct the spelling or remove the key";
    ConfigBadValue = 1003, Config, "a value of the wrong type or form", "write the value as the message says";
    ConfigMissing = 1004, Config, "a required key is missing", "add the key";
    ConfigVariable = 1005, Config, "a variable is not set", "set the environment variable or give a default: ${NAME:-default}";
    ConfigConnection = 1006, Config, "a connection is unknown, unused or unfit for its role", "name a connection that is listed under `connections`";
    ConfigConflict = 1007, Config, "two settings cannot stand together", "keep one of them";
    ConfigFile = 1008, Config, "the file cannot be read", "check the path and its permissions";
    ConfigLater = 1009, Config, "this version does not have that part yet", "remove the section";
    ConfigFeature = 1010, Config, "this binary was built without that connector", "build again with the feature that is named";
    // 12xx: reaching peers
    Unreachable = 1201, Retry, "the server cannot be reached", "check address, port and firewall; the pipeline keeps trying";
    Interrupted = 1202, Retry, "the connection broke or the peer did not answer in time", "nothing to do: it is tried again";
    Denied = 1203, Config, "the server refuses the login", "check user, password and the account's host";
    Overloaded = 1204, Retry, "the server is busy", "nothing to do: it is tried again, more slowly";
    Tls = 1205, Config, "the TLS connection cannot be made", "check the certificate, its name and the `tls` options";
    // 13xx: source mysql
    MysqlSetting = 1301, Config, "a server setting does not allow capture", "change the setting as shown";
    MysqlGrant = 1302, Config, "a privilege is missing", "run the GRANT that is shown";
    MysqlNoKey = 1303, Config, "a table has no key", "add a primary key, or name `key:` in its route";
    MysqlPurged = 1304, HaltPipeline, "the binlog no longer has the checkpoint's position", "start again from a backfill: syncline backfill FILE --pipeline NAME";
    MysqlIdentity = 1305, HaltPipeline, "the server or its history is not the one of the checkpoint", "make sure the address is right; then syncline backfill FILE --pipeline NAME";
    MysqlDecode = 1306, HaltPipeline, "a binlog event cannot be decoded", "report it with the position; syncline backfill FILE --pipeline NAME goes past it";
    MysqlChecksum = 1307, HaltPipeline, "the binlog is damaged", "check the server's disk and network; then syncline backfill FILE --pipeline NAME";
    MysqlUnknownEvent = 1308, HaltPipeline, "the binlog holds an event this version does not know", "report it with the position; syncline backfill FILE --pipeline NAME goes past it";
    MysqlSchema = 1309, HaltTable, "a table's columns do not match the binlog", "syncline backfill FILE --table TABLE";
    MysqlPartialImage = 1310, HaltTable, "partial rows do not tell where they stood", "SET GLOBAL binlog_row_image=FULL, then syncline backfill FILE --table TABLE";
    MysqlStatement = 1311, HaltTable, "a change of a captured table was logged as a statement", "SET GLOBAL binlog_format=ROW, then syncline backfill FILE --table TABLE";
    MysqlXa = 1312, HaltTable, "the rows of an XA transaction were not seen", "syncline backfill FILE --table TABLE";
    MysqlTruncate = 1313, HaltTable, "rows of the table came or went without row events", "syncline backfill FILE --table TABLE";
    MysqlQuery = 1314, Retry, "a query failed on the source", "see the server's own words";
    MysqlServerId = 1315, Retry, "another replica uses the same server_id", "set `server_id` in the source to an unused number";
    MysqlCascade = 1316, Config, "a foreign key changes rows without row events", "set `on_cascade: accept` for the route, or remove the action";
    MysqlUnreadable = 1317, DeadLetter, "a value cannot be decoded", "look at the row with: syncline dlq show";
    MysqlRetention = 1318, Warning, "the server keeps its binlog for a short time", "raise binlog_expire_logs_seconds";
    MysqlNoMatch = 1319, Warning, "a pattern matches no table yet", "nothing to do if the table is created later";
    // 14xx: source sqlite
    SqliteOpen = 1401, Config, "the SQLite file cannot be opened", "check the path and its permissions";
    SqliteQuery = 1402, Retry, "a statement failed on the SQLite file", "see SQLite's own words";
    SqliteNoKey = 1403, Config, "a table has no key", "add a primary key, or name `key:` in its route";
    SqliteGap = 1404, HaltPipeline, "the change table lost entries that were not read yet", "syncline backfill FILE --pipeline NAME";
    SqliteSchema = 1405, HaltTable, "a table's columns do not match its captured changes", "syncline backfill FILE --table TABLE";
    SqliteCapture = 1406, Config, "a table cannot be captured", "change the table as the message says, or exclude it";
    SqliteNoMatch = 1407, Warning, "a pattern matches no table yet", "nothing to do if the table is created later";
    SqliteJournal = 1408, Warning, "the SQLite file is not in WAL mode", "run once: PRAGMA journal_mode = WAL";
    // 15xx: routes and documents
    RouteColumn = 1501, Config, "a route names a column that the table lacks", "correct the name";
    RouteTemplate = 1502, Config, "a template cannot be read", "correct the template";
    RouteFilter = 1503, Config, "a filter cannot be read", "correct the expression";
    RouteTransform = 1504, Config, "a transform cannot be read", "correct the transform";
    RouteReserved = 1505, Config, "a field's name is reserved by the target", "rename the field with a transform";
    RouteCollision = 1506, Config, "two routes can write the same address", "give them different targets, or put {table} into the id";
    RouteValue = 1507, DeadLetter, "a transform does not fit the row's value", "correct the row or the transform, then syncline dlq redrive FILE";
    RouteAddress = 1508, DeadLetter, "the row's address cannot be made", "correct the row or the template, then syncline dlq redrive FILE";
    RouteKeyNull = 1509, DeadLetter, "a key column is null", "use a key whose columns are not null";
    RowDamaged = 1510, DeadLetter, "the kept bytes of a row cannot be read", "read the row again: syncline backfill FILE --table TABLE";
    RouteNoKey = 1511, Config, "a table has no key", "add a primary key, or name `key:` in its route";
    RouteUnsteady = 1512, Warning, "an address depends on when the row changed", "name the date's column in `partition_by:`";
    RouteStale = 1513, Warning, "a route changed, and older documents are as it was before", "syncline backfill FILE --table TABLE";
    // 16xx: search
    SearchRefused = 1601, DeadLetter, "the search server refuses the document", "correct the mapping or the row, then syncline dlq redrive FILE";
    SearchIndex = 1602, HaltPipeline, "the index or its template cannot be made", "see the server's own words";
    SearchDenied = 1603, Retry, "the search server refuses the login or the action", "grant the role what is named; it is tried again";
    SearchBlocked = 1604, Retry, "the index is blocked for writing", "free disk space or lift the block; it is tried again";
    SearchForeign = 1605, HaltPipeline, "the index holds a document of a higher epoch", "somebody else writes there, or the ledger is older than the index";
    SearchName = 1606, Config, "an index name cannot be used", "choose another name";
    SearchAnalyzer = 1607, Config, "the server lacks the analyzer", "install its plugin or choose another analyzer";
    SearchTooLarge = 1608, DeadLetter, "the document is larger than the server takes", "raise http.max_content_length or drop fields";
    SearchVersion = 1609, Config, "the search server's version cannot be used", "use Elasticsearch 7.10 or newer, or any OpenSearch";
    SearchQuery = 1610, Command, "the search server cannot answer", "correct the query, or see the server's own words";
    // 17xx: redis
    RedisRefused = 1701, DeadLetter, "Redis refuses the write", "see Redis's own words, then syncline dlq redrive FILE";
    RedisMemory = 1702, Retry, "Redis is out of memory", "raise maxmemory; it is tried again";
    RedisReadOnly = 1703, Retry, "the Redis server is a replica", "nothing to do after a failover: it is tried again";
    RedisForeign = 1704, HaltPipeline, "Redis holds a document of a higher epoch", "somebody else writes there, or the ledger is older than Redis";
    RedisEviction = 1705, Warning, "the eviction policy may drop documents", "CONFIG SET maxmemory-policy noeviction, or volatile-ttl with a ttl";
    RedisDenied = 1706, Retry, "Redis refuses the login or a command", "correct the password, or allow the user the keys of its targets, syncline:* and the commands that are named; it is tried again";
    RedisSetup = 1707, Config, "the Redis server cannot be used as it is", "see Redis's own words: Redis 5 or later with EVALSHA and SCRIPT LOAD is needed";
    // 18xx: archive
    ArchiveWrite = 1801, Retry, "the archive cannot be written", "check space and permissions; it is tried again";
    ArchiveManifest = 1802, HaltPipeline, "the archive's manifest is missing, damaged or newer than the ledger", "see the page of this code";
    ArchiveSpace = 1803, Warning, "the archive's disk is nearly full", "free some space";
    // 19xx: sqlite targets
    SqliteSinkRefused = 1901, DeadLetter, "the SQLite target refuses the document", "see SQLite's own words, then syncline dlq redrive FILE";
    SqliteSinkWrite = 1902, Retry, "the SQLite target cannot be written", "check space and permissions; it is tried again";
    SqliteSinkForeign = 1903, HaltPipeline, "the SQLite target holds a document of a higher epoch", "somebody else writes there, or the ledger is older than the target";
    SqliteSinkLayout = 1904, Config, "the SQLite file cannot be a target", "name another file in the connection";
    // 20xx: ledger
    LedgerOpen = 2001, Config, "the ledger cannot be opened", "check the folder named by `data:`";
    LedgerLocked = 2002, Config, "another syncline process uses this data folder", "stop it, or give this one its own `data:`";
    LedgerWrite = 2003, HaltPipeline, "the ledger cannot be written", "check the disk; nothing was acknowledged";
    LedgerFormat = 2004, Config, "the ledger was written by a newer version", "run that version";
    LedgerRead = 2005, HaltPipeline, "the ledger cannot be read", "check the disk; a copy made by `syncline ledger backup` can take its place";
    LedgerBackup = 2006, Command, "the ledger cannot be copied", "check the destination's path, space and permissions";
    AuditChain = 2007, Command, "the audit is not as it was written", "find out who wrote to the ledger; see the page of this code";
    // 21xx: the pipeline
    TooManyDeadLetters = 2101, HaltTable, "too many rows of a table were refused for the same reason", "correct the cause, then syncline backfill FILE --table TABLE";
    NotRunning = 2102, Command, "no running syncline answers for this file", "start it with: syncline run FILE";
    Unknown = 2103, Command, "the file has no such name", "use one of the names that are listed";
    NoProgress = 2104, Command, "no progress for 30 seconds", "see the last error; syncline run FILE keeps trying without --until-current";
    Stopped = 2105, Command, "the pipeline was stopped", "nothing to do";
    TargetForeign = 2106, HaltPipeline, "a target was written by a later history than the ledger knows", "make sure that no other syncline writes there; then syncline backfill FILE --pipeline NAME";
    Paused = 2110, Command, "the pipeline is paused", "syncline resume FILE, then try again";
    DeadLetterRow = 2111, Command, "the row of a dead letter cannot be read again", "syncline backfill FILE --table TABLE brings its present state, then syncline dlq discard FILE ID";
    Internal = 2199, HaltPipeline, "something that cannot happen did", "report it with the message";
    // 22xx: HTTP
    HttpBind = 2201, Config, "the HTTP address cannot be used", "choose another address under `http.listen`";
    HttpDenied = 2202, Command, "the token is missing or lacks the scope", "send `Authorization: Bearer TOKEN` with the scope that is named";
    HttpRequest = 2203, Command, "the request cannot be understood", "see /openapi.json";
    // 23xx: standard output
    StdoutClosed = 2301, HaltPipeline, "standard output cannot be written", "keep the program that reads it running, then start again: syncline run FILE";
    // 24xx: webhooks
    WebhookRefused = 2401, DeadLetter, "the receiver refuses the webhook", "see the receiver's own words, then syncline dlq redrive FILE";
    WebhookMoved = 2402, DeadLetter, "the receiver sends the webhook elsewhere", "write the address it names into the connection, then syncline dlq redrive FILE";
    WebhookDenied = 2403, Retry, "the receiver refuses the login", "correct the user, the password or the headers of the connection; it is tried again";
    WebhookFailed = 2404, Retry, "the receiver fails", "see the receiver's log; it is tried again";
    WebhookPlain = 2405, Warning, "webhooks travel without TLS", "write https:// in the connection";
    WebhookUnsigned = 2406, Warning, "webhooks are not signed", "give the connection `secret_file:`";
    // 25xx: verify and repair
    VerifyStopped = 2501, Command, "the comparison cannot be made", "see the message";
    VerifyFolder = 2502, Command, "the comparison has no room on the disk", "free space in the folder named by `data:`";
    VerifyBusy = 2503, Command, "another comparison of the pipeline is under way", "wait for the other comparison to end";
    RepairLimit = 2504, Warning, "more is wrong than may be put right at once", "look at what differs with syncline verify FILE, then syncline repair FILE --yes --max-repairs N";
    VerifySince = 2505, Command, "the source's log does not reach back so far", "ask for less, or compare all: without --since";
    // 26xx: the consistency report
    ReportWrite = 2601, Command, "the report cannot be written", "check the path, its space and permissions";
    // 27xx: resync
    ResyncTarget = 2701, Command, "the target cannot be made anew", "syncline backfill FILE --table TABLE reads the rows into the live target";
    ResyncBusy = 2702, Command, "another resync of the pipeline is under way", "wait for it, or: syncline resync cancel FILE";
    ResyncDrift = 2703, Command, "what was filled does not hold what it should", "see the message; the live target is as it was. Then syncline resync FILE --table TABLE";
    ResyncOver = 2704, Command, "there is no such resync any more", "syncline resync list FILE shows what there is";
    ResyncPart = 2705, Command, "the rows of a part cannot be told from the others", "name them with one of --tenant, --from and --to, or --where; see the page of this code";
    CheckpointPosition = 2706, Command, "the position cannot be a checkpoint", "syncline checkpoint get FILE shows where the targets are; see the page of this code";
    CheckpointInUse = 2707, Command, "a running syncline writes the checkpoints", "stop it, then try again";
    CheckpointSkipped = 2708, Warning, "changes were skipped by moving a checkpoint", "syncline backfill FILE --table TABLE";
    // 28xx: quotas of tenants
    TenantSpill = 2801, HaltPipeline, "what waits for its tenant's quota cannot be kept on the disk", "free space in the folder named by `data:`; a target that has halted goes on after the next start";
    // 29xx: recovery
    RecoveryStrategy = 2901, Config, "what recovery is to do is not sound for the cause", "use one of the strategies that are listed";
    TargetLost = 2902, HaltPipeline, "a target does not hold what it held", "find out what emptied it; then let `recovery.on.target_lost` be `backfill`, or raise `recovery.limit`, and start again";
}

impl Code {
    /// The number of the code.
    pub fn number(self) -> u16 {
        self as u16
    }

    /// Whether source and targets have no history in common that goes on from the checkpoint, so that only beginning anew
    /// helps.
    pub fn is_gap(self) -> bool {
        matches!(
            self,
            Code::MysqlPurged
                | Code::MysqlIdentity
                | Code::MysqlDecode
                | Code::MysqlChecksum
                | Code::MysqlUnknownEvent
                | Code::SqliteGap
                | Code::TargetForeign
        )
    }

    /// Reads `SYN-1204`, `syn-1204` or `1204`.
    pub fn parse(text: &str) -> Option<Code> {
        let digits = text.strip_prefix("SYN-").or_else(|| text.strip_prefix("syn-")).unwrap_or(text);
        let number: u16 = digits.parse().ok()?;
        Code::ALL.iter().copied().find(|c| c.number() == number)
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SYN-{:04}", self.number())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_rise_and_read_back() {
        for pair in Code::ALL.windows(2) {
            assert!(pair[0].number() < pair[1].number(), "{} before {}", pair[0], pair[1]);
        }
        for code in Code::ALL {
            assert_eq!(Code::parse(&code.to_string()), Some(*code));
        }
    }
}
