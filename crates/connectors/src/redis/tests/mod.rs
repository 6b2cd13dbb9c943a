//! What the tests of the Redis sink share: sinks, servers of their own that they may hurt, and a plain look into a server.

mod cluster;
mod config;
mod encode;
mod faults;
mod gate;
mod scan;
mod sentinel;

use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use syncline_engine::route::{TargetKind, TargetPlan, TargetSpec};
use syncline_engine::sink::{Delivery, Outcome, Sink};
use syncline_engine::version::Version;

use super::RedisSink;
use crate::testing::{connection, pipeline, plan, target};

/// A sink of the pipeline `name` on the server at `url`.
fn sink(url: &str, name: &str) -> RedisSink {
    super::sink(&connection("hot", url), &pipeline(name, vec![])).unwrap()
}

/// A `key:` target with whatever `change` does to it.
fn key_plan(change: impl FnOnce(&mut TargetSpec)) -> Arc<TargetPlan> {
    let mut spec = target(TargetKind::Cache, "hot", "order:{id}");
    change(&mut spec);
    plan(spec)
}

fn version(number: u64) -> Version {
    Version::from_number(0, number)
}

async fn apply_one(sink: &RedisSink, delivery: Delivery) -> Outcome {
    sink.apply(std::slice::from_ref(&delivery)).await.unwrap().remove(0)
}

/// Asks a server without any of our code.
fn look<T: redis::FromRedisValue>(url: &str, words: &[&str]) -> T {
    try_look(url, words).unwrap()
}

fn try_look<T: redis::FromRedisValue>(url: &str, words: &[&str]) -> redis::RedisResult<T> {
    let mut link = redis::Client::open(url)?.get_connection_with_timeout(Duration::from_secs(5))?;
    let mut command = redis::cmd(words[0]);
    words[1..].iter().for_each(|word| _ = command.arg(*word));
    command.query(&mut link)
}

/// Waits for what takes a moment in servers.
fn wait_for(what: &str, mut holds: impl FnMut() -> bool) {
    let began = Instant::now();
    while !holds() {
        assert!(began.elapsed() < Duration::from_secs(30), "not within 30 s: {what}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// A server of a test's own; ends with it.
struct Server {
    process: Child,
    port: u16,
    folder: tempfile::TempDir,
}

impl Server {
    fn start(options: &[&str]) -> Server {
        Server::start_at(free_port(), options)
    }

    fn start_at(port: u16, options: &[&str]) -> Server {
        let folder = tempfile::tempdir().unwrap();
        let process = Command::new("redis-server")
            .args(options)
            .args(["--port", &port.to_string(), "--bind", "127.0.0.1", "--save", ""])
            .current_dir(&folder)
            .stdout(Stdio::null())
            .spawn()
            .expect("redis-server is installed by: tests/services/services.sh install redis");
        let server = Server { process, port, folder };
        wait_for("redis-server listens", || TcpStream::connect(("127.0.0.1", port)).is_ok());
        server
    }

    fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    fn look<T: redis::FromRedisValue>(&self, words: &[&str]) -> T {
        look(&self.url(), words)
    }

    fn kill(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.kill();
    }
}

/// A port whose partner 10000 above, the cluster bus, is free too.
fn free_port() -> u16 {
    let free = |port: u16| TcpListener::bind(("127.0.0.1", port)).is_ok();
    loop {
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let port = 20_000 + port % 10_000;
        if free(port) && free(port + 10_000) {
            return port;
        }
    }
}
