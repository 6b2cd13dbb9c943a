//! From a change to the lines of one dialect. What a dialect makes of a value is its own module's.

use std::collections::HashMap;
use std::sync::Arc;

use syncline_engine::change::Change;
use syncline_engine::error::{Code, Error, Result};
use syncline_engine::route::{CapturedLines, Pattern, PipelineSpec};
use syncline_engine::schema::TableSchema;

use super::{canal, debezium, maxwell};
use crate::arguments::Dialect;
use crate::config::Config;

/// Makes lines of one pipeline's changes.
pub struct Lines {
    dialect: Dialect,
    /// Name and kind of the source, as Debezium shows them.
    pub server: Server,
    keys: Vec<(Pattern, Vec<String>)>,
    ours: HashMap<u64, CapturedLines>,
    /// Numbers the lines of Canal.
    number: u64,
}

/// What a dialect says of the server.
pub struct Server {
    /// The pipeline's name.
    pub name: String,
    /// `mysql` or `sqlite`.
    pub connector: String,
}

impl Lines {
    /// Lines of this pipeline in this dialect.
    pub fn new(dialect: Dialect, spec: &PipelineSpec, config: &Config) -> Lines {
        let connector = config.connections.get(&spec.source.connection).map_or("", |c| c.scheme());
        let server = Server { name: spec.name.clone(), connector: connector.to_owned() };
        let named = spec.routes.iter().filter_map(|r| {
            let key = r.key.clone()?;
            Some((Pattern::parse(&r.table).ok()?, key))
        });
        Lines { dialect, server, keys: named.collect(), ours: HashMap::new(), number: 0 }
    }

    /// The lines of a change, each with its line feed.
    pub fn of(&mut self, change: &Change) -> Vec<Result<String>> {
        let key = self.key(&change.schema);
        self.number += 1;
        let mut text = Vec::new();
        let written = match self.dialect {
            Dialect::Syncline => {
                let id = change.schema.id;
                // A new schema for every ALTER: the old ones are not worth keeping.
                if self.ours.len() > 1000 {
                    self.ours.clear();
                }
                let lines = self.ours.entry(id).or_insert_with(|| CapturedLines::new(&change.schema, &key));
                lines.write(change, &mut text);
                Ok(())
            }
            Dialect::Debezium => debezium::write(change, &key, &self.server, &mut text),
            Dialect::Canal => canal::write(change, &key, self.number, &mut text),
            Dialect::Maxwell => maxwell::write(change, &key, &mut text),
        };
        if let Err(error) = written {
            return vec![Err(error)];
        }
        let whole =
            String::from_utf8(text).map_err(|e| Error::new(Code::Internal, "a line is not UTF-8").cause(e));
        match whole {
            Ok(whole) => whole.split_inclusive('\n').map(|line| Ok(line.to_owned())).collect(),
            Err(error) => vec![Err(error)],
        }
    }

    /// Columns of the route's `key:`, else of the primary key.
    fn key(&self, schema: &Arc<TableSchema>) -> Vec<usize> {
        let named = self.keys.iter().find(|(table, _)| table.matches(&schema.name, true));
        match named {
            Some((_, columns)) => columns.iter().filter_map(|c| schema.column(c)).collect(),
            None => schema.primary_key.clone(),
        }
    }
}
