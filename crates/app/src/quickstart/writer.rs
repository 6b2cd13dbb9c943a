//! The demo's writer: a thread that changes the shop as an application would, with plain SQL, until it is told to stop.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use rusqlite::{Connection, params};
use syncline_engine::error::{Code, Error, Result};

use super::shop::{ORDERS, PRODUCTS, broken, insert_order, insert_product};

/// Numbers of rows that the writer adds begin here.
const NEW: i64 = 1_000_000;

/// A writer at work.
pub struct Writer {
    stop: Arc<AtomicBool>,
    thread: JoinHandle<rusqlite::Result<u64>>,
}

impl Writer {
    /// A few hundred changes a second.
    pub fn start(shop: &Path) -> Writer {
        Writer::with_pause(shop, Duration::from_millis(5))
    }

    /// A change a second.
    pub fn slowly(shop: &Path) -> Writer {
        Writer::with_pause(shop, Duration::from_secs(1))
    }

    fn with_pause(shop: &Path, pause: Duration) -> Writer {
        let stop = Arc::new(AtomicBool::new(false));
        let (path, stopped) = (PathBuf::from(shop), Arc::clone(&stop));
        let thread = std::thread::spawn(move || work(&path, pause, &stopped));
        Writer { stop, thread }
    }

    /// Stops it; answers how many rows it changed.
    pub fn stop(self) -> Result<u64> {
        self.stop.store(true, Ordering::Relaxed);
        let done = self.thread.join().map_err(|_| Error::new(Code::Internal, "the writer broke off"))?;
        done.map_err(|e| broken(&e))
    }
}

fn work(shop: &Path, pause: Duration, stop: &AtomicBool) -> rusqlite::Result<u64> {
    let mut shop = Connection::open(shop)?;
    shop.busy_timeout(Duration::from_secs(10))?;
    let highest = "SELECT max((SELECT max(id) FROM orders), (SELECT max(id) FROM products))";
    let first = shop.query_row(highest, [], |row| row.get::<_, i64>(0))?.max(NEW) + 1;
    let mut changed = 0;
    let mut n = 0;
    while !stop.load(Ordering::Relaxed) {
        // The lock is taken at once: waiting for it in the middle of a transaction would not be allowed.
        let one = shop.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)?;
        changed += change(&one, first, n)?;
        one.commit()?;
        n += 1;
        std::thread::sleep(pause);
    }
    Ok(changed)
}

/// One transaction of the application; answers how many rows it changed.
fn change(shop: &Connection, first: i64, n: i64) -> rusqlite::Result<u64> {
    let (product, order) = (1 + n * 13 % PRODUCTS, 1 + n * 11 % ORDERS);
    let rows = match n % 6 {
        0 => {
            insert_order(shop, first + n)?;
            let stock = "UPDATE products SET stock = max(stock - 1, 0) WHERE id = ?";
            1 + shop.prepare_cached(stock)?.execute([product])?
        }
        1 => {
            shop.prepare_cached("UPDATE products SET cents = cents + 10 WHERE id = ?")?.execute([product])?
        }
        2 => {
            let status = if n % 4 == 0 { "draft" } else { "live" };
            shop.prepare_cached("UPDATE products SET status = ? WHERE id = ?")?
                .execute(params![status, product])?
        }
        3 => {
            let day = format!("2026-{:02}-15", 1 + n % 12);
            shop.prepare_cached("UPDATE orders SET ordered_on = ?, note = 'moved' WHERE id = ?")?
                .execute(params![day, order])?
        }
        4 => shop.prepare_cached("DELETE FROM orders WHERE id = ?")?.execute([order])?,
        _ => {
            insert_product(shop, first + n)?;
            1
        }
    };
    Ok(rows as u64)
}
