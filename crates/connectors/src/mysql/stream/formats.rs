//! How the images of one table map are read: plain when they hold every column, and from both images together when MariaDB
//! left out of the after image what did not change. Where columns are missing, the images say so (`complete.rs`).

use std::sync::Arc;

use syncline_engine::row::RowFormat;

use crate::mysql::binlog::{BinlogFormat, Layout, RowOperation, RowsEvent};
use crate::mysql::codec::ColumnDetail;

/// Formats of one table map, made as layouts turn up.
pub struct Formats {
    base: Arc<BinlogFormat>,
    plain: Arc<dyn RowFormat>,
    generated: Vec<bool>,
    /// The layouts of the last event that was not plain, and what was made of them.
    last: Option<(Option<Layout>, Option<Layout>, EventFormats)>,
}

/// How to read one event's images.
#[derive(Clone)]
pub struct EventFormats {
    pub before: Arc<dyn RowFormat>,
    pub after: Arc<dyn RowFormat>,
    /// The after image must be taken with [`RowsEvent::merged`].
    pub merged: bool,
    /// The after image lacks columns.
    pub partial: bool,
}

impl Formats {
    pub fn new(base: Arc<BinlogFormat>, columns: &[ColumnDetail]) -> Formats {
        let plain: Arc<dyn RowFormat> = base.clone();
        Formats { base, plain, generated: columns.iter().map(|c| c.generated).collect(), last: None }
    }

    /// Formats for an event.
    pub fn of(&mut self, event: &RowsEvent) -> EventFormats {
        let (before, after) = (event.before(), event.after());
        if before.is_none_or(Layout::is_full) && after.is_none_or(Layout::is_full) {
            let plain = &self.plain;
            return EventFormats {
                before: plain.clone(),
                after: plain.clone(),
                merged: false,
                partial: false,
            };
        }
        if let Some((b, a, formats)) = &self.last
            && b.as_ref() == before
            && a.as_ref() == after
        {
            return formats.clone();
        }
        let formats = self.make(event.operation, before, after);
        self.last = Some((before.cloned(), after.cloned(), formats.clone()));
        formats
    }

    fn make(&self, operation: RowOperation, before: Option<&Layout>, after: Option<&Layout>) -> EventFormats {
        let whole = |layout: Option<&Layout>| layout.is_none_or(|l| self.is_whole(l));
        let reads = |layout: Option<&Layout>| match layout {
            Some(found) if whole(layout) => self.base.with_layout(found),
            Some(found) => self.base.partial(found),
            None => self.plain.clone(),
        };
        let partial = !whole(after);
        let mut formats = EventFormats { before: reads(before), after: reads(after), merged: false, partial };
        if let (RowOperation::Update, Some(before), Some(after)) = (operation, before, after)
            && partial
            && self.is_whole(before)
            && !after.partial_json
        {
            formats.after = self.base.merged(before, after);
            (formats.merged, formats.partial) = (true, false);
        }
        formats
    }

    /// Whether only generated columns are missing: servers leave virtual ones out.
    fn is_whole(&self, layout: &Layout) -> bool {
        !layout.partial_json
            && layout.present.len() == self.generated.len()
            && self.generated.iter().enumerate().all(|(n, generated)| *generated || layout.present.get(n))
    }
}
