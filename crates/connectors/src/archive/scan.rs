//! Tells every line of a table for a comparison, file by file in the archive's order. Which line of a key counts is decided by
//! whoever compares.

use std::collections::HashSet;
use std::sync::Arc;

use bytes::Bytes;
use syncline_engine::error::{Code, Error, Result};
use syncline_engine::route::Scope;
use syncline_engine::sink::{Address, Held};
use tokio::sync::mpsc;

use super::manifest::{File, Manifest};
use super::read::{Line, by_key, key_text, not_a_change};
use super::segment;
use super::store::Store;
use super::writer;

/// Lines that are handed over together.
const PAGE: usize = 1000;

/// All lines that the manifest names by now. Files that were joined meanwhile are read where their lines are then; lines may
/// come twice.
pub async fn scan(store: Arc<dyn Store>, scope: &Scope, pages: &mpsc::Sender<Vec<Held>>) -> Result<()> {
    by_key(&scope.plan)?;
    let mut read: HashSet<String> = HashSet::new();
    let mut lacking: Option<(u64, File)> = None;
    'again: loop {
        let Some((text, _)) = store.manifest().await? else { return Ok(()) };
        let manifest = Manifest::decode(&text)?;
        if let Some((_, file)) = lacking.take_if(|(generation, _)| *generation == manifest.generation) {
            return Err(writer::lacks(&*store, &file));
        }
        for file in manifest.files.into_iter().filter(|file| scope.names_hold(file.folder())) {
            if pages.is_closed() {
                return Ok(());
            }
            if read.contains(&file.path) {
                continue;
            }
            let Some(bytes) = store.get(&file.path).await? else {
                lacking = Some((manifest.generation, file));
                continue 'again;
            };
            read.insert(file.path.clone());
            tell(file, bytes, scope.table.clone(), pages.clone()).await?;
        }
        return Ok(());
    }
}

async fn tell(file: File, bytes: Bytes, table: String, pages: mpsc::Sender<Vec<Held>>) -> Result<()> {
    let told = tokio::task::spawn_blocking(move || {
        segment::verify(&file, &bytes)?;
        let folder: Arc<str> = file.folder().into();
        let (mut page, mut wrong) = (Vec::with_capacity(PAGE), None);
        segment::read_lines(&file, &bytes, |line| match serde_json::from_slice::<Line<'_>>(line) {
            Ok(line) if line.table != table => {}
            Ok(line) => {
                page.push(held(&line, &folder));
                if page.len() == PAGE {
                    // Nobody listens any more: the rest is read for nothing, and then it ends.
                    let _ = pages.blocking_send(std::mem::replace(&mut page, Vec::with_capacity(PAGE)));
                }
            }
            Err(error) => _ = wrong.get_or_insert(error),
        })?;
        let _ = pages.blocking_send(page);
        wrong.map_or(Ok(()), |error| Err(not_a_change(&file, error)))
    });
    told.await.unwrap_or_else(|error| Err(Error::new(Code::Internal, "a thread broke").cause(error)))
}

fn held(line: &Line<'_>, folder: &Arc<str>) -> Held {
    let id = if line.op == "truncate" { String::new() } else { key_text(&line.key) };
    let document = line.document().map(|document| Bytes::copy_from_slice(document.as_bytes()));
    let address = Address { target: Arc::clone(folder), id: id.into() };
    Held { address, version: line.version(), document }
}
