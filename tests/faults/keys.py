"""Keys that compare in ways of their own."""

import json

from .catalogue import fault, halts
from .stage import TARGETS


@fault("Keys", "Keys that change, also over many rows at once")
def keys_move(stage):
    stage.settle()
    stage.sql("UPDATE t SET id = id + 1 ORDER BY id DESC", "UPDATE u SET id = id * 10 + 5 ORDER BY id DESC")
    stage.settle()
    stage.sql("UPDATE t SET id = -id", "DELETE FROM u WHERE id > 300")
    stage.settle()


@fault("Keys", "Text keys without case and accents: one changes only in case; an empty one; long ones")
def keys_collated(stage):
    long = "long " * 30
    stage.sql("CREATE TABLE k (id VARCHAR(160) COLLATE utf8mb4_general_ci PRIMARY KEY, n INT)")
    stage.sql(f"INSERT INTO k VALUES ('abc', 1), ('Éa', 2), ('', 3), ('{long}1', 4), ('{long}2', 5), ('z:/%é😀', 6), ('ß', 7)")
    stage.settle()
    stage.sql(
        "UPDATE k SET id = 'ABC' WHERE id = 'abc'", "UPDATE k SET id = 'ea', n = 20 WHERE id = 'éA'", "UPDATE k SET n = 30 WHERE id = ''",
        "REPLACE INTO k VALUES ('aBc', 10)", f"DELETE FROM k WHERE id = '{long}1'")
    stage.settle()
    with stage.running():
        stage.sql("UPDATE k SET id = LOWER(id), n = n + 1", "INSERT INTO k VALUES ('Q', 1)", "UPDATE k SET id = 'q' WHERE id = 'Q'")
    stage.settle()


@fault("Keys", "Keys of several columns, one of them binary")
def keys_composite(stage):
    stage.sql("CREATE TABLE k (a INT, b VARBINARY(12), c DATE, n INT, PRIMARY KEY (b, c, a))")
    stage.sql("INSERT INTO k VALUES (1, x'00ff', '2024-01-01', 1), (1, x'00', '2024-01-01', 2), (2, '', '2024-01-02', 3), (3, 'a:b%', '2024-01-03', 4)")
    stage.settle()
    stage.sql(
        "UPDATE k SET b = x'ff' WHERE n = 2", "UPDATE k SET c = '2025-01-01'", "DELETE FROM k WHERE n = 3",
        "INSERT INTO k VALUES (2, '', '2024-01-02', 5)")
    stage.settle()


@fault("Keys", "Keys that compare without the spaces at their ends, and keys that are filled up to a width")
def keys_padded(stage):
    stage.sql(
        "CREATE TABLE k (id VARCHAR(20) CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci PRIMARY KEY, n INT)",
        "CREATE TABLE c (id CHAR(8) COLLATE utf8mb4_bin PRIMARY KEY, n INT)", "CREATE TABLE b (id BINARY(4) PRIMARY KEY, n INT)",
        "INSERT INTO k VALUES ('a ', 1), ('b', 2), (' ', 3), ('c\\t', 4)", "INSERT INTO c VALUES ('a  ', 1), ('', 2), (' b', 3)",
        "INSERT INTO b VALUES ('a', 1), ('', 2), (x'00000001', 3)")
    stage.settle()
    stage.sql(
        "UPDATE k SET id = 'a', n = 10 WHERE id = 'A  '", "UPDATE k SET id = 'b   ' WHERE id = 'b'", "REPLACE INTO k VALUES ('', 30)",
        "UPDATE c SET n = 10 WHERE id = 'a'", "UPDATE b SET id = 'aa' WHERE id = 'a\\0\\0\\0'", "DELETE FROM c WHERE id = ''")
    stage.settle()
    with stage.running():
        stage.sql("SET SESSION binlog_row_image = MINIMAL")
        stage.sql("UPDATE k SET n = n + 1", "UPDATE k SET id = CONCAT(id, ' ')", "UPDATE b SET n = n + 1", "REPLACE INTO k VALUES ('C\\t', 40)")
        stage.expect(("backfill", "pipeline.yaml", "--table", f"{stage.database}.k"), 0)
        stage.sql("UPDATE k SET id = RTRIM(id) WHERE n > 2", "DELETE FROM k WHERE id = 'B'")
    stage.settle()


@fault("Keys", "Keys that differ in the spaces at their ends alone, where the collation tells them apart")
def keys_not_padded(stage):
    collation = "utf8mb4_nopad_bin" if stage.mariadb else "utf8mb4_0900_ai_ci"
    stage.sql(
        f"CREATE TABLE k (id VARCHAR(20) CHARACTER SET utf8mb4 COLLATE {collation} PRIMARY KEY, n INT)",
        "INSERT INTO k VALUES ('a', 1), ('a ', 2), ('a  ', 3), ('', 4), (' ', 5)")
    stage.settle()
    stage.sql("SET SESSION binlog_row_image = MINIMAL", "UPDATE k SET n = n + 10 WHERE id IN ('a ', '')", "DELETE FROM k WHERE id = 'a'")
    stage.sql("UPDATE k SET id = 'a' WHERE id = 'a  '", "UPDATE k SET n = n + 100")
    stage.settle()


