//! What targets should hold of a row that stands in the source, for whoever compares them. What a change does to them is
//! `deliver`.

use std::sync::Arc;

use crate::error::{Error, Result};
use crate::route::compile::Target;
use crate::route::routed::{Deliveries, Loaded, Texts};
use crate::route::{CompiledRoute, TargetPlan};
use crate::row::RowImage;
use crate::sink::Address;

/// What one target should hold of a row, as long as the call takes.
#[derive(Clone, Copy, Debug)]
pub struct Standing<'a> {
    pub plan: &'a Arc<TargetPlan>,
    /// The first half of the address.
    pub target: &'a Arc<str>,
    /// And the second.
    pub id: &'a str,
    /// `None`: the route refuses the row, so what the target holds of it is nobody's word.
    pub document: Option<&'a [u8]>,
}

impl Standing<'_> {
    /// Where.
    pub fn address(&self) -> Address {
        Address { target: Arc::clone(self.target), id: self.id.into() }
    }
}

impl CompiledRoute {
    /// Calls `into` for each target that can be read and is to hold a document of this row; a row that a rule keeps out is to
    /// be nowhere. `committed_at`: epoch milliseconds, for addresses with dates.
    pub fn standing(
        &self,
        row: &RowImage,
        committed_at: i64,
        out: &mut Deliveries,
        mut into: impl FnMut(Standing<'_>) -> Result<()>,
    ) -> Result<()> {
        let mut scratch = out.scratch.take().unwrap_or_default();
        let loaded = &mut scratch.after;
        let result = self.load(row, committed_at, self.needs_after, loaded).and_then(|()| {
            if self.rule(loaded).is_some() {
                return Ok(());
            }
            let kept = |target: &&Target| target.plan.spec.kind.reads_back() && !target.plan.spec.invalidate;
            let mut id = std::mem::take(&mut out.id);
            let result = self.targets.iter().filter(kept).try_for_each(|target| {
                self.standing_at(target, loaded, &mut scratch.texts, &mut id, &mut into)
            });
            out.id = id;
            result
        });
        out.scratch = Some(scratch);
        result
    }

    fn standing_at(
        &self,
        target: &Target,
        loaded: &Loaded,
        texts: &mut Texts,
        id: &mut String,
        into: &mut impl FnMut(Standing<'_>) -> Result<()>,
    ) -> Result<()> {
        id.clear();
        let name = self.name(target, loaded, texts).and_then(|name| {
            self.write_id(target, loaded, !name.is_empty(), id)?;
            Ok::<_, Error>(name)
        });
        match name {
            Ok(name) => {
                let document = loaded.written.refused.is_none().then_some(&loaded.document[..]);
                into(Standing { plan: &target.plan, target: &name, id, document })
            }
            Err(_) => {
                let Address { target: name, id } = self.fallback(loaded);
                into(Standing { plan: &target.plan, target: &name, id: &id, document: None })
            }
        }
    }
}
