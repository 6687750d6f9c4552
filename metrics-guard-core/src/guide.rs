//! How to guard metrics well: for who sets a guard up, and for who operates it. These pages are no API.
//!
//! - [threats]: what a guard stands against, what it promises, and what it leaves to others
//! - [layers]: which of key, networks, client certificate, own listener and TLS to take
//! - [rotation]: a new key without a restart and without a failed scrape
//! - [troubleshooting]: each message by its text, with the cure
//! - [`constant_time`]: what the time of a check tells, and the tests for it
//! - [speed]: what a check costs, beside others
//!
//! The beginning, that is, a first service with its key and its scraper, is in the README of the repository; how to use
//! a framework, on the pages of [Rocket](https://docs.rs/metrics-guard-rocket),
//! [Warp](https://docs.rs/metrics-guard-warp) and [tower and axum](https://docs.rs/metrics-guard-tower).

/// A page, and before it where its links lead. In the repository they lead to files and to docs.rs, as the end of each
/// file says; of two definitions of a link, the first counts, so that here they lead to modules and items, and rustdoc
/// looks whether they do.
macro_rules! page {
    ($(#[$attribute:meta])? $name:ident, $text:expr) => {
        $(#[$attribute])?
        #[doc = "[threats]: crate::guide::threats"]
        #[doc = "[layers]: crate::guide::layers"]
        #[doc = "[rotation]: crate::guide::rotation"]
        #[doc = "[troubleshooting]: crate::guide::troubleshooting"]
        #[doc = "[constant_time]: crate::guide::constant_time"]
        #[doc = "[speed]: crate::guide::speed"]
        #[doc = "[`ConfigError`]: crate::ConfigError"]
        #[doc = "[`Guard::key_file`]: crate::Guard::key_file"]
        #[doc = "[`Guard::reload`]: crate::Guard::reload"]
        #[doc = "[`Guard::replace`]: crate::Guard::replace"]
        #[doc = "[`Key::with_label`]: crate::Key::with_label"]
        #[doc = "[`Peer`]: crate::Peer"]
        #[doc = "[`RequestHead`]: crate::RequestHead"]
        #[doc = "[`allow_networks`]: crate::GuardBuilder::allow_networks"]
        #[doc = "[`builder_with_client_names`]: crate::Guard::builder_with_client_names"]
        #[doc = "[`key_file`]: crate::Guard::key_file"]
        #[doc = "[`observe`]: crate::GuardBuilder::observe"]
        #[doc = "[`on_warning`]: crate::GuardBuilder::on_warning"]
        #[doc = "[`require_client_name`]: crate::GuardBuilder::require_client_name"]
        #[doc = ""]
        #[doc = $text]
        pub mod $name {}
    };
}

page!(threats, include_str!("../docs/guide/threats.md"));
page!(layers, include_str!("../docs/guide/layers.md"));
page!(rotation, include_str!("../docs/guide/rotation.md"));
page!(troubleshooting, include_str!("../docs/guide/troubleshooting.md"));
page!(constant_time, include_str!("../docs/constant-time.md"));
page!(
    #[allow(clippy::doc_markdown)] // its tables are as the benches print them
    speed,
    include_str!("../docs/speed.md")
);

#[cfg(test)]
mod tests {
    use std::{io::ErrorKind, iter, path::PathBuf};

    use http::Request;

    use crate::{
        denied::{Denied, Reason},
        error::{ConfigError, Place, Problem, Warning},
        request::RequestHead,
        setting::Setting,
        shown::ShownPath,
    };

    const PAGE: &str = include_str!("../docs/guide/troubleshooting.md");

    /// One problem after the other, with the examples that the page has in their texts. A new one does not compile
    /// until it has a place here, between two others.
    fn after(problem: &Problem) -> Option<Problem> {
        let key_file = || Place::Variable(Setting::KeyFile.variable().into());
        Some(match problem {
            Problem::NoKey => Problem::Blank,
            Problem::Blank => Problem::Unsendable,
            Problem::Unsendable => Problem::Sample,
            Problem::Sample => Problem::Placeholder,
            Problem::Placeholder => Problem::Wrapped("a key in quotes"),
            Problem::Wrapped(_) => Problem::PathAsKey,
            Problem::PathAsKey => Problem::TooShort,
            Problem::TooShort => Problem::TooLong,
            Problem::TooLong => Problem::TooManyKeys,
            Problem::TooManyKeys => Problem::SameLabel("current"),
            Problem::SameLabel(_) => Problem::GivenTwice(key_file()),
            Problem::GivenTwice(_) => Problem::Empty,
            Problem::Empty => Problem::FieldName,
            Problem::FieldName => Problem::HeaderInUse("it describes the connection, and proxies remove it"),
            Problem::HeaderInUse(_) => Problem::ParameterName,
            Problem::ParameterName => Problem::NotAName(Setting::Query),
            Problem::NotAName(_) => Problem::KeyAsName,
            Problem::KeyAsName => Problem::GuardName,
            Problem::GuardName => Problem::NoNetwork,
            Problem::NoNetwork => Problem::NotANetwork(2),
            Problem::NotANetwork(_) => Problem::HostBits(2, "10.0.0.0/8".to_owned()),
            Problem::HostBits(..) => Problem::MappedNetwork(2),
            Problem::MappedNetwork(_) => Problem::NotAClientAddress(2),
            Problem::NotAClientAddress(_) => Problem::NoClientName,
            Problem::NoClientName => Problem::NotAClientName(2),
            Problem::NotAClientName(_) => Problem::NoUseForKeys,
            Problem::NoUseForKeys => Problem::NotAPath,
            Problem::NotAPath => Problem::NoKeyFile,
            Problem::NoKeyFile => Problem::NotTrueOrFalse,
            Problem::NotTrueOrFalse => Problem::NotAString,
            Problem::NotAString => Problem::SeveralKeys,
            Problem::SeveralKeys => Problem::NotAList(Setting::Networks),
            Problem::NotAList(_) => Problem::EntryNotAString(2),
            Problem::EntryNotAString(_) => Problem::NotATable,
            Problem::NotATable => Problem::Unparsable,
            Problem::Unparsable => Problem::UnknownField,
            Problem::UnknownField => Problem::Misspelled(Setting::Networks.variable().into()),
            Problem::Misspelled(_) => Problem::Unreadable(ErrorKind::NotFound),
            Problem::Unreadable(ErrorKind::NotFound) => Problem::Unreadable(ErrorKind::WouldBlock),
            Problem::Unreadable(ErrorKind::WouldBlock) => Problem::Unreadable(ErrorKind::PermissionDenied),
            Problem::Unreadable(_) => Problem::TooManyOpenFiles,
            Problem::TooManyOpenFiles => Problem::NotAFile,
            Problem::NotAFile => Problem::FileTooLarge,
            Problem::FileTooLarge => Problem::Changing,
            Problem::Changing => Problem::CutOff,
            Problem::CutOff => return None,
        })
    }

    /// As for problems.
    fn after_warning(warning: &Warning) -> Option<Warning> {
        let file = || ShownPath::new("./accepted_keys".as_ref(), PathBuf::new(), "");
        let variable = |setting: Setting| Place::Variable(setting.variable().into());
        Some(match warning {
            Warning::Disabled => Warning::ShortKey(variable(Setting::Key)),
            Warning::ShortKey(_) => Warning::SameKey(Place::Line(file(), 2)),
            Warning::SameKey(_) => Warning::SplitKey(file()),
            Warning::SplitKey(_) => Warning::ReadableByAll(file()),
            Warning::ReadableByAll(_) => Warning::WritableByOthers(file()),
            Warning::WritableByOthers(_) => Warning::Stale(ConfigError::new(Place::File(file()), Problem::Blank)),
            Warning::Stale(_) => Warning::NotFollowed(file(), ErrorKind::WouldBlock),
            Warning::NotFollowed(..) => Warning::AllAddresses(variable(Setting::Networks)),
            Warning::AllAddresses(_) => {
                Warning::NoPeer(variable(Setting::Networks), Request::new(()).peer_advice(false))
            }
            Warning::NoPeer(..) => Warning::Dropped(3),
            Warning::Dropped(_) => return None,
        })
    }

    fn denied(reason: Reason) -> Denied {
        match reason {
            Reason::Missing => Denied::MISSING,
            Reason::Malformed => Denied::MALFORMED,
            Reason::Wrong => Denied::WRONG,
            Reason::Address => Denied::ADDRESS,
            Reason::Certificate => Denied::CERTIFICATE,
        }
    }

    #[test]
    fn each_message_is_on_the_page_by_its_text() {
        let problems = iter::successors(Some(Problem::NoKey), after).map(|problem| problem.to_string());
        let warnings = iter::successors(Some(Warning::Disabled), after_warning).map(|warning| warning.to_string());
        // At the beginning of a row, and without what is said of it.
        let rows = problems.chain(warnings).map(|text| format!("\n| ``{text}"));
        let missing: Vec<_> = rows.filter(|row| !PAGE.contains(row)).collect();
        assert!(missing.is_empty(), "not in docs/guide/troubleshooting.md, or in other words: {missing:#?}");
    }

    #[test]
    fn each_reason_is_on_the_page() {
        for &reason in Reason::ALL {
            let denied = denied(reason);
            let row = format!("\n| `{reason}` | {} | `{denied}` |", denied.status().as_u16());
            assert!(PAGE.contains(&row), "not in docs/guide/troubleshooting.md: {row}");
        }
    }
}
