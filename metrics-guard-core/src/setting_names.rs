//! Names the settings in the environment and in a configuration file, and finds other names that are close to these.

use strsim::osa_distance;

use crate::{
    near_names::{Unlikeness, after_close_word, bare, is_list_of_networks, is_separator, is_service_link},
    shown::shown_name,
};

/// The names of all settings, as in a table of a configuration file. The variable of a setting has the name in upper case
/// behind `METRICS_VERIFICATION_`.
pub const SETTINGS: [&str; 7] = ["key", "key_file", "header", "query", "networks", "client_names", "disabled"];

/// The prefix of a guard's variables, unless the program gives it another one.
pub(crate) const PREFIX: &str = "METRICS_VERIFICATION_";

/// Returns the environment variable of a setting of the guard whose variables begin with `prefix`.
pub(crate) fn variable(prefix: &str, setting: &str) -> String {
    format!("{prefix}{}", setting.to_ascii_uppercase())
}

/// Returns the setting of an environment variable, if the name is exact.
pub(crate) fn by_variable(prefix: &str, name: &str) -> Option<&'static str> {
    let rest = name.strip_prefix(prefix)?;
    SETTINGS.into_iter().find(|setting| setting.to_ascii_uppercase() == rest)
}

/// Returns the setting whose name is closest to this one, if one is close.
pub(crate) fn by_near_name(name: &str) -> Option<&'static str> {
    let name = bare(name);
    // The name can have another number or form, and words around it, such as `allowed_networks`.
    let is_in_words = |setting: &str| setting.len() > 5 && name.contains(setting.trim_end_matches(['s', 'd']));
    by_typing_error(&name)
        .or_else(|| find(is_in_words))
        .or_else(|| ["cidr", "allowlist", "whitelist"].iter().any(|word| name.contains(word)).then_some("networks"))
}

/// Returns the setting whose [`bare`] name is `name`, apart from one or two typing errors.
fn by_typing_error(name: &str) -> Option<&'static str> {
    let is_close = |setting: &str, edits| osa_distance(name, setting) <= edits;
    find(|setting| name == setting)
        .or_else(|| find(|setting| is_close(setting, 1)))
        .or_else(|| find(|setting| setting.len() > 5 && is_close(setting, 2)))
}

fn find(is_it: impl Fn(&str) -> bool) -> Option<&'static str> {
    SETTINGS.into_iter().find(|setting| is_it(&bare(setting)))
}

/// The words that our names combine with `metrics`.
const OTHER_WORDS: [&str; 2] = [VERIFICATION, "guard"];
/// Words that other programs use too. They count as `verification` only before the exact name of a setting.
const VERBS: [&str; 2] = ["verify", "verified"];
const METRICS: &str = "metrics";
const VERIFICATION: &str = "verification";

/// Returns the setting of a line that became a variable, such as `Environment=METRICS_VERIFICATION_KEY=..` of a unit file.
pub(crate) fn assigned(prefix: &str, name: &str, value: &str) -> Option<&'static str> {
    const WORDS: [&str; 5] = ["environment", "env", "export", "set", "declare"];
    let (variable, _) = value.split_once('=').filter(|_| WORDS.iter().any(|word| name.eq_ignore_ascii_case(word)))?;
    by_variable(prefix, variable.trim_start_matches(is_separator))
}

/// Returns whether `name` is `word` in any case, with at most one typing error, or two in a word of eight letters or more.
/// Separators do not count. `word` is in lower case and has two letters or more.
#[must_use]
pub fn is_close(name: &str, word: &str) -> bool {
    after_close_word(name, word).is_some_and(|(rest, _)| rest.is_empty())
}

/// A name that is close to the name of a setting or of the guard's table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NearName {
    /// The name as a message may show it.
    pub shown: String,
    /// The setting that the name means, as in [`SETTINGS`]. `None` for the table, and for a name that begins like a
    /// setting's name but is not close to one.
    pub setting: Option<&'static str>,
    /// Whether the name means the table with all settings.
    pub is_table: bool,
    /// Whether the name begins with one of the adapter's words.
    pub has_prefix: bool,
}

