//! Every answer that is not a success, as a problem document with the numbered code. Which status a code gets is one match
//! here; handlers only hand errors on.

use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use syncline_api as api;
use syncline_engine::error::{Code, Error, Kind};

/// An error on its way out.
#[derive(Debug)]
pub struct Refusal {
    status: StatusCode,
    error: Error,
}

impl From<Error> for Refusal {
    fn from(error: Error) -> Refusal {
        Refusal { status: status(&error), error }
    }
}

impl Refusal {
    /// With a status of its own.
    pub fn new(status: StatusCode, code: Code, message: impl Into<String>) -> Refusal {
        Refusal { status, error: Error::new(code, message) }
    }

    /// Adds the next step.
    pub fn fix(self, fix: impl Into<String>) -> Refusal {
        Refusal { error: self.error.fix(fix), ..self }
    }
}

fn status(error: &Error) -> StatusCode {
    match error.code() {
        Code::Unknown => return StatusCode::NOT_FOUND,
        Code::HttpDenied => return StatusCode::FORBIDDEN,
        Code::HttpRequest => return StatusCode::BAD_REQUEST,
        Code::NotRunning | Code::Stopped | Code::Paused | Code::ResyncBusy | Code::ResyncOver => {
            return StatusCode::CONFLICT;
        }
        _ => {}
    }
    match error.kind() {
        Kind::Retry => StatusCode::SERVICE_UNAVAILABLE,
        Kind::Config | Kind::Command | Kind::Warning => StatusCode::UNPROCESSABLE_ENTITY,
        Kind::HaltTable | Kind::HaltPipeline => StatusCode::CONFLICT,
        Kind::DeadLetter => StatusCode::UNPROCESSABLE_ENTITY,
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let code = self.error.code();
        let problem = api::Problem {
            kind: format!("urn:syncline:error:{code}"),
            title: code.title().to_owned(),
            status: self.status.as_u16(),
            detail: self.error.message().to_owned(),
            code: code.to_string(),
            cause: self.error.cause_text().map(str::to_owned),
            fix: self.error.fix_text().to_owned(),
        };
        let mut response = (self.status, Json(problem)).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        if self.status == StatusCode::UNAUTHORIZED {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response
    }
}
