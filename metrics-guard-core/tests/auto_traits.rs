//! What the types are without anything written for it, and callers build on: a field of another kind would take it away
//! unseen.

use std::{
    error::Error,
    fmt::Debug,
    panic::{RefUnwindSafe, UnwindSafe},
};

use metrics_guard_core::{
    Authorized, Check, ClientName, ConfigError, Denied, Guard, GuardBuilder, GuardedPath, Key, KeyFileStatus, KeyRing,
    Peer, Reason, Warning, adapter::Settings,
};

fn go_to_any_thread<T: Send + Sync + Unpin + Debug>() {}

fn outlive_a_panic_too<T: Send + Sync + Unpin + Debug + UnwindSafe + RefUnwindSafe>() {}

fn is_an_error<T: Error + Send + Sync + 'static>() {}

/// They do not outlive a panic: nobody knows what it leaves of an observer.
#[test]
fn what_holds_functions_of_others_goes_to_any_thread() {
    go_to_any_thread::<Guard>();
    go_to_any_thread::<GuardBuilder>();
}

#[test]
fn all_else_goes_to_any_thread_and_outlives_a_panic() {
    outlive_a_panic_too::<Settings>();
    outlive_a_panic_too::<Key>();
    outlive_a_panic_too::<KeyRing>();
    outlive_a_panic_too::<KeyFileStatus>();
    outlive_a_panic_too::<Peer>();
    outlive_a_panic_too::<ClientName>();
    outlive_a_panic_too::<Authorized>();
    outlive_a_panic_too::<Denied>();
    outlive_a_panic_too::<Reason>();
    outlive_a_panic_too::<Check<'_>>();
    outlive_a_panic_too::<GuardedPath>();
    outlive_a_panic_too::<ConfigError>();
    outlive_a_panic_too::<Warning>();
}

#[test]
fn errors_go_into_a_box() {
    is_an_error::<ConfigError>();
    is_an_error::<Denied>();
}
