//! Every column type with the values at its edges: what to declare, what to insert, and what must come out.

use super::servers::{Server, Session};

/// A column type and its values.
pub struct Case {
    /// The column's declaration.
    pub declare: String,
    /// SQL expressions to insert, with the JSON that must come out where a person can say it.
    pub values: Vec<(String, Option<String>)>,
}

/// `declare`, then `expression => json` lines; `expression` alone is compared both ways only.
fn case(declare: &str, values: &[&str]) -> Case {
    let values = values
        .iter()
        .map(|v| match v.split_once(" => ") {
            Some((sql, json)) => (sql.to_owned(), Some(json.to_owned())),
            None => ((*v).to_owned(), None),
        })
        .collect();
    Case { declare: declare.to_owned(), values }
}

/// Creates the table `every` with a column of each type (long ones aside) and answers the statements that fill it.
pub async fn table_of_every_type(session: &mut Session) -> Vec<String> {
    const LONGEST: usize = 300;
    let short = |sql: &str| sql.len() < LONGEST && !sql.contains("repeat");
    let cases = all(session.server);
    let cases: Vec<_> = cases.iter().filter(|c| c.declare.len() < LONGEST).collect();
    let declared: Vec<String> = cases
        .iter()
        .enumerate()
        .map(|(n, c)| format!("c{n} {}", c.declare.replace("json_valid(v)", &format!("json_valid(c{n})"))))
        .collect();
    session.run(format!("CREATE TABLE every (id int PRIMARY KEY, {})", declared.join(", "))).await;
    let rows = cases.iter().map(|c| c.values.len()).max().unwrap();
    let row = |n: usize| {
        let value = |c: &&Case| match c.values.get(n) {
            Some((sql, _)) if short(sql) => sql.clone(),
            _ => "NULL".to_owned(),
        };
        let values: Vec<String> = cases.iter().map(value).collect();
        format!("INSERT IGNORE INTO every VALUES ({n}, {})", values.join(", "))
    };
    (0..rows).map(row).collect()
}

pub fn all(server: Server) -> Vec<Case> {
    let mut cases = integers();
    cases.extend(numbers());
    cases.extend(temporals());
    cases.extend(texts());
    cases.extend(bytes());
    cases.extend(geometries(server));
    if server.is_mariadb() {
        cases.extend(mariadb());
        cases.extend(mariadb_texts());
    }
    if server.is_modern_mysql() {
        cases.extend(mysql());
    }
    cases
}

fn integers() -> Vec<Case> {
    let mut cases = Vec::new();
    for (name, bits) in [("tinyint", 8), ("smallint", 16), ("mediumint", 24), ("int", 32), ("bigint", 64)] {
        let max = i128::from(2).pow(bits - 1) - 1;
        let values = [-max - 1, -1, 0, 1, max].map(|n| format!("{n} => {n}"));
        cases.push(case(name, &values.each_ref().map(String::as_str)));
        let values = [0, 1, max + 1, 2 * max + 1].map(|n| format!("{n} => {n}"));
        cases.push(case(&format!("{name} unsigned"), &values.each_ref().map(String::as_str)));
    }
    cases.push(case("tinyint(1)", &["1 => 1", "0 => 0", "100 => 100"]));
    cases.push(case("int(5) unsigned zerofill", &["7 => 7"]));
    cases.push(case("year", &["0 => 0", "1901 => 1901", "2155 => 2155", "2026 => 2026"]));
    for bits in [1, 2, 7, 8, 9, 15, 16, 17, 31, 33, 40, 63, 64] {
        let max = u64::MAX >> (64 - bits);
        let values = ["b'0' => 0".to_owned(), "b'1' => 1".to_owned(), format!("{max} => {max}")];
        cases.push(case(&format!("bit({bits})"), &values.each_ref().map(String::as_str)));
    }
    cases
}

