"""What DDL does to captured tables, while Syncline runs and while it does not."""

import time

from .catalogue import SPARES, fault, halts

HEAL = "syncline backfill FILE --table TABLE"


def both_ways(stage, *statements):
    """The statements and changes around them: first beside a running Syncline, then while none runs."""
    stage.settle()
    with stage.running():
        stage.change(10)
        stage.sql(*statements)
        stage.change(10)
    stage.settle()


def lagging(stage, *statements):
    stage.settle()
    stage.change(10)
    stage.sql(*statements)
    stage.change(10)
    stage.settle()


@fault("DDL", "A column is added, with a default for old rows")
def add_column(stage):
    both_ways(stage, "ALTER TABLE t ADD COLUMN extra INT NOT NULL DEFAULT 7 AFTER n")
    lagging(stage, "ALTER TABLE t ADD COLUMN extra2 VARCHAR(9) DEFAULT 'x' FIRST")


@fault("DDL", "A column is dropped")
def drop_column(stage):
    both_ways(stage, "ALTER TABLE u DROP COLUMN at, ADD COLUMN at DATETIME(3)", "ALTER TABLE t ADD COLUMN gone INT DEFAULT 1")
    lagging(stage, "UPDATE t SET gone = 2 WHERE id < 40", "ALTER TABLE t DROP COLUMN gone")


@fault("DDL", "A column is dropped while the table is still read again because of another")
def drop_column_again(stage):
    stage.sql("ALTER TABLE t ADD COLUMN first INT DEFAULT 1, ADD COLUMN second INT DEFAULT 1")
    stage.configure(stage.server, reading="chunk_rows: 10, chunk_workers: 1, max_rows_per_second: 20")
    stage.settle()
    with stage.running():
        stage.sql("ALTER TABLE t DROP COLUMN first")
        time.sleep(1)
        stage.sql("ALTER TABLE t DROP COLUMN second")
    stage.settle()


@fault("DDL", "A column is renamed")
def rename_column(stage):
    stage.sql("ALTER TABLE t ADD COLUMN extra INT DEFAULT 5")
    both_ways(stage, "ALTER TABLE t CHANGE extra more INT DEFAULT 5")
    lagging(stage, "ALTER TABLE t CHANGE more extra INT DEFAULT 6")


@fault("DDL", "A column is converted")
def convert_column(stage):
    both_ways(stage, "ALTER TABLE t MODIFY n BIGINT UNSIGNED")
    lagging(stage, "ALTER TABLE t MODIFY n DECIMAL(20,2)")


@fault("DDL", "Columns are put into another order")
def reorder_columns(stage):
    both_ways(stage, "ALTER TABLE t MODIFY name VARCHAR(40) FIRST")
    lagging(stage, "ALTER TABLE t MODIFY at DATETIME(3) FIRST")


@fault("DDL", "The charset and the collation of a table change")
def charset(stage):
    both_ways(stage, "ALTER TABLE t CONVERT TO CHARACTER SET utf8mb4 COLLATE utf8mb4_bin")
    lagging(stage, "ALTER TABLE t DEFAULT CHARACTER SET latin1")


@fault("DDL", "`TRUNCATE`")
def truncate(stage):
    both_ways(stage, "TRUNCATE TABLE t")
    lagging(stage, "TRUNCATE TABLE t")


@fault("DDL", "`DROP TABLE`, and a table of that name again")
def drop_table(stage):
    both_ways(stage, "DROP TABLE t", "CREATE TABLE t (id INT PRIMARY KEY, n INT, name VARCHAR(40), at DATETIME(3))")
    lagging(stage, "DROP TABLE t", "CREATE TABLE t (id INT PRIMARY KEY, name VARCHAR(40), n INT, at DATETIME(3))")


@fault("DDL", "Two tables are swapped, as gh-ost and pt-online-schema-change do")
def swap(stage):
    new = "CREATE TABLE _t_new (id INT PRIMARY KEY, extra INT DEFAULT 3, n INT, name VARCHAR(40), at DATETIME(3))"
    copy = "INSERT INTO _t_new (id, n, name, at) SELECT id, n, name, at FROM t"
    both_ways(stage, new, copy, "RENAME TABLE t TO _t_old, _t_new TO t", "DROP TABLE _t_old")
    lagging(stage, new.replace("extra", "other"), copy, "RENAME TABLE t TO _t_old, _t_new TO t", "DROP TABLE _t_old")


@fault("DDL", "Tables are swapped, altered, emptied, renamed, dropped and made again while their rows are still being read")
def while_read(stage):
    rows = "INSERT INTO v SELECT id, n FROM t"
    make = ("CREATE TABLE v (id INT PRIMARY KEY, n INT)", rows)
    ghost = ("CREATE TABLE _t_gho LIKE t", "ALTER TABLE _t_gho ADD COLUMN more INT DEFAULT 4 FIRST",
             "INSERT INTO _t_gho (id, n, name, at) SELECT id, n, name, at FROM t", "RENAME TABLE t TO _t_del, _t_gho TO t", "DROP TABLE _t_del")
    happens = (ghost, ("TRUNCATE TABLE v", rows), ("ALTER TABLE t DROP COLUMN more",), ("DROP TABLE v", *make), ("RENAME TABLE v TO w",),
               ("ALTER TABLE u MODIFY n BIGINT FIRST",), ("RENAME TABLE w TO v",), ("TRUNCATE TABLE v",))
    stage.sql(*make)
    stage.configure(stage.server, reading="chunk_rows: 10, chunk_workers: 1, max_rows_per_second: 10")
    with stage.running(state="backfilling") as running:
        for statements in happens:
            stage.sql(*statements)
            stage.change(3)
            time.sleep(0.5)
        running.wait(lambda status: status["state"] == "streaming")
    for statements in happens:
        stage.killed(("run", "pipeline.yaml"), 0.7)
        stage.sql(*statements)
        stage.change(3)
    stage.configure(stage.server)
    stage.settle()


