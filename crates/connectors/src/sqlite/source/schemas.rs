//! Tables' columns as handed to the engine: the same columns are the same object, so that plans made for them stay good.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use syncline_engine::schema::TableSchema;

/// The newest columns of each table.
#[derive(Default)]
pub struct Schemas {
    newest: Mutex<HashMap<Arc<str>, Arc<TableSchema>>>,
}

impl Schemas {
    /// The object for these columns.
    pub fn known(&self, schema: TableSchema) -> Arc<TableSchema> {
        let mut newest = self.newest.lock().unwrap_or_else(PoisonError::into_inner);
        match newest.get(&schema.name) {
            Some(known) if known.columns == schema.columns && known.primary_key == schema.primary_key => {
                Arc::clone(known)
            }
            _ => {
                let schema = Arc::new(schema);
                newest.insert(Arc::clone(&schema.name), Arc::clone(&schema));
                schema
            }
        }
    }
}