impl NearName {
    /// Judges a name with this value. Our names have the words `metrics` and `verification` or `guard`, in either order, and
    /// then the name of a setting. Another name counts as well if the value is a list of networks. Case and separators do not
    /// count, and a word with one or two typing errors is still close.
    ///
    /// One of the words in `prefixes`, such as `rocket`, may come first, and then any other word, such as the name of a
    /// profile.
    ///
    /// A variable that Kubernetes makes for a Service is not close to any setting.
    #[must_use]
    pub fn of(name: &str, value: &str, prefixes: &[&str]) -> Option<NearName> {
        if is_service_link(name.trim_start_matches(is_separator), value) {
            return None;
        }
        let has_table = !prefixes.is_empty();
        let own = || near(name, value, has_table);
        let with_prefix = || {
            let ways = prefixes.iter().filter_map(|prefix| after_close_word(name, prefix));
            let (rest, _) = ways.min_by_key(|(_, unlikeness)| *unlikeness)?;
            let before = name[..name.len() - rest.len()].escape_debug();
            if let Some(near) = near(rest, value, has_table) {
                return Some(NearName { shown: format!("{before}{}", near.shown), has_prefix: true, ..near });
            }
            let rest = rest.trim_start_matches(is_separator);
            let (word, rest) = rest.split_at(rest.find(is_separator)?);
            let near = near(rest, value, false)?;
            let shown = format!("{before}_{}{}", shown_name(word), near.shown);
            Some(NearName { shown, has_prefix: true, ..near })
        };
        // A shell script that is used as an environment file has lines such as `export NAME`, `declare -x NAME` and
        // `$env:NAME`.
        let exported = || {
            let name = name.trim_end();
            let at = name.rfind(|letter: char| letter.is_whitespace() || letter == ':')?;
            let (before, rest) = name.split_at(at + name[at..].chars().next()?.len_utf8());
            let near = NearName::of(rest, value, prefixes)?;
            let before = if before.len() < 17 { before.escape_debug().to_string() } else { "… ".to_owned() };
            Some(NearName { shown: format!("{before}{}", near.shown), ..near })
        };
        own().or_else(with_prefix).or_else(exported)
    }
}

impl NearName {
    /// Judges the name of a variable, for the guard whose variables begin with `prefix`. If `prefix` is not [`PREFIX`], only
    /// names that begin with `prefix` exactly can be close, and their rest is judged as if it were behind [`PREFIX`].
    pub(crate) fn of_variable(prefix: &str, name: &str, value: &str) -> Option<NearName> {
        if prefix == PREFIX {
            return NearName::of(name, value, &[]);
        }
        let (start, rest) = name.split_at_checked(prefix.len())?;
        let near = || NearName::of(&format!("{PREFIX}{rest}"), value, &[]);
        let near = start.eq_ignore_ascii_case(prefix).then(near).flatten()?;
        Some(NearName { shown: near.shown.replacen(PREFIX, start, 1), ..near })
    }

    /// Returns whether a variable that begins with `prefix` can be close to one that begins with [`PREFIX`], also in Rocket.
    pub(crate) fn can_begin_with(prefix: &str) -> bool {
        let is_near = |setting| NearName::of(&variable(prefix, setting), "10.0.0.0/8", &["rocket"]).is_some();
        PREFIX.contains(prefix) || prefix.contains(PREFIX) || SETTINGS.into_iter().any(is_near)
    }
}

