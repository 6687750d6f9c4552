//! actix-web, with the guard around a resource, so that it runs before the resource's methods. The bench's page has the attribute.

use std::any::Any;

use actix_tls::accept::rustls_0_23::TlsStream;
use actix_web::{
    App, HttpResponse, HttpServer, Responder,
    dev::Extensions,
    get, route,
    rt::net::TcpStream,
    web::{self, Path, ServiceConfig},
};
use metrics_guard_actix::{Guard, MetricsGuard, guard_metrics};

use super::{
    connections::{configuration, listener, peer},
    service,
    under_test::{Serving, Tls, UnderTest},
};

pub(super) struct Actix;

impl UnderTest for Actix {
    fn name(&self) -> &'static str {
        "actix"
    }

    fn serve(&self, tls: Option<Tls>) -> Serving {
        Box::pin(async {
            let guard = MetricsGuard::new(Guard::from_env()?);
            let server = HttpServer::new(move || {
                let metrics = web::resource("/metrics").route(web::get().to(metrics)).route(web::head().to(metrics));
                App::new().service(metrics.wrap(guard.clone())).service(index).service(fibonacci)
            });
            let server = server.workers(2).disable_signals().on_connect(identify);
            let listener = listener().await?.into_std()?;
            let server = match tls {
                Some(tls) => server.listen_rustls_0_23(listener, configuration(tls)?)?,
                None => server.listen_auto_h2c(listener)?,
            };
            Ok(server.run().await?)
        })
    }

    fn serve_page(&self, guard: Option<Guard>) -> Serving {
        Box::pin(async {
            let routes = move |app: &mut ServiceConfig| {
                match &guard {
                    Some(guard) => app.service(guarded_page(guard)),
                    None => app.service(page),
                };
            };
            let server = HttpServer::new(move || App::new().configure(&routes)).workers(1).disable_signals();
            Ok(server.listen(listener().await?.into_std()?)?.run().await?)
        })
    }

    // actix-web stores headers in a map with a random order, a different one for each response.
    fn has_header_order(&self) -> bool {
        false
    }

    // actix-server drops the error.
    fn logs_failed_handshakes(&self) -> bool {
        false
    }
}

/// Puts the names in the client's certificate into the connection's data. Without TLS, the guard reads the socket's address.
fn identify(connection: &dyn Any, data: &mut Extensions) {
    if let Some(stream) = connection.downcast_ref::<TlsStream<TcpStream>>() {
        let (socket, tls) = stream.get_ref();
        match socket.peer_addr().and_then(|address| peer(address, tls)) {
            Ok(peer) => _ = data.insert(peer),
            Err(error) => eprintln!("{error}"),
        }
    }
}

async fn metrics() -> impl Responder {
    HttpResponse::Ok().content_type(service::METRICS_TYPE).body(service::metrics())
}

#[route("/", method = "GET", method = "HEAD")]
async fn index() -> &'static str {
    service::INDEX
}

#[route("/fibonacci/{n}", method = "GET", method = "HEAD")]
async fn fibonacci(n: Path<u8>) -> String {
    service::fibonacci(*n)
}

#[get("/metrics")]
async fn page() -> &'static str {
    &service::PAGE
}

#[guard_metrics]
#[get("/metrics")]
async fn guarded_page() -> &'static str {
    &service::PAGE
}
