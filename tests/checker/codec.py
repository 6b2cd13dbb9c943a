"""The checker's own reading of MySQL and MariaDB columns: what to SELECT, and the canonical value of the answer.

Values are None, bool, int, Decimal (every JSON number that is not an integer), str, list or dict. A JSON column's value
is wrapped in Json, which compares by structure and by the digits of its numbers.
"""

import base64
import functools
import hashlib
import json
import re
import struct
from decimal import Decimal

INTEGERS = {"tinyint", "smallint", "mediumint", "int", "integer", "bigint", "year"}
TEXTS = {"char", "varchar", "tinytext", "text", "mediumtext", "longtext", "enum", "uuid", "inet4", "inet6"}
BYTES = {"binary", "varbinary", "tinyblob", "blob", "mediumblob", "longblob"}
GEOMETRIES = {
    "geometry", "point", "linestring", "polygon", "multipoint", "multilinestring", "multipolygon", "geometrycollection",
    "geomcollection"}
NO_DAY = re.compile(r"^\d{4}-(00-\d\d|\d\d-00)")


class Json:
    """A value inside which 1, 1.0 and true differ."""

    __slots__ = ("text",)

    def __init__(self, value):
        self.text = exact_text(value)

    def __eq__(self, other):
        return isinstance(other, Json) and self.text == other.text

    def __hash__(self):
        return hash(self.text)

    def __repr__(self):
        return self.text


def exact_text(value):
    if isinstance(value, dict):
        return "{" + ",".join(json.dumps(k) + ":" + exact_text(v) for k, v in sorted(value.items())) + "}"
    if isinstance(value, list):
        return "[" + ",".join(exact_text(v) for v in value) + "]"
    if isinstance(value, Decimal):
        return str(value)
    return json.dumps(value)


def parse_json(text):
    """JSON with every digit kept; the last of duplicate members counts."""
    return json.loads(text, parse_float=Decimal)


@functools.lru_cache(maxsize=100_000)
def shortest_single(value):
    """The shortest decimal that reads back as the same 32-bit float."""
    packed = struct.pack("<f", value)
    value = struct.unpack("<f", packed)[0]
    for digits in range(1, 10):
        text = f"{value:.{digits}g}"
        if struct.pack("<f", float(text)) == packed:
            return Decimal(text)
    raise AssertionError("nine digits name every 32-bit float")


def plain_decimal(text):
    """ZEROFILL pads, the document does not."""
    sign = "-" if text.startswith("-") else ""
    digits = text.lstrip("-").lstrip("0")
    return sign + ("0" + digits if digits == "" or digits.startswith(".") else digits)


def geometry(raw):
    return {"srid": struct.unpack("<I", raw[:4])[0], "wkb": base64.b64encode(raw[4:]).decode()}


def vector(raw):
    return [shortest_single(value) for value in struct.unpack(f"<{len(raw) // 4}f", raw)]


def date(text, zero_date_as_text=False):
    if NO_DAY.match(text):
        return text if zero_date_as_text else None
    return text.replace(" ", "T")


def timestamp(text, zero_date_as_text=False):
    if NO_DAY.match(text):
        return text if zero_date_as_text else None
    return text.replace(" ", "T") + "Z"


class Column:
    """One column: `select` is the SQL that asks for it without loss, `decode` makes the canonical value."""

    def __init__(self, name, kind, is_json=False, zero_date_as_text=False):
        self.name = name
        self.kind = "json" if is_json else kind
        quoted = "`" + name.replace("`", "``") + "`"
        self.select, decode = self.rules(quoted, zero_date_as_text)
        self.decode = lambda value: None if value is None else decode(value)

    def rules(self, quoted, zero):
        kind = self.kind
        hexed = f"HEX({quoted})"
        if kind in INTEGERS:
            return quoted, int
        if kind == "bit":
            return f"{quoted} + 0", int
        if kind == "float":  # the text protocol would round it to six digits; times 1 keeps the sign of zero
            return f"{quoted} * 1e0", lambda text: shortest_single(float(text))
        if kind in ("double", "real"):
            return f"{quoted} * 1e0", lambda text: Decimal(repr(float(text)))
        if kind in ("decimal", "numeric"):
            return quoted, plain_decimal
        if kind in TEXTS:
            return f"CONVERT({quoted} USING utf8mb4)", str
        if kind == "set":
            return f"CONVERT({quoted} USING utf8mb4)", lambda text: text.split(",") if text else []
        if kind in BYTES:
            return hexed, lambda text: base64.b64encode(bytes.fromhex(text)).decode()
        if kind in ("date", "datetime"):
            return f"CAST({quoted} AS CHAR)", lambda text: date(text, zero)
        if kind == "timestamp":
            return f"CAST({quoted} AS CHAR)", lambda text: timestamp(text, zero)
        if kind == "time":
            return f"CAST({quoted} AS CHAR)", str
        if kind == "json":
            return f"CONVERT({quoted} USING utf8mb4)", lambda text: Json(parse_json(text))
        if kind in GEOMETRIES:
            return hexed, lambda text: geometry(bytes.fromhex(text))
        if kind == "vector":
            return hexed, lambda text: vector(bytes.fromhex(text))
        raise ValueError(f"column {self.name}: the checker does not know the type {kind}")

    def of_document(self, value):
        """The value of a document read from a target, ready to be compared with decode's."""
        return Json(value) if self.kind == "json" and value is not None else value


def key_part(value):
    """A canonical value as the text that stands in a key."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return value if isinstance(value, str) else str(value)


def key_text(values):
    """SURFACE, keys as text: one part plain, several joined by `:` and percent-encoded, long ones hashed."""
    parts = [key_part(value) for value in values]
    if len(parts) > 1:
        parts = [part.replace("%", "%25").replace(":", "%3A") for part in parts]
    text = ":".join(part or "%" for part in parts)
    if len(text.encode()) > 512:
        return "sha256:" + hashlib.sha256(text.encode()).hexdigest()
    return text


def redis_text(text):
    return text.replace("{", "%7B").replace("}", "%7D")
