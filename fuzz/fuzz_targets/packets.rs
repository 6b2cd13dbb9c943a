//! A server that says anything at all: greeting, login, replies to statements, the dump. The real client speaks to it
//! over a socket of this machine. The first byte says what the client is after, the second in how large pieces the bytes
//! come; the rest is what the server sends.
#![no_main]

use std::sync::LazyLock;
use std::time::Duration;

use libfuzzer_sys::fuzz_target;
use syncline_connectors::mysql::binlog::Decoder;
use syncline_connectors::mysql::reach::{BinaryRow, Dump, DumpStart, Endpoint, MysqlConfig, Wire};
use syncline_engine::error::Result;
use syncline_fuzz::bounded;
use syncline_fuzz::reading::told;
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::{Builder, Runtime};

const PATIENCE: Duration = Duration::from_secs(5);
const MOST_EVENTS: usize = 1_000;

/// The bits of the first byte.
mod wish {
    pub const PASSWORD: u8 = 0x01;
    pub const MARIADB: u8 = 0x02;
    pub const QUERIES: u8 = 0x04;
    pub const GTIDS: u8 = 0x08;
    pub const AT_ONCE: u8 = 0x10;
}

struct Stage {
    runtime: Runtime,
    listener: TcpListener,
    endpoint: Endpoint,
}

/// One thread, and one socket that listens for all inputs.
static STAGE: LazyLock<Stage> = LazyLock::new(|| {
    let runtime = Builder::new_current_thread().enable_all().event_interval(1).build().expect("a runtime");
    let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).expect("a free port");
    let port = listener.local_addr().expect("a bound socket").port();
    Stage { runtime, listener, endpoint: Endpoint { host: "127.0.0.1".into(), port } }
});

fn config(wishes: u8) -> MysqlConfig {
    MysqlConfig {
        name: "fuzz".into(),
        endpoints: vec![STAGE.endpoint.clone()],
        user: "syncline".into(),
        password: if wishes & wish::PASSWORD != 0 { "secret".into() } else { String::new() },
        tls: None,
        connect_timeout: PATIENCE,
        request_timeout: PATIENCE,
    }
}

fn start(wishes: u8) -> DumpStart {
    match (wishes & wish::GTIDS != 0, wishes & wish::MARIADB != 0) {
        (true, true) => DumpStart::Behind { gtids: "0-1-5".into() },
        (true, false) => DumpStart::Gtid { encoded: vec![0; 8] },
        _ => DumpStart::File { name: "bin.000001".into(), offset: 4 },
    }
}

async fn client(wishes: u8) -> Result<()> {
    let mut wire = Wire::connect(&config(wishes), &STAGE.endpoint).await?;
    if wishes & wish::QUERIES != 0 {
        for _ in 0..8 {
            wire.query("SHOW GLOBAL VARIABLES").await?;
            wire.stream("SELECT 1", |columns, bytes| {
                let mut row = BinaryRow::new(columns, &bytes)?;
                columns.iter().try_for_each(|_| row.next().map(drop))
            })
            .await?;
        }
    }
    let mut dump = Dump::start(wire, 7, wishes & wish::MARIADB != 0, &start(wishes)).await?;
    let mut decoder = Decoder::new(false);
    for _ in 0..MOST_EVENTS {
        let now = if wishes & wish::AT_ONCE != 0 { dump.next_now()? } else { None };
        let event = match now {
            Some(event) => event,
            None => dump.next().await?,
        };
        let _ = decoder.decode(&event).map_err(told);
    }
    Ok(())
}

/// Sends all, in pieces if it is told to, and then nothing more.
async fn server(socket: &mut TcpStream, said: &[u8], piece: u8) -> std::io::Result<()> {
    socket.set_nodelay(true)?;
    let piece = if piece == 0 { said.len().max(1) } else { usize::from(piece) * 16 };
    for part in said.chunks(piece) {
        socket.write_all(part).await?;
        tokio::task::yield_now().await;
    }
    socket.shutdown().await
}

fn run(data: &[u8]) {
    let (Some(wishes), Some(piece)) = (data.first(), data.get(1)) else { return };
    STAGE.runtime.block_on(async {
        let server = async {
            let (mut socket, _) = STAGE.listener.accept().await.expect("the client connects");
            // It may have gone away before all was said.
            let _ = server(&mut socket, &data[2..], *piece).await;
            socket
        };
        let (_socket, end) = tokio::join!(server, client(*wishes));
        let _ = end.map_err(told);
    });
}

fuzz_target!(|data: &[u8]| {
    LazyLock::force(&STAGE);
    bounded(data, || run(data));
});
