//! Extracts the parts of a request that a check reads, with a Warp filter.
//!
//! A Warp filter gets the first line of a header, decoded pairs of the query, or copies of either, and never the request. A
//! check needs every line of a header, and the query as received. A log borrows all headers, so the guard copies the lines
//! that it reads from there. A copied value shares the buffer of the request, so no key is copied and none needs wiping. If
//! the guard accepts a key in the query, it copies the query, and overwrites the copy after the check.

use std::{cell::Cell, convert::Infallible, future::ready};

use metrics_guard_core::{Guard, Peer, RequestHead};
use warp::{
    Filter, Rejection,
    filters::BoxedFilter,
    http::{HeaderName, HeaderValue, Method, header::AUTHORIZATION},
    log::Info,
};
use zeroize::Zeroizing;

/// The head of a request, without the parts that a check does not read.
pub(crate) struct Head {
    /// The check does not read it, but the response depends on it.
    pub(crate) method: Method,
    lines: Lines,
    query: Option<Zeroizing<String>>,
    peer: Peer,
}

/// The header lines that a guard reads. Lines with the same name are in the order received.
type Lines = Vec<(HeaderName, HeaderValue)>;

const UNKNOWN: Peer = Peer::from_framework(None, advice);

fn advice(with_names: bool) -> &'static str {
    if with_names {
        "in a custom hyper server, put a `Peer` with the names in the client's verified certificate into the request's \
         extensions: `request.extensions_mut().insert(Peer::new(address).with_names(names))`"
    } else {
        "serve a TCP address by `warp::serve(routes)`; in a custom hyper server, put a `Peer` into the request's \
         extensions: `request.extensions_mut().insert(Peer::new(address))`"
    }
}

impl RequestHead for Head {
    fn field_values<'h>(&'h self, name: &'h HeaderName) -> impl Iterator<Item = &'h [u8]> {
        self.lines.iter().filter(move |(other, _)| other == name).map(|(_, value)| value.as_bytes())
    }

    fn query(&self) -> Option<&[u8]> {
        self.query.as_ref().map(|query| query.as_bytes())
    }

    fn peer(&self) -> Option<&Peer> {
        Some(&self.peer)
    }
}

/// Returns a filter that extracts the head for `guard`, and rejects nothing. It has only the parts that the guard reads,
/// because each costs hundreds of instructions a request.
pub(crate) fn head(guard: &Guard) -> BoxedFilter<(Head,)> {
    let query = || {
        let query = warp::query::raw().map(|query| Some(Zeroizing::new(query)));
        query.or_else(|_| ready(Ok::<_, Rejection>((None,))))
    };
    let peer = || {
        let peer = warp::ext::optional::<Peer>().and(warp::addr::remote());
        peer.map(|peer: Option<Peer>, address| peer.unwrap_or_else(|| Peer::from_framework(address, advice)))
    };
    let head = warp::method().and(lines(guard));
    match (guard.query_parameter().is_some(), guard.reads_peer()) {
        (false, false) => head.map(|method, lines| Head { method, lines, query: None, peer: UNKNOWN }).boxed(),
        (false, true) => head.and(peer()).map(|method, lines, peer| Head { method, lines, query: None, peer }).boxed(),
        (true, false) => {
            head.and(query()).map(|method, lines, query| Head { method, lines, query, peer: UNKNOWN }).boxed()
        }
        (true, true) => {
            let head = head.and(query()).and(peer());
            head.map(|method, lines, query, peer| Head { method, lines, query, peer }).boxed()
        }
    }
}

thread_local! {
    static LINES: Cell<Lines> = const { Cell::new(Vec::new()) };
}

/// Returns a filter that extracts the header lines that `guard` reads: those of its own header and of `Authorization`.
///
/// Warp calls a log when the filter before it is done, in the same poll and on the same thread as the `map` after it. Without
/// that call there would be no lines, and the guard would reject the request.
fn lines(guard: &Guard) -> impl Filter<Extract = (Lines,), Error = Infallible> + Clone + Send + Sync + use<> {
    let names = [guard.header_name().clone(), AUTHORIZATION];
    let copy = move |info: Info<'_>| {
        let values = |name| info.request_headers().get_all(name).into_iter();
        LINES.set(names.iter().flat_map(|name| values(name).map(|value| (name.clone(), value.clone()))).collect());
    };
    warp::any().map(warp::reply).with(warp::log::custom(copy)).map(|_| LINES.take())
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use metrics_guard_core::{Guard, Key, Peer, RequestHead};
    use warp::test::request;

    use super::{UNKNOWN, head};

    const KEY: &str = "c2d94b7e10f3a586d7e9b0c4f1a26853";

    #[tokio::test]
    async fn the_client_has_the_address_of_the_socket_unless_the_server_provides_a_peer() {
        let [socket, told] = [9090, 9091].map(|port| SocketAddr::from(([127, 0, 0, 1], port)));
        let filter = head(&Guard::builder(Key::new(KEY).unwrap()).allow_networks(["10.0.0.0/8"]).unwrap().build());
        let nobody = request().filter(&filter).await.unwrap();
        assert_eq!(nobody.peer(), Some(&UNKNOWN));
        let by_socket = request().remote_addr(socket).filter(&filter).await.unwrap();
        assert_eq!(by_socket.peer(), Some(&Peer::new(socket)));
        let by_extension = request().extension(Peer::new(told)).filter(&filter).await.unwrap();
        assert_eq!(by_extension.peer(), Some(&Peer::new(told)));
        let by_both = request().remote_addr(socket).extension(Peer::new(told)).filter(&filter).await.unwrap();
        assert_eq!(by_both.peer(), Some(&Peer::new(told)));
    }

    #[tokio::test]
    async fn extracts_only_the_headers_that_the_guard_reads() {
        let filter = head(&Guard::builder(Key::new(KEY).unwrap()).header("X-Scrape-Key").unwrap().build());
        let request = ["accept", "authorization", "x-metrics-key", "x-scrape-key"]
            .into_iter()
            .fold(request(), |request, name| request.header(name, "value"));
        let seen = request.filter(&filter).await.unwrap();
        let names: Vec<_> = seen.lines.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["x-scrape-key", "authorization"]);
    }

    #[tokio::test]
    async fn extracts_the_query_as_received_and_only_for_a_guard_that_reads_it() {
        let unasked = head(&Guard::new(Key::new(KEY).unwrap()));
        let asked = head(&Guard::builder(Key::new(KEY).unwrap()).query("key").unwrap().build());
        for (path, query) in [("/", None), ("/?", Some("")), ("/?a;b=%zz&key=+%ff", Some("a;b=%zz&key=+%ff"))] {
            let seen = request().path(path).filter(&asked).await.unwrap();
            assert_eq!(seen.query(), query.map(str::as_bytes), "{path}");
            let seen = request().path(path).filter(&unasked).await.unwrap();
            assert_eq!(seen.query(), None, "{path}");
        }
    }

    #[tokio::test]
    async fn extracts_the_client_only_for_a_guard_that_reads_it() {
        let builder = || Guard::builder(Key::new(KEY).unwrap());
        let address = SocketAddr::from(([127, 0, 0, 1], 9090));
        for guard in [
            builder().build(),
            builder().require_client_name(["a.example"]).unwrap().build(),
            Guard::builder_with_client_names(["a.example"]).unwrap().build(),
            builder().observe(|_| ()).build(),
        ] {
            let seen = request().remote_addr(address).filter(&head(&guard)).await.unwrap();
            assert_eq!(seen.peer().unwrap().address().is_some(), guard.reads_peer(), "{guard:?}");
        }
    }
}
