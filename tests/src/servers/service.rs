//! The pages of each server under test.

use std::sync::{LazyLock, OnceLock};

use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};

use super::under_test::Failure;

/// The response to `GET /`.
pub(super) const INDEX: &str = "Hello. My metrics are none of your business.\n";

/// The content type of the metrics. Prometheus 3 rejects a scrape without a type that it knows.
pub(super) const METRICS_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// The bench's page, as large as the metrics of a small service.
pub static PAGE: LazyLock<String> = LazyLock::new(|| {
    let line = |n| format!("http_requests_total{{method=\"GET\",route=\"/route/{n:03}\",status=\"200\"}} {n:03}\n");
    (0..90).map(line).collect()
});

static EXPORTER: OnceLock<PrometheusHandle> = OnceLock::new();

/// Installs the exporter, before a guard exists.
pub(super) fn export() -> Result<(), Failure> {
    let recorder = PrometheusBuilder::new().build_recorder();
    EXPORTER.get_or_init(|| recorder.handle());
    Ok(metrics::set_global_recorder(recorder)?)
}

/// Returns the response to `GET /metrics`: the series of the guard, and how often this function has been called.
pub(super) fn metrics() -> String {
    metrics::counter!("metrics_scrapes_total").increment(1);
    EXPORTER.get().map(PrometheusHandle::render).unwrap_or_default()
}

/// Returns the response to `GET /fibonacci/<n>`.
pub(super) fn fibonacci(n: u8) -> String {
    let (last, _) = (0..n).fold((0_u128, 1_u128), |(a, b), _| (b, a.wrapping_add(b)));
    format!("{last}\n")
}
