//! Waiting for a condition.

use std::{
    thread,
    time::{Duration, Instant},
};

/// Returns whether `condition` becomes true within `patience`. Evaluates it often at first, then four times a second, and
/// always once more when the time is over.
pub fn until<E>(patience: Duration, mut condition: impl FnMut() -> Result<bool, E>) -> Result<bool, E> {
    let start = Instant::now();
    let mut pause = Duration::from_millis(10);
    loop {
        let is_over = start.elapsed() > patience;
        if condition()? {
            return Ok(true);
        }
        if is_over {
            return Ok(false);
        }
        thread::sleep(pause);
        pause = (pause * 2).min(Duration::from_millis(250));
    }
}
