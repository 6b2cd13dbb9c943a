"""Row by row, field by field."""

MISSING = object()


class Difference:
    """What a comparison of one table with one target found."""

    def __init__(self, table, target):
        self.table, self.target = table, target
        self.compared = self.missing = self.different = self.extra = 0
        self.problems = []
        self.lines = []

    @property
    def equal(self):
        return not (self.missing or self.different or self.extra or self.problems)

    def note(self, kind, key, detail, shown):
        setattr(self, kind, getattr(self, kind) + 1)
        if len(self.lines) < shown:
            self.lines.append(f"{kind.upper():<9} {self.table} in {self.target}, key {key}{detail}")

    def summary(self):
        return (
            f"{'equal' if self.equal else 'DRIFT':<6} {self.table:<28} {self.target:<12} compared {self.compared:>8}  missing "
            f"{self.missing}  different {self.different}  extra {self.extra}")


def same(column, expected, found):
    found = column.of_document(found)
    if isinstance(found, bool):  # Python takes true for 1, a document must not
        return expected is found
    return expected == found


def fields_that_differ(table, values, document, absent_is_null):
    wrong = []
    for column, expected in zip(table.columns, values):
        found = document.get(column.name, None if absent_is_null else MISSING)
        if found is MISSING:
            wrong.append(f"{column.name}: absent, source {expected!r}")
        elif not same(column, expected, found):
            wrong.append(f"{column.name}: source {expected!r}, target {found!r}")
    known = set(table.names)
    wrong.extend(f"{name}: not a column" for name in document if name not in known)
    return wrong


def compare(table, name, reader, dead=(), absent_is_null=False, shown=20):
    """`dead` are keys that must not be in the target: their changes are dead letters."""
    found = Difference(table.name, name)
    seen, twice = set(), 0
    for key, document, version in reader.read():
        if key not in table.rows or key in dead:
            found.note("extra", key, "", shown)
            continue
        if key in seen:
            twice += 1
        seen.add(key)
        found.compared += 1
        if not 0 < version < 2 ** 63:
            found.problems.append(f"key {key}: version {version}")
        wrong = fields_that_differ(table, table.rows[key], document, absent_is_null)
        if wrong:
            found.note("different", key, ": " + "; ".join(wrong[:5]), shown)
    for key in table.rows:
        if key not in seen and key not in dead:
            found.note("missing", key, "", shown)
    if twice:
        found.problems.append(f"{twice} keys stand there twice")
    found.problems.extend(reader.problems)
    return found
