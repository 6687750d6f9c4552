// Cases 74 and 75: items that cannot be a handler, the attribute twice or on a parameter, and an argument for requests.
use metrics_guard_warp::guard_metrics;

#[guard_metrics]
struct Metrics;

impl Metrics {
    #[guard_metrics]
    fn method(&self) {}
}

#[guard_metrics(guard = GUARD)]
fn argument_of_another_framework() {}

#[guard_metrics]
#[guard_metrics]
fn twice() {}

#[guard_metrics]
fn attribute_on_a_parameter(#[cfg(test)] _word: String) {}

fn main() {}
