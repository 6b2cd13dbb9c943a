//! The committed OpenAPI document says what this binary answers.

use super::*;

const COMMITTED: &str = include_str!("../../../../docs/openapi.json");

#[test]
fn openapi_document_is_the_committed_one() {
    let now = document().to_pretty_json().unwrap() + "\n";
    if std::env::var_os("UPDATE_OPENAPI").is_some() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/openapi.json");
        std::fs::write(path, &now).unwrap();
        return;
    }
    assert!(now == COMMITTED, "docs/openapi.json is old: UPDATE_OPENAPI=1 cargo test -p syncline openapi");
}

#[test]
fn every_path_is_versioned_but_those_that_were_promised_without() {
    let open = ["/livez", "/readyz", "/health", "/metrics"];
    let promised = ["/consistency/", "/tasks"];
    let document = document();
    for path in document.paths.paths.keys() {
        let bare = open.contains(&path.as_str()) || promised.iter().any(|start| path.starts_with(start));
        assert!(bare || path.starts_with("/v1/"), "{path}");
    }
}
