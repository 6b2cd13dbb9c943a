"""The codec against documents written by hand, without a server and on every server that is running."""

import os
import unittest
from decimal import Decimal

from checker.codec import Column, Json, exact_text, key_text, parse_json, plain_decimal, shortest_single
from checker.database import connect
from checker.source import read_table

# column, definition, SQL value, canonical JSON
COMMON = [
    ("tiny", "TINYINT", "-128", "-128"),
    ("flag", "TINYINT(1)", "1", "1"),
    ("big", "BIGINT UNSIGNED", "18446744073709551615", "18446744073709551615"),
    ("padded", "INT(8) ZEROFILL", "42", "42"),
    ("yr", "YEAR", "1999", "1999"),
    ("bits", "BIT(64)", "b'1111111111111111111111111111111111111111111111111111111111111111'", "18446744073709551615"),
    ("bit1", "BIT(1)", "b'0'", "0"),
    ("single", "FLOAT", "16777216.1", "16777216"),
    ("third", "FLOAT", "0.333333333", "0.33333334"),
    ("tenth", "FLOAT", "0.1", "0.1"),
    ("dbl", "DOUBLE", "0.1", "0.1"),
    ("dbl_big", "DOUBLE", "1.7976931348623157e308", "1.7976931348623157e308"),
    ("dec_scale", "DECIMAL(10,2)", "12.5", '"12.50"'),
    ("dec_neg", "DECIMAL(65,30)", "-0.000000000000000000000000000001", '"-0.000000000000000000000000000001"'),
    ("dec_zero", "DECIMAL(8,3) ZEROFILL", "1.5", '"1.500"'),
    ("ch", "CHAR(5) CHARACTER SET latin1", "'hé'", '"hé"'),
    ("txt", "TEXT CHARACTER SET utf8mb4", "'🛫 \\n\"x\"'", '"🛫 \\n\\"x\\""'),
    ("en", "ENUM('a','b,c')", "'b,c'", '"b,c"'),
    ("st", "SET('x','y','z')", "'z,x'", '["x","z"]'),
    ("st_none", "SET('x','y')", "''", "[]"),
    ("bin", "BINARY(4)", "x'0001'", '"AAEAAA=="'),
    ("blb", "BLOB", "x'ff00'", '"/wA="'),
    ("dy", "DATE", "'2026-01-31'", '"2026-01-31"'),
    ("dt6", "DATETIME(6)", "'2026-01-31 12:00:00.12'", '"2026-01-31T12:00:00.120000"'),
    ("dt0", "DATETIME", "'2026-01-31 12:00:00'", '"2026-01-31T12:00:00"'),
    ("dt_zero", "DATETIME", "'0000-00-00 00:00:00'", "null"),
    ("dy_zero", "DATE", "'2026-00-01'", "null"),
    ("ts3", "TIMESTAMP(3) NULL", "'2026-01-31 12:00:00.5'", '"2026-01-31T12:00:00.500Z"'),
    ("tm6", "TIME(6)", "'-838:59:59'", '"-838:59:59.000000"'),
    ("tm", "TIME", "'01:02:03'", '"01:02:03"'),
    ("pt", "POINT", "ST_GeomFromText('POINT(1 2)', 3857)", '{"srid":3857,"wkb":"AQEAAAAAAAAAAADwPwAAAAAAAABA"}'),
    ("nul", "INT NULL", "NULL", "null"),
]
JSON_VALUE = ("js", "JSON", "'{\"b\": [1, 2.50, true, null, \"x\"], \"a\": 10000000000000000001}'",
              '{"a":10000000000000000001,"b":[1,2.50,true,null,"x"]}')
NEW_MYSQL = [("js", "JSON", JSON_VALUE[2], '{"a":10000000000000000001,"b":[1,2.5,true,null,"x"]}'),
             ("vec", "VECTOR(3)", "STRING_TO_VECTOR('[1,0.1,-2.5]')", "[1,0.1,-2.5]")]
NEW_MARIADB = [JSON_VALUE, ("uu", "UUID", "'123e4567-e89b-12d3-a456-426655440000'", '"123e4567-e89b-12d3-a456-426655440000"'),
               ("ip", "INET6", "'2001:db8::1'", '"2001:db8::1"')]


class Codec(unittest.TestCase):
    def test_singles_are_as_short_as_they_can_be(self):
        for bits, text in ((0.1, "0.1"), (16777216.0, "16777216"), (1 / 3, "0.33333334"), (1e-45, "1e-45"), (-0.0, "-0")):
            self.assertEqual(shortest_single(bits), Decimal(text))

    def test_decimals_lose_padding_only(self):
        self.assertEqual([plain_decimal(t) for t in ("00012.50", "-0.10", "000", "0.00")], ["12.50", "-0.10", "0", "0.00"])

    def test_keys_as_text(self):
        self.assertEqual(key_text(["a:b%"]), "a:b%")
        self.assertEqual(key_text(["a:b%", 7]), "a%3Ab%25:7")
        self.assertEqual(key_text([""]), "%")
        self.assertEqual(key_text(["", "x"]), "%:x")
        self.assertTrue(key_text(["x" * 513]).startswith("sha256:"))
        self.assertEqual(key_text(["x" * 512]), "x" * 512)

    def test_json_tells_numbers_and_booleans_apart(self):
        self.assertNotEqual(Json(parse_json("[1]")), Json(parse_json("[true]")))
        self.assertNotEqual(Json(parse_json("[1]")), Json(parse_json("[1.0]")))
        self.assertEqual(Json(parse_json('{"a":1,"b":2}')), Json(parse_json('{"b":2,"a":0,"a":1}')))

    def test_unknown_types_are_refused(self):
        with self.assertRaises(ValueError):
            Column("x", "hologram")


class Servers(unittest.TestCase):
    def differential(self, variable, extra):
        url = os.environ.get(variable)
        if not url:
            self.skipTest(f"{variable} is not set")
        columns = COMMON + extra
        connection = connect(url)
        name = f"checker_codec_{os.getpid()}"
        with connection.cursor() as cursor:
            cursor.execute(f"CREATE DATABASE {name} CHARACTER SET utf8mb4")
            try:
                cursor.execute(
                    f"CREATE TABLE {name}.t (id INT PRIMARY KEY, " + ", ".join(f"`{c[0]}` {c[1]}" for c in columns) + ")")
                cursor.execute(f"INSERT INTO {name}.t VALUES (1, " + ", ".join(c[2] for c in columns) + ")")
                table = read_table(url, f"{name}.t")
            finally:
                cursor.execute(f"DROP DATABASE {name}")
        values = dict(zip(table.names, table.rows["1"]))
        by_name = {column.name: column for column in table.columns}
        for column, _, _, expected in columns:
            with self.subTest(column=column):
                self.assertEqual(values[column], by_name[column].of_document(parse_json(expected)))

    def test_mariadb(self):
        self.differential("SYNCLINE_TEST_MARIADB", NEW_MARIADB)

    def test_mariadb_in_another_zone(self):
        self.differential("SYNCLINE_TEST_MARIADB_FULL", NEW_MARIADB)

    def test_mysql(self):
        self.differential("SYNCLINE_TEST_MYSQL", NEW_MYSQL)

    def test_mysql56(self):
        self.differential("SYNCLINE_TEST_MYSQL56", [])


if __name__ == "__main__":
    unittest.main()
