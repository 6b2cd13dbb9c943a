//! Round trips, partial rows, and any bytes at all.

use proptest::prelude::*;

use super::*;
use crate::value::OwnedValue;

fn row(values: &[Option<OwnedValue>]) -> RowImage {
    let mut writer = Writer::new();
    write(&mut writer, values);
    image(writer.finish())
}

fn write(writer: &mut Writer, values: &[Option<OwnedValue>]) {
    for value in values {
        match value {
            Some(value) => writer.push(value.borrow()),
            None => writer.absent(),
        }
    }
}

fn read(row: &RowImage, columns: usize) -> Vec<Option<OwnedValue>> {
    row.columns(&(0..columns).collect::<Vec<_>>()).unwrap()
}

fn any_value() -> impl Strategy<Value = OwnedValue> {
    let date =
        (any::<u16>(), any::<u8>(), any::<u8>()).prop_map(|(year, month, day)| Date { year, month, day });
    let clock = (any::<u16>(), any::<u8>(), any::<u8>(), any::<u32>(), any::<u8>())
        .prop_map(|(hour, minute, second, micros, digits)| Clock { hour, minute, second, micros, digits });
    let bytes = prop::collection::vec(any::<u8>(), 0..40).prop_map(Vec::into_boxed_slice);
    let text = any::<String>().prop_map(String::into_boxed_str);
    prop_oneof![
        Just(OwnedValue::Null),
        any::<i64>().prop_map(OwnedValue::Int),
        any::<u64>().prop_map(OwnedValue::UInt),
        (-1e9f32..1e9).prop_map(OwnedValue::Float),
        (-1e99..1e99).prop_map(OwnedValue::Double),
        text.clone().prop_map(OwnedValue::Decimal),
        text.clone().prop_map(OwnedValue::Text),
        text.clone().prop_map(OwnedValue::ZeroDate),
        text.prop_map(OwnedValue::Json),
        prop::collection::vec(any::<String>().prop_map(Arc::from), 0..70).prop_map(OwnedValue::Set),
        bytes.clone().prop_map(OwnedValue::Bytes),
        bytes.clone().prop_map(OwnedValue::Vector),
        date.clone().prop_map(OwnedValue::Date),
        (any::<bool>(), clock.clone()).prop_map(|(negative, time)| OwnedValue::Time { negative, time }),
        (date, clock, any::<bool>()).prop_map(|(date, time, utc)| OwnedValue::DateTime { date, time, utc }),
        (any::<u32>(), bytes).prop_map(|(srid, wkb)| OwnedValue::Geometry { srid, wkb }),
    ]
}

fn any_row() -> impl Strategy<Value = Vec<Option<OwnedValue>>> {
    prop::collection::vec(prop::option::weighted(0.9, any_value()), 0..24)
}

proptest! {
    #[test]
    fn rows_read_back(first in any_row(), second in any_row()) {
        let mut writer = Writer::new();
        write(&mut writer, &first);
        let one = image(writer.finish());
        write(&mut writer, &second);
        let two = image(writer.finish());
        prop_assert_eq!(read(&one, first.len()), first);
        prop_assert_eq!(read(&two, second.len()), second);
    }

    #[test]
    fn unwanted_columns_are_skipped(values in any_row(), wanted in 0usize..24) {
        let found = row(&values).columns(&[wanted]).unwrap();
        prop_assert_eq!(found, vec![values.get(wanted).cloned().flatten()]);
    }

    #[test]
    fn repacking_changes_nothing(values in any_row()) {
        let original = row(&values);
        let again = image(repack(&original, values.len()).unwrap());
        prop_assert_eq!(read(&again, values.len()), values);
    }

    #[test]
    fn any_bytes_end_in_values_or_an_error(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let row = image(bytes.into());
        let every: Vec<usize> = (0..200).collect();
        for wanted in [&every[..], &[]] {
            if let Err(e) = row.columns(wanted) {
                prop_assert_eq!(e.code(), Code::RowDamaged);
            }
        }
    }

    #[test]
    fn a_cut_row_never_invents_a_value(values in any_row(), cut in 0usize..400) {
        let whole = row(&values);
        let cut = cut.min(whole.bytes.len());
        if let Ok(found) = image(whole.bytes.slice(..cut)).columns(&(0..values.len()).collect::<Vec<_>>()) {
            for (found, value) in found.iter().zip(&values) {
                prop_assert!(found.is_none() || found == value);
            }
        }
    }
}

#[test]
fn columns_missing_in_the_middle_stay_missing() {
    let values = vec![Some(OwnedValue::Int(-1)), None, Some(OwnedValue::Text("x".into())), None];
    let again = image(repack(&row(&values), 4).unwrap());
    assert_eq!(read(&again, 4), values);
}