fn numbers() -> Vec<Case> {
    let mut cases = vec![
        case(
            "float",
            &["0 => 0.0", "-1.5 => -1.5", "3.402823466e38", "1.175494351e-38", "0.1 => 0.1", "16777217"],
        ),
        case("float(7,3)", &["1234.567", "-0.001"]),
        case("float unsigned", &["0.1 => 0.1"]),
        case(
            "double",
            &["0 => 0.0", "0.1 => 0.1", "-1e300", "1.7976931348623157e308", "5e-324", "12345678901234567890"],
        ),
        case("double(20,5)", &["1.5 => 1.5"]),
        case(
            "decimal(10,2)",
            &[
                "0 => \"0.00\"",
                "-0.01 => \"-0.01\"",
                "12.5 => \"12.50\"",
                "99999999.99 => \"99999999.99\"",
                "-99999999.99 => \"-99999999.99\"",
            ],
        ),
        case("decimal(5,5)", &["0.00001 => \"0.00001\"", "-0.99999 => \"-0.99999\"", "0 => \"0.00000\""]),
        case("decimal(1,0)", &["9 => \"9\"", "-9 => \"-9\""]),
        case("decimal(10,0) unsigned zerofill", &["42 => \"42\""]),
    ];
    let whole = "9".repeat(35);
    let fraction = "9".repeat(30);
    let wide = format!("{whole}.{fraction}");
    let values = [
        format!("{wide} => \"{wide}\""),
        format!("-{wide} => \"-{wide}\""),
        format!("0.{}1 => \"0.{}1\"", "0".repeat(29), "0".repeat(29)),
        "1234567890.000000001".to_owned(),
    ];
    cases.push(case("decimal(65,30)", &values.each_ref().map(String::as_str)));
    let long = "1".repeat(65);
    cases.push(case("decimal(65,0)", &[&format!("{long} => \"{long}\"")]));
    for (precision, scale) in [(9, 0), (9, 9), (10, 9), (18, 9), (19, 9), (20, 10), (38, 20), (30, 27)] {
        let values = ["0", "1", "-1", "0.5", "-0.123456789012", "1.1", "-99999999999999999999999"];
        cases.push(case(&format!("decimal({precision},{scale})"), &values));
    }
    cases
}

fn temporals() -> Vec<Case> {
    let mut cases = vec![case(
        "date",
        &[
            "'2026-01-31' => \"2026-01-31\"",
            "'1000-01-01' => \"1000-01-01\"",
            "'9999-12-31' => \"9999-12-31\"",
            "'0001-01-01' => \"0001-01-01\"",
            "'0000-00-00' => null",
            "'2026-00-15' => null",
            "'2026-02-00' => null",
            "'0000-01-01' => \"0000-01-01\"",
        ],
    )];
    let fraction = ".987654";
    for digits in 0..=6usize {
        let shown = if digits == 0 { "" } else { &fraction[..=digits] };
        let zeros = if digits == 0 { String::new() } else { format!(".{}", "0".repeat(digits)) };
        let moments = [
            format!("'2026-01-31 12:34:56{shown}' => \"2026-01-31T12:34:56{shown}\""),
            format!("'9999-12-31 23:59:59{shown}' => \"9999-12-31T23:59:59{shown}\""),
            format!("'1000-01-01 00:00:00' => \"1000-01-01T00:00:00{zeros}\""),
            "'0000-00-00 00:00:00' => null".to_owned(),
            format!("'2026-00-10 01:02:03{shown}' => null"),
        ];
        cases.push(case(&format!("datetime({digits}) null"), &moments.each_ref().map(String::as_str)));
        let stamps = [
            format!("'2026-01-31 12:34:56{shown}' => \"2026-01-31T12:34:56{shown}Z\""),
            format!("'1970-01-01 00:00:01{shown}' => \"1970-01-01T00:00:01{shown}Z\""),
            format!("'2038-01-19 03:14:07' => \"2038-01-19T03:14:07{zeros}Z\""),
            "'0000-00-00 00:00:00' => null".to_owned(),
            "'2024-02-29 00:00:00'".to_owned(),
            "'2000-03-01 00:00:00'".to_owned(),
        ];
        cases.push(case(&format!("timestamp({digits}) null"), &stamps.each_ref().map(String::as_str)));
        let times = [
            format!("'12:34:56{shown}' => \"12:34:56{shown}\""),
            format!("'-00:00:00{shown}'"),
            format!("'-00:00:01{shown}' => \"-00:00:01{shown}\""),
            format!("'838:59:59' => \"838:59:59{zeros}\""),
            format!("'-838:59:59' => \"-838:59:59{zeros}\""),
            format!("'100:00:00{shown}' => \"100:00:00{shown}\""),
            "'-25:00:00.1'".to_owned(),
            format!("'00:00:00' => \"00:00:00{zeros}\""),
        ];
        cases.push(case(&format!("time({digits})"), &times.each_ref().map(String::as_str)));
    }
    cases
}

