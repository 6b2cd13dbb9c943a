//! What routing makes of a change: deliveries, rows kept out by a rule, rows that can have no delivery. Bodies share
//! buffers of a bounded size. Counting and sending are the pipeline's.

use std::sync::Arc;

use bytes::{Bytes, BytesMut};

use crate::change::CaptureBatch;
use crate::error::{Error, Result};
use crate::route::CompiledRoute;
use crate::route::address::Moment;
use crate::route::cells::Cells;
use crate::route::document::Written;
use crate::route::line::Tail;
use crate::sink::Delivery;

/// Bodies are cut from buffers of this size (larger ones get their own), so that a slow lane holds on to little.
const BUFFER: usize = 64 * 1024;

/// What routing gives, reused from change to change.
///
/// `usize` is the sink: the index of its connection in the names that [`crate::route::RouteTable::new`] was given.
#[derive(Debug, Default)]
pub struct Deliveries {
    /// To be applied, in order.
    pub items: Vec<(usize, Delivery)>,
    /// Kept out by the named rule, and nothing to take out of the target either.
    pub dropped: Vec<(usize, Arc<str>)>,
    /// Cannot be routed (bad value, no address): parked under the error. The delivery is `Absent` at the best address
    /// that is known (an empty target and the key's text if the template fails).
    pub refused: Vec<(usize, Delivery, Error)>,
    pub(crate) buffer: BytesMut,
    pub(crate) scratch: Option<Box<Scratch>>,
    /// An id in the making.
    pub(crate) id: String,
    /// The route of the schema seen last: neighbours usually share it.
    pub(crate) last: Option<(u64, Option<Arc<CompiledRoute>>)>,
}

impl Deliveries {
    /// Forgets the last change's.
    pub fn clear(&mut self) {
        self.items.clear();
        self.dropped.clear();
        self.refused.clear();
    }

    /// A shared copy of a body.
    pub(crate) fn share(&mut self, body: &[u8]) -> Bytes {
        if self.buffer.capacity() < body.len() {
            self.buffer = BytesMut::with_capacity(BUFFER.max(body.len()));
        }
        self.buffer.extend_from_slice(body);
        self.buffer.split().freeze()
    }
}

/// Whether a route took the change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Routed {
    /// One did.
    Taken,
    /// None matches the table.
    NoRoute,
}

/// Buffers that live longer than a row.
#[derive(Debug, Default)]
pub(crate) struct Scratch {
    pub before: Loaded,
    pub after: Loaded,
    pub texts: Texts,
}

/// Buffers for texts in the making.
#[derive(Debug, Default)]
pub(crate) struct Texts {
    pub tail: Tail,
    pub line: Vec<u8>,
    text: String,
    /// The name last rendered per plan: neighbours usually share it.
    names: Vec<Option<Arc<str>>>,
}

/// One image of the row in hand.
#[derive(Debug, Default)]
pub(crate) struct Loaded {
    pub cells: Cells,
    pub key: String,
    pub document: Vec<u8>,
    pub written: Written,
    pub moment: Option<Result<Moment>>,
    /// Not even the cells could be read: no filter can judge it.
    pub unreadable: bool,
    /// Columns of the row are not in it: no filter can judge that row.
    pub partial: bool,
}

impl Texts {
    /// Renders into the reused text and answers a shared copy; `plan` remembers the last one of a plan.
    pub fn share(
        &mut self,
        plan: Option<u32>,
        render: impl FnOnce(&mut String) -> Result<()>,
    ) -> Result<Arc<str>> {
        self.text.clear();
        render(&mut self.text)?;
        let Some(plan) = plan.and_then(|plan| usize::try_from(plan).ok()) else {
            return Ok(self.text.as_str().into());
        };
        if self.names.len() <= plan {
            self.names.resize(plan + 1, None);
        }
        let known = &mut self.names[plan];
        match known {
            Some(name) if **name == *self.text => Ok(Arc::clone(name)),
            _ => Ok(Arc::clone(known.insert(self.text.as_str().into()))),
        }
    }
}

/// The change in hand.
#[derive(Clone, Copy)]
pub(crate) struct Subject<'a> {
    pub batch: &'a Arc<CaptureBatch>,
    pub index: u32,
}
