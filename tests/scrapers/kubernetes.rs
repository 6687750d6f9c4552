//! The files for Kubernetes and the Prometheus Operator, against the types of what they are.

use libtest_mimic::Trial;

pub(crate) fn trials() -> Vec<Trial> {
    Vec::new()
}
