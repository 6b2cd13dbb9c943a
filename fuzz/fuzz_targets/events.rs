//! A stream of events of one server, read to the last value. The input is `script.rs`: a fixture whose head comes first,
//! then events, plain, inside of payloads, or compressed as MariaDB does.
#![no_main]

use libfuzzer_sys::fuzz_target;
use syncline_connectors::mysql::binlog::Checksum;
use syncline_fuzz::bounded;
use syncline_fuzz::bytes_in::Input;
use syncline_fuzz::fixtures::{HEAD, picked};
use syncline_fuzz::reading::{Reader, told};
use syncline_fuzz::script::{VERIFY, Way, deflated, payload, sent, sized, step};

/// How an event must come for payloads to be closed before it.
fn send(reader: &mut Reader<'_>, way: Way, event: &[u8]) {
    let format = reader.decoder.format().cloned();
    let summed = format.as_ref().is_some_and(|format| format.checksum == Checksum::Crc32);
    let event = match way {
        Way::Deflated(plain) => deflated(event, plain, summed),
        _ => event.to_vec(),
    };
    let _ = reader.event(&sent(event, format.as_deref())).map_err(told);
}

fn read(data: &[u8]) {
    let mut input = Input::new(data);
    let first = input.byte();
    let fixture = picked(first & !VERIFY);
    let mut reader = Reader::new(first & VERIFY != 0, &fixture.details, &[]);
    for event in &fixture.events[..HEAD] {
        reader.event(event).expect("a fixture's head");
    }
    let (mut inside, mut inside_way) = (Vec::new(), Way::Inside);
    while let Some((way, event)) = step(&mut input) {
        let joins = matches!(way, Way::Inside | Way::InsidePlain);
        if !inside.is_empty() && (!joins || way != inside_way) {
            send(&mut reader, Way::Plain, &payload(&inside, inside_way == Way::Inside));
            inside.clear();
        }
        if joins {
            inside_way = way;
            inside.extend(sized(event.to_vec()));
        } else {
            send(&mut reader, way, event);
        }
    }
    if !inside.is_empty() {
        send(&mut reader, Way::Plain, &payload(&inside, inside_way == Way::Inside));
    }
}

fuzz_target!(|data: &[u8]| bounded(data, || read(data)));
