//! Lists the names of headers that already have a use and so cannot present a key.

/// Returns the use of the header `name`, which is in lower case. Returns `None` if the header has no known use.
///
/// A name whose last word is `key`, `token` or `secret` is free, unless its beginning belongs to a proxy or to the protocol.
pub(crate) fn use_of(name: &str) -> Option<&'static str> {
    let is_secret = ["key", "token", "secret"].iter().any(|end| name.rsplit('-').next() == Some(end));
    let bare = name.strip_prefix("x-").unwrap_or(name);
    let is_known = |known: &str| match known.strip_suffix('*') {
        Some(beginning) => bare.starts_with(beginning),
        None => !is_secret && bare.strip_prefix(known).is_some_and(|rest| rest.is_empty() || rest.starts_with('-')),
    };
    if has_address_or_certificate(name) {
        return Some(BY_PROXIES);
    }
    USES.iter().find(|(_, names)| names.split_whitespace().any(is_known)).map(|(use_of, _)| *use_of)
}

/// Returns whether the words of `name` mean the address or the certificate of a client, because proxies write such headers.
fn has_address_or_certificate(name: &str) -> bool {
    let glued = name.replace('-', "");
    name.split('-').any(|word| word == "ip")
        || ["forward", "clientip", "clientcert", "realip", "sourceip"].iter().any(|words| glued.contains(words))
}

const BY_PROXIES: &str = "proxies and tracing write it";

/// The names in use, without `x-`. A name also matches with further words. With a `*`, it matches all names that begin with
/// it, even those that end in `key`. Sources: the registry of HTTP fields (IANA), and what common proxies, clouds, content
/// networks and tracers write.
const USES: &[(&str, &str)] = &[
    (
        "it describes the connection, and proxies remove it",
        "close connection http2-settings keep-alive proxy* te trailer transfer-encoding upgrade",
    ),
    (
        "servers and proxies act on it",
        "a-im accel alpn alt-used apply-to-redirect-ref available-dictionary c-ext c-man c-opt c-pep cache cal-managed-id
         caldav-timezones capsule-protocol configuration-context content cookie* cta-common-access* dasl date dav
         default-style delta-base depth derived-from destination detached-jws dictionary-id differential-id digest dpop*
         early-data ediint-features expect ext getprofile grpc hobareg host http idempotency-key* if im include-referred-token incremental
         isolation label link-template lock-token* man max-forwards memento-datetime message-id meter method mime-version
         negotiate odata opt ordering-type oscore oslc-core-version overwrite pep pics-label ping-from ping-to position
         pragma prefer preference-applied priority profileobject protocol public range redirect-ref repeatability
         repr-digest resolution-hint resolver-location safe schedule-reply schedule-tag sec-* security-scheme set-txn
         setprofile signature* slug soapaction status-uri subok subst surrogate* tcn timeout topic ttl unencoded-digest
         urgency uri use-as-dictionary variant-vary version want-content-digest want-digest want-repr-digest",
    ),
    (
        BY_PROXIES,
        "akamai* ali-cdn* amz* appengine* appgw* arr-* auth-request* authentik* azure* b3* baggage cdn cf-* client-dn
         client-fingerprint client-issuer client-port client-san client-scheme client-serial client-subject
         client-verify cloud-trace-context cloudfront* consumer correlation-id credential-identifier datadog* do-connecting-ip edge envoy*
         fastly* fd-* fly-* front-end-https geoip goog* haproxy* heroku* iap-* istio* jwt-assertion kong* l5d-*
         linkerd* ms-* newrelic nf-* nginx* original pomerium* railway*
         ot-span-context real-port remote request-id request-start rewrite scheme scope-orgid sentry served-by ssl* tailscale*
         tls-* trace traceparent tracestate traefik* uber-trace-id url-scheme varnish* vercel* via waf webauth*
         wl-proxy*",
    ),
    (
        "clients write it",
        "accept access-control device-memory dnt downlink dpr ect from last-event-id origin ping prometheus purpose referer
         requested-with rtt save-data ua user-agent viewport-width width",
    ),
    (
        "it belongs to responses",
        "activate-storage-access age allow alt-svc alternates amp-cache-transform authentication-control authentication-info
         cert-not-after cert-not-before clear-site-data cmcd cmsd cross-origin deprecation dns-prefetch-control
         download-options etag expires frame-options last-modified link location nel optional-www-authenticate
         origin-agent-cluster p3p permissions-policy permitted-cross-domain-policies powered-by public-key-pins ratelimit
         referrer-policy refresh replay-nonce report-to reporting-endpoints retry-after robots-tag server set-cookie sourcemap
         strict-transport-security sunset timing-allow-origin vary warning www-authenticate xss-protection",
    ),
];

