use std::{env, sync::Arc};

use metrics_guard_core::{Guard, Peer, request_head};
use poem::{
    Endpoint, EndpointExt, IntoResponse, Request, Response, Route, Server, get, handler, listener::TcpListener,
};

#[handler]
fn metrics() -> &'static str {
    "up 1\n" // your registry's text
}

async fn check(guard: Guard, endpoint: Arc<impl Endpoint>, request: Request) -> poem::Result<Response> {
    let peer = request.remote_addr().as_socket_addr().copied().map(Peer::new);
    match guard.check(&request_head(request.headers(), request.original_uri(), peer.as_ref())) {
        Ok(authorized) => {
            let mut response = endpoint.call(request).await?.into_response();
            authorized.set_no_store(response.headers_mut());
            Ok(response)
        }
        Err(denied) => {
            let mut response = denied.body().with_status(denied.status()).into_response();
            response.headers_mut().extend(denied.into_response::<()>().into_parts().0.headers);
            Ok(response)
        }
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let guard = Guard::from_env()?;
    let guarded = get(metrics).around(move |endpoint, request| check(guard.clone(), endpoint, request));
    let port = env::var("PORT").map_or(Ok(8000), |port| port.parse())?;
    Server::new(TcpListener::bind(("127.0.0.1", port))).run(Route::new().at("/metrics", guarded)).await?;
    Ok(())
}
