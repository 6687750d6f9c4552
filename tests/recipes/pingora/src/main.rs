use std::{env, error::Error};

use async_trait::async_trait;
use http::{HeaderValue, Response, header};
use metrics_guard_core::{Guard, Peer, request_head};
use pingora_core::{
    apps::http_app::ServeHttp,
    protocols::{http::ServerSession, l4::socket::SocketAddr},
    server::Server,
    services::listening::Service,
};

struct Metrics {
    guard: Guard,
}

#[async_trait]
impl ServeHttp for Metrics {
    async fn response(&self, session: &mut ServerSession) -> Response<Vec<u8>> {
        let peer = session.client_addr().and_then(SocketAddr::as_inet).copied().map(Peer::new);
        let head = session.req_header();
        let mut response = match self.guard.check(&request_head(&head.headers, &head.uri, peer.as_ref())) {
            Ok(authorized) => {
                let mut response = Response::new(b"up 1\n".to_vec()); // your registry's text
                let text = HeaderValue::from_static("text/plain; version=0.0.4");
                response.headers_mut().insert(header::CONTENT_TYPE, text);
                authorized.set_no_store(response.headers_mut());
                response
            }
            Err(denied) => denied.into_response(),
        };
        let length = response.body().len();
        response.headers_mut().insert(header::CONTENT_LENGTH, length.into());
        response
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let port = env::var("PORT").unwrap_or_else(|_| "8000".to_owned());
    let mut server = Server::new(None)?;
    server.bootstrap();
    let mut metrics = Service::new("metrics".to_owned(), Metrics { guard: Guard::from_env()? });
    metrics.add_tcp(&format!("127.0.0.1:{port}"));
    server.add_service(metrics);
    server.run_forever()
}
