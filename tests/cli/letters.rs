//! Dead letters whose row changes meanwhile, and letters that are refused for ever: at a receiver of webhooks that takes
//! or refuses rows as the test says, with the real binary. What a target ends with is the row's present state.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};

use super::receiver::{Got, Receiver, say};
use super::stage::Stage;

/// Refuses the names it is told.
struct Fussy {
    receiver: Receiver,
    refused: Arc<Mutex<BTreeSet<String>>>,
}

impl Fussy {
    fn new(refused: &[&str]) -> Fussy {
        let refused =
            Arc::new(Mutex::new(refused.iter().map(|name| (*name).to_owned()).collect::<BTreeSet<_>>()));
        let known = Arc::clone(&refused);
        let receiver = Receiver::with(None, move |got| {
            let refuses = known.lock().unwrap().contains(&name(got));
            if refuses { say(422).body(format!("no '{}' at {}", name(got), got.path)) } else { say(200) }
        });
        Fussy { receiver, refused }
    }

    fn refuses(&self, names: &[&str]) {
        *self.refused.lock().unwrap() = names.iter().map(|name| (*name).to_owned()).collect();
    }

    /// What the receiver holds of an address by now: the last thing it took.
    fn holds(&self, path: &str) -> Option<String> {
        let last = self.receiver.taken().into_iter().rfind(|got| got.path == path)?;
        (!last.json()["data"]["after"].is_null()).then(|| name(&last))
    }

    fn refusals(&self) -> usize {
        self.receiver.got().iter().filter(|got| !got.taken()).count()
    }

    fn stage(&self, url: &str, more: &str) -> Stage {
        Stage::new(&format!(
            r#"version: 1
connections:
  shop: sqlite:shop.db
  hook: {{ url: "{}" }}
pipelines:
  shop:
    source: {{ connection: shop, tables: ["main.*"] }}
    tenant: name
    routes:
      - table: main.things
        {more}
        to: [{{ connection: hook, url: "{url}" }}]
"#,
            self.receiver.url()
        ))
    }
}

fn name(got: &Got) -> String {
    let data = &got.json()["data"];
    let row = if data["after"].is_null() { &data["before"] } else { &data["after"] };
    row["name"].as_str().unwrap_or_default().to_owned()
}

fn letters(stage: &Stage) -> Vec<Value> {
    stage.run(&["dlq", "list", "shop.yaml", "--json"]).ends(0).lines()
}

/// Rule 6, and what the dead letters say of themselves.
#[track_caller]
fn balanced(stage: &Stage, dead: i64) {
    let status = stage.status();
    let table = &status["pipelines"][0]["tables"][0];
    let count = |name: &str| table[name].as_i64().unwrap();
    let filtered: i64 = table["filtered"].as_object().unwrap().values().map(|n| n.as_i64().unwrap()).sum();
    let sum = count("applied") + count("superseded") + filtered + count("dead") + count("in_flight");
    assert_eq!((count("accepted"), count("dead")), (sum, dead), "{table}");
    assert_eq!(status["pipelines"][0]["dead_letters"], dead, "{status}");
    assert_eq!(letters(stage).len() as i64, dead);
}

fn redrive(stage: &Stage) -> Value {
    stage.run(&["dlq", "redrive", "shop.yaml", "--json"]).json()
}

fn reprocess(stage: &Stage, more: &[&str]) -> Value {
    let all = [&["dlq", "reprocess", "shop.yaml", "--json"], more].concat();
    stage.run(&all).json()
}

