use std::{env, net::Ipv4Addr};

use http::HeaderName;
use metrics_guard_core::{Guard, Peer, RequestHead};
use warp::{
    Filter,
    http::{HeaderMap, HeaderValue, Response, Result},
};

struct Head {
    headers: HeaderMap,
    query: Option<String>,
    peer: Option<Peer>,
}

impl RequestHead for Head {
    fn field_values<'h>(&'h self, name: &'h HeaderName) -> impl Iterator<Item = &'h [u8]> {
        self.headers.get_all(name.as_str()).iter().map(HeaderValue::as_bytes)
    }

    fn query(&self) -> Option<&[u8]> {
        self.query.as_deref().map(str::as_bytes)
    }

    fn peer(&self) -> Option<&Peer> {
        self.peer.as_ref()
    }
}

fn metrics(guard: &Guard, head: &Head) -> Result<Response<&'static str>> {
    match guard.check(head) {
        Ok(_authorized) => {
            let response = Response::builder().header("cache-control", "no-store");
            response.header("content-type", "text/plain; version=0.0.4").body("up 1\n") // your registry's text
        }
        Err(denied) => {
            let mut response = Response::builder().status(denied.status().as_u16());
            for (name, value) in denied.into_response::<()>().headers() {
                response = response.header(name.as_str(), value.as_bytes());
            }
            response.body(denied.body())
        }
    }
}

#[tokio::main]
async fn main() -> std::result::Result<(), Box<dyn std::error::Error>> {
    let guard = Guard::from_env()?;
    let port: u16 = env::var("PORT").map_or(Ok(8000), |port| port.parse())?;
    let query = warp::query::raw().map(Some).or(warp::any().map(|| None)).unify();
    let head = warp::header::headers_cloned().and(query).and(warp::addr::remote());
    let head = head.map(|headers, query, address: Option<_>| Head { headers, query, peer: address.map(Peer::new) });
    let guarded = warp::path!("metrics").and(head).map(move |head| metrics(&guard, &head));
    let (_, server) = warp::serve(guarded).try_bind_ephemeral((Ipv4Addr::LOCALHOST, port))?;
    server.await;
    Ok(())
}
