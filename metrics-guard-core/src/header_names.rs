//! The names of headers that already have a use, and so cannot present a key.

/// Returns what the header `name`, in lower case, is for, if it already has a use.
pub(crate) fn use_of(name: &str) -> Option<&'static str> {
    let is_one_of = |names: &[&str]| {
        names.iter().any(|known| match known.strip_suffix('*') {
            Some(start) => name.starts_with(start),
            None => name == *known,
        })
    };
    USES.iter().find(|(_, names)| is_one_of(names)).map(|(use_of, _)| *use_of)
}

/// A `*` stands for any end. Sources: RFC 9110 to 9113, the registry of HTTP fields, and what common proxies add.
const USES: &[(&str, &[&str])] = &[
    (
        "it describes the connection, and proxies remove it",
        &["connection", "http2-settings", "keep-alive", "proxy-*", "te", "trailer", "transfer-encoding", "upgrade"],
    ),
    (
        "servers and proxies act on it",
        &[
            "alt-used",
            "cache-*",
            "content-*",
            "date",
            "early-data",
            "expect",
            "host",
            "grpc-*",
            "if",
            "if-*",
            "max-forwards",
            "mime-version",
            "pragma",
            "priority",
            "range",
            "x-http-method*",
            "x-method-override",
        ],
    ),
    (
        "proxies and tracing write it",
        &[
            "b3",
            "baggage",
            "cdn-*",
            "cf-*",
            "client-ip",
            "fastly-client-ip",
            "forwarded",
            "remote-*",
            "traceparent",
            "tracestate",
            "true-client-ip",
            "via",
            "sentry-trace",
            "ssl-client-*",
            "uber-trace-id",
            "x-amz-*",
            "x-amzn-*",
            "x-appengine-*",
            "x-arr-*",
            "x-azure-*",
            "x-b3-*",
            "x-client-cert*",
            "x-client-ip",
            "x-cloud-trace-context",
            "x-cluster-client-ip",
            "x-correlation-id",
            "x-datadog-*",
            "x-envoy-*",
            "x-forwarded*",
            "x-original-*",
            "x-originating-ip",
            "x-real-ip",
            "x-remote-*",
            "x-request-id",
            "x-request-start",
            "x-rewrite-url",
            "x-scheme",
            "x-ssl-*",
            "x-trace-id",
        ],
    ),
    (
        "clients write it",
        &[
            "accept*",
            "access-control-*",
            "cookie",
            "cookie2",
            "dnt",
            "from",
            "last-event-id",
            "origin",
            "referer",
            "save-data",
            "sec-*",
            "upgrade-insecure-requests",
            "user-agent",
            "x-prometheus-*",
            "x-requested-with",
        ],
    ),
    (
        "it belongs to responses",
        &[
            "age",
            "allow",
            "alt-svc",
            "authentication-info",
            "etag",
            "expires",
            "last-modified",
            "link",
            "location",
            "public-key-pins*",
            "referrer-policy",
            "refresh",
            "retry-after",
            "server",
            "server-timing",
            "set-cookie*",
            "strict-transport-security",
            "vary",
            "warning",
            "www-authenticate",
            "x-content-type-options",
            "x-dns-prefetch-control",
            "x-frame-options",
            "x-xss-protection",
        ],
    ),
];

#[cfg(test)]
mod tests {
    use super::use_of;

    #[test]
    fn knows_names_of_the_protocol_and_of_proxies() {
        for name in [
            "connection",
            "host",
            "transfer-encoding",
            "content-length",
            "content-type",
            "cookie",
            "upgrade",
            "trailer",
            "te",
            "keep-alive",
            "proxy-authorization",
            "proxy-connection",
            "forwarded",
            "x-forwarded-for",
            "x-real-ip",
            "via",
            "accept",
            "accept-encoding",
            "user-agent",
            "expect",
            "range",
            "if-match",
            "date",
            "set-cookie",
            "www-authenticate",
            "sec-fetch-site",
            "http2-settings",
            "max-forwards",
            "origin",
            "referer",
            "x-amzn-oidc-data",
            "x-cloud-trace-context",
            "x-datadog-trace-id",
            "ssl-client-cert",
            "x-ssl-client-cert",
            "x-client-cert",
        ] {
            assert!(use_of(name).is_some(), "{name}");
        }
        for name in ["x-metrics-key", "x-scrape-key", "x-api-key", "metrics", "ten", "hosts", "x-key", "authorization"]
        {
            assert_eq!(use_of(name), None, "{name}");
        }
    }
}
