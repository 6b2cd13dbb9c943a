//! Marks: places in the binlog that belong to what a SELECT saw.

use syncline_engine::error::Result;
use syncline_engine::position::Position;
use syncline_engine::source::HighMark;
use syncline_engine::version::Version;

use crate::mysql::client::Session;
use crate::mysql::server::Coordinate;

/// Passed once the stream stands at or behind a version.
pub struct Reached(pub Version);

impl HighMark for Reached {
    fn passed(&self, position: &Position) -> bool {
        position.version >= self.0
    }
}

/// The exact coordinate of what reads see now (MariaDB, Percona): all before it is visible, nothing behind it.
/// `None` on servers that do not tell.
pub async fn snapshot_coordinate(session: &mut Session) -> Result<Option<Coordinate>> {
    session.execute("START TRANSACTION WITH CONSISTENT SNAPSHOT").await?;
    let coordinate = snapshot_status(session).await;
    session.execute("COMMIT").await?;
    coordinate
}

/// The coordinate of the snapshot that is open.
pub async fn snapshot_status(session: &mut Session) -> Result<Option<Coordinate>> {
    let rows = session.texts("SHOW STATUS LIKE 'binlog_snapshot_%'").await?;
    let (mut file, mut offset) = (None, None);
    for row in rows {
        let mut row = row.into_iter();
        if let (Some(Some(name)), Some(Some(value))) = (row.next(), row.next()) {
            match name.to_ascii_lowercase().as_str() {
                "binlog_snapshot_file" => file = Some(value).filter(|f| !f.is_empty()),
                "binlog_snapshot_position" => offset = value.parse().ok(),
                _ => {}
            }
        }
    }
    Ok(file.zip(offset).map(|(file, offset)| Coordinate { file, offset }))
}
