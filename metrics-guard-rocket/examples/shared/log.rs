//! A log for Rocket that no client can fill at the level `critical`, that no full pipe stops, and that shows no key of a
//! URI. Rocket's own log has lines for each connection that a client breaks, for each URI that it cannot read and for each
//! request that is rejected, at all levels but `off`; it writes them on the thread of the request; and it prints some of
//! them before a fairing could take a key out of the query. At `normal`, which is for development, there are some lines
//! for each request besides.

use std::{
    io::{self, Write as _},
    sync::atomic::{AtomicBool, Ordering},
};

use log::{Level, LevelFilter, Log, Metadata, Record};
use rocket::{Config, figment::Figment};

use crate::output::{Limit, Lines};

/// Sets the log for the process. Rocket then does not set its own.
pub(crate) fn init(figment: &Figment) -> Result<(), log::SetLoggerError> {
    let Ok(config) = Config::try_from(figment) else { return Ok(()) }; // Rocket reports the error
    log::set_boxed_logger(Box::new(Bounded {
        level: config.log_level.into(),
        has_launched: AtomicBool::new(false),
        lines: Lines::to(io::stdout()),
        of_connections: Limit::a_minute(20),
        of_requests: Limit::a_minute(60),
        of_guard: Limit::a_minute(60),
    }))?;
    log::set_max_level(LevelFilter::Info);
    Ok(())
}

/// How warnings about connections begin. The last has the source of the one before.
const OF_CONNECTIONS: [&str; 4] = ["accept error", "tls handshake", "Connection failed", "Error: "];

/// How the lines begin that Rocket writes before any request fairing runs. All of them go on with what the client sent.
const BEFORE_FAIRINGS: [&str; 4] = [
    "Hyper/Rocket URI validity discord: ",
    "Dispatching salvaged request to catcher: ",
    "Error: invalid origin URI: ",
    "Error: invalid or unrecognized method: ",
];

struct Bounded {
    level: LevelFilter,
    /// Until then no client can cause a line, and each line is written at once, so that an error at launch is not lost.
    has_launched: AtomicBool,
    lines: Lines,
    // Warnings and errors. Clients cannot cause those of the guard, and so cannot crowd them out.
    of_connections: Limit,
    of_requests: Limit,
    of_guard: Limit,
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
        let is_of_launch = is_of(&["rocket::launch"]);
        let is_indented = record.target().ends_with('_');
        let beginning = match record.level() {
            _ if is_indented => "   >> ",
            Level::Error => "Error: ",
            Level::Warn if !is_of_launch => "Warning: ",
            _ => "",
        };
        let text = record.args().to_string();
        if !self.has_launched.load(Ordering::Relaxed) {
            let _ = writeln!(io::stdout(), "{beginning}{text}"); // `println!` panics if nobody reads
            if is_of_launch && text.contains("launched from") {
                self.has_launched.store(true, Ordering::Relaxed);
            }
            return;
        }
        let before_fairings = BEFORE_FAIRINGS.iter().find(|beginning| text.starts_with(**beginning));
        let limit = if record.level() > Level::Warn || is_of_launch {
            None
        } else if is_of(&["metrics_guard"]) {
            Some(&self.of_guard)
        } else if before_fairings.is_none() && OF_CONNECTIONS.iter().any(|beginning| text.starts_with(beginning)) {
            Some(&self.of_connections)
        } else {
            Some(&self.of_requests)
        };
        let text = match before_fairings {
            Some(begun) => format!("{begun}…"),
            None if is_of(&["rocket::server"]) => without_odd_segments(&text),
            None => text,
        };
        self.lines.push(limit, &format!("{beginning}{text}"));
    }

    fn flush(&self) {}
}

/// Hides each segment of a path that could hold a key, such as `metrics;key=..`. A query is left as a fairing has left it.
fn without_odd_segments(text: &str) -> String {
    let is_plain = |segment: &str| {
        segment.len() <= 15 && segment.chars().all(|c| c.is_ascii_alphanumeric() || "-._~<>".contains(c))
    };
    let shown = |word: &str| {
        let (path, rest) = word.split_at(word.find(['?', ' ', '\x1b']).unwrap_or(word.len()));
        let Some((before, path)) = path.split_once('/') else { return word.to_owned() };
        let segments =
            path.split('/').map(|segment| if is_plain(segment.trim_end_matches(':')) { segment } else { "…" });
        format!("{before}/{}{rest}", segments.collect::<Vec<_>>().join("/"))
    };
    text.split_inclusive([' ', '\x1b']).map(shown).collect()
}
