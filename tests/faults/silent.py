"""Changes that the row stream does not carry, since the server or a session leaves them out."""

from acceptance.process import Failed

from .catalogue import SPARES, fault, halts
from .own_server import started_with
from .pairs import Pair

PART = "Changes the stream does not carry"
REFUSED = "refuses to start with SYN-1301"
HEAL = "syncline backfill FILE --table TABLE"


def require_refused(stage, *words):
    """`check` shows it, `run` does not start, and neither does a backfill."""
    code, _, shown = stage.call("check", "pipeline.yaml")
    if code != 3 or not all(word in shown for word in ("SYN-1301", *words)):
        raise Failed(f"check ended with {code}, wanted 3 and {words}:\n{shown}")
    stage.expect(("run", "pipeline.yaml", "--until-current"), 78, "SYN-1301", *words)
    stage.expect(("backfill", "pipeline.yaml"), 78, "SYN-1301", *words)


@fault(PART, "`binlog_do_db` does not name the tables' database, or `binlog_ignore_db` does", REFUSED, SPARES)
def database_left_out(stage):
    stage.settle()
    # They start slowly, so each of them has one of the options.
    option, value = ("binlog_do_db", "another") if stage.mariadb else ("binlog_ignore_db", stage.database)
    with started_with(stage, stage.server, f"--{option.replace('_', '-')}={value}"):
        require_refused(stage, option, f"{stage.database}.t", f"{stage.database}.u")
    stage.move_to(stage.server)
    stage.change()
    stage.settle()


@fault(PART, "A replica that does not log what it replicates", REFUSED, SPARES)
def updates_not_logged(stage):
    pair = Pair(stage)
    name = "log_slave_updates" if pair.mariadb else "log_replica_updates"
    with started_with(stage, pair.second, f"--{name.replace('_', '-')}=OFF"):
        pair.connect()
        pair.copy()
        stage.configure(pair.second)
        require_refused(stage, name)
    pair.connect()
    stage.configure(pair.second)
    pair.catch_up()
    stage.move_to(pair.second)
    stage.settle()


@fault(PART, "`OPTIMIZE NO_WRITE_TO_BINLOG TABLE`, which makes the table anew")
def optimized(stage):
    stage.settle()
    with stage.running():
        stage.change(10)
        stage.sql("OPTIMIZE NO_WRITE_TO_BINLOG TABLE t", "ALTER TABLE t ENGINE = InnoDB")
        stage.change(10)
    stage.settle()
    stage.sql("OPTIMIZE NO_WRITE_TO_BINLOG TABLE t, u")
    stage.change()
    stage.settle()


@fault(PART, "A column is added by a session that does not log (`sql_log_bin = 0`)", halts("SYN-1309", HEAL))
def alter_not_logged(stage):
    stage.settle()
    stage.sql("SET SESSION sql_log_bin = 0", "ALTER TABLE t ADD COLUMN extra INT NOT NULL DEFAULT 7 AFTER n", "SET SESSION sql_log_bin = 1")
    stage.change()
    stage.halts("SYN-1309", ends=5)
    stage.heal("--table", f"{stage.database}.t")


@fault(PART, "A foreign key with `ON DELETE CASCADE`, whose changes MySQL logs since 9.6", servers=("mysql",))
def cascade_logged(stage):
    stage.sql("CREATE TABLE child (id INT PRIMARY KEY, t INT, FOREIGN KEY (t) REFERENCES t (id) ON DELETE CASCADE ON UPDATE CASCADE)",
              "INSERT INTO child SELECT id + 1000, id FROM t")
    stage.settle()
    stage.sql("DELETE FROM t WHERE id % 3 = 0", "UPDATE t SET id = id + 100 WHERE id % 3 = 1")
    stage.change()
    stage.settle()


@fault(PART, "Statements of every other kind, each of them with a binlog file of its own", servers=("mariadb", "mysql-spare"))
def other_statements(stage):
    def go_on(*statements):
        stage.sql(*statements)
        stage.rotate()
        stage.change(2)
    name, user = stage.database, f"'{stage.database[-30:]}'@'localhost'"
    stage.settle()
    with stage.running():
        go_on(f"CREATE USER {user} IDENTIFIED BY 'x'", f"GRANT SELECT ON `{name}`.* TO {user}")
        go_on(f"REVOKE SELECT ON `{name}`.* FROM {user}", f"DROP USER {user}")
        go_on("CREATE VIEW seen AS SELECT id FROM t", "DROP VIEW seen")
        go_on("CREATE PROCEDURE nothing() SELECT 1", "DROP PROCEDURE nothing")
        go_on("CREATE TRIGGER counted BEFORE INSERT ON t FOR EACH ROW SET NEW.n = NEW.n + 1")
        go_on("DROP TRIGGER counted")
        go_on("CREATE TEMPORARY TABLE mine (id INT)", "INSERT INTO mine VALUES (1)", "DROP TEMPORARY TABLE mine")
        go_on("ANALYZE TABLE t", "OPTIMIZE TABLE t", "CREATE INDEX by_n ON t (n)", "DROP INDEX by_n ON t")
        go_on("BEGIN", "COMMIT", "BEGIN", "UPDATE t SET n = n WHERE id = -1", "COMMIT", "FLUSH TABLES", "FLUSH STATUS")
        go_on(f"CREATE DATABASE `{name}_other`", f"CREATE TABLE `{name}_other`.x (id INT PRIMARY KEY)", f"INSERT INTO `{name}_other`.x VALUES (1)")
        go_on(f"DROP DATABASE `{name}_other`", f"DROP TABLE IF EXISTS `{name}_gone`")
        for end in ("COMMIT", "ROLLBACK"):
            go_on(f"XA START '{name}'", f"XA END '{name}'", f"XA PREPARE '{name}'", f"XA {end} '{name}'")
        if stage.mariadb:
            go_on("CREATE SEQUENCE numbers", "SELECT NEXT VALUE FOR numbers", "DROP SEQUENCE numbers")
            go_on("SET STATEMENT gtid_domain_id = 7 FOR UPDATE t SET n = n + 1 WHERE id < 9")
        elif stage.gtids():
            go_on("SET gtid_next = '11111111-2222-3333-4444-555555555555:1'", "BEGIN", "COMMIT", "SET gtid_next = AUTOMATIC")
    stage.settle()
