//! Tokens, scopes and the look at Host and Origin.

use super::*;

/// `s3cret`
const LINE: &str = "ops operate 1ec1c26b50d5d3c58d9583181af8076655fe00756bf7285940ba3670f99fcba0";

fn headers(pairs: &[(&str, &str)]) -> HeaderMap {
    pairs
        .iter()
        .map(|(name, value)| {
            (
                name.parse::<axum::http::HeaderName>().unwrap(),
                value.parse::<axum::http::HeaderValue>().unwrap(),
            )
        })
        .collect()
}

#[test]
fn a_line_is_name_scopes_and_digest() {
    let parsed = token(LINE).unwrap();
    assert_eq!((&*parsed.name, parsed.scope), ("ops", Scope::Operate));
    assert_eq!(token(&LINE.replace("operate", "read,admin")).unwrap().scope, Scope::Admin);
    for bad in
        ["ops operate", "ops all abcd", "ops root 00", &format!("{LINE} more"), &LINE.replace('1', "g")]
    {
        assert!(token(bad).is_none(), "{bad}");
    }
}

#[test]
fn the_token_and_nothing_near_it_is_admitted() {
    let tokens = [token(LINE).unwrap()];
    let ask = |value: &str, scope| admit(&tokens, &headers(&[("authorization", value)]), scope);
    assert_eq!(&*ask("Bearer s3cret", Scope::Operate).unwrap(), "ops");
    assert_eq!(&*ask("bearer s3cret", Scope::Read).unwrap(), "ops");
    assert!(ask("Bearer s3cret", Scope::Admin).is_err());
    for bad in ["Bearer s3cre", "Bearer s3crett", "Bearer ", "Bearer", "", "Basic s3cret", "s3cret"] {
        assert!(ask(bad, Scope::Read).is_err(), "{bad}");
    }
    assert!(admit(&tokens, &HeaderMap::new(), Scope::Read).is_err());
    assert!(admit(&[], &headers(&[("authorization", "Bearer s3cret")]), Scope::Read).is_err());
}

#[test]
fn only_names_of_this_machine_are_local() {
    for good in ["localhost", "LOCALHOST:7070", "127.0.0.1:7070", "127.8.8.8", "[::1]:7070", "[::1]"] {
        assert!(local_name(good), "{good}");
    }
    for bad in [
        "",
        "evil.example",
        "localhost.evil.example",
        "10.0.0.1:7070",
        "[2001:db8::1]:80",
        "127.0.0.1.nip.io",
    ] {
        assert!(!local_name(bad), "{bad}");
    }
}

#[tokio::test]
async fn a_token_file_with_a_bad_line_is_refused_with_its_number() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("tokens");
    std::fs::write(&file, format!("# people\n\n{LINE}\nnot a token\n")).unwrap();
    let error = Door::http(Some(file.clone())).check().await.unwrap_err();
    assert!(error.message().contains("tokens:4"), "{error}");
    std::fs::write(&file, LINE).unwrap();
    Door::http(Some(file)).check().await.unwrap();
    assert!(Door::http(Some(folder.path().join("absent"))).check().await.is_err());
}
