//! Seeds of the targets that take texts: the statements that the tests of the DDL reader read, types as the catalog writes
//! them, and identifiers of every kind.

const TESTS: [&str; 2] = [
    include_str!("../../../../crates/connectors/src/mysql/ddl/tests.rs"),
    include_str!("../../../../crates/connectors/src/mysql/ddl/server_tests.rs"),
];

const TYPES: [&str; 8] = [
    "int(10) unsigned",
    "varchar(20) /*M!100301 COMPRESSED*/",
    "enum('a','it''s','\\n')",
    "set('x','y')",
    "decimal(65,30)",
    "timestamp(6)",
    "bit(64)",
    "binary(255)",
];

const IDENTIFIERS: [&str; 18] = [
    "3e11fa47-71ca-11e1-9e33-c80aa9429562:1-5:7:tag_a:1-3,\n3e11fa47-71ca-11e1-9e33-c80aa9429563:1",
    "3E11FA4771CA11E19E33C80AA9429562:23",
    "3e11fa47-71ca-11e1-9e33-c80aa9429562:tag:9223372036854775806",
    "3e11fa47-71ca-11e1-9e33-c80aa9429562:5-9:1-3:4:10",
    "0-1-5,1-2-7",
    "0-1-5,0-2-6,0-1-7",
    "4294967295-4294967295-18446744073709551615",
    "XA COMMIT X'6162',X'',1",
    "XA ROLLBACK 0x6162 , 'cd', 4294967295",
    "X'6A',X'00ff',1 ONE PHASE",
    "'it',''",
    "mysql-bin.000003",
    "a.b.999999999",
    r#"{"file":"bin.000003","offset":1547,"server":{"uid":"u-1","server_id":5,"mariadb":false},"format":7}"#,
    r#"{"file":"bin.000003","offset":4,"gtids":"0-1-5,1-2-7","server":{"uid":"","server_id":5,"mariadb":true}}"#,
    r#"{"file":"b.1","offset":0,"gtids":"3e11fa47-71ca-11e1-9e33-c80aa9429562:1-5:t:7","server":{"uid":"u","server_id":1,"mariadb":false},"format":18446744073709551615}"#,
    "",
    ",",
];

/// Settings and statements, alone and one behind the other.
pub fn statements() -> Vec<Vec<u8>> {
    let texts: Vec<String> =
        TESTS.iter().flat_map(|file| literals(file)).filter(|text| text.len() > 4).collect();
    let mut seeds: Vec<Vec<u8>> = Vec::new();
    for text in texts.iter().map(String::as_str).chain(TYPES) {
        for settings in [8, 3] {
            seeds.push([&[settings], text.as_bytes()].concat());
        }
    }
    for chunk in texts.chunks(12) {
        seeds.push([&[8], chunk.join("\0").as_bytes()].concat());
    }
    seeds
}

pub fn identifiers() -> Vec<Vec<u8>> {
    IDENTIFIERS.iter().map(|text| text.as_bytes().to_vec()).collect()
}

/// The texts in quotes of a Rust file, near enough.
fn literals(file: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut chars = file.chars().peekable();
    while chars.any(|c| c == '"') {
        let mut text = String::new();
        while let Some(c) = chars.next() {
            match c {
                '"' => break,
                '\\' => match chars.next() {
                    Some('n') => text.push('\n'),
                    Some('\n') => while chars.next_if(|c| c.is_whitespace()).is_some() {},
                    Some(other) => text.push(other),
                    None => {}
                },
                other => text.push(other),
            }
        }
        found.push(text);
    }
    found
}
