//! Any column type with any metadata, character set and labels, and any bytes of a row: every value is read, full and
//! partial, merged and repacked, and written as JSON. The input is `table.rs`; half of it are values of a SELECT.
#![no_main]

use libfuzzer_sys::fuzz_target;
use syncline_connectors::mysql::binlog::{EventBody, kind};
use syncline_connectors::mysql::codec::{ColumnDetail, ResultFormat, select_list};
use syncline_connectors::mysql::reach::ResultColumn;
use syncline_engine::error::Result;
use syncline_engine::row::{RowFormat, RowVisitor};
use syncline_engine::value::Value;
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

/// Rows of a SELECT, one after the other, in columns of any type.
fn selected(details: &[ColumnDetail], input: &mut Input<'_>) {
    let columns: Vec<ResultColumn> = details.iter().map(|_| column(input)).collect();
    let format = ResultFormat::new(&columns, details).expect("as many columns as details");
    for detail in details {
        let _ = select_list(detail);
        let _ = detail.column();
    }
    let mut text = Checked(Vec::new());
    while !input.is_empty() {
        let len = usize::from(input.byte());
        let image = [&[0], input.take(len << (len & 1))].concat();
        let _ = format.visit(&image, &mut text).map_err(told);
    }
}

fn column(input: &mut Input<'_>) -> ResultColumn {
    let mut definition = vec![0; 6];
    definition.extend_from_slice(&[12, 63, 0, 20, 0, 0, 0, input.byte(), input.byte(), 0, 0, 0, 0]);
    ResultColumn::parse(&definition).expect("a whole definition")
}

struct Checked(Vec<u8>);

impl RowVisitor for Checked {
    fn wants(&self, _: usize) -> bool {
        true
    }

    fn value(&mut self, _: usize, value: Value<'_>) -> Result<()> {
        self.0.clear();
        checked(&mut self.0, value);
        Ok(())
    }
}

fuzz_target!(|data: &[u8]| bounded(data, || read(data)));
