//! The settings by name: what each is called in the environment and in a configuration file, and which other names are
//! close to those.

use crate::{
    names::{after, bare, is_near, is_service_link},
    shown::shown_name,
};

/// What can be set from outside the program.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Setting {
    /// The one accepted key.
    Key,
    /// The path of a file with the accepted keys, one a line. Blank lines do not count. The guard follows it.
    KeyFile,
    /// The name of the field that presents a key, instead of `X-Metrics-Key`.
    Header,
    /// The name of the query parameter that may present a key.
    Query,
    /// The networks that may ask, with commas between them. Not set: all may.
    Networks,
    /// The names of which a client certificate must have one, with commas between them. Not set: no certificate is asked
    /// for.
    ClientNames,
    /// `true`: everyone passes. `false`: as if not set.
    Disabled,
}

impl Setting {
    /// All settings.
    pub const ALL: &'static [Setting] = &[
        Setting::Key,
        Setting::KeyFile,
        Setting::Header,
        Setting::Query,
        Setting::Networks,
        Setting::ClientNames,
        Setting::Disabled,
    ];

    /// The environment variable that sets it.
    #[must_use]
    pub const fn variable(self) -> &'static str {
        match self {
            Setting::Key => "METRICS_VERIFICATION_KEY",
            Setting::KeyFile => "METRICS_VERIFICATION_KEY_FILE",
            Setting::Header => "METRICS_VERIFICATION_HEADER",
            Setting::Query => "METRICS_VERIFICATION_QUERY",
            Setting::Networks => "METRICS_VERIFICATION_NETWORKS",
            Setting::ClientNames => "METRICS_VERIFICATION_CLIENT_NAMES",
            Setting::Disabled => "METRICS_VERIFICATION_DISABLED",
        }
    }

    /// The name that it has in a configuration file.
    #[must_use]
    pub const fn field(self) -> &'static str {
        match self {
            Setting::Key => "key",
            Setting::KeyFile => "key_file",
            Setting::Header => "header",
            Setting::Query => "query",
            Setting::Networks => "networks",
            Setting::ClientNames => "client_names",
            Setting::Disabled => "disabled",
        }
    }

    /// The setting that this environment variable sets.
    #[must_use]
    pub fn by_variable(name: &str) -> Option<Setting> {
        Setting::ALL.iter().copied().find(|setting| setting.variable() == name)
    }

    /// The setting that has this name in a configuration file.
    #[must_use]
    pub fn by_field(name: &str) -> Option<Setting> {
        Setting::ALL.iter().copied().find(|setting| setting.field() == name)
    }

    /// The setting whose name in a configuration file is closest to this one, if one is close.
    #[must_use]
    pub fn by_near_field(name: &str) -> Option<Setting> {
        let name = bare(name);
        let find = |is_close: &dyn Fn(&str) -> bool| {
            Setting::ALL.iter().copied().find(|setting| is_close(&bare(setting.field())))
        };
        find(&|field| name == field)
            .or_else(|| find(&|field| is_near(name.as_bytes(), field.as_bytes(), 1)))
            .or_else(|| find(&|field| field.len() > 5 && is_near(name.as_bytes(), field.as_bytes(), 2)))
            .or_else(|| find(&|field| field.len() > 5 && name.contains(field)))
    }
}

/// A name that is close to the name of a setting or of the guard's table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NearName {
    /// What a message may show of the name.
    pub shown: String,
    /// What the name means.
    pub meaning: Meaning,
}

/// What a [`NearName`] means.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Meaning {
    /// The table with all settings.
    Table,
    /// A setting.
    Setting(Setting),
    /// It begins as the names of settings do, and is close to none of them.
    Unknown,
}

