//! What a comparison that was interrupted had found so far, in the ledger: table by table. Whoever asks the same again may go on
//! behind it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::report::{Part, TargetReport, VerifyRequest};
use crate::clock::now_millis;
use crate::error::{Code, Error, Result};
use crate::ledger::Ledger;

/// The property of a pipeline that holds it; empty once a comparison has ended.
const PROPERTY: &str = "verify.interrupted";
/// What was found longer ago says nothing any more.
const LATE_MILLIS: i64 = 24 * 3600 * 1000;

/// A comparison that is under way, as far as it is done.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Progress {
    asked: String,
    /// Which rows: a later start looks back as far as the first.
    pub part: Part,
    began_at: i64,
    tables: BTreeMap<String, Vec<TargetReport>>,
}

fn asked(request: &VerifyRequest) -> String {
    let part = match request.part {
        Part::All => "all".to_owned(),
        Part::Since(_) => "since".to_owned(),
        Part::Sample(rows) => format!("sample {rows}"),
    };
    let VerifyRequest { tables, sinks, keys, only, per_tenant, listed, repair, .. } = request;
    let most = repair.as_ref().map(|repair| repair.most);
    format!("{:?}", (tables, sinks, part, keys, only, per_tenant, listed, most))
}

impl Progress {
    /// A new one, or, if that is wanted, the one that was interrupted.
    pub async fn begin(ledger: &dyn Ledger, pipeline: &str, request: &VerifyRequest) -> Result<Progress> {
        let asked = asked(request);
        let kept = ledger.property(pipeline, PROPERTY).await?.filter(|text| !text.is_empty());
        let kept = kept.and_then(|text| serde_json::from_str::<Progress>(&text).ok());
        let fits = |kept: &Progress| kept.asked == asked && now_millis() - kept.began_at < LATE_MILLIS;
        if let Some(kept) = kept.filter(fits) {
            let done = kept.tables.len();
            if request.resume {
                tracing::info!(pipeline, done, "goes on with the comparison that was interrupted");
                return Ok(kept);
            }
            tracing::warn!(
                pipeline,
                done,
                "an earlier comparison was interrupted; with --resume this one would go on with it"
            );
        }
        Ok(Progress { asked, part: request.part, began_at: now_millis(), tables: BTreeMap::new() })
    }

    /// What was found of a table, if it is done.
    pub fn found(&self, table: &str) -> Option<&[TargetReport]> {
        self.tables.get(table).map(Vec::as_slice)
    }

    /// A table is done. Durable.
    pub async fn done(
        &mut self,
        ledger: &dyn Ledger,
        pipeline: &str,
        table: &str,
        found: &[TargetReport],
    ) -> Result<()> {
        self.tables.insert(table.to_owned(), found.to_vec());
        let text = serde_json::to_string(self)
            .map_err(|error| Error::new(Code::Internal, "what was found cannot be written").cause(error))?;
        ledger.set_property(pipeline, PROPERTY, &text).await
    }

    /// All of it is done.
    pub async fn end(self, ledger: &dyn Ledger, pipeline: &str) -> Result<()> {
        ledger.set_property(pipeline, PROPERTY, "").await
    }
}
