//! Which path is answered by what, behind which scope, and the OpenAPI document made from the same list.

use std::sync::Arc;

use axum::Router;
use axum::extract::Request;
use axum::http::{HeaderValue, StatusCode, header};
use axum::middleware::{Next, from_fn, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use syncline_engine::error::Code;
use utoipa::OpenApi;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::access::{Door, Scope, require, same_machine};
use super::idempotency::{Answers, once};
use super::problem::Refusal;
use super::{Shared, consistency, dead_letters, letter_care, metrics, pipelines, probes, request, resyncs};

#[derive(OpenApi)]
#[openapi(info(
    title = "Syncline",
    description = "Keeps every copy of a team's data in step with its source. Errors are problem documents with a numbered code.",
    license(name = "Apache-2.0", identifier = "Apache-2.0")
))]
struct Document;

type Routes = OpenApiRouter<Arc<Shared>>;

fn open() -> Routes {
    OpenApiRouter::new()
        .routes(routes!(probes::livez))
        .routes(routes!(probes::readyz))
        .routes(routes!(probes::health))
}

fn reading() -> Routes {
    OpenApiRouter::new()
        .routes(routes!(metrics::metrics))
        .routes(routes!(pipelines::list))
        .routes(routes!(pipelines::one))
        .routes(routes!(dead_letters::list))
        .routes(routes!(dead_letters::groups))
        .routes(routes!(consistency::one))
        .routes(routes!(resyncs::list))
        .routes(routes!(resyncs::one))
        .routes(routes!(consistency::report))
}

fn operating() -> Routes {
    OpenApiRouter::new()
        .routes(routes!(pipelines::pause))
        .routes(routes!(pipelines::resume))
        .routes(routes!(pipelines::backfill))
        .routes(routes!(dead_letters::redrive))
        .routes(routes!(dead_letters::discard))
        .routes(routes!(letter_care::manual))
        .routes(routes!(letter_care::release))
        .routes(routes!(letter_care::reprocess))
        .routes(routes!(consistency::begin))
        .routes(routes!(consistency::repair))
        .routes(routes!(resyncs::begin))
        .routes(routes!(resyncs::cancel))
        .routes(routes!(resyncs::forget))
        .routes(routes!(resyncs::rollback))
}

/// The router of one door.
pub fn router(shared: Arc<Shared>, door: Door) -> Router {
    let operating = operating()
        .route_layer(from_fn_with_state(Answers::default(), once))
        .route_layer(from_fn_with_state((door.clone(), Scope::Operate), require));
    let reading = reading().route_layer(from_fn_with_state((door.clone(), Scope::Read), require));
    let (router, document) = OpenApiRouter::with_openapi(Document::openapi())
        .merge(open())
        .merge(reading)
        .merge(operating)
        .split_for_parts();
    let document: Arc<str> = document.to_json().unwrap_or_default().into();
    let answer = move || async move { ([(header::CONTENT_TYPE, "application/json")], document.to_string()) };
    router
        .route("/openapi.json", get(answer))
        .fallback(nowhere)
        .method_not_allowed_fallback(not_that_way)
        .layer(from_fn(request::whole))
        .layer(from_fn_with_state(door, same_machine))
        .layer(from_fn(plain))
        .with_state(shared)
}

/// Answers are data: no browser may guess otherwise or keep them.
async fn plain(request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    let headers = response.headers_mut();
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

async fn nowhere(request: Request) -> Response {
    let message = format!("there is no {}", request.uri().path());
    Refusal::new(StatusCode::NOT_FOUND, Code::HttpRequest, message).into_response()
}

async fn not_that_way(request: Request) -> Response {
    let message = format!("{} does not take {}", request.uri().path(), request.method());
    Refusal::new(StatusCode::METHOD_NOT_ALLOWED, Code::HttpRequest, message).into_response()
}

/// The OpenAPI document, as `docs/openapi.json` holds it.
#[cfg(test)]
pub fn document() -> utoipa::openapi::OpenApi {
    let routes =
        OpenApiRouter::with_openapi(Document::openapi()).merge(open()).merge(reading()).merge(operating());
    routes.split_for_parts().1
}

#[cfg(test)]
#[path = "router_tests.rs"]
mod tests;