impl NearName {
    /// Judges a name with this value, where the names of settings begin with `prefix`, such as `metrics_guard`. Case and
    /// separators do not count, and a typing error or two still make a close name.
    ///
    /// A variable that Kubernetes makes for a Service is not close to any setting.
    #[must_use]
    pub fn of(name: &str, value: &str, prefix: &str) -> Option<NearName> {
        // Of a script that became a file for the environment.
        let name = name.strip_prefix("export ").unwrap_or(name);
        if let Some(rest) = after(name, prefix) {
            let beginning = name[..name.len() - rest.len()].escape_debug();
            let shown = format!("{beginning}{}", if rest.is_empty() { "" } else { shown_name(rest) });
            let meaning = Setting::by_near_field(rest).map_or(Meaning::Unknown, Meaning::Setting);
            return (!is_service_link(rest, value)).then_some(NearName { shown, meaning });
        }
        let (name_letters, prefix) = (bare(name), bare(prefix));
        // A number makes another name of it, and other characters may not be fit to be shown.
        if !name_letters.bytes().all(|byte| byte.is_ascii_alphabetic()) {
            return None;
        }
        // Two errors in a shorter prefix make another word: METRICS_BOARD is not METRICS_GUARD.
        let is_close = |field: &str| {
            let known = format!("{prefix}{field}");
            is_near(name_letters.as_bytes(), known.as_bytes(), if prefix.len() < 19 { 1 } else { 2 })
        };
        let setting = || Setting::ALL.iter().copied().find(|setting| is_close(&bare(setting.field())));
        let meaning = if is_close("") { Meaning::Table } else { Meaning::Setting(setting()?) };
        Some(NearName { shown: name.escape_debug().to_string(), meaning })
    }
}

#[cfg(test)]
mod tests {
    use super::{Meaning, NearName, Setting};

    #[test]
    fn no_setting_ends_like_a_service_link() {
        for setting in Setting::ALL {
            let name = setting.variable();
            assert!(!name.ends_with("_PORT") && !name.ends_with("_HOST"), "{name}");
        }
    }

    #[test]
    fn finds_the_setting_that_a_field_means() {
        for setting in Setting::ALL {
            assert_eq!(Setting::by_near_field(setting.field()), Some(*setting));
        }
        for (name, setting) in [
            ("key-file", Setting::KeyFile),
            ("KeyFile", Setting::KeyFile),
            ("kye", Setting::Key),
            ("keys", Setting::Key),
            ("network", Setting::Networks),
            ("allowed_networks", Setting::Networks),
            ("client_name", Setting::ClientNames),
            ("disable", Setting::Disabled),
        ] {
            assert_eq!(Setting::by_near_field(name), Some(setting), "{name}");
        }
        for name in ["", "timeout", "port", "path", "x"] {
            assert_eq!(Setting::by_near_field(name), None, "{name}");
        }
    }

    #[test]
    fn judges_names_that_are_close() {
        let meaning = |name, prefix| NearName::of(name, "1", prefix).map(|near| near.meaning);
        for (name, expected) in [
            ("METRIC_VERIFICATION_KEY", Meaning::Setting(Setting::Key)),
            ("METRICS_VERFICATION_NETWORKS", Meaning::Setting(Setting::Networks)),
            ("METRICSVERIFICATIONKEYFILE", Meaning::Setting(Setting::KeyFile)),
            ("metrics-verification.query", Meaning::Setting(Setting::Query)),
            ("METRICS__VERIFICATION__DISABLED", Meaning::Setting(Setting::Disabled)),
            ("METRICS_VERIFICATION_TIMEOUT", Meaning::Unknown),
            ("Metrics_Verification", Meaning::Table),
            // Of a file for the environment that begins with a byte-order mark, or is a script.
            ("\u{feff}METRICS_VERIFICATION_NETWORKS", Meaning::Setting(Setting::Networks)),
            ("export METRICS_VERIFICATION_NETWORKS", Meaning::Setting(Setting::Networks)),
            ("METRICS_VERIFICATION_NETWORKS\t", Meaning::Setting(Setting::Networks)),
            ("METRICS_VERIFICATION\u{a0}NETWORKS", Meaning::Setting(Setting::Networks)),
        ] {
            assert_eq!(meaning(name, "metrics_verification"), Some(expected), "{name}");
        }
        for name in [
            "METRICS_PORT",
            "METRICS_KEY",
            "METRICS_ENABLED",
            "VERIFICATION_KEY",
            "METRICS_NOTIFICATION_KEY",
            "METRICS_VERIFICATION2_KEY",
            "APP_METRICS_VERIFICATION_KEY",
            "KEY_FILE",
        ] {
            assert_eq!(meaning(name, "metrics_verification"), None, "{name}");
            assert_eq!(meaning(name, "metrics_guard"), None, "{name}");
        }
    }
}