#[test]
fn a_redrive_brings_the_present_state_and_never_an_old_one() {
    let fussy = Fussy::new(&["two", "2b"]);
    let stage = fussy.stage("/{key}", "");
    stage.run(&["run", "shop.yaml", "--until-current"]).ends(0);
    balanced(&stage, 1);
    // Version 2 is taken while version 1 is parked; then a redrive has nothing left to do.
    stage.sql("UPDATE things SET name = '2a' WHERE id = 2;");
    stage.run(&["run", "shop.yaml", "--until-current"]).ends(0);
    assert_eq!(redrive(&stage)["selected"], 0, "overtaken");
    assert_eq!(fussy.holds("/2").as_deref(), Some("2a"));
    balanced(&stage, 0);
    // Version 3 is parked, two more come while nothing runs: the redrive that starts first sees the last one.
    stage.sql("UPDATE things SET name = '2b' WHERE id = 2;");
    stage.run(&["run", "shop.yaml", "--until-current"]).ends(0);
    balanced(&stage, 1);
    stage.sql("UPDATE things SET name = '2c' WHERE id = 2;");
    stage.sql("UPDATE things SET name = '2d' WHERE id = 2;");
    fussy.refuses(&[]);
    stage.run(&["dlq", "redrive", "shop.yaml"]).ends(0);
    stage.run(&["run", "shop.yaml", "--until-current"]).ends(0);
    assert_eq!(fussy.holds("/2").as_deref(), Some("2d"));
    assert!(fussy.receiver.taken().iter().all(|got| name(got) != "2b"), "what was parked is gone for good");
    balanced(&stage, 0);
}

#[test]
fn a_row_that_is_deleted_meanwhile_stays_deleted() {
    let fussy = Fussy::new(&["two"]);
    let stage = fussy.stage("/{key}", "");
    stage.run(&["run", "shop.yaml", "--until-current"]).ends(0);
    let running = stage.streaming();
    fussy.refuses(&[]);
    stage.run(&["pause", "shop.yaml"]).ends(0);
    stage.sql("DELETE FROM things WHERE id = 2;");
    stage.run(&["resume", "shop.yaml"]).ends(0);
    stage.run(&["dlq", "redrive", "shop.yaml"]).ends(0);
    stage.wait("redriven or overtaken", || letters(&stage).is_empty());
    assert_eq!(fussy.holds("/2"), None);
    assert!(
        fussy.receiver.taken().iter().all(|got| got.path != "/2" || got.json()["data"]["after"].is_null())
    );
    running.signal("TERM").ends(0);
    balanced(&stage, 0);
}

/// Of two letters of one row, whose address changed between, the redrive of one makes the other obsolete.
#[test]
fn a_row_that_lies_elsewhere_meanwhile_is_sent_there_once() {
    let fussy = Fussy::new(&["two", "zwei"]);
    let stage = fussy.stage("/{name}/{key}", "");
    stage.run(&["run", "shop.yaml", "--until-current"]).ends(0);
    stage.sql("UPDATE things SET name = 'zwei' WHERE id = 2;");
    stage.run(&["run", "shop.yaml", "--until-current"]).ends(0);
    balanced(&stage, 2);
    let ids = || letters(&stage).iter().map(|letter| letter["id"].clone()).collect::<Vec<_>>();
    let before = ids();
    assert_eq!(redrive(&stage)["failed"].as_array().unwrap().len(), 2);
    assert_eq!(ids(), before, "refused where the row lies now, and still the letters they were");
    assert!(letters(&stage).iter().all(|letter| letter["attempts"] == 2));
    balanced(&stage, 2);
    fussy.refuses(&[]);
    let done = redrive(&stage);
    assert_eq!((&done["applied"], &done["superseded"]), (&json!(1), &json!(1)), "{done}");
    assert_eq!(fussy.receiver.taken().iter().filter(|got| got.path.ends_with("/2")).count(), 1);
    assert_eq!(fussy.holds("/zwei/2").as_deref(), Some("zwei"));
    balanced(&stage, 0);
}