/// Judges a name that does not begin with one of the adapter's words.
fn near(name: &str, value: &str, has_table: bool) -> Option<NearName> {
    let orders = OTHER_WORDS.into_iter().flat_map(|other| [(METRICS, other), (other, METRICS)]);
    let ways = orders.chain(VERBS.map(|verb| (METRICS, verb))).filter_map(|(first, second)| {
        let (rest, (first_is_glued, first_edits)) = after_close_word(name, first)?;
        let (rest, (is_glued, edits)) = after_close_word(rest, second)?;
        let (is_verb, edits) = (VERBS.contains(&second), first_edits + edits);
        if is_verb && (edits > 0 || rest.is_empty()) {
            return None;
        }
        // Other programs use these words in another order, and names that begin like the table.
        let is_ours = first == METRICS && !is_glued && !is_verb && (has_table || second == VERIFICATION);
        let setting = || {
            let field = bare(rest);
            let setting = by_typing_error(&field);
            if is_glued {
                // Otherwise the rest of another word, as in METRICS_GUARDED_NETWORKS, would count as a typing error.
                return setting.filter(|setting| setting.as_bytes().first() == field.as_bytes().first());
            }
            let setting = if is_verb { setting } else { by_near_name(rest) };
            setting.or(is_list_of_networks(rest, value).then_some("networks"))
        };
        let setting = if rest.is_empty() { None } else { setting() };
        let unlikeness: Unlikeness = (first_is_glued || is_glued, edits);
        (rest.is_empty() || setting.is_some() || is_ours).then_some((unlikeness, rest, setting))
    });
    let Some((_, rest, setting)) = ways.min_by_key(|(unlikeness, ..)| *unlikeness) else {
        let (shown, setting) = (name.escape_debug().to_string(), Some(reordered(name)?));
        return Some(NearName { shown, setting, is_table: false, has_prefix: false });
    };
    let field = rest.trim_start_matches(is_separator);
    let before = name[..name.len() - field.len()].escape_debug();
    let shown = format!("{before}{}", if field.is_empty() { "" } else { shown_name(field) });
    Some(NearName { shown, setting, is_table: rest.is_empty(), has_prefix: false })
}

/// Returns the setting whose name comes before our words, as in `NETWORKS_METRICS_GUARD`. Short names do not count there,
/// because names of other programs contain them.
fn reordered(name: &str) -> Option<&'static str> {
    const MIN_NAME_LEN: usize = 7;
    let is_in = |words: [&str; 3]| {
        words.into_iter().try_fold(name, |rest, word| after_close_word(rest, word).map(|(rest, _)| rest)) == Some("")
    };
    let mut settings = SETTINGS.into_iter().filter(|setting| bare(setting).len() >= MIN_NAME_LEN);
    settings.find(|setting| {
        let field = &*bare(setting);
        OTHER_WORDS.into_iter().any(|other| is_in([field, METRICS, other]) || is_in([field, other, METRICS]))
    })
}

#[cfg(test)]
mod tests {
    use super::{NearName, PREFIX, SETTINGS, by_near_name, by_variable, variable};

    #[test]
    fn a_variable_belongs_to_one_prefix_only() {
        for setting in SETTINGS {
            for longer in ["P_GUARD_", "P_KEY_", "P_CLIENT_"] {
                let name = variable(longer, setting);
                assert_eq!(by_variable("P_", &name), None, "{name}");
                assert!(NearName::of_variable("P_", &name, "1").is_some(), "{name} is no error of the shorter prefix");
                let name = variable("P_", setting);
                assert_eq!(by_variable(longer, &name), None, "{name}");
            }
            for (prefix, other) in [("PPROF_GUARD_", PREFIX), (PREFIX, "PPROF_GUARD_")] {
                let name = variable(prefix, setting);
                assert_eq!(by_variable(prefix, &name), Some(setting));
                assert_eq!(NearName::of_variable(other, &name, "10.0.0.0/8"), None, "{name}");
            }
        }
    }

    #[test]
    fn no_setting_ends_like_a_service_link() {
        for setting in SETTINGS {
            let name = variable(PREFIX, setting);
            assert!(!name.ends_with("_PORT") && !name.ends_with("_HOST"), "{name}");
        }
    }

    #[test]
    fn suggests_the_setting_that_a_misspelled_field_means() {
        for setting in SETTINGS {
            assert_eq!(by_near_name(setting), Some(setting));
        }
        for (name, setting) in [
            ("key-file", "key_file"),
            ("KeyFile", "key_file"),
            ("kye", "key"),
            ("keys", "key"),
            ("network", "networks"),
            ("allowed_networks", "networks"),
            ("client_name", "client_names"),
            ("disable", "disabled"),
        ] {
            assert_eq!(by_near_name(name), Some(setting), "{name}");
        }
        for name in ["", "timeout", "port", "path", "x"] {
            assert_eq!(by_near_name(name), None, "{name}");
        }
    }

