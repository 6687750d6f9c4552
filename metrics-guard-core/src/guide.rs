//! Explains how to guard metrics, for developers and operators. These pages are not an API.
//!
//! - [threats]: which attacks a guard stops, what it promises, and its limits
//! - [layers]: which of key, networks, client certificate, separate listener and TLS to combine
//! - [`custom_servers`]: how to check requests of a server's own types, or of `http` 0.2
//! - [frameworks]: programs for poem, salvo, ntex, pingora, older axum, hyper and warp, tonic, loco and libraries of metrics
//! - [rotation]: how to change the key without a restart and without a failed scrape
//! - [`key_file_permissions`]: which user should own the key file, and which users may read or write it
//! - [monitoring]: series, alerts and events, and how to keep the key out of logs
//! - [troubleshooting]: what a message of the guard means, and what to do
//! - [`scraper_errors`]: what the scraper's error means
//! - [`compile_errors`]: what a compiler error on a guarded handler means, and where other attributes go
//! - [`constant_time`]: what the time of a check reveals, and the tests for it
//! - [speed]: what a check costs, and how to measure it
//!
//! The README of the repository has a first service with its key and its scraper. The frameworks have their own pages:
//! [actix-web](https://docs.rs/metrics-guard-actix), [Rocket](https://docs.rs/metrics-guard-rocket),
//! [Warp](https://docs.rs/metrics-guard-warp) and [tower and axum](https://docs.rs/metrics-guard-tower).

/// Defines a page: the definitions of its links, an optional picture, and the text. In the repository, links lead to files and
/// to docs.rs, as the end of each file defines. Rustdoc uses the first definition of a link. The definitions here come first,
/// so that links lead to modules and items, and rustdoc checks them.
macro_rules! page {
    ($(#[$attribute:meta])? $name:ident, $text:expr $(, $picture:expr)?) => {
        $(#[$attribute])?
        #[doc = "[threats]: crate::guide::threats"]
        #[doc = "[layers]: crate::guide::layers"]
        #[doc = "[`custom_servers`]: crate::guide::custom_servers"]
        #[doc = "[frameworks]: crate::guide::frameworks"]
        #[doc = "[rotation]: crate::guide::rotation"]
        #[doc = "[key_file_permissions]: crate::guide::key_file_permissions"]
        #[doc = "[monitoring]: crate::guide::monitoring"]
        #[doc = "[troubleshooting]: crate::guide::troubleshooting"]
        #[doc = "[scraper_errors]: crate::guide::scraper_errors"]
        #[doc = "[compile_errors]: crate::guide::compile_errors"]
        #[doc = "[constant_time]: crate::guide::constant_time"]
        #[doc = "[speed]: crate::guide::speed"]
        #[doc = "[`ConfigError`]: crate::ConfigError"]
        #[doc = "[`Guard::key_file`]: crate::Guard::key_file"]
        #[doc = "[`Guard::reload`]: crate::Guard::reload"]
        #[doc = "[`Guard::replace`]: crate::Guard::replace"]
        #[doc = "[`Key::with_label`]: crate::Key::with_label"]
        #[doc = "[`KeyRing`]: crate::KeyRing"]
        #[doc = "[`Peer`]: crate::Peer"]
        #[doc = "[`RequestHead`]: crate::RequestHead"]
        #[doc = "[`request_head`]: crate::request_head"]
        #[doc = "[`allow_networks`]: crate::GuardBuilder::allow_networks"]
        #[doc = "[`builder_with_client_names`]: crate::Guard::builder_with_client_names"]
        #[doc = "[`from_env_or_open`]: crate::Guard::from_env_or_open"]
        #[doc = "[`key_file`]: crate::Guard::key_file"]
        #[doc = "[`observe`]: crate::GuardBuilder::observe"]
        #[doc = "[`on_warning`]: crate::GuardBuilder::on_warning"]
        #[doc = "[`require_client_name`]: crate::GuardBuilder::require_client_name"]
        #[doc = ""]
        $(
            #[doc = $picture]
            #[doc = ""]
        )?
        #[doc = $text]
        pub mod $name {}
    };
}

page!(threats, include_str!("../docs/guide/threats.md"));
page!(layers, include_str!("../docs/guide/layers.md"), include_str!("../docs/pictures/layers.svg"));
page!(custom_servers, include_str!("../docs/guide/custom-servers.md"));
page!(
    #[allow(clippy::doc_markdown)] // it lists versions of crates as cargo prints them
    frameworks,
    include_str!("../docs/guide/frameworks.md")
);
page!(rotation, include_str!("../docs/guide/rotation.md"), include_str!("../docs/pictures/rotation.svg"));
page!(key_file_permissions, include_str!("../docs/guide/key-file-permissions.md"));
page!(monitoring, include_str!("../docs/guide/monitoring.md"));
page!(troubleshooting, include_str!("../docs/guide/troubleshooting.md"));
page!(scraper_errors, include_str!("../docs/guide/scraper-errors.md"));
page!(compile_errors, include_str!("../docs/guide/compile-errors.md"));
page!(constant_time, include_str!("../docs/constant-time.md"));
page!(
    #[allow(clippy::doc_markdown)] // its tables are as the benches print them
    speed,
    include_str!("../docs/speed.md")
);

#[cfg(test)]
mod tests {
    use crate::{
        denied::{Reason, tests::denied},
        problem, warning,
    };

    const PAGE: &str = include_str!("../docs/guide/troubleshooting.md");

    #[test]
    fn troubleshooting_lists_each_error_and_warning() {
        let problems = problem::all().into_iter().map(|problem| problem.text);
        let warnings = warning::all().into_iter().map(|warning| warning.to_string());
        // Each message must begin a row of a table.
        let rows = problems.chain(warnings).map(|text| format!("\n| ``{text}"));
        let missing: Vec<_> = rows.filter(|row| !PAGE.contains(row)).collect();
        assert!(missing.is_empty(), "not in docs/guide/troubleshooting.md, or in other words: {missing:#?}");
    }

    #[test]
    fn troubleshooting_lists_each_rejection_reason() {
        for &reason in Reason::ALL {
            let denied = denied(reason);
            let row = format!("\n| `{reason}` | {} | ``{denied}`` |", denied.status().as_u16());
            assert!(PAGE.contains(&row), "not in docs/guide/troubleshooting.md: {row}");
        }
    }
}