@fault("Keys", "Keys longer than an id may be")
def keys_very_long(stage):
    long = "é" * 500
    stage.sql(
        "CREATE TABLE k (id VARCHAR(600) COLLATE utf8mb4_bin PRIMARY KEY, n INT)", "CREATE TABLE b (a VARBINARY(900), c INT, n INT, PRIMARY KEY (a, c))",
        f"INSERT INTO k VALUES ('{long}', 1), ('{long}x', 2), ('{long}y', 3), ('short', 4)",
        "INSERT INTO b SELECT REPEAT(CHAR(id + 1 USING latin1), 800), id, 1 FROM t WHERE id BETWEEN 1 AND 9")
    stage.settle()
    stage.sql("UPDATE k SET id = CONCAT(id, 'z') WHERE n = 2", f"DELETE FROM k WHERE id = '{long}'", f"UPDATE k SET id = '{long}' WHERE n = 4", "UPDATE b SET c = -c")
    stage.sql("SET SESSION binlog_row_image = MINIMAL", "UPDATE k SET n = n + 1", "UPDATE b SET n = 2", "DELETE FROM b WHERE c = -3")
    stage.settle()


@fault("Keys", "Names with dots, spaces and other signs: of a table, of columns, of a key")
def names_dotted(stage):
    stage.sql(
        "CREATE TABLE `we.ird` (`k.1` INT, `k 2` VARCHAR(20), `a.b` INT, `c{d}` TEXT, `e``f` INT, `ä|lower` INT, PRIMARY KEY (`k.1`, `k 2`))",
        "INSERT INTO `we.ird` VALUES (1, 'x', 1, 'one', 1, 1), (1, 'x.y', 2, 'two', 2, 2), (2, '', NULL, NULL, NULL, NULL)")
    stage.settle()
    stage.sql(
        "UPDATE `we.ird` SET `k 2` = 'z', `a.b` = 3 WHERE `k 2` = 'x'", "ALTER TABLE `we.ird` RENAME COLUMN `e``f` TO `e.f`",
        "SET SESSION binlog_row_image = MINIMAL", "UPDATE `we.ird` SET `e.f` = 7")
    stage.settle()
    stage.expect(("backfill", "pipeline.yaml", "--table", f"{stage.database}.we.ird"), 0)
    stage.sql("RENAME TABLE `we.ird` TO `we.ird.er`", "DELETE FROM `we.ird.er` WHERE `k.1` = 2")
    stage.settle()


RESERVED = ("ALTER TABLE t ADD COLUMN _id INT DEFAULT 1, ADD COLUMN _version INT DEFAULT 2", "ALTER TABLE u ADD COLUMN a INT DEFAULT 3, ADD COLUMN `a.b` INT DEFAULT 4")
FIELDS = {"_id": "id_", "_version": "version_", "a.b": "a_b"}
RENAMED = "transform:\n" + "".join(f'  - {{ field: "{field}", from: "{column}" }}\n' for column, field in FIELDS.items())


@fault("Keys", "Columns whose names a target keeps for itself, and one inside another (`a.b` beside `a`)",
       "`check` and `run` refuse them with SYN-1505 and the transforms that end equal")
def names_reserved(stage):
    stage.sql(*RESERVED)
    named = ("SYN-1505", *(f"{{ field: {field}, from: {column} }}" for column, field in FIELDS.items()))
    stage.refuses("check", 3, *named)
    stage.refuses("run", 78, *named)
    stage.configure(stage.server, options=RENAMED)
    stage.settle(fields=FIELDS)


@fault("Keys", "Such a column is added while the table is captured", halts("SYN-1505", "the transforms, and syncline backfill FILE --table TABLE"))
def names_reserved_later(stage):
    stage.settle()
    with stage.running(may_halt=True) as running:
        stage.sql(*RESERVED)
        stage.change()
        running.wait(lambda status: all("SYN-1505" in json.dumps(table["error"]) for table in status["tables"]))
    stage.configure(stage.server, options=RENAMED)
    stage.expect(("backfill", "pipeline.yaml", "--table", f"{stage.database}.*"), 0)
    stage.require_equal(fields=FIELDS)
    stage.change()
    stage.settle(fields=FIELDS)


@fault("Keys", "The addresses of two routes can collide", "`lint`, `check` and `run` refuse it with SYN-1506; a template that tells them apart ends equal")
def routes_colliding(stage):
    # Lines of two tables may stand in one archive.
    for name, word in [target for target in TARGETS.items() if target[0] != "lake"]:
        same = {table: [(name, word.replace("{table}", "one"))] for table in ("t", "u")}
        stage.configure(stage.server, routes=same)
        for command, ends in (("lint", 3), ("check", 3), ("run", 78)):
            stage.refuses(command, ends, "SYN-1506", "pipeline.yaml:")
    stage.configure(stage.server, routes={"t": TARGETS.items(), "u": TARGETS.items()})
    stage.settle()
