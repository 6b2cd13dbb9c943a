//! Sends deliveries as bulks and settles each one: cuts them to size, splits what the server takes only in smaller
//! pieces, and turns each item's answer into a settlement. Which indices there are is `index.rs`.

use std::sync::Arc;

use bytes::Bytes;
use reqwest::Method;
use syncline_engine::error::{Code, Error, Result};
use syncline_engine::sink::Delivery;

use super::client::{Client, Payload};
use super::encode::{Buffers, Encoder, item_size};
use super::names::in_path;
use super::pace::Pace;
use super::reply::{BULK_FILTER, Class, Failure, Items, bulk_items};

/// What became of one item.
#[derive(Debug)]
pub(super) enum Settled {
    Applied,
    /// Refused by a version, which is told if the server told it.
    Conflict(Option<u64>),
    /// Its index does not exist.
    NoIndex,
    Retry(Error),
    Refused(Error),
}

/// What sending needs.
pub(super) struct Bulks<'a> {
    pub client: &'a Client,
    pub pace: &'a Pace,
    pub buffers: &'a Buffers,
    pub lanes: usize,
    /// The largest request the server takes.
    pub max_request: usize,
}

enum Posted {
    Items(Items),
    /// The body as a whole was refused, for its size or for one of its lines: try smaller pieces.
    Split(Failure),
}

impl Bulks<'_> {
    /// Sends `pending` (places in `deliveries`) and hands each place with what became of it to `settle`. `Err`: the
    /// rest may or may not have happened.
    pub(super) async fn send(
        &self,
        deliveries: &[Delivery],
        pending: &[usize],
        mut settle: impl FnMut(usize, Settled) + Send,
    ) -> Result<()> {
        if pending.is_empty() {
            return Ok(());
        }
        let mut pieces = vec![pending];
        while let Some(piece) = pieces.pop() {
            let (piece, rest) = piece.split_at(self.fitting(deliveries, piece));
            if !rest.is_empty() {
                pieces.push(rest);
            }
            let (body, path, guards) = self.write(deliveries, piece);
            let size = body.len();
            match self.post(&path, body, piece.len(), guards).await? {
                Posted::Items(items) => self.settle(piece, items, &mut settle),
                Posted::Split(failure) if piece.len() == 1 => {
                    settle(piece[0], Settled::Refused(refused(&failure)))
                }
                Posted::Split(failure) => {
                    if failure.class() == Class::TooLarge {
                        self.pace.smaller(size);
                    }
                    let (first, second) = piece.split_at(piece.len() / 2);
                    pieces.push(second);
                    pieces.push(first);
                }
            }
        }
        Ok(())
    }

    /// How many of the first items make one bulk: at least one.
    fn fitting(&self, deliveries: &[Delivery], piece: &[usize]) -> usize {
        let (items, bytes) = (self.pace.items(), self.pace.bytes().min(self.max_request));
        let mut size = 0;
        let fits = |at: &&usize| {
            size += item_size(&deliveries[**at]);
            size <= bytes
        };
        piece.iter().take(items).take_while(fits).count().clamp(1, piece.len())
    }

    fn write(&self, deliveries: &[Delivery], piece: &[usize]) -> (Bytes, String, usize) {
        let first: &Arc<str> = &deliveries[piece[0]].address.target;
        let single = piece.iter().all(|at| deliveries[*at].address.target == *first);
        let mut encoder = Encoder::new(self.buffers.take(), single);
        for at in piece {
            encoder.item(&deliveries[*at]);
        }
        let (body, guards) = encoder.finish();
        let path = if single { bulk_path(Some(first)) } else { bulk_path(None) };
        (body, path, guards)
    }

    async fn post(&self, path: &str, body: Bytes, items: usize, guards: usize) -> Result<Posted> {
        let reply = self.client.send(Method::POST, path, Payload::Lines(body.clone())).await?;
        self.buffers.give_back(body, self.lanes);
        if reply.status == 200 {
            return bulk_items(&reply.body, items + guards).map(Posted::Items);
        }
        let failure = Failure::of(&reply);
        if splits(&failure) {
            return Ok(Posted::Split(failure));
        }
        if failure.class() == Class::Busy {
            self.pace.slower(items);
        }
        let what = format!("{}: a bulk of {items} items was not taken", self.client.name());
        Err(failure.error(what, Code::SearchIndex))
    }

    fn settle(&self, piece: &[usize], items: Items, settle: &mut impl FnMut(usize, Settled)) {
        let mut items = items.into_iter();
        let mut busy = false;
        for at in piece {
            // An empty list means that nothing failed.
            let settled = match items.next().flatten() {
                None => Settled::Applied,
                Some(failure) => {
                    busy |= failure.class() == Class::Busy;
                    settled(&failure)
                }
            };
            settle(*at, settled);
        }
        if busy {
            self.pace.slower(piece.len());
        } else {
            self.pace.faster();
        }
    }
}

/// The path of a bulk into one target, or into those that its lines name.
pub(super) fn bulk_path(target: Option<&str>) -> String {
    match target {
        Some(target) => format!("/{}/_bulk?require_alias=true&{BULK_FILTER}", in_path(target)),
        None => format!("/_bulk?require_alias=true&{BULK_FILTER}"),
    }
}

/// Whether one line can be why the whole body was refused. An unknown parameter, say, cannot.
fn splits(failure: &Failure) -> bool {
    let of_a_line = ["action_request_validation_exception", "illegal_argument_exception", "parse_exception"];
    let of_the_request = failure.reason.starts_with("request [");
    match failure.class() {
        Class::TooLarge => true,
        Class::Bad => {
            failure.status == 400
                && !of_the_request
                && (of_a_line.contains(&failure.kind.as_str()) || failure.kind.ends_with("_parse_exception"))
        }
        _ => false,
    }
}

fn refused(failure: &Failure) -> Error {
    match failure.class() {
        Class::TooLarge => {
            Error::new(Code::SearchTooLarge, "the server takes no request of this size").cause(failure)
        }
        _ => Error::new(Code::SearchRefused, "the server refuses the document").cause(failure),
    }
}

fn settled(failure: &Failure) -> Settled {
    match failure.class() {
        Class::Conflict => Settled::Conflict(failure.current_version()),
        Class::NoIndex => Settled::NoIndex,
        Class::Bad | Class::TooLarge => Settled::Refused(refused(failure)),
        Class::Denied | Class::Blocked | Class::Busy | Class::Down | Class::Misused => {
            Settled::Retry(failure.error("the server did not take the document", Code::SearchRefused))
        }
    }
}
