"""The benchmark table: 10 columns, written in transactions of 1,000 rows by a procedure on the server."""
import pymysql

COLUMNS = """create table bench.t(id bigint primary key, a int not null, b bigint, c decimal(12,2), d double,
e varchar(64), f varchar(128), g datetime(3), h tinyint, j text) charset utf8mb4"""
FILL = """create procedure bench.fill(chunks int) begin declare i int default 0; while i < chunks do
insert into bench.t select i*1000+n, n, 1000000007*(i+1)+n, (i*1000+n)/100, n/7, concat("name-",i,"-",n),
concat("Some longer text, öäü, row ",i*1000+n," of the table"),
timestamp("2026-01-01 00:00:00.123") + interval (i*1000+n) second, n%2,
if(n%10=0,null,concat("{\\"id\\":",n,",\\"tag\\":\\"x\\"}")) from bench.nums; set i=i+1; end while; end"""


def connect(port):
    return pymysql.connect(host="127.0.0.1", port=port, user="root", autocommit=True, charset="utf8mb4")


def fresh(port):
    """An empty table `bench.t`."""
    with connect(port) as connection, connection.cursor() as cursor:
        cursor.execute("create database if not exists bench")
        cursor.execute("drop table if exists bench.t")
        cursor.execute(COLUMNS)
        cursor.execute("create table if not exists bench.nums(n int primary key)")
        cursor.executemany("insert ignore into bench.nums values (%s)", [(n,) for n in range(1000)])
        cursor.execute("drop procedure if exists bench.fill")
        cursor.execute(FILL)


def fill(port, rows):
    """Writes `rows` rows (a multiple of 1,000)."""
    with connect(port) as connection, connection.cursor() as cursor:
        cursor.execute("call bench.fill(%s)", (rows // 1000,))


def position(port):
    """File and offset of the end of the binlog."""
    with connect(port) as connection, connection.cursor() as cursor:
        for statement in ("show master status", "show binary log status"):
            try:
                cursor.execute(statement)
                file, offset = cursor.fetchone()[:2]
                return file, int(offset)
            except pymysql.err.ProgrammingError:
                continue
    raise RuntimeError("the server has no binlog")
