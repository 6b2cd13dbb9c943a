//! Any column type with any metadata, character set and labels, and any bytes of a row: every value is read, full and
//! partial, merged and repacked, and written as JSON. The input is `table.rs`; half of it are values of a SELECT.
#![no_main]

use std::sync::Arc;

use libfuzzer_sys::fuzz_target;
use mysql_common::Row;
use mysql_common::constants::ColumnType;
use mysql_common::packets::Column;
use mysql_common::row::new_row;
use mysql_common::value::Value as Sql;
use syncline_connectors::mysql::binlog::{EventBody, kind};
use syncline_connectors::mysql::codec::{ColumnDetail, RowReader, select_list};
use syncline_fuzz::bounded;
use syncline_fuzz::bytes_in::Input;
use syncline_fuzz::fitting::details;
use syncline_fuzz::fixtures::{HEAD, picked};
use syncline_fuzz::reading::{Reader, told};
use syncline_fuzz::rendering::checked;
use syncline_fuzz::script::event;
use syncline_fuzz::table::{Table, flag};

const MARIADB: u8 = 0;
const MYSQL: u8 = 2;

fn read(data: &[u8]) {
    let mut input = Input::new(data);
    let table = Table::read(&mut input);
    let choices = table.choices();
    let fixture = picked(if table.has(flag::MARIADB) { MARIADB } else { MYSQL });
    let mut reader = Reader::new(false, &[], &choices);
    for event in &fixture.events[..HEAD] {
        reader.event(event).expect("a fixture's head");
    }
    let map = event(kind::TABLE_MAP, &table.map()).into();
    if table.select {
        let EventBody::TableMap { map, .. } =
            reader.decoder.decode_inner(&map).expect("columns make sense").body
        else {
            unreachable!("a table map is one");
        };
        return selected(&details(&map, &choices), &mut input);
    }
    reader.inner(&map).expect("columns make sense, and their details fit");
    let (event_type, body) = table.rows(&mut input);
    let _ = reader.inner(&event(event_type, &body).into()).map_err(told);
}

/// Rows of a SELECT, one after the other.
fn selected(details: &[ColumnDetail], input: &mut Input<'_>) {
    let mut reader = RowReader::new(details);
    let columns: Arc<[Column]> = details.iter().map(|_| Column::new(ColumnType::MYSQL_TYPE_NULL)).collect();
    for detail in details {
        let _ = select_list(detail);
        let _ = detail.column();
    }
    let mut text = Vec::new();
    while !input.is_empty() {
        let row: Row = new_row(details.iter().map(|_| sql(input)).collect(), Arc::clone(&columns));
        for column in 0..details.len() {
            match reader.value(&row, column) {
                Ok(value) => {
                    text.clear();
                    checked(&mut text, value);
                }
                Err(error) => drop(told(error)),
            }
        }
    }
}

fn sql(input: &mut Input<'_>) -> Sql {
    match input.byte() {
        0 => Sql::NULL,
        1 => Sql::Int(input.long().cast_signed()),
        2 => Sql::UInt(input.long()),
        3 => Sql::Float(f32::from_bits(input.long() as u32)),
        4 => Sql::Double(f64::from_bits(input.long())),
        5 => {
            let (year, micros) = (input.short(), u32::from(input.short()) << 5);
            let [month, day, hour, minute, second] = [(); 5].map(|()| input.byte());
            Sql::Date(year, month, day, hour, minute, second, micros)
        }
        6 => {
            let (days, micros) = (u32::from(input.short()) << (input.byte() & 16), input.short());
            let [negative, hour, minute, second] = [(); 4].map(|()| input.byte());
            Sql::Time(negative & 1 == 1, days, hour, minute, second, u32::from(micros) << 5)
        }
        long @ 7..=15 => {
            let len = usize::from(input.short());
            Sql::Bytes(input.take(len << (long & 1)).to_vec())
        }
        len => Sql::Bytes(input.take(usize::from(len - 16)).to_vec()),
    }
}

fuzz_target!(|data: &[u8]| bounded(data, || read(data)));
