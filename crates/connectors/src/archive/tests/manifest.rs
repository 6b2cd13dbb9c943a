//! The manifest's text, and where archives may be.

use proptest::prelude::*;
use syncline_engine::error::Code;

use super::super::config::{check_path, store};
use super::super::manifest::{File, Manifest, Through};
use super::version;
use crate::testing::connection;

fn at(number: u64) -> Through {
    Through(version(number), 2)
}

fn filled() -> Manifest {
    let mut manifest = Manifest::new("shop");
    manifest.pass("shop.orders", "orders/{YYYY-MM}", at(7));
    manifest.pass("shop.orders", "all", at(5));
    manifest.files = (0..3)
        .map(|n| File {
            path: format!("orders/\"{n}\".jsonl.zst"),
            sha256: "ab".repeat(32),
            bytes: n,
            lines: n,
            first_version: version(n),
            last_version: version(n + 1),
        })
        .collect();
    manifest
}

#[test]
fn the_text_is_json_and_reads_back() {
    let manifest = filled();
    let text = manifest.encode().unwrap();
    assert_eq!(Manifest::decode(&text).unwrap(), manifest);
    let json: serde_json::Value = serde_json::from_slice(&text).unwrap();
    assert_eq!(json["format"], "syncline-archive");
    assert_eq!(json["checkpoint"], version(7).to_string());
    assert_eq!(json["through"]["shop.orders"]["all"], format!("{}/2", version(5)));
    assert_eq!(json["files"][2]["first_version"], version(2).to_string());
    let empty = Manifest::new("shop");
    assert_eq!(Manifest::decode(&empty.encode().unwrap()).unwrap(), empty);
}

#[test]
fn what_it_holds_is_known_by_table_and_template() {
    let manifest = filled();
    assert!(manifest.holds("shop.orders", "all", at(5)) && !manifest.holds("shop.orders", "all", at(6)));
    assert!(manifest.holds("shop.orders", "orders/{YYYY-MM}", at(6)));
    assert!(!manifest.holds("shop.other", "all", at(1)) && !manifest.holds("shop.orders", "new", at(1)));
    assert_eq!(manifest.highest(), version(7));
}

#[test]
fn changes_of_one_version_are_told_apart() {
    let mut manifest = filled();
    let holds =
        |manifest: &Manifest, ordinal| manifest.holds("shop.orders", "all", Through(version(5), ordinal));
    assert!(holds(&manifest, 1) && holds(&manifest, 2) && !holds(&manifest, 3));
    manifest.pass("shop.orders", "all", Through(version(5), 9));
    manifest.pass("shop.orders", "all", Through(version(5), 4));
    assert!(holds(&manifest, 9) && !holds(&manifest, 10));
    // As it was written before.
    let through: Through = serde_json::from_str(&format!("\"{}\"", version(5))).unwrap();
    assert_eq!(through, Through(version(5), u64::MAX));
    for text in ["\"\"", "\"5/\"", "\"5/x\"", "\"/5\"", "5"] {
        assert!(serde_json::from_str::<Through>(text).is_err(), "{text}");
    }
}

#[test]
fn an_older_copy_or_another_archive_has_lost_something() {
    let (older, mut newer) = (filled(), filled());
    newer.token.clone_from(&older.token);
    newer.generation = older.generation + 1;
    assert_eq!(
        (older.marks().lost(&newer.marks()).count(), newer.marks().lost(&older.marks()).count()),
        (0, 1)
    );
    assert_eq!(older.marks().lost(&Manifest::new("shop").marks()).count(), 1);
}

#[test]
fn a_format_of_the_future_is_not_read() {
    let text = String::from_utf8(filled().encode().unwrap()).unwrap();
    let text = text.replace("\"version\":1,", "\"version\":2,");
    let body = &text[..text.rfind("\"sha256\"").unwrap()];
    let digest: String = {
        use sha2::{Digest, Sha256};
        Sha256::digest(body.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect()
    };
    let error = Manifest::decode(format!("{body}\"sha256\":\"{digest}\"}}\n").as_bytes()).unwrap_err();
    assert_eq!(error.code(), Code::ArchiveManifest);
    assert!(error.message().contains("format syncline-archive 2"), "{error}");
}

proptest! {
    #[test]
    fn any_damage_is_found(at in any::<prop::sample::Index>(), flip in 1..=255u8, cut in any::<bool>()) {
        let mut text = filled().encode().unwrap();
        let at = at.index(text.len());
        match cut {
            true => text.truncate(at),
            false => text[at] ^= flip,
        }
        prop_assert_eq!(Manifest::decode(&text).unwrap_err().code(), Code::ArchiveManifest);
    }
}

#[test]
fn paths_stay_below_the_archive_and_off_our_names() {
    for path in [
        "orders",
        "orders/2026-01",
        "a/b/c",
        "..a/b..",
        "a%2Fb",
        ".hidden",
        "manifest.jsonx",
        "x/manifest.json",
    ] {
        check_path(path).unwrap_or_else(|error| panic!("{path}: {error}"));
    }
    let long = ["x".repeat(201), "abcdef/".repeat(101) + "x"];
    let bad =
        ["", "/", "/etc", "a/", "a//b", ".", "..", "a/../b", "../a", "a\\b", "a/\0", "manifest.json", "a\nb"];
    let ours = ["manifest.json/a", ".syncline-lock", "a/.syncline-x.tmp"];
    for path in bad.iter().chain(&ours).copied().chain(long.iter().map(String::as_str)) {
        assert_eq!(check_path(path).map_err(|error| error.code()), Err(Code::RouteAddress), "{path:?}");
    }
}

#[test]
fn urls_of_archives() {
    let shown = |url: &str| store(&connection("lake", url)).map(|store| store.shown().to_owned());
    for (url, path) in
        [("file:./a", "./a"), ("file:a b", "a b"), ("file:/x/y", "/x/y"), ("file:///x/y", "/x/y")]
    {
        assert_eq!(shown(url).unwrap(), path);
    }
    assert_eq!(shown("s3://bucket/a/b").unwrap(), "s3://bucket/a/b");
    let secret = shown("s3://key:secret@bucket/a?region=eu-1&endpoint=http://127.0.0.1:1").unwrap();
    assert_eq!(secret, "s3://bucket/a");
    for url in ["file:", "file://host/a", "s3:bucket", "s3://", "s3:///a", "s3://b/a?x=1", "s3://b/../a"] {
        assert_eq!(shown(url).unwrap_err().code(), Code::ConfigConnection, "{url}");
    }
}
