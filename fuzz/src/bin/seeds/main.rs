//! Writes the first inputs of every target into `corpus/TARGET`: events, rows and columns of real servers, the statements
//! of the tests, a login and a dump. It is no target, though cargo-fuzz builds it like one; `fuzz/run` starts it.

mod events;
mod packets;
mod texts;
mod values;

use std::fs;
use std::io;
use std::path::Path;

fn main() -> io::Result<()> {
    let all = [
        ("events", events::seeds()),
        ("values", values::seeds()),
        ("statements", texts::statements()),
        ("packets", packets::seeds()),
        ("identifiers", texts::identifiers()),
    ];
    for (target, seeds) in all {
        let folder = Path::new("corpus").join(target);
        fs::create_dir_all(&folder)?;
        println!("{target}: {} seeds", seeds.len());
        for (n, seed) in seeds.iter().enumerate() {
            let file = folder.join(format!("seed-{n:03}"));
            if !file.exists() {
                fs::write(file, seed)?;
            }
        }
    }
    Ok(())
}
