//! Statements run on real servers and read by us must come to the same columns as the catalog shows.

use super::*;
use crate::connection::{ConnectionOptions, ConnectionSpec};
use crate::mysql::client::Session;
use crate::mysql::config::MysqlConfig;
use crate::mysql::schema::{self, TableDetail, TableName};
use mysql_async::prelude::Queryable;

const EVERY_TYPE: &str = "CREATE TABLE t (id INT(11) UNSIGNED NOT NULL, a TINYINT ZEROFILL, a2 INT1 SIGNED, b SMALLINT, c MEDIUMINT(8), d INTEGER, \
    e BIGINT UNSIGNED, f BOOL, g BIT(7), h FLOAT, i FLOAT(30), j FLOAT(7,3), k DOUBLE(9,2), l REAL, m DECIMAL, n NUMERIC(65,30), o FIXED(5), \
    p CHAR, q CHAR(4), r CHARACTER VARYING(7), s NATIONAL VARCHAR(8), t NCHAR(2), u VARCHAR(9) CHARACTER SET binary, v CHAR(3) BYTE, \
    w TINYTEXT, x TEXT(300), y MEDIUMTEXT CHARACTER SET koi8r, z LONGTEXT COLLATE latin1_bin, aa LONG, ab LONG VARBINARY, ac BINARY, ad BINARY(5), \
    ae VARBINARY(6), af TINYBLOB, ag BLOB, ah LONGBLOB, ai ENUM('a','b ','c''d'), aj SET('x','y') CHARACTER SET utf8mb4, ak DATE, al TIME, \
    am TIME(3), an DATETIME, ao DATETIME(6), ap TIMESTAMP NULL, aq TIMESTAMP(2) NULL, ar YEAR, at GEOMETRY, au POINT, av VARCHAR(3) ASCII, \
    aw VARCHAR(3) UNICODE, ax TEXT CHARACTER SET binary, ay CHAR(7) BINARY, az DEC(4,1) UNSIGNED, PRIMARY KEY (id, q)) DEFAULT CHARSET=latin2";

const MARIADB_TYPES: &str = "CREATE TABLE t (id SERIAL PRIMARY KEY, a JSON, b UUID, c INET6, d VARCHAR(9) COMPRESSED, e INT AS (1 + 2) PERSISTENT, \
    f INT INVISIBLE, g JSON CHECK (a IS NULL OR 1), h TEXT CHARACTER SET utf8mb3, i LONGTEXT CHECK (json_valid(`i`)), j TEXT, k TEXT, \
    CONSTRAINT kc CHECK (json_valid(`k`))) CHARSET utf8mb4 COLLATE uca1400_ai_ci";
const MYSQL_TYPES: &str = "CREATE TABLE t (id SERIAL PRIMARY KEY, a JSON, b VECTOR(3), c INT GENERATED ALWAYS AS (d % 5) VIRTUAL, d INT INVISIBLE, \
    e POINT NOT NULL SRID 4326, f VARCHAR(9) DEFAULT (uuid()), g GEOMCOLLECTION) CHARSET gb18030";

const ALTERS: &[&str] = &[
    "ALTER TABLE t ADD x1 VARCHAR(10), ADD x2 TEXT CHARACTER SET cp1251 FIRST, ADD COLUMN (x3 INT NOT NULL, x4 DATE)",
    "ALTER TABLE t CHANGE x1 y1 CHAR(5) COLLATE utf8mb4_bin AFTER id, DROP x3, MODIFY x4 DATETIME(4) FIRST",
    "ALTER TABLE t DEFAULT CHARACTER SET cp1250, ADD z1 VARCHAR(3)",
    "ALTER TABLE t CONVERT TO CHARACTER SET utf8mb4 COLLATE utf8mb4_general_ci, ADD z2 VARCHAR(3)",
    "ALTER TABLE t ENGINE=InnoDB COMMENT='it''s; CHARSET=ucs2', ADD INDEX zi (z1), ALTER z2 SET DEFAULT 'x'",
    "ALTER TABLE t DROP PRIMARY KEY, ADD k9 INT NOT NULL, ADD PRIMARY KEY (id, k9)",
    "ALTER TABLE t ADD CONSTRAINT jc CHECK (json_valid(`z2`) or `z2` > 1)",
    "ALTER TABLE t ADD z3 SET('p','q') DEFAULT 'p' AFTER z2, DROP INDEX zi, MODIFY z2 LONGTEXT",
];