    #[test]
    fn recognises_misspelled_variables() {
        let setting = |name| (Some(name), false);
        let (unknown, table) = ((None, false), (None, true));
        let meaning = |near: NearName| (near.setting, near.is_table);
        for (name, expected) in [
            ("METRIC_VERIFICATION_KEY", setting("key")),
            ("METRICS_VERFICATION_NETWORKS", setting("networks")),
            ("METRIC_VERFICATION_NETWORK", setting("networks")),
            ("METRICS_VERFICATION_ALLOWED_NETWORKS", setting("networks")),
            ("METRICS_GAURD_ALLOWED_NETWORKS", setting("networks")),
            ("METRICS_GUARD_NETWORK_ALLOWLIST", setting("networks")),
            ("GUARD_METRICS_NETWORKS", setting("networks")),
            ("VERIFICATION-METRICS-KEY-FILE", setting("key_file")),
            ("NETWORKS_METRICS_VERIFICATION", setting("networks")),
            ("METRICS_VERIFY_NETWORKS", setting("networks")),
            ("METRICS_VERIFIED_CLIENT_NAME", setting("client_names")),
            ("client_names_metrics_guard", setting("client_names")),
            ("METRICSVERIFICATIONKEYFILE", setting("key_file")),
            ("MetricsGuardNetworks", setting("networks")),
            ("metrics-verification.query", setting("query")),
            ("METRICS__VERIFICATION__DISABLED", setting("disabled")),
            ("METRICS_VERIFICATION_TIMEOUT", unknown),
            ("METRICS_VERIFICATION_", unknown),
            ("METRICS_VERFICATION_TIMEOUT", unknown),
            ("Metrics_Verification", table),
            // These come from an environment file that begins with a byte-order mark, or that is a script.
            ("\u{feff}METRICS_VERIFICATION_NETWORKS", setting("networks")),
            ("export METRICS_VERIFICATION_NETWORKS", setting("networks")),
            ("export\tMETRICS_VERIFICATION_NETWORKS", setting("networks")),
            ("declare -x METRICS_VERIFICATION_NETWORKS", setting("networks")),
            ("set METRICS_VERIFICATION_NETWORKS", setting("networks")),
            ("$env:METRICS_VERIFICATION_NETWORKS", setting("networks")),
            ("METRICS_VERIFICATION_NETWORKS\t", setting("networks")),
            ("METRICS_VERIFICATION\u{a0}NETWORKS", setting("networks")),
        ] {
            let near = NearName::of(name, "1", &[]).map(meaning);
            assert_eq!(near, Some(expected), "{name}");
            for prefix in ["ROCKET_", "ROKET__", "rocket_RELEASE_"] {
                let near = NearName::of(&format!("{prefix}{name}"), "1", &["rocket"]);
                let has_prefix = near.is_some_and(|near| near.has_prefix);
                // Behind another word, only a certain match counts.
                let is_certain = prefix != "rocket_RELEASE_" || expected != unknown;
                assert!(has_prefix || !is_certain || name.contains([' ', '\t', '\u{feff}', ':']), "{prefix}{name}");
            }
        }
        for words in ["METRICS_VERIFICATION", "METRICS_GUARD", "GUARD_METRICS", "METRIC_GAURD", "METRICS_VERIFY"] {
            for rest in ["ALLOWED_IPS", "ALLOW_FROM", "SUBNETS", "IP_RANGES", "SOURCES"] {
                let near = NearName::of(&format!("{words}_{rest}"), "10.0.0.0/8", &[]).map(meaning);
                assert_eq!(near, Some(setting("networks")), "{words}_{rest}");
            }
        }
        for (name, shown) in [
            ("declare -x METRICS_GUARD_KEY", "declare -x METRICS_GUARD_KEY"),
            ("$env:METRICS_GUARD_KEY", "$env:METRICS_GUARD_KEY"),
            ("0e8a6c4f2d1b3957ec0f8a7d METRICS_GUARD_KEY", "… METRICS_GUARD_KEY"),
            ("METRICS_GUARD_KEY0e8a6c4f2d1b3", "METRICS_GUARD_…"),
            ("METRIC_VERIFICATION_ALLOWED_NETWORKS", "METRIC_VERIFICATION_…"),
            ("ROCKET_METRICS_GUARD_KEY", "ROCKET_METRICS_GUARD_KEY"),
            ("ROCKET_RELEASE_METRICS_GUARD_KEY", "ROCKET_RELEASE_METRICS_GUARD_KEY"),
        ] {
            let near = NearName::of(name, "1", &["rocket"]).map(|near| near.shown);
            assert_eq!(near.as_deref(), Some(shown), "{name}");
        }
    }

