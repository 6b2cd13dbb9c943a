//! Webhooks end to end: the shop's changes at a receiver of our own, through kills, refusals and a redrive.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use serde_json::{Value, json};

use super::receiver::{Got, Receiver, SECRET, say};
use super::stage::Stage;

fn file(receiver: &Receiver) -> String {
    format!(
        r#"version: 1
connections:
  shop: sqlite:shop.db
  hook: {{ url: "{}/in", secret_file: secret, request_timeout: 5s, headers: {{ x-from: shop }} }}
pipelines:
  shop:
    source: {{ connection: shop, tables: ["main.*"] }}
    routes:
      - table: main.things
        to: [{{ connection: hook, url: "/things/{{key}}" }}]
"#,
        receiver.url()
    )
}

fn stage(receiver: &Receiver) -> Stage {
    let stage = Stage::new(&file(receiver));
    std::fs::write(stage.path("secret"), format!("{SECRET}\n")).unwrap();
    stage
}

fn name(got: &Got) -> String {
    let data = &got.json()["data"];
    let row = if data["after"].is_null() { &data["before"] } else { &data["after"] };
    row["name"].as_str().unwrap().to_owned()
}

/// What arrived of each row, in order, each message once: a message that comes again has the id it had before.
fn by_row(got: &[Got]) -> BTreeMap<String, Vec<String>> {
    let mut known: HashMap<&str, &Got> = HashMap::new();
    let mut rows: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for got in got {
        if let Some(before) = known.insert(&got.id, got) {
            assert_eq!((&before.path, &before.body), (&got.path, &got.body), "one id, one message");
            continue;
        }
        let kind = got.json()["type"].as_str().unwrap().to_owned();
        rows.entry(got.path.clone()).or_default().push(format!("{kind} {}", name(got)));
    }
    rows
}

#[test]
fn every_change_of_a_row_arrives_in_order_through_kills() {
    // Slow enough that kills find requests in flight; some messages fail at first.
    let receiver = Receiver::start(|got| {
        let fails = got.attempt == 1 && name(got).ends_with('7');
        say(if fails { 500 } else { 200 }).after(Duration::from_millis(4))
    });
    let stage = stage(&receiver);
    stage.run(&["run", "shop.yaml", "--until-current"]).ends(0);
    let mut expected: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (row, name) in [(1, "one"), (2, "two"), (3, "three")] {
        expected.insert(format!("/in/things/{row}"), vec![format!("row.read {name}")]);
    }
    assert_eq!(by_row(&receiver.taken()), expected);
    for round in 0..5 {
        let before = receiver.got().len();
        let mut running = stage.start(&["run", "shop.yaml"]);
        for step in 0..40 {
            let row = step % 3 + 1;
            let name = format!("{round}.{step}");
            stage.sql(&format!("UPDATE things SET name = '{name}' WHERE id = {row}"));
            expected.get_mut(&format!("/in/things/{row}")).unwrap().push(format!("row.update {name}"));
        }
        let new = 100 + round;
        stage.sql(&format!("INSERT INTO things VALUES ({new}, 'new'); DELETE FROM things WHERE id = {new};"));
        let both = vec!["row.insert new".to_owned(), "row.delete new".to_owned()];
        expected.insert(format!("/in/things/{new}"), both);
        // From a kill in the middle of starting to one when everything is done.
        stage.wait("some webhooks in flight", || receiver.got().len() >= before + round * 9);
        running.send("KILL");
    }
    stage.run(&["run", "shop.yaml", "--until-current"]).ends(0);
    assert_eq!(by_row(&receiver.taken()), expected);
    assert!(receiver.got().iter().all(|got| got.headers["x-from"] == "shop"));
    let table = &stage.status()["pipelines"][0]["tables"][0];
    let count = |name: &str| table[name].as_i64().unwrap();
    assert_eq!((count("accepted"), count("dead"), count("in_flight")), (count("applied"), 0, 0), "{table}");
}

