// What a handler may return is this crate's to say.
use metrics_guard_warp::Outcome;
use warp::{Rejection, reply::Response};

struct Mine;

impl Outcome<()> for Mine {
    fn into_result<S>(self, _: S) -> Result<Response, Rejection> {
        Ok(Response::default())
    }
}

struct Another;

impl Outcome<()> for Another {}

fn main() {}
