//! Rows as dead letters keep them: both images in the packed format, each behind its length.

use bytes::Bytes;

use crate::change::Change;
use crate::packed;
use crate::row::RowImage;

const NONE: u32 = u32::MAX;

/// Both images of a change. An image that cannot be read (its refusal may be why it is kept) is kept as none.
pub(crate) fn keep(change: &Change) -> Vec<u8> {
    let mut out = Vec::new();
    for image in [&change.before, &change.after] {
        let packed = image.as_ref().and_then(|image| packed::repack(image, change.schema.columns.len()).ok());
        match packed {
            Some(bytes) => {
                out.extend_from_slice(&(bytes.len() as u32).to_le_bytes());
                out.extend_from_slice(&bytes);
            }
            None => out.extend_from_slice(&NONE.to_le_bytes()),
        }
    }
    out
}

/// The before and the after image again; damaged bytes give none.
pub(crate) fn read(kept: &[u8]) -> (Option<RowImage>, Option<RowImage>) {
    let mut rest = kept;
    (next(&mut rest), next(&mut rest))
}

fn next(rest: &mut &[u8]) -> Option<RowImage> {
    let (length, tail) = rest.split_first_chunk::<4>()?;
    *rest = tail;
    let length = u32::from_le_bytes(*length);
    if length == NONE {
        return None;
    }
    let (image, tail) = rest.split_at_checked(length as usize)?;
    *rest = tail;
    Some(packed::image(Bytes::copy_from_slice(image)))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::change::{Operation, Origin};
    use crate::schema::{Column, ColumnKind, TableSchema};
    use crate::value::{OwnedValue, Value};
    use crate::version::Version;

    #[test]
    fn both_images_come_back_and_damage_is_none() {
        let column = Column { name: "id".into(), kind: ColumnKind::Any, nullable: false };
        let mut writer = packed::Writer::new();
        writer.push(Value::Int(7));
        let change = Change {
            schema: Arc::new(TableSchema::new("a", "b", vec![column], vec![0])),
            operation: Operation::Insert,
            before: None,
            after: Some(packed::image(writer.finish())),
            version: Version::ZERO,
            before_version: Version::ZERO,
            offset: 0,
            ordinal: 0,
            origin: Arc::new(Origin { server_id: 0, file: "".into(), gtid: None, committed_at: 0 }),
        };
        let kept = keep(&change);
        let (before, after) = read(&kept);
        assert!(before.is_none());
        let values = after.expect("kept").columns(&[0]).expect("readable");
        assert_eq!(values, [Some(OwnedValue::Int(7))]);
        assert!(read(&kept[..kept.len() - 1]).1.is_none());
        assert!(read(&[]).0.is_none());
    }
}