@fault("DDL", "`CREATE TABLE … SELECT`")
def create_select(stage):
    both_ways(stage, "CREATE TABLE v (PRIMARY KEY (id)) SELECT id, n FROM u")
    lagging(stage, "CREATE TABLE w (PRIMARY KEY (id)) SELECT id, name FROM u")


@fault("DDL", "A partition is dropped", halts("SYN-1313", HEAL))
def drop_partition(stage):
    stage.sql("ALTER TABLE t PARTITION BY RANGE (id) (PARTITION low VALUES LESS THAN (40), PARTITION high VALUES LESS THAN MAXVALUE)")
    stage.settle()
    stage.sql("ALTER TABLE t DROP PARTITION low")
    stage.change()
    stage.halts("SYN-1313", ends=5)
    stage.heal("--table", f"{stage.database}.t")


@fault("DDL", "A partition is exchanged for a table", halts("SYN-1313", HEAL))
def exchange_partition(stage):
    stage.sql(
        "CREATE TABLE x (id INT PRIMARY KEY, n INT, name VARCHAR(40), at DATETIME(3))", "INSERT INTO x (id, n) VALUES (1, 1), (3, 3)",
        "ALTER TABLE t PARTITION BY RANGE (id) (PARTITION low VALUES LESS THAN (40), PARTITION high VALUES LESS THAN MAXVALUE)")
    stage.settle()
    stage.sql("ALTER TABLE t EXCHANGE PARTITION low WITH TABLE x")
    stage.change()
    stage.halts("SYN-1313", ends=5)
    stage.heal("--table", f"{stage.database}.t", "--table", f"{stage.database}.x")


@fault("DDL", "Partitions are added and put together")
def add_partition(stage):
    stage.sql("ALTER TABLE t PARTITION BY RANGE (id) (PARTITION low VALUES LESS THAN (900))")
    both_ways(stage, "ALTER TABLE t ADD PARTITION (PARTITION high VALUES LESS THAN MAXVALUE)")
    lagging(stage, "ALTER TABLE t REORGANIZE PARTITION low, high INTO (PARTITION every VALUES LESS THAN MAXVALUE)")


@fault("DDL", "`RENAME TABLE`, and back")
def rename_table(stage):
    stage.settle()
    stage.sql("RENAME TABLE t TO v")
    stage.change(tables=("u", "v"))
    stage.settle()
    stage.sql("RENAME TABLE v TO t")
    stage.change()
    stage.settle()


@fault("DDL", "The type of a key column changes", halts("SYN-1309", HEAL))
def key_type(stage):
    stage.settle()
    stage.sql("ALTER TABLE t MODIFY id VARCHAR(12) NOT NULL")
    stage.sql("INSERT INTO t (id, n) VALUES ('x1', 1)", "DELETE FROM t WHERE id = '1'")
    stage.halts("SYN-1309", ends=5)
    stage.expect(("backfill", "pipeline.yaml", "--table", f"{stage.database}.t"), 0)
    stage.require_equal()


@fault("DDL", "A table is dropped and made again, and then nothing happens at all", servers=SPARES)
def made_again(stage):
    stage.settle()
    stage.sql("DROP TABLE t", "CREATE TABLE t (id INT PRIMARY KEY, n INT, name VARCHAR(40), at DATETIME(3))")
    stage.settle()


@fault("Changes the stream does not carry", "A change is logged as a statement", halts("SYN-1311", HEAL))
def statement(stage):
    stage.settle()
    stage.sql("SET SESSION binlog_format = STATEMENT", "DELETE FROM t WHERE id < 30", "SET SESSION binlog_format = ROW")
    stage.change()
    stage.halts("SYN-1311", ends=5)
    stage.heal("--table", f"{stage.database}.t")


@fault("DDL", "`DROP TABLE` with `on_drop: delete`")
def drop_and_delete(stage):
    stage.configure(stage.server, options="on_drop: delete")
    stage.settle()
    stage.sql("DROP TABLE t")
    stage.change(tables=("u",))
    stage.settle()
    stage.require_empty("t")
    stage.sql("CREATE TABLE t (id INT PRIMARY KEY, n INT, name VARCHAR(40), at DATETIME(3))")
    stage.change()
    stage.settle()


@fault("Changes the stream does not carry", "A foreign key with `ON DELETE CASCADE`", "refuses to start with SYN-1316", ("mariadb",))
def cascade(stage):
    stage.sql("CREATE TABLE child (id INT PRIMARY KEY, t INT, FOREIGN KEY (t) REFERENCES t (id) ON DELETE CASCADE)")
    stage.expect(("run", "pipeline.yaml", "--until-current"), 78, "SYN-1316", "on_cascade")
