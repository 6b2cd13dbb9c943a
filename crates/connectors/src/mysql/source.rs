//! The source of a pipeline: streams, readers, marks and findings over one connection's configuration.

use std::sync::Arc;

use async_trait::async_trait;
use syncline_engine::error::{Error, Result};
use syncline_engine::ledger::Ledger;
use syncline_engine::position::StoredPosition;
use syncline_engine::route::PipelineSpec;
use syncline_engine::schema::TableSchema;
use syncline_engine::source::{CaptureStream, HighMark, Recent, Source, TableReader};
use tokio::sync::mpsc;

use super::config::MysqlConfig;
use super::context::Context;
use super::reader::{self, Reached};
use super::stream::MysqlStream;
use super::{named, schema};
use crate::connection::ConnectionSpec;

/// A MySQL or MariaDB server as a source.
pub struct MysqlSource {
    context: Arc<Context>,
}

impl MysqlSource {
    /// Connects to nothing yet.
    pub fn new(
        connection: &ConnectionSpec,
        spec: &PipelineSpec,
        ledger: Arc<dyn Ledger>,
    ) -> Result<MysqlSource> {
        let config = MysqlConfig::parse(connection)?;
        Ok(MysqlSource { context: Arc::new(Context::new(config, spec, ledger)?) })
    }
}

#[async_trait]
impl Source for MysqlSource {
    async fn tables(&self) -> Result<Vec<Arc<TableSchema>>> {
        let mut session = self.context.session().await?;
        let names = schema::list(&mut session, &self.context.selection).await?;
        let tables = schema::read(&mut session, &names).await?;
        // One that cannot be read is a finding of `check` and halts alone in the stream.
        let readable =
            tables.into_iter().filter_map(|(name, detail)| Some(Arc::new(detail.ok()?.schema(&name))));
        Ok(readable.collect())
    }

    async fn stream(&self, from: Option<&StoredPosition>) -> Result<Box<dyn CaptureStream>> {
        Ok(Box::new(MysqlStream::open(&self.context, from).await?))
    }

    fn reader(&self) -> Arc<dyn TableReader> {
        Arc::new(reader::MysqlReader::new(Arc::clone(&self.context)))
    }

    async fn position(&self, text: &str, known: &StoredPosition) -> Result<StoredPosition> {
        named::position(&self.context, text, known).await
    }

    async fn mark(&self) -> Result<Box<dyn HighMark>> {
        let mut session = self.context.session().await?;
        let epoch = self.context.ledger.pipeline(&self.context.pipeline).await?.epoch;
        Ok(Box::new(Reached(session.coordinate().await?.version(epoch)?)))
    }

    async fn recent(&self, since: i64, pieces: &mpsc::Sender<Recent>) -> Result<()> {
        super::stream::recent(&self.context, since, pieces).await
    }

    async fn acknowledge(&self, position: &StoredPosition) -> Result<()> {
        self.context.prune(position).await
    }

    async fn check(&self) -> Result<Vec<Error>> {
        super::check::run(&self.context).await
    }
}
