//! The demo's shop: three tables with a few thousand rows, always the same, in plain SQLite.

use std::path::Path;

use rusqlite::{Connection, params};
use syncline_engine::error::{Code, Error, Result};

/// What the demo searches for.
pub const WORD: &str = "walnut";

/// Rows of the tables at the start.
pub const PRODUCTS: i64 = 2000;
const CUSTOMERS: i64 = 1000;
/// See [`PRODUCTS`].
pub const ORDERS: i64 = 3000;

const ADJECTIVES: [&str; 8] = ["quiet", "bright", "heavy", "folding", "round", "small", "patient", "blue"];
const MATERIALS: [&str; 8] = ["oak", "steel", "linen", "walnut", "brass", "paper", "clay", "wool"];
const THINGS: [&str; 8] = ["lamp", "chair", "kettle", "shelf", "clock", "basket", "table", "mirror"];
const STATES: [&str; 4] = ["live", "live", "sold-out", "draft"];

/// Makes the shop; answers how many rows it has.
pub fn make(path: &Path) -> Result<u64> {
    fill(path).map_err(|e| broken(&e))?;
    Ok((PRODUCTS + CUSTOMERS + ORDERS).unsigned_abs())
}

/// An error of the shop's own database.
pub fn broken(error: &rusqlite::Error) -> Error {
    Error::new(Code::SqliteOpen, "the demo's shop cannot be used").cause(error)
}

fn fill(path: &Path) -> rusqlite::Result<()> {
    let mut shop = Connection::open(path)?;
    shop.pragma_update(None, "journal_mode", "WAL")?;
    let all = shop.transaction()?;
    all.execute_batch(
        "CREATE TABLE products (id INTEGER PRIMARY KEY, name TEXT NOT NULL, tags TEXT NOT NULL,
             cents INTEGER NOT NULL, stock INTEGER NOT NULL, status TEXT NOT NULL);
         CREATE TABLE customers (id INTEGER PRIMARY KEY, name TEXT NOT NULL, email TEXT NOT NULL, city TEXT);
         CREATE TABLE orders (id INTEGER PRIMARY KEY, customer_id INTEGER NOT NULL, product_id INTEGER NOT NULL,
             quantity INTEGER NOT NULL, ordered_on TEXT NOT NULL, note TEXT);",
    )?;
    for id in 1..=PRODUCTS {
        insert_product(&all, id)?;
    }
    for id in 1..=CUSTOMERS {
        let city = (id % 7 != 0).then(|| format!("City {}", id % 40));
        let (name, email) = (format!("Customer {id}"), format!("customer{id}@example.com"));
        all.prepare_cached("INSERT INTO customers VALUES (?, ?, ?, ?)")?
            .execute(params![id, name, email, city])?;
    }
    for id in 1..=ORDERS {
        insert_order(&all, id)?;
    }
    all.commit()
}

/// One of the words; which one follows from the number.
fn pick<'a>(words: &[&'a str], number: i64) -> &'a str {
    let at = number.unsigned_abs() as usize % words.len();
    words[at]
}

/// A product that follows from its number.
pub fn insert_product(shop: &Connection, id: i64) -> rusqlite::Result<()> {
    let (material, thing) = (pick(&MATERIALS, id / 8), pick(&THINGS, id));
    let name = format!("{} {material} {thing} {id}", pick(&ADJECTIVES, id / 64));
    shop.prepare_cached("INSERT INTO products VALUES (?, ?, ?, ?, ?, ?)")?.execute(params![
        id,
        name,
        format!("{material},{thing}"),
        500 + id * 37 % 30_000,
        id % 50,
        pick(&STATES, id)
    ])?;
    Ok(())
}

/// An order that follows from its number.
pub fn insert_order(shop: &Connection, id: i64) -> rusqlite::Result<()> {
    let day = format!("2026-{:02}-{:02}", 1 + id % 3, 1 + id % 28);
    shop.prepare_cached("INSERT INTO orders VALUES (?, ?, ?, ?, ?, NULL)")?.execute(params![
        id,
        1 + id % CUSTOMERS,
        1 + id % PRODUCTS,
        1 + id % 5,
        day
    ])?;
    Ok(())
}
