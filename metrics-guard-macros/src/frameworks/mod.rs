//! The expansion for each framework, in one file each, and the list of them.

use crate::framework::Framework;

pub(crate) mod actix;
pub(crate) mod axum;
pub(crate) mod request;
pub(crate) mod rocket;
pub(crate) mod warp;

#[allow(dead_code, reason = "the fuzz target `attribute` includes this folder and expands its input for each of them")]
pub(crate) const ALL: &[Framework] =
    &[actix::FRAMEWORK, axum::FRAMEWORK, request::FRAMEWORK, rocket::FRAMEWORK, warp::FRAMEWORK];
