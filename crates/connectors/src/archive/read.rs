//! Finds the newest line of a key in an archive by reading all files of its path: slow, but right, and for single looks
//! only. Needs no lock: it starts again if files were joined meanwhile.

use std::sync::Arc;

use bytes::Bytes;
use serde::Deserialize;
use serde_json::value::RawValue;
use sha2::{Digest, Sha256};
use syncline_engine::error::{Code, Error, Result};
use syncline_engine::route::TargetPlan;
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
struct Line<'a> {
    #[serde(borrow)]
    table: std::borrow::Cow<'a, str>,
    #[serde(borrow)]
    op: std::borrow::Cow<'a, str>,
    key: serde_json::Map<String, serde_json::Value>,
    #[serde(borrow)]
    after: Option<&'a RawValue>,
    #[serde(borrow)]
    version: std::borrow::Cow<'a, str>,
}

/// The newest line of a key so far: its version and its document.
type Newest = Option<(Version, Option<Bytes>)>;

/// The document after the newest change of the key that the address names.
pub async fn document(store: Arc<dyn Store>, plan: &TargetPlan, address: &Address) -> Result<Option<Held>> {
    if plan.spec.id.as_ref().is_some_and(|id| id != "{key}") {
        let what = format!("{}: an archive is searched by key, its target has an `id:`", plan.label);
        return Err(Error::new(Code::RouteTemplate, what));
    }
    let table = Some(&*plan.route.table).filter(|table| !table.contains(['*', '?']));
    let mut last = None;
    for _ in 0..ATTEMPTS {
        let Some((text, _)) = store.manifest().await? else { return Ok(None) };
        let manifest = Manifest::decode(&text)?;
        let files = manifest.files.into_iter().filter(|file| file.folder() == &*address.target);
        match search(&*store, files, table, &address.id).await {
            Ok(newest) => {
                let held =
                    |document, version| Held { address: address.clone(), version, document: Some(document) };
                return Ok(newest.and_then(|(version, document)| Some(held(document?, version))));
            }
            Err(error) => last = Some(error),
        }
    }
    last.map_or(Ok(None), Err)
}

async fn search(
    store: &dyn Store,
    files: impl Iterator<Item = File>,
    table: Option<&str>,
    key: &str,
) -> Result<Newest> {
    let mut newest = None;
    for file in files {
        let bytes = writer::read(store, &file).await?;
        let mut wrong = None;
        segment::read_lines(&file, &bytes, |line| {
            if let Err(error) = look(line, table, key, &mut newest) {
                wrong = Some(error);
            }
        })?;
        if let Some(error) = wrong {
            let what = format!("{} has a line that is no change", file.path);
            return Err(Error::new(Code::ArchiveManifest, what).cause(error));
        }
    }
    Ok(newest)
}

fn look(line: &[u8], table: Option<&str>, key: &str, newest: &mut Newest) -> serde_json::Result<()> {
    let line: Line<'_> = serde_json::from_slice(line)?;
    let version = Version::parse(&line.version).unwrap_or_default();
    let wanted = table.is_none_or(|table| table.eq_ignore_ascii_case(&line.table));
    // The later line wins a tie.
    let newer = newest.as_ref().is_none_or(|(held, _)| version >= *held);
    if line.op == "truncate" && wanted && newer {
        *newest = Some((version, None));
    } else if wanted && newer && key_text(&line.key) == key {
        let after = line.after.filter(|after| line.op != "delete" && after.get() != "null");
        *newest = Some((version, after.map(|after| Bytes::copy_from_slice(after.get().as_bytes()))));
    }
    Ok(())
}

/// The key's text (SURFACE, "Keys as text") from the key object of a line.
fn key_text(key: &serde_json::Map<String, serde_json::Value>) -> String {
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
