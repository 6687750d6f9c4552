//! Who is told of a [`Warning`].
//!
//! ```
//! use std::sync::mpsc;
//! use http::Request;
//! use metrics_guard_core::{Guard, Key, Warning};
//! # let secret = &*format!("{:016x}{:016x}", getrandom::u64()?, getrandom::u64()?).leak();
//!
//! let (sender, warnings) = mpsc::channel();
//! let guard = Guard::builder(Key::new(secret)?)
//!     .allow_networks(["10.0.0.0/8"])?
//!     .on_warning(move |warning| drop(sender.send(warning.clone())))
//!     .build();
//!
//! // No server says who asks: once, the operator hears why all are refused.
//! let scrape = Request::get("/metrics").header("X-Metrics-Key", secret).body(())?;
//! assert!(guard.check(&scrape).is_err());
//! assert!(guard.check(&scrape).is_err());
//! assert!(matches!(warnings.try_iter().collect::<Vec<_>>()[..], [Warning::NoPeer(_)]));
//!
//! let (mut parts, ()) = scrape.into_parts();
//! parts.extensions.insert(metrics_guard_core::Peer::at(([10, 0, 0, 1], 40000).into()));
//! assert!(guard.check(&parts).is_ok());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

use std::{
    fmt,
    io::{self, Write},
    panic::{self, AssertUnwindSafe},
    sync::Arc,
};

use crate::{error::Warning, observe};

type Hook = Arc<dyn Fn(&Warning) + Send + Sync>;

/// The hooks of one guard, from its building on the same ones.
#[derive(Clone, Default)]
pub(crate) struct Hooks(Vec<Hook>);

impl Hooks {
    pub(crate) fn add(&mut self, hook: impl Fn(&Warning) + Send + Sync + 'static) {
        self.0.push(Arc::new(hook));
    }

    /// Tells the hooks, and whoever listens to events; or the standard error, where nobody has asked for warnings.
    pub(crate) fn tell(&self, warnings: &[Warning]) {
        for warning in warnings {
            for hook in &self.0 {
                contained(|| hook(warning));
            }
            let is_told = contained(|| observe::warning(warning)).unwrap_or_default();
            if !is_told && self.0.is_empty() {
                // In one piece, or what others print comes between. If that is closed, there is nobody left to tell.
                let _ = io::stderr().write_all(format!("warning: metrics-guard: {warning}\n").as_bytes());
            }
        }
    }
}

impl fmt::Debug for Hooks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Hooks")
    }
}

/// Calls what is not ours. If it panics, it has said so: it must be the end neither of the thread nor of other news.
pub(crate) fn contained<T>(call: impl FnOnce() -> T) -> Option<T> {
    panic::catch_unwind(AssertUnwindSafe(call)).ok()
}
