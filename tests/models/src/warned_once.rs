//! Models the warning about a missing client address: two concurrent rejections.

use shuttle::{sync::Arc, sync::atomic::AtomicUsize, thread};

use super::{Access, Networks, Ordering, Required};
use crate::{Schedules, check};

#[test]
fn only_one_of_two_concurrent_rejections_warns() {
    check(Schedules::All, two_rejections, &[("the flag is read and set in two steps", "warnings: 2")]);
}

fn two_rejections() {
    let mut access = Access::new(Required::Key(()));
    access.networks = Some(("here".into(), Networks::parse(["10.0.0.0/8"]).unwrap().0));
    let (access, warnings) = (Arc::new(access), Arc::new(AtomicUsize::new(0)));
    let threads = [(); 2].map(|()| {
        let (access, warnings) = (Arc::clone(&access), Arc::clone(&warnings));
        thread::spawn(move || {
            let warn = |_| _ = warnings.fetch_add(1, Ordering::Relaxed);
            assert!(access.admit(&http::Request::new(()), warn).is_err());
        })
    });
    for thread in threads {
        thread.join().unwrap();
    }
    let warnings = warnings.load(Ordering::Relaxed);
    assert!(warnings == 1, "warnings: {warnings}");
}