fn texts() -> Vec<Case> {
    let emoji = "'añ€😀\"\\\\\\n\\t\\0 ' => \"añ€😀\\\"\\\\\\n\\t\\u0000 \"";
    let long = "repeat('aä€😀', 500)";
    let mut cases = vec![
        case("varchar(10) character set utf8mb4", &["'' => \"\"", emoji, "'  x  ' => \"  x  \""]),
        case("char(10) character set utf8mb4", &["'' => \"\"", "'ab  ' => \"ab\"", "'€' => \"€\""]),
        case("char(100) character set utf8mb4", &["'ab' => \"ab\"", "repeat('€', 100)"]),
        case("char(255) character set utf8mb4", &["repeat('😀', 255)"]),
        case("char(255) character set latin1", &["repeat('ä', 255)"]),
        case("varchar(5000) character set utf8mb4", &[long]),
        case("varchar(300) character set latin1", &["repeat('é', 300)", "'€' => \"€\""]),
        case("varchar(20) character set utf8", &["'añ€' => \"añ€\""]),
    ];
    for kind in ["tinytext", "text", "mediumtext", "longtext"] {
        cases.push(case(&format!("{kind} character set utf8mb4"), &["'' => \"\"", emoji]));
        cases.push(case(&format!("{kind} character set latin1"), &["'é€' => \"é€\""]));
    }
    cases.push(case("longtext character set utf8mb4", &["repeat('x', 70000)", "repeat('ß', 300000)"]));
    cases.push(case(
        "enum('a','it''s','b\\\\s','with, comma','é€') character set utf8mb4",
        &[
            "'a' => \"a\"",
            "'it''s' => \"it's\"",
            "3 => \"b\\\\s\"",
            "4 => \"with, comma\"",
            "5 => \"é€\"",
            "'nothing' => \"\"",
        ],
    ));
    cases.push(case("enum('é','ü') character set latin1", &["2 => \"ü\""]));
    let many: Vec<String> = (1..=300).map(|n| format!("'l{n}'")).collect();
    cases.push(case(&format!("enum({})", many.join(",")), &["'l1' => \"l1\"", "'l300' => \"l300\"", "256"]));
    cases.push(case(
        "set('x','y','it''s','é€') character set utf8mb4",
        &["'' => []", "'x' => [\"x\"]", "'é€,x' => [\"x\",\"é€\"]", "15 => [\"x\",\"y\",\"it's\",\"é€\"]"],
    ));
    let many: Vec<String> = (1..=64).map(|n| format!("'s{n}'")).collect();
    let values =
        ["'s64' => [\"s64\"]", "'s1,s33,s64' => [\"s1\",\"s33\",\"s64\"]", "18446744073709551615", "''"];
    cases.push(case(&format!("set({})", many.join(",")), &values));
    cases
}

fn bytes() -> Vec<Case> {
    let mut cases = vec![
        case(
            "binary(4)",
            &[
                "x'01' => \"AQAAAA==\"",
                "x'00000000' => \"AAAAAA==\"",
                "'' => \"AAAAAA==\"",
                "x'deadbeef' => \"3q2+7w==\"",
                "x'01002000' => \"AQAgAA==\"",
            ],
        ),
        case("binary(255)", &["x'ff00'", "repeat(x'20', 255)"]),
        case("varbinary(10)", &["x'0100' => \"AQA=\"", "'' => \"\"", "x'2000'"]),
        case("varbinary(500)", &["repeat(x'ab', 500)"]),
        case("varchar(10) character set binary", &["x'80ff' => \"gP8=\""]),
    ];
    for kind in ["tinyblob", "blob", "mediumblob", "longblob"] {
        cases.push(case(kind, &["'' => \"\"", "x'00ff80' => \"AP+A\""]));
    }
    cases.push(case("longblob", &["repeat(x'00ff', 200000)"]));
    cases
}

fn geometries(server: Server) -> Vec<Case> {
    let from_text = if server == Server::MySql56 { "GeomFromText" } else { "ST_GeomFromText" };
    let values: Vec<String> = [
        "'POINT(1 2)'",
        "'LINESTRING(0 0,1 1,2 2)'",
        "'POLYGON((0 0,10 0,10 10,0 10,0 0))'",
        "'MULTIPOINT(0 0,1 1)'",
        "'GEOMETRYCOLLECTION(POINT(1 1),LINESTRING(0 0,1 1))'",
        "'POINT(1 2)', 4326",
    ]
    .iter()
    .map(|wkt| format!("{from_text}({wkt})"))
    .collect();
    let values: Vec<&str> = values.iter().map(String::as_str).collect();
    let point = format!("{} => {{\"srid\":0,\"wkb\":\"AQEAAAAAAAAAAADwPwAAAAAAAABA\"}}", values[0]);
    vec![case("geometry", &values), case("point", &[&point])]
}

