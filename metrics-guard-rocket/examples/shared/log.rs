//! A log for Rocket that no client can fill. Rocket's own log has two lines for each connection that a client breaks, at
//! all levels but `off`. Requests that the guard rejects are logged as ever.

use std::{
    io::{self, Write as _},
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use log::{Level, LevelFilter, Log, Metadata, Record};
use rocket::{Config, figment::Figment};

/// Sets the log for the process. Rocket then does not set its own.
pub(crate) fn init(figment: &Figment) -> Result<(), log::SetLoggerError> {
    let Ok(config) = Config::try_from(figment) else { return Ok(()) }; // Rocket reports the error
    log::set_boxed_logger(Box::new(Bounded { level: config.log_level.into(), printed: Mutex::default() }))?;
    log::set_max_level(LevelFilter::Info);
    Ok(())
}

/// The last of them has the source of the one before.
const OF_CONNECTIONS: [&str; 4] = ["accept error", "tls handshake", "Connection failed", "Error: "];

struct Bounded {
    level: LevelFilter,
    printed: Mutex<Printed>,
}

/// The warnings about connections in the minute that began then.
#[derive(Default)]
struct Printed {
    begin: Option<Instant>,
    count: u32,
}

impl Bounded {
    /// Whether there were fewer than twenty in this minute, a warning and its source being two.
    fn has_room(&self) -> bool {
        let mut printed = self.printed.lock().unwrap_or_else(PoisonError::into_inner);
        if printed.begin.is_none_or(|begin| begin.elapsed() >= Duration::from_secs(60)) {
            *printed = Printed { begin: Some(Instant::now()), count: 0 };
        }
        printed.count += 1;
        printed.count <= 20
    }
}

impl Log for Bounded {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        // Where it listens is printed at all levels but `off`, as by Rocket's own log.
        metadata.level() <= self.level
            || (metadata.target().starts_with("rocket::launch") && self.level != LevelFilter::Off)
    }

    fn log(&self, record: &Record<'_>) {
        let is_of = |targets: &[&str]| targets.iter().any(|target| record.target().starts_with(target));
        if !self.enabled(record.metadata()) || is_of(&["hyper", "rustls"]) {
            return;
        }
        if record.level() == Level::Warn && is_of(&["rocket::server", "rocket_http"]) {
            let text = record.args().to_string();
            if OF_CONNECTIONS.iter().any(|beginning| text.starts_with(beginning)) && !self.has_room() {
                return;
            }
        }
        let beginning = match record.level() {
            _ if record.target().ends_with('_') => "   >> ",
            Level::Error => "Error: ",
            Level::Warn if !is_of(&["rocket::launch"]) => "Warning: ",
            _ => "",
        };
        let _ = writeln!(io::stdout(), "{beginning}{}", record.args()); // `println!` panics if nobody reads
    }

    fn flush(&self) {}
}