#[cfg(test)]
mod tests {
    use super::use_of;

    #[test]
    fn recognises_headers_of_the_protocol_and_of_proxies() {
        #[rustfmt::skip]
        let known = [
            // All names in the crate `http` except `authorization`.
            "accept", "accept-charset", "accept-encoding", "accept-language", "accept-ranges",
            "access-control-allow-credentials", "access-control-allow-headers", "access-control-allow-methods",
            "access-control-allow-origin", "access-control-expose-headers", "access-control-max-age",
            "access-control-request-headers", "access-control-request-method", "age", "allow", "alt-svc", "cache-control",
            "cache-status", "cdn-cache-control", "connection", "content-disposition", "content-encoding",
            "content-language", "content-length", "content-location", "content-range", "content-security-policy",
            "content-security-policy-report-only", "content-type", "cookie", "date", "dnt", "etag", "expect", "expires",
            "forwarded", "from", "host", "if-match", "if-modified-since", "if-none-match", "if-range",
            "if-unmodified-since", "last-modified", "link", "location", "max-forwards", "origin", "pragma",
            "proxy-authenticate", "proxy-authorization", "public-key-pins", "public-key-pins-report-only", "range",
            "referer", "referrer-policy", "refresh", "retry-after", "sec-websocket-accept", "sec-websocket-extensions",
            "sec-websocket-key", "sec-websocket-protocol", "sec-websocket-version", "server", "set-cookie",
            "strict-transport-security", "te", "trailer", "transfer-encoding", "upgrade", "upgrade-insecure-requests",
            "user-agent", "vary", "via", "warning", "www-authenticate", "x-content-type-options",
            "x-dns-prefetch-control", "x-frame-options", "x-xss-protection",
            // Other names of the protocol.
            "depth", "destination", "dpop", "dpop-nonce", "http2-settings", "keep-alive", "lock-token", "proxy-connection",
            "sec-fetch-site", "signature", "signature-input", "surrogate-capability", "surrogate-key",
            // Names of proxies, clouds and tracers.
            "b3", "cf-access-client-secret", "cf-connecting-ip", "client-cert", "client-cert-chain",
            "cloudfront-viewer-address", "fastly-client-ip",
            "fastly-key", "fly-client-ip", "forwarded-for", "front-end-https", "request-id", "ssl-client-cert",
            "traceparent", "true-client-ip", "wl-proxy-client-ip", "x-akamai-edgescape", "x-amz-security-token",
            "x-amzn-oidc-data", "x-auth-request-access-token", "x-auth-request-user", "x-client-cert", "x-client-dn",
            "x-client-verify", "x-cloud-trace-context", "x-datadog-trace-id", "x-envoy-external-address", "x-forwarded",
            "x-forwarded-access-token", "x-forwarded-for", "x-goog-iap-jwt-assertion", "x-host",
            "x-http-method-override", "x-kong-request-id", "x-ms-client-principal-id", "x-ms-token-aad-access-token",
            "x-original-url", "x-real-ip", "x-request-id", "x-ssl-client-cert", "x-tls-client-cert",
            "x-vercel-forwarded-for", "x-webauth-user", "proxy",
            "x-forward-for", "x-forwardedfor", "x-source-ip", "x-clientip", "incap-client-ip", "x-originating-ip",
            "ali-cdn-real-ip", "ali-cdn-key", "x-consumer-id", "x-consumer-username", "x-credential-identifier",
            "x-scope-orgid", "x-client-certificate", "ssl-clientcert", "idempotency-key", "x-idempotency-key",
            "cookie-key",
        ];
        for name in known {
            assert!(use_of(name).is_some(), "{name}");
        }
        #[rustfmt::skip]
        let free = [
            "x-metrics-key", "x-scrape-key", "x-api-key", "x-key", "metrics", "ten", "hosts", "authorization-key",
            "x-client-key", "x-request-token", "x-host-secret", "x-prom-token", "x-scraper",
            "x-access-token", "x-vault-token", "x-auth-token", "x-monitoring", "token", "apikey", "x-datecheck",
            "authorization", "x-authorization", "x-prometheus-key", "x-edge-key",
            "x-zip-key", "x-consumer-key", "x-client-token", "x-source-key", "x-real-key", "x-skip",
        ];
        for name in free {
            assert_eq!(use_of(name), None, "{name}");
        }
    }
}