/// The redrive looks at the row before the stream has brought the change that moved it.
#[test]
fn a_redrive_ahead_of_the_stream_leaves_one_letter() {
    let stage = Stage::new(
        r#"version: 1
connections: { shop: "sqlite:shop.db", hot: "sqlite:hot.db" }
pipelines:
  shop:
    source: { connection: shop, tables: ["main.*"] }
    routes:
      - table: main.things
        transform: [{ field: name, type: integer }]
        to: [{ connection: hot, key: "thing:{id}:{name}" }]
"#,
    );
    stage.sql("UPDATE things SET name = id * 10 WHERE id <> 2;");
    stage.run(&["run", "shop.yaml", "--until-current"]).ends(0);
    balanced(&stage, 1);
    stage.sql("UPDATE things SET name = 'zwei' WHERE id = 2;");
    for _ in 0..2 {
        stage.run(&["dlq", "redrive", "shop.yaml"]);
        balanced(&stage, 1);
    }
    stage.run(&["run", "shop.yaml", "--until-current"]).ends(0);
    balanced(&stage, 1);
    assert_eq!(letters(&stage)[0]["change"]["after"]["name"], "zwei");
    stage.sql("UPDATE things SET name = '22' WHERE id = 2;");
    stage.run(&["dlq", "redrive", "shop.yaml"]).ends(0);
    stage.run(&["run", "shop.yaml", "--until-current"]).ends(0);
    balanced(&stage, 0);
    let verified = stage.run(&["verify", "shop.yaml", "--json"]).ends(0).json();
    assert_eq!(verified["drift"], 0, "{verified}");
}

/// What was kept does not tell which row it is now: looking one up by it could find another.
#[test]
fn a_letter_whose_key_was_changed_is_not_tried_at_another_row() {
    let fussy = Fussy::new(&["two"]);
    let stage = fussy.stage("/{key}", "");
    stage.run(&["run", "shop.yaml", "--until-current"]).ends(0);
    let file = std::fs::read_to_string(stage.path("shop.yaml")).unwrap();
    let keyed = file.replace("to: [{ connection: hook", "key: [name]\n        to: [{ connection: hook");
    std::fs::write(stage.path("shop.yaml"), keyed).unwrap();
    fussy.refuses(&[]);
    let sent = fussy.receiver.got().len();
    let done = stage.run(&["dlq", "redrive", "shop.yaml", "--json"]).ends(5).json();
    assert!(done["failed"][0]["message"].as_str().unwrap().contains("its key have changed"), "{done}");
    let letter = &letters(&stage)[0];
    assert_eq!((&letter["error"], &letter["attempts"]), (&json!("SYN-2111"), &json!(2)));
    assert_eq!(fussy.receiver.got().len(), sent, "nothing was sent");
    balanced(&stage, 1);
}

#[test]
fn a_row_that_a_filter_keeps_out_meanwhile_is_superseded() {
    let fussy = Fussy::new(&["two"]);
    let stage = fussy.stage("/{key}", "filter: [{ name: wanted, field: name, exclude_values: [out] }]");
    stage.run(&["run", "shop.yaml", "--until-current"]).ends(0);
    stage.sql("UPDATE things SET name = 'out' WHERE id = 2;");
    fussy.refuses(&[]);
    let done = redrive(&stage);
    assert_eq!((&done["applied"], &done["superseded"]), (&json!(0), &json!(1)), "{done}");
    stage.run(&["run", "shop.yaml", "--until-current"]).ends(0);
    assert!(
        fussy.receiver.taken().iter().all(|got| got.path != "/2" || got.json()["data"]["after"].is_null())
    );
    let table = &stage.status()["pipelines"][0]["tables"][0];
    assert_eq!((&table["applied"], &table["superseded"]), (&json!(2), &json!(1)), "{table}");
    balanced(&stage, 0);
}

