//! A folder with a shop and a pipeline file, and the binary run in it.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

/// How long anything here may take on a busy machine.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// What most tests run: everything to standard output.
pub const TO_STDOUT: &str = r#"version: 1
connections:
  shop: sqlite:shop.db
pipelines:
  shop:
    source: { connection: shop, tables: ["main.*"] }
    routes:
      - table: main.things
        to: [{ stdout: true }]
"#;

pub struct Stage {
    folder: tempfile::TempDir,
}

impl Stage {
    /// With this pipeline file and a shop of three things.
    pub fn new(file: &str) -> Stage {
        let stage = Stage { folder: tempfile::tempdir().unwrap() };
        std::fs::write(stage.path("shop.yaml"), file).unwrap();
        stage.sql(
            "PRAGMA journal_mode = WAL;
             CREATE TABLE things (id INTEGER PRIMARY KEY, name TEXT NOT NULL);
             INSERT INTO things VALUES (1, 'one'), (2, 'two'), (3, 'three');",
        );
        stage
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Changes the shop as another program would.
    pub fn sql(&self, statements: &str) {
        let shop = rusqlite::Connection::open(self.path("shop.db")).unwrap();
        shop.busy_timeout(PATIENCE).unwrap();
        shop.execute_batch(statements).unwrap();
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_syncline"));
        command.args(arguments).current_dir(self.folder.path()).stdin(Stdio::null());
        for variable in ["SYNCLINE_LOG", "SYNCLINE_PHASE_LOG", "NO_COLOR"] {
            command.env_remove(variable);
        }
        command
    }

    /// Runs a command to its end.
    pub fn run(&self, arguments: &[&str]) -> Done {
        Done::of(&self.command(arguments).output().unwrap())
    }

    /// Runs with more environment.
    pub fn run_with(&self, arguments: &[&str], variables: &[(&str, &str)]) -> Done {
        Done::of(&self.command(arguments).envs(variables.iter().copied()).output().unwrap())
    }

    /// Starts a command and lets it run.
    pub fn start(&self, arguments: &[&str]) -> Running {
        let child = self.command(arguments).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        Running { child: Some(child) }
    }

    /// Starts `run shop.yaml` and waits until it streams.
    pub fn streaming(&self) -> Running {
        let running = self.start(&["run", "shop.yaml"]);
        self.wait("streaming", || self.state() == "streaming");
        running
    }

    pub fn status(&self) -> Value {
        self.run(&["status", "shop.yaml", "--json"]).json()
    }

    pub fn state(&self) -> String {
        self.status()["pipelines"][0]["state"].as_str().unwrap().to_owned()
    }

    /// Waits until it is so.
    pub fn wait(&self, what: &str, is_so: impl Fn() -> bool) {
        let began = Instant::now();
        while !is_so() {
            assert!(began.elapsed() < PATIENCE, "still not {what}: {}", self.status());
            std::thread::sleep(Duration::from_millis(50));
        }
    }
}

/// How a command ended.
pub struct Done {
    pub code: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

impl Done {
    fn of(output: &Output) -> Done {
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
        let done =
            Done { code: output.status.code(), stdout: text(&output.stdout), stderr: text(&output.stderr) };
        assert!(!done.stderr.contains("panicked"), "{}", done.stderr);
        done
    }

    /// Its code is this one.
    #[track_caller]
    pub fn ends(self, code: i32) -> Done {
        assert_eq!(self.code, Some(code), "stdout: {}\nstderr: {}", self.stdout, self.stderr);
        self
    }

    /// Standard output as one JSON value.
    #[track_caller]
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.stdout)
            .unwrap_or_else(|e| panic!("{e}: {:?} {}", self.stdout, self.stderr))
    }

    /// Standard output as JSON lines.
    #[track_caller]
    pub fn lines(&self) -> Vec<Value> {
        self.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }
}

/// A command that runs; killed if the test forgets it.
pub struct Running {
    child: Option<Child>,
}

impl Running {
    /// Sends a signal by name and waits for the end.
    pub fn signal(mut self, name: &str) -> Done {
        self.send(name);
        self.finish()
    }

    pub fn send(&mut self, name: &str) {
        let id = self.child.as_ref().unwrap().id().to_string();
        assert!(Command::new("kill").args(["-s", name, &id]).status().unwrap().success());
    }

    pub fn finish(&mut self) -> Done {
        Done::of(&self.child.take().unwrap().wait_with_output().unwrap())
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}
