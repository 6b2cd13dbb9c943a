//! Seeds of the target `packets`: greetings, every way through the login, replies to statements, and a dump of the
//! fixtures' events.

use syncline_fuzz::fixtures::fixtures;

const OK: &[u8] = &[0, 0, 0, 2, 0, 0, 0];
const EOF: &[u8] = &[0xfe, 0, 0, 2, 0];
const DENIED: &[u8] = b"\xff\x15\x04#28000Access denied for user";
const PURGED: &[u8] = b"\xff\xd4\x04#HY000Could not find first log file name in binary log index file";
const NONCE: &[u8] = b"ABCDEFGHIJKLMNOPQRST\0";
const KEY: &[u8] = b"\x01-----BEGIN PUBLIC KEY-----\n\
    MFwwDQYJKoZIhvcNAQEBBQADSwAwSAJBALqbHeRLCyOdykC5SDLqI49ArYGYG1mq\n\
    aH9/GnWjGavZM02fos4lc2w6tCchcUBNtJvGqKwhC5JEnx3RYoSX2ucCAwEAAQ==\n-----END PUBLIC KEY-----\n";

pub fn seeds() -> Vec<Vec<u8>> {
    let native = greeting("mysql_native_password");
    let sha2 = greeting("caching_sha2_password");
    let switched = [b"\xfesha256_password\0", NONCE].concat();
    let logins: [Vec<&[u8]>; 8] = [
        vec![&native, OK],
        vec![&sha2, b"\x01\x03", OK],
        vec![&sha2, b"\x01\x04", KEY, OK],
        vec![&native, &switched, KEY, OK],
        vec![&sha2, b"\xfemysql_native_password\0ABCDEFGHIJKLMNOPQRST\0", OK],
        vec![&native, b"\xfe"],
        vec![&native, DENIED],
        vec![b"\xff\x10\x04Too many connections"],
    ];
    let mut seeds: Vec<Vec<u8>> = Vec::new();
    for login in &logins {
        for wishes in [0, 1, 2, 3] {
            seeds.push(conversation(wishes, 0, login, &[OK; 6]));
        }
    }
    let table: [&[u8]; 8] =
        [b"\x02", b"\x03def", b"\x03def", EOF, b"\x07version\x059.7.4", b"\xfb\x00", EOF, OK];
    seeds.push(conversation(4, 3, &logins[0], &table));
    seeds.push(conversation(4, 0, &logins[0], &[OK, DENIED]));
    for wishes in [0, 2, 8, 10, 16] {
        for fixture in fixtures() {
            let packets: Vec<Vec<u8>> =
                fixture.events.iter().map(|event| [&[0], &event[..]].concat()).collect();
            let mut said = vec![OK; if wishes & 2 == 0 { 5 } else { 6 }];
            said.extend(packets.iter().map(Vec::as_slice));
            said.push(EOF);
            seeds.push(conversation(wishes, wishes * 5, &logins[0], &said));
        }
        seeds.push(conversation(wishes, 0, &logins[0], &[OK, OK, OK, OK, OK, PURGED]));
    }
    seeds
}

fn conversation(wishes: u8, piece: u8, login: &[&[u8]], said: &[&[u8]]) -> Vec<u8> {
    let mut out = vec![wishes, piece];
    for (n, payload) in login.iter().chain(said).enumerate() {
        out.extend_from_slice(&(payload.len() as u32).to_le_bytes()[..3]);
        out.push(n as u8);
        out.extend_from_slice(payload);
    }
    out
}

fn greeting(plugin: &str) -> Vec<u8> {
    let mut greeting = b"\x0a9.7.4\0\x01\0\0\0ABCDEFGH\0".to_vec();
    greeting.extend_from_slice(&[0xff, 0xff, 45, 2, 0, 0xff, 0xdf, 21]);
    greeting.extend_from_slice(&[0; 10]);
    greeting.extend_from_slice(b"IJKLMNOPQRST\0");
    greeting.extend_from_slice(plugin.as_bytes());
    greeting.push(0);
    greeting
}
