//! Bodies of requests: taken whole before a handler runs, within a size and a time, and only as JSON. A browser form or a
//! client that drips bytes never reaches a handler.

use std::time::Duration;

use axum::body::{Body, Bytes, to_bytes};
use axum::extract::Request;
use axum::http::{StatusCode, header};
use axum::middleware::Next;
use axum::response::Response;
use serde::de::DeserializeOwned;
use syncline_engine::error::{Code, Error};

use super::problem::Refusal;

/// No request of this interface is near this long.
pub const LARGEST: usize = 64 * 1024;
const PATIENCE: Duration = Duration::from_secs(10);

/// Takes the body whole.
pub async fn whole(request: Request, next: Next) -> Result<Response, Refusal> {
    let (parts, body) = request.into_parts();
    let json = parts.headers.get(header::CONTENT_TYPE).is_some_and(|v| {
        let kind = v.to_str().unwrap_or("").split(';').next().unwrap_or("");
        kind.trim().eq_ignore_ascii_case("application/json")
    });
    let taken = tokio::time::timeout(PATIENCE, to_bytes(body, LARGEST)).await;
    let bytes = match taken {
        Ok(Ok(bytes)) => bytes,
        Ok(Err(_)) => {
            let message = format!("the body is longer than {LARGEST} bytes, or broke off");
            return Err(Refusal::new(StatusCode::PAYLOAD_TOO_LARGE, Code::HttpRequest, message));
        }
        Err(_) => {
            let message = "the body did not come in time";
            return Err(Refusal::new(StatusCode::REQUEST_TIMEOUT, Code::HttpRequest, message));
        }
    };
    if !bytes.is_empty() && !json {
        let message = "the body is not declared as JSON";
        return Err(Refusal::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, Code::HttpRequest, message)
            .fix("send `Content-Type: application/json`"));
    }
    Ok(next.run(Request::from_parts(parts, Body::from(bytes))).await)
}

/// Reads a body; an empty one is the default.
pub fn json<T: DeserializeOwned + Default>(body: &Bytes) -> Result<T, Refusal> {
    if body.is_empty() {
        return Ok(T::default());
    }
    let parsed = serde_json::from_slice(body);
    parsed.map_err(|e| Error::new(Code::HttpRequest, "the body cannot be read").cause(e).into())
}
