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

const ATTEMPTS: usize = 3;
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

/// The newest line of a key so far: its version, where it lies, and its document.
type Newest = Option<(Version, Arc<str>, Option<Bytes>)>;

/// What is looked for.
struct Search {
    /// Lines of this table only.
    table: Option<String>,
    newest: HashMap<String, Newest>,
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

/// All files of these folders, from the start if some were joined meanwhile.
async fn search(
    store: &dyn Store,
    table: Option<String>,
    addresses: &[Address],
    folders: impl Fn(&str) -> bool,
) -> Result<Vec<Option<Held>>> {
    let mut last = None;
    for _ in 0..ATTEMPTS {
        let Some((text, _)) = store.manifest().await? else { return Ok(vec![None; addresses.len()]) };
        let manifest = Manifest::decode(&text)?;
        let files = manifest.files.into_iter().filter(|file| folders(file.folder()));
        let newest = addresses.iter().map(|address| (address.id.to_string(), None)).collect();
        let mut search = Search { table: table.clone(), newest };
        match search.files(store, files).await {
            Ok(()) => return Ok(addresses.iter().map(|address| search.held(address)).collect()),
            Err(error) => last = Some(error),
        }
    }
    last.map_or_else(|| Ok(vec![None; addresses.len()]), Err)
}

impl Search {
    async fn files(&mut self, store: &dyn Store, files: impl Iterator<Item = File>) -> Result<()> {
        for file in files {
            let bytes = writer::read(store, &file).await?;
            let folder: Arc<str> = file.folder().into();
            let mut wrong = None;
            segment::read_lines(&file, &bytes, |line| {
                if let Err(error) = self.look(line, &folder) {
                    wrong = Some(error);
                }
            })?;
            if let Some(error) = wrong {
                return Err(not_a_change(&file, error));
            }
        }
        Ok(())
    }

    fn look(&mut self, line: &[u8], folder: &Arc<str>) -> serde_json::Result<()> {
        let line: Line<'_> = serde_json::from_slice(line)?;
        if self.table.as_ref().is_some_and(|table| !table.eq_ignore_ascii_case(&line.table)) {
            return Ok(());
        }
        let version = line.version();
        // The later line wins a tie.
        let newer = |newest: &Newest| newest.as_ref().is_none_or(|(held, ..)| version >= *held);
        if line.op == "truncate" {
            let gone = Some((version, Arc::clone(folder), None));
            self.newest
                .values_mut()
                .filter(|newest| newer(newest))
                .for_each(|newest| newest.clone_from(&gone));
        } else if let Some(newest) = self.newest.get_mut(&key_text(&line.key)).filter(|newest| newer(newest))
        {
            let document = line.document().map(|document| Bytes::copy_from_slice(document.as_bytes()));
            *newest = Some((version, Arc::clone(folder), document));
        }
        Ok(())
    }

    fn held(&self, address: &Address) -> Option<Held> {
        let (version, folder, document) = self.newest.get(&*address.id)?.clone()?;
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
