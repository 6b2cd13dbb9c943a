//! Finds the newest lines of keys in an archive by reading all files where they may lie: slow, but right, and for few looks
//! only. Needs no lock: it starts again if files were joined meanwhile.

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::Arc;

use bytes::Bytes;
use serde::Deserialize;
use serde_json::value::RawValue;
use sha2::{Digest, Sha256};
use syncline_engine::error::{Code, Error, Result};
use syncline_engine::route::{Scope, TargetPlan};
use syncline_engine::sink::{Address, Held};
use syncline_engine::version::Version;

use super::manifest::{File, Manifest, hex};
use super::segment;
use super::store::Store;
use super::writer;

/// Keys as text are not longer (SURFACE).
const LONGEST_KEY: usize = 512;

/// What is read of a change line.
#[derive(Deserialize)]
pub struct Line<'a> {
    #[serde(borrow)]
    pub table: Cow<'a, str>,
    #[serde(borrow)]
    pub op: Cow<'a, str>,
    pub key: serde_json::Map<String, serde_json::Value>,
    #[serde(borrow)]
    after: Option<&'a RawValue>,
    #[serde(borrow)]
    version: Cow<'a, str>,
}

impl Line<'_> {
    pub fn version(&self) -> Version {
        Version::parse(&self.version).unwrap_or_default()
    }

    /// What the row is from here on.
    pub fn document(&self) -> Option<&str> {
        self.after.map(RawValue::get).filter(|after| self.op != "delete" && *after != "null")
    }
}

/// The newest line of a key so far.
#[derive(Clone)]
struct Newest {
    version: Version,
    /// Which of the files it stands in, counted in the order in which they are read.
    file: usize,
    folder: Arc<str>,
    /// `None`: the row is gone.
    document: Option<Bytes>,
}

/// What is looked for.
struct Search {
    /// Lines of this table only.
    table: Option<String>,
    newest: HashMap<String, Option<Newest>>,
}

/// The document after the newest change of the key that the address names, among the lines in the address's folder.
pub async fn document(store: &dyn Store, plan: &TargetPlan, address: &Address) -> Result<Option<Held>> {
    by_key(plan)?;
    let table = Some(plan.route.table.clone()).filter(|table| !table.contains(['*', '?']));
    let mut found =
        search(store, table, std::slice::from_ref(address), |folder| folder == &*address.target).await?;
    Ok(found.pop().flatten())
}

/// The same of the keys of one table, wherever its lines lie.
pub async fn documents(store: &dyn Store, scope: &Scope, addresses: &[Address]) -> Result<Vec<Option<Held>>> {
    by_key(&scope.plan)?;
    search(store, Some(scope.table.clone()), addresses, |folder| scope.names_hold(folder)).await
}

/// Lines are told apart by their keys only.
pub fn by_key(plan: &TargetPlan) -> Result<()> {
    if plan.spec.id.as_ref().is_some_and(|id| id != "{key}") {
        let what = format!("{}: an archive is searched by key, its target has an `id:`", plan.label);
        return Err(Error::new(Code::RouteTemplate, what));
    }
    Ok(())
}

/// All files of these folders, from the start if some were joined meanwhile. The last ones come first: those are the ones that
/// a writer joins, so whoever reads them last would find them gone each time.
async fn search(
    store: &dyn Store,
    table: Option<String>,
    addresses: &[Address],
    folders: impl Fn(&str) -> bool,
) -> Result<Vec<Option<Held>>> {
    let mut lacking: Option<(u64, File)> = None;
    'again: loop {
        let Some((text, _)) = store.manifest().await? else { return Ok(vec![None; addresses.len()]) };
        let manifest = Manifest::decode(&text)?;
        if let Some((_, file)) = lacking.take_if(|(generation, _)| *generation == manifest.generation) {
            return Err(writer::lacks(store, &file));
        }
        let newest = addresses.iter().map(|address| (address.id.to_string(), None)).collect();
        let mut search = Search { table: table.clone(), newest };
        let files = manifest.files.into_iter().rev().filter(|file| folders(file.folder()));
        for (n, file) in files.enumerate() {
            let Some(bytes) = store.get(&file.path).await? else {
                lacking = Some((manifest.generation, file));
                continue 'again;
            };
            search = search.through(n, file, bytes).await?;
        }
        return Ok(addresses.iter().map(|address| search.held(address)).collect());
    }
}

impl Search {
    /// On a thread of its own: the stream goes on meanwhile.
    async fn through(mut self, n: usize, file: File, bytes: Bytes) -> Result<Search> {
        let searched = tokio::task::spawn_blocking(move || {
            segment::verify(&file, &bytes)?;
            let folder: Arc<str> = file.folder().into();
            let mut wrong = None;
            segment::read_lines(&file, &bytes, |line| {
                if let Err(error) = self.look(line, n, &folder) {
                    wrong = Some(error);
                }
            })?;
            wrong.map_or(Ok(self), |error| Err(not_a_change(&file, error)))
        });
        searched.await.unwrap_or_else(|error| Err(Error::new(Code::Internal, "a thread broke").cause(error)))
    }

    fn look(&mut self, line: &[u8], file: usize, folder: &Arc<str>) -> serde_json::Result<()> {
        let line: Line<'_> = serde_json::from_slice(line)?;
        if self.table.as_ref().is_some_and(|table| !table.eq_ignore_ascii_case(&line.table)) {
            return Ok(());
        }
        let version = line.version();
        // The later line wins a tie: within a file what comes, across files what was there, for the last file came first.
        let newer = |held: &Option<Newest>| match held {
            Some(held) => version > held.version || (version == held.version && file == held.file),
            None => true,
        };
        let found = |document| Some(Newest { version, file, folder: Arc::clone(folder), document });
        if line.op == "truncate" {
            self.newest.values_mut().filter(|held| newer(held)).for_each(|held| *held = found(None));
        } else if let Some(held) = self.newest.get_mut(&key_text(&line.key)).filter(|held| newer(held)) {
            *held = found(line.document().map(|document| Bytes::copy_from_slice(document.as_bytes())));
        }
        Ok(())
    }

    fn held(&self, address: &Address) -> Option<Held> {
        let Newest { version, folder, document, .. } = self.newest.get(&*address.id)?.clone()?;
        let address = Address { target: folder, id: Arc::clone(&address.id) };
        Some(Held { address, version, document: Some(document?) })
    }
}

/// A line of a file is not what an archive holds.
pub fn not_a_change(file: &File, error: serde_json::Error) -> Error {
    Error::new(Code::ArchiveManifest, format!("{} has a line that is no change", file.path)).cause(error)
}

/// The key's text (SURFACE, "Keys as text") from the key object of a line.
pub fn key_text(key: &serde_json::Map<String, serde_json::Value>) -> String {
    let part = |value: &serde_json::Value| match value {
        serde_json::Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    let text = match key.values().map(part).collect::<Vec<_>>() {
        parts if parts.len() == 1 && !parts[0].is_empty() => parts.concat(),
        parts => {
            let escaped = parts.iter().map(|part| match &**part {
                "" => "%".to_owned(),
                part => part.replace('%', "%25").replace(':', "%3A"),
            });
            escaped.collect::<Vec<_>>().join(":")
        }
    };
    match text.len() {
        0..=LONGEST_KEY => text,
        _ => format!("sha256:{}", hex(&Sha256::digest(text.as_bytes()))),
    }
}
