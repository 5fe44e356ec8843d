//! Who runs beside whom: most tests side by side, some alone, whatever processes they are in.
//!
//! A turn holds for as long as the answer is kept. The directory is the same for all who take
//! turns.

use std::fs::File;
use std::path::Path;

/// Runs beside others.
///
/// # Panics
///
/// If nothing can be locked there.
#[must_use]
pub fn beside_others(directory: &Path) -> File {
    let lock = lock(directory);
    lock.lock_shared().expect("a turn");
    lock
}

/// Runs alone.
///
/// # Panics
///
/// If nothing can be locked there.
#[must_use]
pub fn alone(directory: &Path) -> File {
    let lock = lock(directory);
    lock.lock().expect("a turn");
    lock
}

fn lock(directory: &Path) -> File {
    File::create(directory.join("stack.lock")).expect("a file to lock")
}
