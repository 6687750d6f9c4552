//! What the types are without anything written for it, and callers build on: a field of another kind would take it away
//! unseen.

use std::{
    error::Error,
    fmt::Debug,
    panic::{RefUnwindSafe, UnwindSafe},
};

use metrics_guard_core::{
    Authorized, Check, ClientName, ConfigError, Denied, Guard, GuardBuilder, Key, KeyFile, KeyRing, Peer, Place,
    Problem, Reason, Setting, Settings, Warning,
};

fn go_to_any_thread<T: Send + Sync + Unpin + Debug>() {}

fn outlive_a_panic<T: UnwindSafe + RefUnwindSafe>() {}

fn is_an_error<T: Error + Send + Sync + 'static>() {}

#[test]
fn all_of_them_go_to_any_thread() {
    go_to_any_thread::<Guard>();
    go_to_any_thread::<GuardBuilder>();
    go_to_any_thread::<Settings>();
    go_to_any_thread::<Setting>();
    go_to_any_thread::<Key>();
    go_to_any_thread::<KeyRing>();
    go_to_any_thread::<KeyFile>();
    go_to_any_thread::<Peer>();
    go_to_any_thread::<ClientName>();
    go_to_any_thread::<Authorized>();
    go_to_any_thread::<Denied>();
    go_to_any_thread::<Reason>();
    go_to_any_thread::<Check<'_>>();
    go_to_any_thread::<ConfigError>();
    go_to_any_thread::<Place>();
    go_to_any_thread::<Problem>();
    go_to_any_thread::<Warning>();
}

/// Not `Guard` and its builder: nobody knows what a panic leaves of an observer.
#[test]
fn what_holds_no_function_of_others_outlives_a_panic() {
    outlive_a_panic::<Settings>();
    outlive_a_panic::<Setting>();
    outlive_a_panic::<Key>();
    outlive_a_panic::<KeyRing>();
    outlive_a_panic::<KeyFile>();
    outlive_a_panic::<Peer>();
    outlive_a_panic::<ClientName>();
    outlive_a_panic::<Authorized>();
    outlive_a_panic::<Denied>();
    outlive_a_panic::<Reason>();
    outlive_a_panic::<Check<'_>>();
    outlive_a_panic::<ConfigError>();
    outlive_a_panic::<Place>();
    outlive_a_panic::<Problem>();
    outlive_a_panic::<Warning>();
}

#[test]
fn errors_go_into_a_box() {
    is_an_error::<ConfigError>();
    is_an_error::<Denied>();
}
