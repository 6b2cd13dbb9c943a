"""Keys that compare in ways of their own."""

from .catalogue import fault


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
