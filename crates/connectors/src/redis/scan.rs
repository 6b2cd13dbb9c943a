//! Walking what the masters hold of a target: SCAN with the pattern of a scope's ids, and the version of each key that
//! can be a document. Nothing is written; when masters are found anew is `sink.rs`'s.

use std::sync::Arc;

use redis::aio::MultiplexedConnection;
use redis::{Pipeline, Value};
use syncline_engine::error::{Code, Error, Result};
use syncline_engine::route::Scope;
use syncline_engine::sink::{Address, Held, Look};
use syncline_engine::version::Version;
use tokio::sync::mpsc;

use super::client;
use super::config::Host;
use super::encode;
use super::failure::{self, Refusal};
use super::fleet::Fleet;
use super::slots;

/// Keys that the server looks at in one step, and documents of one page.
const PAGE: usize = 1000;

/// What is walked.
pub struct Walk<'a> {
    pub fleet: &'a Fleet,
    pub scope: &'a Scope,
    pub look: Look,
    pub pages: &'a mpsc::Sender<Vec<Held>>,
}

/// The two forms in which a document may be stored: a target's format can have changed since.
#[derive(Clone, Copy)]
enum Form {
    Text,
    Hash,
}

impl Walk<'_> {
    /// One master after the other.
    pub async fn run(&self) -> Result<()> {
        // A pattern that cannot be told apart from a name: `holds` decides alone.
        let pattern = self.scope.ids().map_or_else(|| "*".to_owned(), |ids| glob(&ids));
        for host in self.fleet.masters() {
            self.master(host, &pattern).await?;
            if self.pages.is_closed() {
                break;
            }
        }
        Ok(())
    }

    async fn master(&self, host: &Host, pattern: &str) -> Result<()> {
        let mut link = self.fleet.connection(host).await?.link;
        let mut cursor = "0".to_owned();
        while !self.pages.is_closed() {
            let mut scan = redis::cmd("SCAN");
            scan.arg(&cursor).arg("MATCH").arg(pattern).arg("COUNT").arg(PAGE);
            let answer = client::ask(&mut link, &scan, host).await?;
            let (next, keys): (String, Vec<Vec<u8>>) = redis::from_redis_value(answer).map_err(|error| {
                let what = format!("Redis at {}:{} gives a strange answer to SCAN", host.0, host.1);
                Error::new(Code::Interrupted, what).cause(error)
            })?;
            let addresses: Vec<Address> = keys.into_iter().filter_map(|key| self.address(key)).collect();
            for some in addresses.chunks(PAGE) {
                let held = self.held(&mut link, host, some).await?;
                if !held.is_empty() && self.pages.send(held).await.is_err() {
                    return Ok(());
                }
            }
            if next == "0" {
                break;
            }
            cursor = next;
        }
        Ok(())
    }

    /// The address of a key that can be a document of the target.
    fn address(&self, key: Vec<u8>) -> Option<Address> {
        let id = String::from_utf8(key).ok().filter(|key| !slots::is_ours(key))?;
        let address = Address { target: Arc::default(), id: id.into() };
        self.scope.holds(&address).then_some(address)
    }

    async fn held(
        &self,
        link: &mut MultiplexedConnection,
        host: &Host,
        addresses: &[Address],
    ) -> Result<Vec<Held>> {
        let forms = match self.scope.plan.spec.hash {
            true => [Form::Hash, Form::Text],
            false => [Form::Text, Form::Hash],
        };
        let mut held = Vec::new();
        let mut left: Vec<&Address> = addresses.iter().collect();
        for form in forms {
            let mut others = Vec::new();
            let answers = form.read(link, host, &left, self.look.documents()).await?;
            for (address, answer) in left.into_iter().zip(answers) {
                match answer {
                    Value::BulkString(bytes) if !self.look.documents() => {
                        let version = form.version(&bytes).filter(|version| self.look.tells(*version));
                        let address = address.clone();
                        held.extend(version.map(|version| Held { address, version, document: None }));
                    }
                    answer @ (Value::BulkString(_) | Value::Array(_) | Value::Map(_)) => {
                        held.extend(encode::stored(answer).map(|stored| stored.at(address)));
                    }
                    Value::ServerError(error) => match failure::of_reply(&error) {
                        // Of another type.
                        Refusal::Never(_) => others.push(address),
                        // A key of a slot that is moving is on one of two masters, and could be missed at both.
                        refusal => return Err(failure::of_refusal(refusal)),
                    },
                    // Gone meanwhile, or without a version.
                    _ => {}
                }
            }
            left = others;
            if left.is_empty() {
                break;
            }
        }
        if self.look.documents() {
            // Neither text nor hash: somebody else's, in a document's place.
            held.extend(left.into_iter().map(|address| encode::Stored::strange().at(address)));
        }
        Ok(held)
    }
}

impl Form {
    async fn read(
        self,
        link: &mut MultiplexedConnection,
        host: &Host,
        addresses: &[&Address],
        documents: bool,
    ) -> Result<Vec<Value>> {
        let mut pipeline = Pipeline::with_capacity(addresses.len());
        for address in addresses {
            match self {
                Form::Text if documents => pipeline.cmd("GET").arg(&*address.id),
                Form::Hash if documents => pipeline.cmd("HGETALL").arg(&*address.id),
                Form::Text => pipeline.cmd("GETRANGE").arg(&*address.id).arg(0).arg(encode::VERSION_END),
                Form::Hash => pipeline.cmd("HGET").arg(&*address.id).arg(encode::VERSION),
            };
        }
        let answers = link.send_packed_commands(&pipeline, 0, pipeline.len()).await;
        let answers = answers.map_err(|error| failure::of_connection(&error, host))?;
        if answers.len() == addresses.len() {
            return Ok(answers);
        }
        let what = format!("Redis gave {} answers to {} commands", answers.len(), addresses.len());
        Err(Error::new(Code::Interrupted, what))
    }

    fn version(self, bytes: &[u8]) -> Option<Version> {
        match self {
            Form::Text => encode::version_of_text(bytes),
            Form::Hash => encode::version_of_field(bytes),
        }
    }
}

/// As SCAN reads patterns: `*` stands for any characters, everything else for itself.
pub fn glob(ids: &str) -> String {
    let mut pattern = String::with_capacity(ids.len());
    for c in ids.chars() {
        if matches!(c, '?' | '[' | ']' | '^' | '\\') {
            pattern.push('\\');
        }
        pattern.push(c);
    }
    pattern
}