    #[test]
    fn ignores_variables_of_other_programs() {
        for name in [
            "METRICS_PORT",
            "METRICS_KEY",
            "METRICS_KEY_PREFIX",
            "METRICS_ENABLED",
            "METRICS_NETWORKS",
            "METRICS_BOARD_KEY",
            "METRICS_GUID_KEY",
            "METRICS_GUARDIAN_URL",
            "METRICS_GUARDIAN_DISABLED",
            "METRICS_GUARDIAN_NETWORKS",
            "METRICS_GUARDIAN_KEY",
            "METRICS_GUARDRAILS_DISABLED",
            "METRICS_GUARDED_NETWORKS",
            "METRICS_GUARDED",
            "METRICS_VERIFY",
            "METRICS_VERIFY_SSL",
            "METRICS_VERIFYING_NETWORKS",
            "METRICS_VERIFIER_KEY",
            "VERIFY_METRICS_KEY",
            "METRICS_NETWORK_VERIFICATION",
            "METRICS_DISABLED_GUARD",
            "GUARD_NETWORKS_METRICS",
            "METRICS_VERIFICATION_ENV_PATH",
            "METRICS_GUARD_ENV_NETWORKS",
            "METRICS_GUARD_URL",
            "METRICS_GUARD_VERSION",
            "PROMETHEUS_METRICS_ENABLED",
            "VERIFICATION_KEY",
            "VERIFICATION_KEY_FILE",
            "VERIFICATION_METRICS_PORT",
            "VERIFICATION_METRICS_ENABLED",
            "EMAIL_VERIFICATION_KEY",
            "GUARD_METRICS_PORT",
            "GUARD_METRICS_ENABLED",
            "METRICS_NOTIFICATION_KEY",
            "METRICS_CERTIFICATION_KEY",
            "METRICS_VERIFICATION2_KEY",
            "METRICS2_GUARD_NETWORKS",
            "METRICS_VERIFICATION2_NETWORKS",
            "METRICS_KEY_VERIFICATION",
            "APP_METRICS_VERIFICATION_KEY",
            "MY_APP_NETWORKS",
            "ROCKET_KEEP_ALIVE",
            "ROCKET_METRICS_PORT",
            "ROCKET_METRICS_BOARD",
            "ROCKET_GUARD_METRICS_ENABLED",
            "KEY_FILE",
            "GUARD_KEY",
            "PATH",
            "_",
            "",
        ] {
            assert_eq!(NearName::of(name, "1", &[]), None, "{name}");
            let in_rocket = NearName::of(name, "1", &["rocket"]).filter(|near| near.has_prefix);
            assert_eq!(in_rocket, None, "{name}");
        }
        for (name, value) in [
            ("METRICS_GUARDIAN_NETWORKS", "10.0.0.0/8"),
            ("METRICS_GUARDIAN_SUBNETS", "10.0.0.0/8,::1"),
            ("METRICS_GUARD_HOST", "10.0.0.1"),
            ("METRICS_GUARD_BIND", "0.0.0.0"),
            ("METRICS_VERIFY_HOST", "127.0.0.1"),
            ("METRICS_SUBNETS", "10.0.0.0/8"),
            ("GUARD_SUBNETS", "10.0.0.0/8"),
            ("METRICS_VERIFICATION_NAME", "/app/metrics_verification"),
        ] {
            assert_eq!(NearName::of(name, value, &[]), None, "{name}={value}");
        }
    }
}
