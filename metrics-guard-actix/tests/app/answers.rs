//! Requests to an app, and its responses.

use actix_web::{
    App, Error,
    body::{MessageBody, to_bytes},
    dev::{ServiceFactory, ServiceRequest, ServiceResponse},
    http::Method,
    test::{TestRequest, init_service, try_call_service},
};
use metrics_guard_actix::{Guard, Key};

pub(crate) const KEY: &str = "c2d94b7e10f3a586d7e9b0c4f1a26853";

pub(crate) fn guard() -> Guard {
    Guard::new(Key::new(KEY).unwrap())
}

/// A handler without a guard.
pub(crate) async fn open() -> &'static str {
    "up 1\n"
}

/// A response. An app rejects a request with an error, which the server converts into a response.
pub(crate) struct Answer {
    pub(crate) is_error: bool,
    pub(crate) status: u16,
    pub(crate) body: String,
    headers: Vec<(String, String)>,
}

impl Answer {
    /// Returns the values of a header, separated by commas.
    pub(crate) fn header(&self, name: &str) -> String {
        let values = self.headers.iter().filter(|(of, _)| of == name).map(|(_, value)| &**value);
        values.collect::<Vec<_>>().join(", ")
    }
}

/// Returns a request with this key. An empty key counts as none.
pub(crate) fn get(path: &str, key: &str) -> TestRequest {
    TestRequest::get().uri(path).insert_header(("X-Metrics-Key", key))
}

/// Returns the responses of `app` to these requests.
pub(crate) async fn ask<T, B>(app: App<T>, requests: impl IntoIterator<Item = TestRequest>) -> Vec<Answer>
where
    T: ServiceFactory<ServiceRequest, Config = (), Response = ServiceResponse<B>, Error = Error, InitError = ()>
        + 'static,
    B: MessageBody + 'static,
{
    let app = init_service(app).await;
    let mut answers = Vec::new();
    for request in requests {
        let (is_error, response) = match try_call_service(&app, request.to_request()).await {
            Ok(response) => (false, response.into_parts().1.map_into_boxed_body()),
            Err(error) => (true, error.error_response()),
        };
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
        let headers = response.headers().iter().map(|(name, value)| (name.to_string(), text(value.as_bytes())));
        let (headers, status) = (headers.collect(), response.status().as_u16());
        let body = text(&to_bytes(response.into_body()).await.unwrap());
        answers.push(Answer { is_error, status, body, headers });
    }
    answers
}

/// Returns the statuses without the key, and with it.
pub(crate) async fn statuses<T, B>(app: App<T>, method: &str, path: &str) -> [u16; 2]
where
    T: ServiceFactory<ServiceRequest, Config = (), Response = ServiceResponse<B>, Error = Error, InitError = ()>
        + 'static,
    B: MessageBody + 'static,
{
    let requests = ["", KEY].map(|key| get(path, key).method(Method::from_bytes(method.as_bytes()).unwrap()));
    let answers = ask(app, requests).await;
    [answers[0].status, answers[1].status]
}

/// Checks rows such as `GET,HEAD /metrics,/other 401 200`: the status without the key, and with it. `app` makes the app.
macro_rules! assert_statuses {
    ($app:expr, $rows:expr) => {
        for row in $rows.split("; ") {
            let [methods, paths, without, with] = row.split(' ').collect::<Vec<_>>()[..] else { panic!("{row}") };
            for method in methods.split(',') {
                for path in paths.split(',') {
                    let seen = statuses($app, method, path).await.map(|status| status.to_string());
                    assert_eq!(seen, [without, with], "{method} {path} of: {}", $rows);
                }
            }
        }
    };
}
pub(crate) use assert_statuses;