fn mariadb() -> Vec<Case> {
    vec![
        case(
            "uuid",
            &[
                "'123e4567-e89b-12d3-a456-426655440000' => \"123e4567-e89b-12d3-a456-426655440000\"",
                "'00000000-0000-0000-0000-000000000000' => \"00000000-0000-0000-0000-000000000000\"",
                "'ffffffff-ffff-ffff-ffff-ffffffffffff'",
                "'f47ac10b-58cc-4372-a567-0e02b2c3d479' => \"f47ac10b-58cc-4372-a567-0e02b2c3d479\"",
                "'018f3f3a-7b7b-7cc0-9d34-0123456789ab' => \"018f3f3a-7b7b-7cc0-9d34-0123456789ab\"",
                "'1ec9414c-232a-6b00-b3c8-9e6bdeced846' => \"1ec9414c-232a-6b00-b3c8-9e6bdeced846\"",
                "'320c3d4d-cc00-875b-8ec9-32d5f69181c0'",
                "'123e4567-e89b-12d3-0456-426655440000'",
                "'123e4567-e89b-72d3-0456-426655440000'",
                "'123e4567-e89b-72d3-c456-426655440000'",
                "'123e4567-e89b-72d3-e456-426655440000'",
                "'123e4567-e89b-02d3-a456-426655440000'",
                "'123e4567-e89b-f2d3-a456-426655440000'",
                "'00000000-0000-1000-8000-000000000000'",
                "'10000000-0000-0000-0000-000000000000'",
                "'00000000-0000-0000-0000-000000000001'",
            ],
        ),
        case("inet4", &["'0.0.0.0' => \"0.0.0.0\"", "'255.255.255.255'", "'10.0.0.1' => \"10.0.0.1\""]),
        case(
            "inet6",
            &[
                "'::' => \"::\"",
                "'::1' => \"::1\"",
                "'2001:db8::ff00:42:8329' => \"2001:db8::ff00:42:8329\"",
                "'::ffff:10.0.0.1' => \"::ffff:10.0.0.1\"",
                "'::10.0.0.1'",
                "'::0.1.0.1'",
                "'::0.0.1.0'",
                "'1:0:0:2:0:0:0:3'",
                "'1:0:0:2:2:0:0:3'",
                "'1:0:2:3:4:5:6:7'",
                "'1:2:3:4:5:6:7:8'",
                "'0:1:2:3:4:5:6:7'",
                "'1:2:3:4:5:6:7:0'",
                "'fe80::'",
                "'::ffff:0:0'",
                "'::ffff:0:10.0.0.1'",
                "'64:ff9b::10.0.0.1'",
            ],
        ),
    ]
}

/// JSON that is a text to MariaDB, and columns that it stores compressed.
fn mariadb_texts() -> Vec<Case> {
    vec![
        case(
            "json",
            &[
                "'{\"a\": 1,  \"b\":[1.50, 2e3 , null]}' => {\"a\":1,\"b\":[1.50,2e3,null]}",
                "'{\"a\":1,\"b\":2,\"a\":3}' => {\"b\":2,\"a\":3}",
                "'{\"a\":{\"x\":1,\"x\":[]},\"a\":{\"x\":1,\"x\":2}}' => {\"a\":{\"x\":2}}",
                "' \"text é€😀\" ' => \"text é€😀\"",
                "'12345678901234567890.123456789012345678901234567890'",
                "'null' => null",
            ],
        ),
        case(
            "varchar(3000) compressed character set utf8mb4",
            &["''", "'short' => \"short\"", "repeat('aä', 1000)"],
        ),
        case("text compressed character set latin1", &["'é' => \"é\"", "repeat('aé', 1000)"]),
        case("longblob compressed", &["x'00' => \"AA==\"", "repeat(x'0102', 100000)"]),
        case("varbinary(1000) compressed", &["repeat(x'0102', 400)"]),
        case(
            "longtext compressed character set utf8mb4 check (json_valid(v))",
            &["concat('[', repeat('1, ', 300), '2]')"],
        ),
    ]
}

fn mysql() -> Vec<Case> {
    vec![
        case("vector(3)", &["string_to_vector('[1,2.5,-3e-3]') => [1.0,2.5,-0.003]"]),
        case("vector(2048)", &["string_to_vector(concat('[', repeat('0.5,', 2047), '1]'))"]),
        case(
            "json",
            &[
                "'{\"b\": 1, \"a\": [1.5, true, null, \"x\"], \"b\": 2}' => {\"a\":[1.5,true,null,\"x\"],\"b\":2}",
                "'\"é€😀\\\\u0001\\\\n\\\\\"\\\\\\\\\"' => \"é€😀\\u0001\\n\\\"\\\\\"",
                "'12345678901234567890'",
                "'-9223372036854775808'",
                "'18446744073709551615'",
                "'[]' => []",
                "'{}' => {}",
            ],
        ),
    ]
}
