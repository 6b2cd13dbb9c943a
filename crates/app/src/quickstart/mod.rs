//! `quickstart`: the whole program shown on embedded parts, with no server and no question. It makes a shop, runs this very
//! binary against it, changes rows meanwhile, kills it once, and shows that nothing is missing.

mod child;
mod compare;
mod folder;
mod shop;
mod writer;

use std::path::Path;
use std::time::{Duration, Instant};

use syncline_api as api;
use syncline_connectors::registry;
use syncline_engine::error::{Code, Error, Result};

use self::child::Child;
use self::writer::Writer;
use crate::arguments::QuickstartArgs;
use crate::config::{self, Config};
use crate::exit::{Exit, Failure};
use crate::out;
use crate::process::Process;
use crate::signals::{Signals, Stop};

/// Deliveries after which the first run is killed: in the middle of the backfill.
const ENOUGH: u64 = 3000;

type Done<T> = std::result::Result<T, Failure>;

/// The demo.
pub async fn quickstart(args: QuickstartArgs) -> Done<Exit> {
    let mut signals = Signals::listen()?;
    tokio::select! {
        result = demo(&args.dir) => result?,
        stop = signals.next() => return Ok(interrupted(stop)),
    }
    if args.serve { serve(&args.dir, &mut signals).await } else { Ok(Exit::Ok) }
}

fn interrupted(stop: Stop) -> Exit {
    if stop == Stop::Interrupt { Exit::Interrupted } else { Exit::Ok }
}

async fn demo(dir: &Path) -> Done<()> {
    let began = Instant::now();
    let file = folder::prepare(dir).await?;
    let shop = dir.join("shop.db");
    let rows = shop::make(&shop)?;
    say(&format!("A shop: {} with {} rows in three tables.", shop.display(), thousands(rows)))?;
    say(&format!("Its pipeline: {}, into a search index, a cache and an archive.\n", file.display()))?;
    let config = config::load(&file)?;
    let writer = Writer::start(&shop);
    let applied = first_run(&config, dir, &file).await?;
    say(&format!(
        "Ran it while a writer changes rows; killed it (SIGKILL) after {} deliveries.",
        thousands(applied)
    ))?;
    tokio::time::sleep(Duration::from_millis(500)).await;
    let changes = writer.stop()?;
    say(&format!("The writer went on: {} rows inserted, updated or deleted in all.", thousands(changes)))?;
    Child::start(dir, &file, &["--until-current"])?.finished().await?;
    say("Started it again: every target now holds everything the shop has.\n")?;
    show_search(&config).await?;
    show_balance(&config).await?;
    let compared = compare::documents(&config, &shop).await?;
    say(&format!("Compared {} cached documents with their rows: all equal.", thousands(compared)))?;
    say(&format!("That took {:.0} s.\n\n{}", began.elapsed().as_secs_f64(), next_steps(&file)))
}

fn say(text: &str) -> Done<()> {
    out::data(&format!("{text}\n"))
}

/// Runs until part of the work is done, then kills it in the middle. Answers how many deliveries were applied.
async fn first_run(config: &Config, dir: &Path, file: &Path) -> Result<u64> {
    let mut child = Child::start(dir, file, &[])?;
    let deadline = Instant::now() + Duration::from_secs(30);
    let mut applied = 0;
    while applied < ENOUGH && Instant::now() < deadline {
        child.must_run()?;
        tokio::time::sleep(Duration::from_millis(20)).await;
        if let Some(process) = Process::find(&config.data).await?
            && let Ok(status) = process.get::<api::Status>("/v1/pipelines", &()).await
        {
            applied = status.pipelines.iter().flat_map(|p| &p.tables).map(|t| t.applied).sum();
        }
    }
    child.kill().await?;
    Ok(applied)
}

async fn show_search(config: &Config) -> Done<()> {
    let Some(pipeline) = config.pipelines.first() else { return Ok(()) };
    let connection = crate::assemble::connection(config, "search")?;
    let hits = registry::search(&connection, pipeline, "products", shop::WORD, 3).await?;
    say(&format!("Searching the products for \"{}\":", shop::WORD))?;
    hits.iter().try_for_each(|hit| say(&format!("  {}", hit.document.get())))?;
    if hits.is_empty() {
        return Err(Error::new(Code::Internal, "the search found nothing").into());
    }
    say("")
}

/// Every term of every table, each counted on its own.
async fn show_balance(config: &Config) -> Done<()> {
    let status = crate::cli::status::look(config).await?;
    say("The balance: accepted = applied + superseded + filtered + dead")?;
    for t in status.pipelines.iter().flat_map(|p| &p.tables) {
        let filtered: u64 = t.filtered.values().sum();
        let [accepted, applied, superseded, out] =
            [t.accepted, t.applied, t.superseded, filtered].map(thousands);
        say(&format!("  {:15} {accepted} = {applied} + {superseded} + {out} + {}", t.table, t.dead))?;
        let finished = t.applied + t.superseded + filtered;
        if i128::from(t.accepted) != i128::from(finished) + i128::from(t.dead) || t.dead != 0 {
            return Err(
                Error::new(Code::Internal, format!("the balance of {} does not add up", t.table)).into()
            );
        }
    }
    Ok(())
}

fn next_steps(file: &Path) -> String {
    let (file, word) = (file.display(), shop::WORD);
    format!(
        "Try next (syncline is target/release/syncline after a build):
  syncline run {file}         # goes on where it stopped; Ctrl-C stops it cleanly
  syncline status {file}      # also from another terminal, also without a run
  syncline search {file} products \"{word} AND lamp\"
  syncline get {file} main.products 7 --target cache
  syncline tap {file} --limit 5    # while something writes to the shop
  syncline quickstart --serve      # this demo, and then it stays
Then put your own connections into a file like this one: the same routes run on MySQL or MariaDB, OpenSearch or
Elasticsearch, Redis and S3. `syncline check FILE` says what they lack."
    )
}

/// Stays, with a writer that changes a row now and then.
async fn serve(dir: &Path, signals: &mut Signals) -> Done<Exit> {
    let file = dir.join(folder::FILE);
    let config = config::load(&file)?;
    let mut child = Child::start(dir, &file, &[])?;
    let writer = Writer::slowly(&dir.join("shop.db"));
    if let Some(http) = &config.http {
        say(&format!(
            "\nServing on http://{} (/health, /metrics, /v1/pipelines). Ctrl-C ends it.",
            http.listen
        ))?;
    }
    let stop = tokio::select! {
        result = child.ended() => {
            writer.stop()?;
            result?;
            return Ok(Exit::Failed);
        }
        stop = signals.next() => stop,
    };
    writer.stop()?;
    child.terminate().await?;
    Ok(interrupted(stop))
}

/// `12,345`
fn thousands(n: u64) -> String {
    let digits = n.to_string();
    let mut text = String::new();
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}
