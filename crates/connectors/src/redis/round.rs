//! One round of a call: the deliveries of each master as one pipeline with the mark behind them, and what became of each.
//! How many rounds there are, and what the engine is told, is `sink.rs`'s.

use std::sync::Arc;

use redis::{Pipeline, Value};
use syncline_engine::error::{Code, Error, Result};
use syncline_engine::shown::Shown;
use syncline_engine::sink::{Delivery, Outcome};
use syncline_engine::version::Version;

use super::client::Connection;
use super::config::Host;
use super::encode;
use super::failure::{self, Refusal};
use super::fleet::Fleet;
use super::marks;
use super::scripts::Scripts;
use crate::token;

/// What became of a delivery in a round.
#[derive(Clone, Debug)]
pub enum Reply {
    Done(Outcome),
    /// The same again: the server has the scripts now.
    Again(Error),
    /// Again, once the masters are found anew.
    Elsewhere(Error),
    /// Not in this call.
    Later(Error),
    /// Not in any call.
    Fatal(Error),
}

/// The deliveries for one server.
pub struct Share<'a> {
    pub fleet: &'a Arc<Fleet>,
    pub scripts: &'a Scripts,
    pub shown: &'a Shown,
    pub host: &'a Host,
    /// Indices into `deliveries`.
    pub indices: &'a [usize],
    pub deliveries: &'a [Delivery],
}

impl Share<'_> {
    /// Sends the share and reads the replies. An `Err` is the connection's: all of the share may or may not have happened.
    pub async fn send(&self) -> Result<Vec<(usize, Reply)>> {
        let connection = self.fleet.connection(self.host).await?;
        let mut replies = Vec::with_capacity(self.indices.len());
        let mut pipeline = Pipeline::with_capacity(self.indices.len() + 1);
        let mut sent = Vec::with_capacity(self.indices.len());
        for index in self.indices {
            let delivery = &self.deliveries[*index];
            match self.command(delivery, connection.limit) {
                Ok(command) => {
                    pipeline.add_command(command);
                    sent.push(*index);
                }
                Err(error) if error.code() == Code::Internal => replies.push((*index, Reply::Fatal(error))),
                Err(error) => replies.push((*index, Reply::Done(Outcome::Refused(error)))),
            }
        }
        if !sent.is_empty() {
            self.add_mark(&mut pipeline, &sent);
            let answers = self.exchange(connection.clone(), &pipeline).await?;
            let answers = self.read(&sent, answers);
            if answers.iter().any(|reply| matches!(reply, Reply::Again(_))) {
                self.fleet.load_scripts(connection, self.host).await?;
            }
            replies.extend(sent.into_iter().zip(answers));
        }
        Ok(replies)
    }

    fn command(&self, delivery: &Delivery, limit: usize) -> Result<redis::Cmd> {
        let key = &*delivery.address.id;
        if !self.fleet.takes(key) {
            let what = format!("key `{key}`: its braces keep its tombstone out of its slot of the cluster");
            return Err(Error::new(Code::RedisRefused, what));
        }
        encode::command(self.scripts, delivery, limit)
    }

    /// Behind the writes, so that a mark that survives tells of writes that do: a replica has a master's commands in
    /// their order.
    fn add_mark(&self, pipeline: &mut Pipeline, sent: &[usize]) {
        let Some(mark) = self.fleet.mark(self.host) else { return };
        let highest = sent.iter().map(|index| self.deliveries[*index].version).max().unwrap_or(Version::ZERO);
        let script = self.scripts.mark.get_hash();
        let (known, fresh) = (self.shown.count(mark), token::draw());
        pipeline.cmd("EVALSHA").arg(script).arg(1).arg(mark).arg(highest.to_string()).arg(known).arg(fresh);
    }

    async fn exchange(&self, mut connection: Connection, pipeline: &Pipeline) -> Result<Vec<Value>> {
        let answers = connection.link.send_packed_commands(pipeline, 0, pipeline.len()).await;
        let answers = answers.map_err(|error| failure::of_connection(&error, self.host))?;
        if answers.len() == pipeline.len() {
            return Ok(answers);
        }
        let what = format!("Redis gave {} answers to {} commands", answers.len(), pipeline.len());
        Err(Error::new(Code::Interrupted, what))
    }

    /// One reply for each delivery that was sent. A delivery counts as done only if the mark behind it was written too.
    fn read(&self, sent: &[usize], answers: Vec<Value>) -> Vec<Reply> {
        let mut answers = answers.into_iter();
        let mut replies: Vec<Reply> = sent
            .iter()
            .zip(answers.by_ref())
            .map(|(index, answer)| read_answer(answer, &self.deliveries[*index]))
            .collect();
        let mark = answers.next();
        if let Some(Value::ServerError(error)) = mark {
            let failed = of_refusal(failure::of_reply(&error));
            let done = replies
                .iter_mut()
                .filter(|reply| matches!(reply, Reply::Done(Outcome::Applied | Outcome::Superseded)));
            done.for_each(|reply| *reply = failed.clone());
        } else if let (Some(answer), Some(name)) = (mark, self.fleet.mark(self.host))
            && let Some(mark) = marks::answer(answer)
        {
            self.shown.answered_beside_others(name, mark);
        }
        replies
    }
}

fn read_answer(answer: Value, delivery: &Delivery) -> Reply {
    let stored = match answer {
        Value::Int(1) => return Reply::Done(Outcome::Applied),
        Value::Int(0) => return Reply::Done(Outcome::Superseded),
        Value::ServerError(error) => return of_refusal(failure::of_reply(&error)),
        Value::BulkString(stored) => String::from_utf8_lossy(&stored).into_owned(),
        other => format!("{other:?}"),
    };
    let (key, ours) = (&delivery.address.id, delivery.version);
    let what = match Version::parse(&stored) {
        Some(version) => format!("key `{key}` has epoch {}, ours is {}", version.epoch(), ours.epoch()),
        None => {
            return Reply::Fatal(Error::new(Code::Internal, format!("key `{key}`: Redis answered {stored}")));
        }
    };
    Reply::Fatal(Error::new(Code::RedisForeign, what).cause(format!("stored version {stored}, ours {ours}")))
}

fn of_refusal(refusal: Refusal) -> Reply {
    match refusal {
        Refusal::NoScript => Reply::Again(failure::of_refusal(Refusal::NoScript)),
        Refusal::Moved(error) => Reply::Elsewhere(error),
        // Sent to another server at once, the write could meet a master that has not been elected yet: wait.
        Refusal::ReadOnly(error) => Reply::Later(error),
        // The new owner takes no command of two keys either (TRYAGAIN) before both or the whole slot are there: wait.
        Refusal::Ask(_, error) | Refusal::Retry(error) => Reply::Later(error),
        Refusal::Never(error) => Reply::Done(Outcome::Refused(error)),
        Refusal::Halt(error) => Reply::Fatal(error),
    }
}