#[test]
fn a_row_that_fails_for_ever_does_not_stop_the_others() {
    let receiver = Receiver::start(|got| say(if got.path.ends_with("/1") { 500 } else { 200 }));
    let stage = stage(&receiver);
    let mut running = stage.start(&["run", "shop.yaml"]);
    let arrived = || by_row(&receiver.taken());
    stage.wait("the other two rows", || arrived().len() == 2);
    for n in 0..10 {
        stage.sql(&format!("UPDATE things SET name = '{n}'"));
    }
    // Far less than ten times the longest pause between tries.
    let began = std::time::Instant::now();
    stage.wait("their updates", || arrived().values().all(|changes| changes.len() == 11));
    assert!(began.elapsed() < Duration::from_secs(15), "{:?}", began.elapsed());
    assert!(!arrived().contains_key("/in/things/1"));
    assert_eq!(stage.status()["pipelines"][0]["sinks"][0]["error"]["code"], "SYN-2404");
    running.send("KILL");
}

#[test]
fn a_refused_webhook_is_parked_and_redriven() {
    let accepts = Arc::new(AtomicBool::new(false));
    let switch = Arc::clone(&accepts);
    let receiver = Receiver::start(move |got| {
        let refused = name(got) == "two" && !switch.load(Ordering::Relaxed);
        if refused { say(422).body("no twos today") } else { say(200) }
    });
    let stage = stage(&receiver);
    stage.run(&["run", "shop.yaml", "--until-current"]).ends(0);
    assert_eq!(by_row(&receiver.taken()).len(), 2);
    let letters = stage.run(&["dlq", "list", "shop.yaml", "--json"]).ends(0).lines();
    assert_eq!(letters.len(), 1);
    assert_eq!((&letters[0]["error"], &letters[0]["key"]), (&json!("SYN-2401"), &json!({"id": 2})));
    assert_eq!(letters[0]["message"], "hook: the receiver answers 422: no twos today");
    let _running = stage.streaming();
    let redrive = || -> Value { stage.run(&["dlq", "redrive", "shop.yaml", "--json"]).json() };
    assert_eq!(redrive()["applied"], 0, "it is refused again");
    accepts.store(true, Ordering::Relaxed);
    assert_eq!(redrive()["applied"], 1);
    let last = receiver.taken().pop().unwrap();
    assert_eq!((&*last.path, &*name(&last)), ("/in/things/2", "two"));
    assert_eq!(stage.status()["pipelines"][0]["dead_letters"], 0);
}

#[test]
fn check_and_lint_know_webhooks() {
    let receiver = Receiver::with(None, |_| say(200));
    let stage = stage(&receiver);
    let done = stage.run(&["check", "shop.yaml"]).ends(0);
    assert!(done.stderr.contains("✓ shop: target hook"), "{} {}", done.stdout, done.stderr);
    let unsigned = file(&receiver).replace("secret_file: secret, ", "");
    std::fs::write(stage.path("shop.yaml"), &unsigned).unwrap();
    let done = stage.run(&["check", "shop.yaml"]).ends(0);
    assert!(done.stdout.contains("SYN-2406") && done.stdout.contains("1 warnings"), "{}", done.stdout);
    let shop = "sqlite:shop.db";
    let bad = unsigned
        .replace(shop, &format!("{{ url: \"{shop}\", requests: 2 }}"))
        .replace("{ x-from: shop }", "{ webhook-id: hunter22 }, secret: \"\", lanes: 3")
        .replace("/things/{key}", "things");
    std::fs::write(stage.path("shop.yaml"), bad).unwrap();
    let done = stage.run(&["lint", "shop.yaml"]).ends(3);
    for part in
        ["shop.yaml:3:", "`requests` does not go", "shop.yaml:4:", "`lanes` does not go", "webhook-id"]
    {
        assert!(done.stdout.contains(part), "{part} is not in {}", done.stdout);
    }
    assert!(!done.stdout.contains("hunter22"), "{}", done.stdout);
    std::fs::write(stage.path("shop.yaml"), unsigned.replace("/things/{key}", "things")).unwrap();
    let done = stage.run(&["run", "shop.yaml", "--until-current"]).ends(78);
    assert!(
        done.stderr.contains("SYN-1502") && done.stderr.contains("does not begin with `/`"),
        "{}",
        done.stderr
    );
}
