//! Makes an `allow` in an expansion an error. Clippy exempts exported functions from some lints, but not what an expansion
//! puts into them.

// Single lints follow their groups, because an `allow` is only a warning where the group is forbidden last.
#![forbid(unused, clippy::all, clippy::pedantic)]
#![forbid(missing_docs, unreachable_code, unused_mut, unused_variables, clippy::too_many_arguments)]
#![forbid(clippy::box_collection, clippy::future_not_send, clippy::items_after_statements)]
#![forbid(clippy::missing_const_for_fn, clippy::missing_docs_in_private_items, clippy::needless_pass_by_ref_mut)]
#![forbid(clippy::needless_pass_by_value, clippy::rc_buffer, clippy::redundant_pub_crate, clippy::single_call_fn)]
#![forbid(clippy::trivially_copy_pass_by_ref, clippy::unnecessary_wraps, clippy::unused_async, clippy::unwrap_used)]

use std::{fmt, pin::Pin};

use actix_web::web::Bytes;
use axum::{
    extract::Path,
    http::{HeaderMap, Method, Uri, Version},
    response::IntoResponse,
};
use http::{Request, Response, StatusCode};

use crate::GUARD;

/// # Errors
///
/// None, but the type wraps.
#[metrics_guard_core::guard_metrics(guard = GUARD)]
pub fn request(_request: Request<()>, _: &u8) -> Result<Response<Box<Vec<u8>>>, fmt::Error> {
    use std::mem::take;
    Ok(Response::new(Box::new(take(&mut b"ran".to_vec()))))
}

/// # Errors
///
/// None, but the type wraps.
#[metrics_guard_core::guard_metrics(guard = GUARD)]
pub async fn awaited_request(_request: Request<()>, _: &u8) -> Result<Response<Box<Vec<u8>>>, fmt::Error> {
    const RAN: &[u8] = b"ran";
    tokio::task::yield_now().await;
    Ok(Response::new(Box::new(RAN.to_vec())))
}

/// # Errors
///
/// None, but the type wraps one without a name.
#[metrics_guard_tower::guard_metrics]
pub fn axum_unnamed(uri: Uri, _at: Option<Path<String>>) -> Result<(StatusCode, impl IntoResponse), StatusCode> {
    const AGAIN: &str = "again";
    if uri.path().is_empty() {
        return Ok((StatusCode::OK, AGAIN));
    }
    Ok((StatusCode::OK, "ran"))
}

/// Returns a future.
#[metrics_guard_tower::guard_metrics]
pub fn axum_future(uri: Uri) -> impl Future<Output = Result<impl IntoResponse, StatusCode>> + Send {
    use std::future::ready;
    ready(if uri.path().is_empty() { Err(StatusCode::NOT_FOUND) } else { Ok("ran") })
}

/// Has so many parameters that one more would be too many for clippy.
#[metrics_guard_tower::guard_metrics]
pub fn axum_seven(a1: Method, b1: Uri, c1: Version, d: HeaderMap, a2: Method, b2: Uri, c2: Version) -> String {
    assert_eq!((a1, b1, c1), (a2, b2, c2));
    drop(d);
    "ran".to_owned()
}

/// # Errors
///
/// None, but the type wraps one without a name.
#[metrics_guard_actix::guard_metrics]
pub async fn actix_unnamed(_uri: actix_web::http::Uri) -> Result<impl actix_web::Responder, actix_web::Error> {
    const RAN: &str = "ran";
    tokio::task::yield_now().await;
    Ok(RAN)
}

/// Has as many parameters as clippy allows.
#[metrics_guard_actix::guard_metrics]
pub async fn actix_seven(a: Bytes, b: String, c: Bytes, d: String, e: Bytes, f: String, mut g: Bytes) -> String {
    g.clear();
    tokio::task::yield_now().await;
    assert_eq!((a, b, c), (e, f, g));
    d + "ran"
}

/// Has an attribute that may be a macro, and so an inner function.
#[metrics_guard_warp::guard_metrics]
#[rustfmt::skip]
pub fn warp_with_a_tool(word: String) -> String {
    word
}

/// Returns a boxed future.
#[metrics_guard_warp::guard_metrics]
pub fn warp_boxed(_word: String) -> Pin<Box<dyn Future<Output = Result<String, StatusCode>> + Send>> {
    Box::pin(async { Ok("ran".to_owned()) })
}

/// Bodies of one line, whose braces the expansion must not make redundant.
#[rustfmt::skip]
pub mod one_line {
    use std::future::{Ready, ready};

    use super::{GUARD, Request, Response};

    /// Without a binding before the body.
    #[metrics_guard_core::guard_metrics(guard = GUARD)]
    pub fn request(request: &Request<()>) -> Response<String> { Response::new(request.uri().to_string()) }

    /// With a binding.
    #[metrics_guard_warp::guard_metrics]
    pub fn warp(word: String) -> Ready<String> { ready(word) }
}
