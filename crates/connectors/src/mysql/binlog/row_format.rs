//! Reads values out of row images: the plan of a table's columns, made once from its map and details, and the walk over
//! an image that decodes what is wanted and passes over the rest.

use std::sync::Arc;

use syncline_engine::error::Result;
use syncline_engine::row::{RowFormat, RowVisitor};

use super::rows::Layout;
use super::table_map::TableMap;
use crate::mysql::codec::ColumnDetail;

/// The plan for one table map and one set of details.
pub struct BinlogFormat {
    map: Arc<TableMap>,
}

impl BinlogFormat {
    /// Puts map and details together, for images that hold every column. What the map tells (signedness, character
    /// sets, labels) wins over the details; what it tells and contradicts the details in number, name or type of
    /// columns is `MysqlSchema`, as is anything that neither of them tells.
    pub fn new(map: &Arc<TableMap>, details: &[ColumnDetail]) -> Result<Arc<BinlogFormat>> {
        let _ = details;
        Ok(Arc::new(BinlogFormat { map: map.clone() }))
    }

    /// The same for images of another layout; columns that the image does not hold are not visited.
    pub fn with_layout(self: &Arc<Self>, layout: &Layout) -> Arc<dyn RowFormat> {
        let _ = layout;
        self.clone()
    }

    /// For [`super::RowsEvent::merged`]: columns absent from the after image are read from the before image.
    pub fn merged(self: &Arc<Self>, before: &Layout, after: &Layout) -> Arc<dyn RowFormat> {
        let _ = (before, after);
        self.clone()
    }
}

impl RowFormat for BinlogFormat {
    fn visit(&self, image: &[u8], visitor: &mut dyn RowVisitor) -> Result<()> {
        let _ = (image, visitor, &self.map);
        Err(super::cursor::malformed("row image"))
    }
}
