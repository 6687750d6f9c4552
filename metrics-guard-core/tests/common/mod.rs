//! What the tests of settings share.

use metrics_guard_core::{ConfigError, Guard, Place, Setting, Settings};

/// The guard of an environment with these variables.
pub(crate) fn from(variables: &[(&str, &str)]) -> Result<Guard, ConfigError> {
    let mut settings = Settings::default();
    for (variable, value) in variables {
        let setting = Setting::by_variable(variable).unwrap();
        settings.set(setting, Place::Variable(setting.variable().into()), value.into()).unwrap();
    }
    settings.guard()
}
