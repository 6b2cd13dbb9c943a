//! The demo's proof: every cached document against its row, which is read with plain SQL by code that shares nothing with
//! the pipeline. Rows that are gone, or filtered out, must have no document.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use rusqlite::{Connection, OpenFlags};
use serde_json::{Value, json};
use syncline_engine::error::{Code, Error, Result};
use syncline_engine::route::{RouteTable, TargetPlan};
use syncline_engine::sink::Address;

use super::shop::{ORDERS, broken};
use crate::assemble;
use crate::config::Config;

/// Documents by row number; `None` for numbers that must have none.
type Expected = BTreeMap<i64, Option<Value>>;

/// Answers how many documents were compared; the first that differs is an error.
pub async fn documents(config: &Config, shop: &Path) -> Result<u64> {
    let Some(pipeline) = config.pipelines.first() else { return Ok(0) };
    let sinks = assemble::sinks(config, pipeline)?;
    let names: Vec<String> = sinks.keys().cloned().collect();
    let routes = RouteTable::new(pipeline, &names)?;
    let missing = |what: &str| Error::new(Code::Internal, format!("the demo's file has no {what}"));
    let cache = sinks.get("cache").ok_or_else(|| missing("cache"))?;
    let shop = Connection::open_with_flags(shop, OpenFlags::SQLITE_OPEN_READ_ONLY).map_err(|e| broken(&e))?;
    let tables = [
        ("main.products", "product", products(&shop).map_err(|e| broken(&e))?),
        ("main.orders", "order", orders(&shop).map_err(|e| broken(&e))?),
    ];
    let mut compared = 0;
    for (table, prefix, rows) in tables {
        let mut plans = routes.plans_of(table);
        let plan: &Arc<TargetPlan> =
            plans.find(|plan| plan.spec.connection == "cache").ok_or_else(|| missing(table))?;
        for (id, wanted) in rows {
            let address = Address { target: "".into(), id: format!("{prefix}:{id}").into() };
            let held = cache.read(plan, std::slice::from_ref(&address)).await?.into_iter().next().flatten();
            let stored: Option<Value> = held.and_then(|held| serde_json::from_slice(&held.document?).ok());
            if stored != wanted {
                let message = format!("{prefix}:{id} is {stored:?} in the cache, not {wanted:?}");
                return Err(Error::new(Code::Internal, message));
            }
            compared += u64::from(wanted.is_some());
        }
    }
    Ok(compared)
}

fn products(shop: &Connection) -> rusqlite::Result<Expected> {
    let mut found = Expected::new();
    let mut query = shop.prepare("SELECT id, name, tags, cents, stock, status FROM products")?;
    let mut rows = query.query([])?;
    while let Some(row) = rows.next()? {
        let (id, name, tags): (i64, String, String) = (row.get(0)?, row.get(1)?, row.get(2)?);
        let (cents, stock, status): (i64, i64, String) = (row.get(3)?, row.get(4)?, row.get(5)?);
        let tags: Vec<&str> = tags.split(',').collect();
        let document =
            json!({"id": id, "name": name, "tags": tags, "cents": cents, "stock": stock, "status": status});
        found.insert(id, (status != "draft").then_some(document));
    }
    Ok(found)
}

fn orders(shop: &Connection) -> rusqlite::Result<Expected> {
    let mut found: Expected = (1..=ORDERS).map(|id| (id, None)).collect();
    let mut query =
        shop.prepare("SELECT id, customer_id, product_id, quantity, ordered_on, note FROM orders")?;
    let mut rows = query.query([])?;
    while let Some(row) = rows.next()? {
        let (id, customer, product): (i64, i64, i64) = (row.get(0)?, row.get(1)?, row.get(2)?);
        let (quantity, day, note): (i64, String, Option<String>) = (row.get(3)?, row.get(4)?, row.get(5)?);
        let document = json!({"id": id, "customer_id": customer, "product_id": product, "quantity": quantity,
            "ordered_on": day, "note": note});
        found.insert(id, Some(document));
    }
    Ok(found)
}
