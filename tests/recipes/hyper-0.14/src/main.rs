use std::{convert::Infallible, env, net::Ipv4Addr};

use http::HeaderName;
use hyper::{
    Body, Request, Response, Server,
    header::{CACHE_CONTROL, CONTENT_TYPE, HeaderValue},
    server::conn::AddrStream,
    service::{make_service_fn, service_fn},
};
use metrics_guard_core::{Guard, Peer, RequestHead};

struct Head<'r> {
    request: &'r Request<Body>,
    peer: &'r Peer,
}

impl RequestHead for Head<'_> {
    fn field_values<'h>(&'h self, name: &'h HeaderName) -> impl Iterator<Item = &'h [u8]> {
        self.request.headers().get_all(name.as_str()).iter().map(HeaderValue::as_bytes)
    }

    fn query(&self) -> Option<&[u8]> {
        self.request.uri().query().map(str::as_bytes)
    }

    fn peer(&self) -> Option<&Peer> {
        Some(self.peer)
    }
}

fn metrics(guard: &Guard, head: &Head<'_>) -> hyper::http::Result<Response<Body>> {
    match guard.check(head) {
        Ok(_authorized) => {
            let response = Response::builder().header(CACHE_CONTROL, "no-store");
            response.header(CONTENT_TYPE, "text/plain; version=0.0.4").body("up 1\n".into()) // your registry's text
        }
        Err(denied) => {
            let mut response = Response::builder().status(denied.status().as_u16());
            for (name, value) in denied.into_response::<()>().headers() {
                response = response.header(name.as_str(), value.as_bytes());
            }
            response.body(denied.body().into())
        }
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let guard = Guard::from_env()?;
    let port: u16 = env::var("PORT").map_or(Ok(8000), |port| port.parse())?;
    let service = make_service_fn(move |connection: &AddrStream| {
        let (guard, peer) = (guard.clone(), Peer::new(connection.remote_addr()));
        let answer = move |request| {
            let response = metrics(&guard, &Head { request: &request, peer: &peer });
            async { response }
        };
        async { Ok::<_, Infallible>(service_fn(answer)) }
    });
    Server::try_bind(&(Ipv4Addr::LOCALHOST, port).into())?.serve(service).await?;
    Ok(())
}
