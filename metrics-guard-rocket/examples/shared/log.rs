//! A log for Rocket that no client can fill at the level `critical`. Rocket's own log has two lines for each connection that
//! a client breaks and for each request that is rejected, at all levels but `off`. At `normal`, which is for development,
//! both have some lines for each request besides.

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

/// How warnings about connections begin. The last has the source of the one before.
const OF_CONNECTIONS: [&str; 4] = ["accept error", "tls handshake", "Connection failed", "Error: "];

/// How many lines a minute there may be about connections, and about requests.
const LINES: [u32; 2] = [20, 60];

struct Bounded {
    level: LevelFilter,
    printed: Mutex<Printed>,
}

/// The lines about connections and about requests in the minute that began then.
#[derive(Default)]
struct Printed {
    begin: Option<Instant>,
    lines: [u32; 2],
}

impl Bounded {
    /// Whether there is room for a line of this kind in this minute.
    fn has_room(&self, kind: usize) -> bool {
        let mut printed = self.printed.lock().unwrap_or_else(PoisonError::into_inner);
        if printed.begin.is_none_or(|begin| begin.elapsed() >= Duration::from_secs(60)) {
            *printed = Printed { begin: Some(Instant::now()), lines: [0; 2] };
        }
        printed.lines[kind] = printed.lines[kind].saturating_add(1);
        printed.lines[kind] <= LINES[kind]
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
        // Warnings and errors that a client can cause: those of Rocket's server, and those below the line of a request.
        let is_indented = record.target().ends_with('_');
        if record.level() <= Level::Warn && (is_indented || is_of(&["rocket::server", "rocket_http"])) {
            let text = record.args().to_string();
            let is_of_connections = OF_CONNECTIONS.iter().any(|beginning| text.starts_with(beginning));
            if !self.has_room(usize::from(!is_of_connections)) {
                return;
            }
        }
        let beginning = match record.level() {
            _ if is_indented => "   >> ",
            Level::Error => "Error: ",
            Level::Warn if !is_of(&["rocket::launch"]) => "Warning: ",
            _ => "",
        };
        let _ = writeln!(io::stdout(), "{beginning}{}", record.args()); // `println!` panics if nobody reads
    }

    fn flush(&self) {}
}