#[test]
fn nothing_is_tried_while_the_pipeline_is_paused() {
    let fussy = Fussy::new(&["two"]);
    let stage = fussy.stage("/{key}", "");
    let running = stage.streaming();
    stage.wait("parked", || letters(&stage).len() == 1);
    stage.run(&["pause", "shop.yaml"]).ends(0);
    stage.wait("paused", || stage.state() == "paused");
    fussy.refuses(&[]);
    stage.sql("UPDATE things SET name = '2a' WHERE id = 2;");
    for command in ["redrive", "reprocess"] {
        let more: &[&str] = if command == "reprocess" { &["--first-delay", "0s"] } else { &[] };
        let done = stage.run(&[&["dlq", command, "shop.yaml"], more].concat()).ends(1);
        assert!(
            done.stderr.contains("SYN-2110") && done.stderr.contains("syncline resume"),
            "{}",
            done.stderr
        );
    }
    assert_eq!((fussy.holds("/2"), letters(&stage)[0]["attempts"].clone()), (None, json!(1)));
    stage.run(&["resume", "shop.yaml"]).ends(0);
    stage.run(&["dlq", "redrive", "shop.yaml"]).ends(0);
    stage.wait("no letters", || letters(&stage).is_empty());
    stage.wait("the present state", || fussy.holds("/2").as_deref() == Some("2a"));
    assert!(fussy.receiver.taken().iter().all(|got| name(got) != "two"));
    running.signal("TERM").ends(0);
    balanced(&stage, 0);
}

#[test]
fn a_letter_that_is_refused_for_ever_is_given_up_at_its_limit_over_restarts() {
    let fussy = Fussy::new(&["two"]);
    let stage = fussy.stage("/{key}", "");
    stage.run(&["run", "shop.yaml", "--until-current"]).ends(0);
    let id = letters(&stage)[0]["id"].clone();
    let later = reprocess(&stage, &[]);
    assert_eq!((&later["tried"], &later["not_yet"]), (&json!(0), &json!(1)), "its minute has not passed");
    let now = ["--first-delay", "0s", "--longest-delay", "0s", "--most-attempts", "4"];
    let pass = |number: i64, given_up: i64| {
        let done = reprocess(&stage, &now);
        assert_eq!(
            (&done["tried"], &done["refused"], &done["given_up"]),
            (&json!(1), &json!(1), &json!(given_up)),
            "{done}"
        );
        let letter = &letters(&stage)[0];
        assert_eq!((&letter["id"], &letter["attempts"]), (&id, &json!(number)));
        balanced(&stage, 1);
    };
    // Without a process, in one, and in another one after a kill.
    pass(2, 0);
    let mut running = stage.streaming();
    // Other rows move on: what is read beside the stream has a higher version from here on.
    stage.sql("UPDATE things SET name = 'other' WHERE id = 3;");
    stage.wait("the other row", || fussy.holds("/3").as_deref() == Some("other"));
    pass(3, 0);
    running.send("KILL");
    running.finish();
    let running = stage.streaming();
    pass(4, 1);
    running.signal("TERM").ends(0);
    let refusals = fussy.refusals();
    for _ in 0..3 {
        let done = reprocess(&stage, &now);
        assert_eq!((&done["tried"], &done["given_up"], &done["not_yet"]), (&json!(0), &json!(0), &json!(0)));
    }
    assert_eq!(fussy.refusals(), refusals, "the loop has stopped");
    let letter = &letters(&stage)[0];
    assert_eq!(letter["state"], "manual");
    assert!(letter["note"].as_str().unwrap().contains("given up after 4 attempts"), "{letter}");
    let audit = stage.run(&["audit", "list", "shop.yaml", "--json"]).ends(0).lines();
    assert_eq!(audit.iter().filter(|entry| entry["action"] == "dead letters given up").count(), 1);
    // Given back it has all its attempts again; a person may try it at any time.
    stage.run(&["dlq", "release", "shop.yaml", "--id", &id.to_string()]).ends(0);
    assert_eq!(reprocess(&stage, &now)["tried"], 1);
    balanced(&stage, 1);
    fussy.refuses(&[]);
    assert_eq!(reprocess(&stage, &now)["applied"], 1);
    balanced(&stage, 0);
    stage.run(&["audit", "verify", "shop.yaml"]).ends(0);
}

