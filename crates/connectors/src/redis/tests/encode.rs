//! Commands and stored forms, without a server: slots, tombstone names, hash values, what is refused.

use proptest::prelude::*;
use syncline_engine::error::Code;
use syncline_engine::version::Version;

use super::super::encode::{command, document_of_hash, document_of_text};
use super::super::scripts::Scripts;
use super::super::slots;
use super::{key_plan, version};
use crate::testing::document;

#[test]
fn slots_are_those_of_the_specification() {
    assert_eq!(slots::slot("123456789"), 0x31C3);
    assert_eq!(slots::slot("{user1000}.following"), slots::slot("user1000"));
    assert_eq!(slots::slot("foo{}{bar}"), 8363);
    assert_eq!(slots::slot("foo{{bar}}zap"), slots::slot("{bar"));
    assert_eq!(slots::slot("foo{bar}{zap}"), slots::slot("bar"));
}

#[test]
fn a_tombstone_lies_in_the_slot_of_its_key() {
    assert_eq!(slots::tombstone("case:5"), "syncline:tombstone:{case:5}");
    assert_eq!(slots::tombstone("t:{9}:case:5"), "syncline:tombstone:t:{9}:case:5");
    for key in ["case:5", "t:{9}:x", "{a}{b}", "open{"] {
        assert_eq!(slots::slot(key), slots::slot(&slots::tombstone(key)), "{key}");
    }
}

#[test]
fn every_master_gets_a_mark_of_its_own() {
    assert_eq!(slots::mark("shop", |_| true).unwrap(), "syncline:mark:{shop}");
    for only in [0, 1, 16_383] {
        let mark = slots::mark("shop", |slot| slot == only).unwrap();
        assert!(mark.starts_with("syncline:mark:{shop") && slots::slot(&mark) == only, "{mark}");
    }
    assert_eq!(slots::mark("shop", |_| false), None);
}

fn refusal(key: &str, json: &str, hash: bool) -> Option<Code> {
    let plan = key_plan(|spec| spec.hash = hash);
    let delivery = document(&plan, "", key, version(1), json);
    command(&Scripts::default(), &delivery, 1000).err().map(|error| error.code())
}

#[test]
fn what_cannot_be_stored_is_refused() {
    for hash in [false, true] {
        assert_eq!(refusal("k", r#"{"a":1}"#, hash), None);
        assert_eq!(refusal("k", "{}", hash), None);
        assert_eq!(refusal("k", r#"{"a":"\"_version\":1"}"#, hash), None);
        assert_eq!(refusal("k", r#"{"a":{"_version":1}}"#, hash), None);
        assert_eq!(refusal("k", r#"{"a":1,"_version":1}"#, hash), Some(Code::RedisRefused));
        assert_eq!(refusal("k", "[1]", hash), Some(Code::RedisRefused));
        assert_eq!(refusal("syncline:tombstone:{k}", "{}", hash), Some(Code::RedisRefused));
        assert_eq!(refusal("syncline:mark:{shop}", "{}", hash), Some(Code::RedisRefused));
        assert_eq!(refusal(&"k".repeat(1001), "{}", hash), Some(Code::RedisRefused));
        let long = format!("{{\"a\":\"{}\"}}", "x".repeat(1001));
        assert_eq!(refusal("k", &long, hash), Some(Code::RedisRefused));
    }
}

/// The arguments of the command, from the first that the scripts call ARGV.
fn arguments(json: &str, version: Version, hash: bool) -> Vec<String> {
    let delivery = document(&key_plan(|spec| spec.hash = hash), "", "k", version, json);
    let command = command(&Scripts::default(), &delivery, usize::MAX).unwrap();
    let text = |argument| match argument {
        redis::Arg::Simple(bytes) => String::from_utf8(Vec::from(bytes)).unwrap(),
        _ => panic!("not a plain argument"),
    };
    command.args_iter().skip(5).map(|argument: redis::Arg<&[u8]>| text(argument)).collect()
}

#[test]
fn the_version_comes_first_and_the_next_epoch_with_it() {
    let words = arguments(r#"{"a":1}"#, Version::new(2, 7, 9), false);
    let version = Version::new(2, 7, 9).to_string();
    assert_eq!(words[..3], [version.clone(), Version::new(3, 0, 0).to_string(), "0".into()]);
    assert_eq!(words[3], format!(r#"{{"_version":"{version}","a":1}}"#));
    assert_eq!(arguments("{}", Version::ZERO, false)[3], r#"{"_version":"0000000000000000000"}"#);
    assert_eq!(arguments("{}", Version::MAX, false)[1], "9223372036854775808");
}

#[test]
fn a_hash_holds_text_as_it_is_and_the_rest_as_json() {
    let json =
        r#"{"t":"plain \"quoted\"","n":12,"d":"12.50","z":null,"o":{"a":[1]},"e":"","b":"true","s":" 1"}"#;
    let words = arguments(json, version(1), true);
    let expected = [
        ("_version", "0000000000000000001"),
        ("t", "plain \"quoted\""),
        ("n", "12"),
        ("d", "\"12.50\""),
        ("z", "null"),
        ("o", "{\"a\":[1]}"),
        ("e", ""),
        ("b", "\"true\""),
        ("s", "\" 1\""),
    ];
    assert_eq!(
        words[3..],
        expected.iter().flat_map(|(k, v)| [k.to_string(), v.to_string()]).collect::<Vec<_>>()
    );
}

#[test]
fn a_stored_value_that_is_not_ours_is_no_document() {
    for text in ["", "{}", "[]", r#"{"_version":"1","a":1}"#, r#"{"_version":"000000000000000000x","a":1}"#] {
        assert_eq!(document_of_text(text.as_bytes()), None, "{text}");
    }
    assert_eq!(document_of_hash(vec![("a".into(), "1".into())]), None);
}

fn any_json() -> impl Strategy<Value = serde_json::Value> {
    let leaf = prop_oneof![
        Just(serde_json::Value::Null),
        any::<bool>().prop_map(Into::into),
        any::<i64>().prop_map(Into::into),
        ".*".prop_map(Into::into),
        "[0-9.\\-+eE]{0,6}".prop_map(Into::into),
        "[\\[\\]{}\", :a]{0,6}".prop_map(Into::into),
    ];
    leaf.prop_recursive(2, 8, 4, |inner| prop::collection::vec(inner, 0..4).prop_map(Into::into))
}

proptest! {
    #[test]
    fn both_forms_give_the_document_back(
        members in prop::collection::btree_map("[a-z\"\\\\é]{1,8}", any_json(), 0..8),
        number in any::<u32>(),
    ) {
        let json = serde_json::to_string(&members).unwrap();
        let text = arguments(&json, version(number.into()), false).remove(3);
        prop_assert_eq!(document_of_text(text.as_bytes()).unwrap(), json.as_bytes());
        let pairs = arguments(&json, version(number.into()), true).split_off(3);
        let pairs = pairs.chunks(2).map(|pair| (pair[0].clone(), pair[1].clone())).collect();
        prop_assert_eq!(String::from_utf8(document_of_hash(pairs).unwrap()).unwrap(), json);
    }
}
