//! `get` and `search`: what the embedded targets hold.

use serde_json::json;

use super::stage::Stage;

const EMBEDDED: &str = r#"version: 1
connections:
  shop: sqlite:shop.db
  search: sqlite:search.db
  hot: sqlite:cache.db
pipelines:
  shop:
    source: { connection: shop, tables: ["main.*"] }
    routes:
      - table: main.things
        filter: [{ name: no-two, field: name, exclude_values: [two] }]
        to:
          - { connection: search, index: things }
          - { connection: hot, key: "thing:{id}" }
      - table: main.moved
        partition_by: day
        to:
          - { connection: search, index: "moved_{YYYY-MM}" }
          - { connection: hot, key: "{table}:{key}" }
"#;

fn stage() -> Stage {
    let stage = Stage::new(EMBEDDED);
    stage.sql(
        "CREATE TABLE moved (a TEXT, b INTEGER, day TEXT, PRIMARY KEY (a, b));
         INSERT INTO moved VALUES ('x:y', 1, '2026-01-31'), ('100%', 2, '2026-02-01');",
    );
    stage.run(&["run", "shop.yaml", "--until-current"]).ends(0);
    stage
}

#[test]
fn a_document_is_found_by_its_key_in_every_target() {
    let stage = stage();
    for target in ["search", "hot"] {
        let get = |table: &str, key: &str| stage.run(&["get", "shop.yaml", table, key, "--target", target]);
        assert_eq!(get("main.things", "1").ends(0).json(), json!({"id": 1, "name": "one"}));
        let absent = get("main.things", "99").ends(1);
        assert_eq!(absent.stdout, "");
        assert_eq!(get("main.things", "2").ends(1).stdout, "", "the filter keeps it out");
        let document = json!({"a": "x:y", "b": 1, "day": "2026-01-31"});
        assert_eq!(get("main.moved", "x%3Ay:1").ends(0).json(), document);
        assert_eq!(get("main.moved", "100%25:2").ends(0).json()["b"], json!(2));
        get("main.moved", "x").ends(2);
    }
}

#[test]
fn a_search_answers_documents_with_scores() {
    let stage = stage();
    let hits = stage.run(&["search", "shop.yaml", "things", "three", "--json"]).ends(0).lines();
    assert_eq!(hits.len(), 1);
    assert_eq!((&hits[0]["id"], &hits[0]["document"]), (&json!("3"), &json!({"id": 3, "name": "three"})));
    assert!(hits[0]["score"].is_number());
    assert_eq!(stage.run(&["search", "shop.yaml", "things", "nothing", "--json"]).ends(0).stdout, "");
    stage.run(&["search", "shop.yaml", "moved_2026-01", "x"]).ends(0);
    let unknown = stage.run(&["search", "shop.yaml", "thing", "x"]).ends(2);
    assert!(unknown.stderr.contains("did you mean things?"), "{}", unknown.stderr);
}
