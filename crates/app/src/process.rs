//! The running process of a file, as the other commands reach it: HTTP over the control socket in the data folder. When
//! nobody answers there, no process runs and the commands open the ledger themselves.

use std::io;
use std::path::Path;
use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;
use syncline_api as api;
use syncline_engine::error::{Code, Error, Result};
use tokio::net::UnixStream;

use crate::serve::socket::{self, Reach};
use crate::shape;

/// A process that answered.
pub struct Process {
    client: reqwest::Client,
    _reach: Reach,
}

impl Process {
    /// The process that uses this data folder, or `None` if there is none.
    pub async fn find(data: &Path) -> Result<Option<Process>> {
        let Ok(reach) = socket::reach(data, "control.sock") else { return Ok(None) };
        match UnixStream::connect(&reach.path).await {
            Ok(_) => {}
            Err(error) if nobody(&error) => return Ok(None),
            Err(error) => {
                let message = format!("the control socket in {} cannot be opened", data.display());
                return Err(Error::new(Code::NotRunning, message)
                    .cause(error)
                    .fix("use the user that runs syncline"));
            }
        }
        let client = reqwest::Client::builder()
            .unix_socket(reach.path.clone())
            .connect_timeout(Duration::from_secs(5))
            .no_proxy()
            .build()
            .map_err(|e| Error::new(Code::Internal, "the HTTP client cannot be made").cause(e))?;
        Ok(Some(Process { client, _reach: reach }))
    }

    /// Asks.
    pub async fn get<T: DeserializeOwned>(&self, path: &str, query: &impl Serialize) -> Result<T> {
        answer(self.client.get(url(path)).query(query).send().await).await
    }

    /// Has something done.
    pub async fn post<T: DeserializeOwned>(&self, path: &str, body: &impl Serialize) -> Result<T> {
        answer(self.client.post(url(path)).json(body).send().await).await
    }
}

/// The host is not looked at: the socket says where.
fn url(path: &str) -> String {
    format!("http://localhost{path}")
}

fn nobody(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused)
}

async fn answer<T: DeserializeOwned>(sent: reqwest::Result<reqwest::Response>) -> Result<T> {
    let broken = |e: reqwest::Error| {
        Error::new(Code::NotRunning, "the running process did not answer").cause(e.without_url())
    };
    let response = sent.map_err(broken)?;
    let good = response.status().is_success();
    let body = response.bytes().await.map_err(broken)?;
    if good {
        return serde_json::from_slice(&body).map_err(|e| not_ours(&e));
    }
    Err(serde_json::from_slice::<api::Problem>(&body).map_or_else(|e| not_ours(&e), shape::error_from))
}

fn not_ours(error: &serde_json::Error) -> Error {
    Error::new(Code::NotRunning, "the running process is of another version").cause(error)
}
