//! Every code has its page and every page its code; a page begins with code and title and says what, why and what to do.

use super::*;

#[test]
fn every_code_has_its_page() {
    for code in Code::ALL {
        let page = page(*code).unwrap_or_else(|| {
            panic!("{code} has no page: write docs/errors/{code}.md, list it in pages.rs")
        });
        assert!(
            page.starts_with(&format!("# {code}: {}\n", code.title())),
            "docs/errors/{code}.md has another title"
        );
        for part in ["\n## What happened\n", "\n## Why\n", "\n## What to do\n"] {
            assert!(page.contains(part), "docs/errors/{code}.md lacks {part:?}");
        }
    }
    assert_eq!(PAGES.len(), Code::ALL.len(), "a page without a code is listed");
}

#[test]
fn every_file_is_a_page() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/errors");
    for entry in std::fs::read_dir(folder).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        let code = name.strip_suffix(".md").and_then(Code::parse);
        assert!(code.and_then(page).is_some(), "docs/errors/{name} is no page of a code");
    }
}
