"""Row events that hold only a part of their rows."""

from .catalogue import fault, halts

PART = "Partial images"


def image(stage, kind):
    stage.sql(f"SET SESSION binlog_row_image = {kind}")


@fault(PART, "`binlog_row_image = MINIMAL`, switched on and off")
def minimal(stage):
    stage.settle()
    for kind in ("MINIMAL", "FULL", "MINIMAL"):
        image(stage, kind)
        stage.sql("UPDATE t SET n = n + 1", "INSERT IGNORE INTO t (id, n) VALUES (700, 1)", "UPDATE IGNORE t SET id = 701 WHERE id = 700")
        stage.change(60)
        stage.settle()


@fault(PART, "`MINIMAL` beside a running Syncline, with a backfill")
def minimal_while_running(stage):
    stage.settle()
    image(stage, "MINIMAL")
    with stage.running():
        for _ in range(3):
            stage.change(40)
            stage.expect(("backfill", "pipeline.yaml", "--table", f"{stage.database}.t"), 0)
            stage.change(40)
    stage.settle()


@fault(PART, "`MINIMAL`, and the table is altered, renamed and dropped before its rows are read")
def minimal_and_ddl(stage):
    stage.settle()
    image(stage, "MINIMAL")
    stage.change()
    stage.sql("ALTER TABLE t ADD COLUMN more INT DEFAULT 7 FIRST, DROP COLUMN name", "UPDATE t SET more = id WHERE id % 2 = 0")
    stage.sql("UPDATE u SET n = 5", "RENAME TABLE u TO w", "UPDATE w SET n = n + 1", "CREATE TABLE v LIKE w")
    stage.sql("INSERT INTO v SELECT * FROM w", "UPDATE v SET n = 0", "DROP TABLE v")
    stage.settle()


@fault(PART, "`binlog_row_image = NOBLOB`")
def noblob(stage):
    stage.sql("ALTER TABLE t ADD COLUMN body TEXT", "UPDATE t SET body = CONCAT('body ', id)")
    stage.settle()
    image(stage, "NOBLOB")
    stage.sql("UPDATE t SET n = n + 1", "UPDATE t SET body = 'new' WHERE id % 3 = 0", "DELETE FROM t WHERE id % 5 = 0")
    stage.change()
    stage.settle()


@fault(PART, "`binlog_row_image = FULL_NODUP`, switched on and off, with keys that change and a backfill", servers=("mariadb11",))
def full_nodup(stage):
    stage.sql("ALTER TABLE t ADD COLUMN body TEXT", "UPDATE t SET body = CONCAT('body ', id)")
    stage.settle()
    for kind in ("FULL_NODUP", "MINIMAL", "FULL_NODUP", "FULL"):
        image(stage, kind)
        stage.sql("UPDATE t SET n = n + 1", "UPDATE t SET body = NULL WHERE id % 3 = 0", "UPDATE t SET body = 'new' WHERE id % 4 = 0")
        stage.change(60)
        stage.settle()
    image(stage, "FULL_NODUP")
    with stage.running():
        stage.change(40)
        stage.sql("UPDATE t SET id = id + 1 ORDER BY id DESC", "UPDATE u SET id = -id, name = NULL")
        stage.expect(("backfill", "pipeline.yaml", "--table", f"{stage.database}.t"), 0)
        stage.change(40)
    stage.settle()


@fault(PART, "`FULL_NODUP`, and the primary key is not all that addresses are made of", servers=("mariadb11",))
def full_nodup_and_other_key(stage):
    for table in ("t", "u"):
        stage.sql(f"ALTER TABLE {table} ADD COLUMN code INT NOT NULL DEFAULT 0", f"UPDATE {table} SET code = id")
    stage.configure(stage.server, options="key: [code]")
    stage.expect(("run", "pipeline.yaml", "--until-current"), 0)
    image(stage, "FULL_NODUP")
    stage.sql("UPDATE t SET n = n + 1", "UPDATE t SET code = -code WHERE id % 2 = 0", "UPDATE u SET name = 'x' WHERE id % 3 = 0")
    # The checker tells lines apart by the primary key, which is not in theirs, and documents by theirs.
    stage.sql("UPDATE t SET code = id", "UPDATE u SET code = id", "DELETE FROM t WHERE id % 5 = 0")
    stage.settle(without="lake")


@fault(PART, "Parts of JSON documents (`binlog_row_value_options = PARTIAL_JSON`)", servers=("mysql",))
def partial_json(stage):
    stage.sql("ALTER TABLE t ADD COLUMN doc JSON", "UPDATE t SET doc = JSON_OBJECT('a', id, 'long', REPEAT('x', 100))")
    stage.settle()
    stage.sql("SET SESSION binlog_row_value_options = PARTIAL_JSON", "UPDATE t SET doc = JSON_SET(doc, '$.a', -1) WHERE id % 2 = 0")
    image(stage, "MINIMAL")
    stage.sql("UPDATE t SET doc = JSON_REPLACE(doc, '$.a', -2) WHERE id % 3 = 0")
    stage.change()
    stage.settle()


@fault(PART, "`MINIMAL`, and the primary key is not all that addresses are made of",
       halts("SYN-1310", "syncline backfill FILE --table TABLE"))
def minimal_and_other_key(stage):
    for table in ("t", "u"):
        stage.sql(f"ALTER TABLE {table} ADD COLUMN code INT NOT NULL DEFAULT 0", f"UPDATE {table} SET code = id")
    stage.configure(stage.server, options="key: [code]")
    stage.expect(("run", "pipeline.yaml", "--until-current"), 0)
    image(stage, "MINIMAL")
    stage.sql("UPDATE t SET n = n + 1")
    stage.halts("SYN-1310", ends=5)
    image(stage, "FULL")
    stage.expect(("backfill", "pipeline.yaml", "--table", f"{stage.database}.t"), 0)
    # The checker tells lines apart by the primary key, which is not in theirs.
    stage.require_equal(without="lake")