async fn session(variable: &str) -> (Session, mysql_async::Conn, String) {
    let url = std::env::var(variable).unwrap_or_else(|_| {
        panic!("{variable} is not set: start the servers with tests/services/services.sh")
    });
    let spec =
        ConnectionSpec { name: "test".into(), url: url.clone(), options: ConnectionOptions::default() };
    let config = MysqlConfig::parse(&spec).unwrap();
    let session = Session::connect(&config, &config.endpoints[0]).await.unwrap();
    let mut writer = mysql_async::Conn::new(mysql_async::Opts::from_url(&url).unwrap()).await.unwrap();
    let database = format!("ddl_{}_{}", std::process::id(), variable.to_lowercase());
    for sql in [
        format!("DROP DATABASE IF EXISTS {database}"),
        format!("CREATE DATABASE {database} CHARACTER SET latin1"),
        format!("USE {database}"),
        "SET sql_mode = ''".into(),
    ] {
        writer.query_drop(sql).await.unwrap();
    }
    (session, writer, database)
}

fn comparable(mut detail: TableDetail) -> TableDetail {
    detail.columns.iter_mut().for_each(|c| c.type_text.clear());
    detail
}

#[tokio::test]
async fn what_statements_define_is_what_the_catalog_shows() {
    for variable in ["SYNCLINE_TEST_MARIADB", "SYNCLINE_TEST_MYSQL", "SYNCLINE_TEST_MYSQL56"] {
        let (mut session, mut writer, database) = session(variable).await;
        let facts = session.facts().clone();
        let (major, minor, patch) = facts.number;
        let mut dialect = Dialect {
            mariadb: facts.mariadb(),
            version: major * 10_000 + minor * 100 + patch,
            ..Dialect::default()
        };
        dialect.explicit_timestamp = facts.is_on("explicit_defaults_for_timestamp");
        let mut creates = vec![EVERY_TYPE];
        match (facts.mariadb(), major) {
            (true, _) => creates.push(MARIADB_TYPES),
            (false, 9) => creates.push(MYSQL_TYPES),
            _ => {}
        }
        for create in creates {
            // MariaDB 10.11 has the collation since 10.10 and MySQL 9.7 no display width with a warning.
            writer.query_drop(create).await.unwrap_or_else(|e| panic!("{variable}: {create}: {e}"));
            let name = TableName::new(&database, "t");
            let Statement::Create(Create { body: Body::Columns { columns, primary_key, charset }, .. }) =
                read(create, dialect)
            else {
                panic!("{variable}: {create}: {:?}", read(create, dialect));
            };
            let mut ours = created(&columns, &primary_key, charset.as_deref(), "latin1", &dialect).unwrap();
            let theirs = schema::read_one(&mut session, &name).await.unwrap().unwrap();
            compare(variable, create, &ours, &theirs);
            let checks = facts.mariadb() || major == 9;
            for alter in ALTERS.iter().filter(|a| checks || !a.contains("CHECK")) {
                writer.query_drop(*alter).await.unwrap_or_else(|e| panic!("{variable}: {alter}: {e}"));
                let Statement::Alter(read) = read(alter, dialect) else { panic!("{alter}") };
                ours = altered(&ours, &read, "latin1", &dialect).unwrap().detail;
                let theirs = schema::read_one(&mut session, &name).await.unwrap().unwrap();
                compare(variable, alter, &ours, &theirs);
            }
            writer.query_drop("DROP TABLE t").await.unwrap();
        }
        writer.query_drop(format!("DROP DATABASE {database}")).await.unwrap();
    }
}

fn compare(variable: &str, sql: &str, ours: &TableDetail, theirs: &TableDetail) {
    let (ours, theirs) = (comparable(ours.clone()), comparable(theirs.clone()));
    for (a, b) in ours.columns.iter().zip(&theirs.columns) {
        assert_eq!(a, b, "{variable}: {sql}");
    }
    assert_eq!(ours, theirs, "{variable}: {sql}");
}