#[test]
fn letters_are_grouped_filtered_by_tenant_exported_and_taken_by_a_person() {
    let fussy = Fussy::new(&["one", "two"]);
    let stage = fussy.stage("/{key}", "");
    stage.run(&["run", "shop.yaml", "--until-current"]).ends(0);
    let groups = stage.run(&["dlq", "groups", "shop.yaml", "--json"]).ends(0).lines();
    assert_eq!(groups.len(), 1, "{groups:?}");
    assert_eq!(
        (&groups[0]["count"], &groups[0]["error"], &groups[0]["table"]),
        (&json!(2), &json!("SYN-2401"), &json!("main.things"))
    );
    assert_eq!(groups[0]["cause"], "hook: the receiver answers #: no \"…\" at /#");
    assert!(letters(&stage).iter().any(|letter| letter["id"] == groups[0]["example"]));
    assert!(stage.run(&["dlq", "groups", "shop.yaml"]).ends(0).stdout.contains("COUNT"));
    let of = |command: &str| {
        stage.run(&["dlq", command, "shop.yaml", "--tenant", "two", "--json"]).ends(0).lines()
    };
    let two = &of("list")[0];
    assert_eq!((of("list").len(), &two["tenant"], &two["key"]), (1, &json!("two"), &json!({"id": 2})));
    assert_eq!((of("show").len(), &of("groups")[0]["count"]), (1, &json!(1)));
    let exported = stage.run(&["dlq", "export", "shop.yaml", "--tenant", "two"]).ends(0).lines();
    assert!(exported.len() == 1 && exported[0]["original"].as_str().unwrap().len() > 4, "{exported:?}");
    let mut without = exported[0].clone();
    without.as_object_mut().unwrap().remove("original");
    assert_eq!(&without, two, "the shape of the list");
    let done = stage.run(&["dlq", "export", "shop.yaml", "--out", "letters.jsonl"]).ends(0);
    assert_eq!(done.stdout, "");
    assert_eq!(std::fs::read_to_string(stage.path("letters.jsonl")).unwrap().lines().count(), 2);
    stage.run(&["dlq", "export", "shop.yaml", "--out", "letters.jsonl"]).ends(1);
    let id = two["id"].to_string();
    let note = "waiting for the schema team";
    let taken =
        stage.run(&["dlq", "manual", "shop.yaml", "--id", &id, "--note", note, "--json"]).ends(0).json();
    assert_eq!((&taken["state"], &taken["note"]), (&json!("manual"), &json!(note)));
    let pass = reprocess(&stage, &["--first-delay", "0s"]);
    assert_eq!((&pass["tried"], &pass["not_yet"]), (&json!(1), &json!(0)), "the other one only");
    fussy.refuses(&[]);
    assert_eq!(reprocess(&stage, &["--first-delay", "0s", "--longest-delay", "0s"])["applied"], 1);
    balanced(&stage, 1);
    let mine = stage.run(&["dlq", "redrive", "shop.yaml", "--tenant", "one", "--json"]).ends(0).json();
    assert_eq!(mine["selected"], 0);
    let mine = stage.run(&["dlq", "redrive", "shop.yaml", "--tenant", "two", "--json"]).ends(0).json();
    assert_eq!(mine["applied"], 1, "a redrive by a person works on it still");
    balanced(&stage, 0);
    let audit = stage.run(&["audit", "list", "shop.yaml", "--json"]).ends(0).lines();
    assert!(audit.iter().any(|e| e["action"] == "dead letter manual" && e["detail"]["note"] == note));
    stage.run(&["dlq", "manual", "shop.yaml", "--id", "999", "--note", "x"]).ends(2);
    stage.run(&["dlq", "manual", "shop.yaml", "--note", "x"]).ends(2);
}
