//! What the tests of settings share.

use metrics_guard_core::{ConfigError, Guard, Origin, Setting, Settings};

/// Fails unless the text of `error` contains `part`.
#[track_caller]
pub(crate) fn assert_says(error: &ConfigError, part: &str) {
    assert!(error.to_string().contains(part), "not {part:?}: {error}");
}

/// The guard of an environment with these variables.
pub(crate) fn from(variables: &[(&str, &str)]) -> Result<Guard, ConfigError> {
    let mut settings = Settings::default();
    for (variable, value) in variables {
        let setting = Setting::ALL.iter().copied().find(|setting| setting.variable() == *variable).unwrap();
        settings.set(setting, Origin::new(setting.variable()), value.into()).unwrap();
    }
    settings.guard()
}
