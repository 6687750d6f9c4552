use std::env;

use http::HeaderName;
use metrics_guard_core::{Guard, Peer, RequestHead};
use ntex::web::{self, App, HttpRequest, HttpResponse, HttpServer, types::State};

struct Head<'r> {
    request: &'r HttpRequest,
    peer: Option<Peer>,
}

impl RequestHead for Head<'_> {
    fn field_values<'h>(&'h self, name: &'h HeaderName) -> impl Iterator<Item = &'h [u8]> {
        self.request.headers().get_all(name).map(|value| value.as_bytes())
    }

    fn query(&self) -> Option<&[u8]> {
        self.request.uri().query().map(str::as_bytes)
    }

    fn peer(&self) -> Option<&Peer> {
        self.peer.as_ref()
    }
}

async fn metrics(request: HttpRequest, guard: State<Guard>) -> HttpResponse {
    let head = Head { request: &request, peer: request.peer_addr().map(Peer::new) };
    match guard.check(&head) {
        Ok(_authorized) => {
            let text = "up 1\n"; // your registry's text
            HttpResponse::Ok().content_type("text/plain; version=0.0.4").header("cache-control", "no-store").body(text)
        }
        Err(denied) => {
            let mut response = HttpResponse::build(denied.status());
            for (name, value) in denied.into_response::<()>().headers() {
                response.header(name, value);
            }
            response.body(denied.body())
        }
    }
}

#[ntex::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let guard = Guard::from_env()?;
    let port = env::var("PORT").map_or(Ok(8000), |port| port.parse())?;
    let app = async move || App::new().state(guard.clone()).route("/metrics", web::get().to(metrics));
    HttpServer::new(app).bind(("127.0.0.1", port))?.run().await?;
    Ok(())
}
