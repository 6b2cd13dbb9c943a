//! `Idempotency-Key`: the same key and request get the first answer again instead of a second effect. Kept in memory, for
//! the latest thousand keys: enough for a client's retries, forgotten with the process.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};

use axum::body::{Body, Bytes, to_bytes};
use axum::extract::{Request, State};
use axum::http::{HeaderMap, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use sha2::{Digest, Sha256};
use syncline_engine::error::Code;

use super::access::Actor;
use super::problem::Refusal;
use super::request::LARGEST;

const KEPT: usize = 1000;
const LONGEST_KEY: usize = 255;
/// Answers of this interface are small; a longer one is not kept.
const LARGEST_ANSWER: usize = 256 * 1024;

type Print = [u8; 32];

/// Answers by key.
#[derive(Clone, Default)]
pub struct Answers(Arc<Mutex<Book>>);

#[derive(Default)]
struct Book {
    by_key: HashMap<Print, Entry>,
    order: VecDeque<Print>,
}

struct Entry {
    request: Print,
    /// `None` while the first request is under way.
    answer: Option<(StatusCode, HeaderMap, Bytes)>,
}

enum Look {
    New,
    Running,
    Differs,
    Answered(StatusCode, HeaderMap, Bytes),
}

impl Answers {
    fn look(&self, key: Print, request: Print) -> Look {
        let mut book = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match book.by_key.get(&key) {
            Some(entry) if entry.request != request => Look::Differs,
            Some(Entry { answer: None, .. }) => Look::Running,
            Some(Entry { answer: Some((status, headers, body)), .. }) => {
                Look::Answered(*status, headers.clone(), body.clone())
            }
            None => {
                book.by_key.insert(key, Entry { request, answer: None });
                book.order.push_back(key);
                if book.order.len() > KEPT
                    && let Some(oldest) = book.order.pop_front()
                {
                    book.by_key.remove(&oldest);
                }
                Look::New
            }
        }
    }

    fn keep(&self, key: Print, status: StatusCode, headers: HeaderMap, body: Bytes) {
        let mut book = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(entry) = book.by_key.get_mut(&key) {
            entry.answer = Some((status, headers, body));
        }
    }

    fn forget(&self, key: Print) {
        let mut book = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        book.by_key.remove(&key);
        book.order.retain(|k| *k != key);
    }
}

/// Forgets a key whose request was dropped before it was answered, so that a retry may run.
struct Claim {
    answers: Answers,
    key: Option<Print>,
}

impl Drop for Claim {
    fn drop(&mut self) {
        if let Some(key) = self.key.take() {
            self.answers.forget(key);
        }
    }
}

/// Answers a repeated request from the book.
pub async fn once(State(answers): State<Answers>, request: Request, next: Next) -> Result<Response, Refusal> {
    let Some(key) = request.headers().get("idempotency-key").cloned() else {
        return Ok(next.run(request).await);
    };
    if key.is_empty() || key.len() > LONGEST_KEY {
        return Err(Refusal::new(StatusCode::BAD_REQUEST, Code::HttpRequest, "an unusable Idempotency-Key"));
    }
    let (parts, body) = request.into_parts();
    let body = to_bytes(body, LARGEST).await.unwrap_or_default();
    let actor = parts.extensions.get::<Actor>().map_or("", |a| &a.0);
    let key = print(&[actor.as_bytes(), key.as_bytes()]);
    let path = parts.uri.to_string();
    let same = print(&[parts.method.as_str().as_bytes(), path.as_bytes(), &body]);
    match answers.look(key, same) {
        Look::Differs => {
            let message = "this Idempotency-Key was used for another request";
            Err(Refusal::new(StatusCode::UNPROCESSABLE_ENTITY, Code::HttpRequest, message))
        }
        Look::Running => {
            let message = "the first request with this Idempotency-Key is still under way";
            Err(Refusal::new(StatusCode::CONFLICT, Code::HttpRequest, message))
        }
        Look::Answered(status, headers, body) => Ok((status, headers, body).into_response()),
        Look::New => {
            let mut claim = Claim { answers: answers.clone(), key: Some(key) };
            let response = next.run(Request::from_parts(parts, Body::from(body))).await;
            let (head, body) = response.into_parts();
            let Ok(body) = to_bytes(body, LARGEST_ANSWER).await else {
                return Ok((head, Body::empty()).into_response());
            };
            if !head.status.is_server_error() {
                claim.key = None;
                answers.keep(key, head.status, head.headers.clone(), body.clone());
            }
            Ok((head, body).into_response())
        }
    }
}

/// A digest of parts, each with its length, so that no two lists of parts look the same.
fn print(parts: &[&[u8]]) -> Print {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part);
    }
    hash.finalize().into()
}

#[cfg(test)]
#[path = "idempotency_tests.rs"]
mod tests;
