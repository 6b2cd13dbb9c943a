"""Connections to MariaDB and MySQL by URL, and what differs between the servers."""

from urllib.parse import unquote, urlsplit

import pymysql


def connect(url, database=None, **options):
    """mysql://user:password@host:port/database; the session is in UTC and refuses nothing that is stored."""
    parts = urlsplit(url)
    settings = {
        "host": parts.hostname,
        "port": parts.port or 3306,
        "user": unquote(parts.username or "root"),
        "password": unquote(parts.password or ""),
        "database": database or parts.path.strip("/") or None,
        "charset": "utf8mb4",
        "autocommit": True,
        "init_command": "SET time_zone = '+00:00', sql_mode = ''",
    }
    return pymysql.connect(**{**settings, **options})


def rows(connection, sql, arguments=None):
    with connection.cursor() as cursor:
        cursor.execute(sql, arguments)
        return cursor.fetchall()


def is_mariadb(connection):
    return "mariadb" in rows(connection, "SELECT VERSION()")[0][0].lower()


def binlog_end(connection):
    """(file, position) of the end of the binlog. MySQL 8.4 renamed the statement."""
    for statement in ("SHOW BINARY LOG STATUS", "SHOW MASTER STATUS"):
        try:
            found = rows(connection, statement)
        except pymysql.err.Error:
            continue
        if found:
            return found[0][0], int(found[0][1])
    raise RuntimeError("the server writes no binlog, or the user may not see it")


def binlog_files(connection):
    return [row[0] for row in rows(connection, "SHOW BINARY LOGS")]


def quote_name(name):
    return "`" + name.replace("`", "``") + "`"
