//! A repeated key gets the first answer, once.

use std::sync::atomic::{AtomicU32, Ordering};

use axum::Router;
use axum::middleware::from_fn_with_state;
use axum::routing::post;
use tower::ServiceExt;

use super::*;

fn router(effects: Arc<AtomicU32>, status: StatusCode) -> Router {
    let effect = move || async move { (status, effects.fetch_add(1, Ordering::SeqCst).to_string()) };
    Router::new().route("/do", post(effect)).route_layer(from_fn_with_state(Answers::default(), once))
}

async fn send(router: &Router, key: Option<&str>, body: &str) -> (StatusCode, String) {
    let mut request = axum::http::Request::post("/do");
    if let Some(key) = key {
        request = request.header("idempotency-key", key);
    }
    let response = router.clone().oneshot(request.body(Body::from(body.to_owned())).unwrap()).await.unwrap();
    let status = response.status();
    let body = to_bytes(response.into_body(), LARGEST).await.unwrap();
    (status, String::from_utf8(body.to_vec()).unwrap())
}

#[tokio::test]
async fn the_same_request_has_one_effect() {
    let effects = Arc::new(AtomicU32::new(0));
    let router = router(Arc::clone(&effects), StatusCode::OK);
    assert_eq!(send(&router, Some("a"), "1").await.1, "0");
    assert_eq!(send(&router, Some("a"), "1").await.1, "0");
    assert_eq!(send(&router, Some("b"), "1").await.1, "1");
    assert_eq!(send(&router, None, "1").await.1, "2");
    assert_eq!(effects.load(Ordering::SeqCst), 3);
}

#[tokio::test]
async fn the_same_key_with_another_body_is_refused() {
    let router = router(Arc::default(), StatusCode::OK);
    send(&router, Some("a"), "1").await;
    assert_eq!(send(&router, Some("a"), "2").await.0, StatusCode::UNPROCESSABLE_ENTITY);
}

#[tokio::test]
async fn a_failure_is_tried_again() {
    let effects = Arc::new(AtomicU32::new(0));
    let router = router(Arc::clone(&effects), StatusCode::SERVICE_UNAVAILABLE);
    send(&router, Some("a"), "1").await;
    send(&router, Some("a"), "1").await;
    assert_eq!(effects.load(Ordering::SeqCst), 2);
}

#[tokio::test]
async fn keys_are_forgotten_in_order_and_memory_is_bounded() {
    let answers = Answers::default();
    for n in 0..KEPT as u64 + 10 {
        assert!(matches!(answers.look(print(&[&n.to_be_bytes()]), print(&[])), Look::New));
    }
    let book = answers.0.lock().unwrap();
    assert_eq!((book.by_key.len(), book.order.len()), (KEPT, KEPT));
    assert!(!book.by_key.contains_key(&print(&[&0u64.to_be_bytes()])));
}
