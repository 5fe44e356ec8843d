//! Which tests run in parallel: most do, some run alone, also across processes.
//!
//! A lock lasts until the returned value is dropped. All tests that lock use the same directory.

use std::fs::File;
use std::path::Path;

/// Runs in parallel with others.
///
/// # Panics
///
/// If nothing can be locked there.
#[must_use]
pub fn beside_others(directory: &Path) -> File {
    let lock = lock(directory);
    lock.lock_shared().expect("a lock");
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
    lock.lock().expect("a lock");
    lock
}

fn lock(directory: &Path) -> File {
    File::create(directory.join("stack.lock")).expect("a file to lock")
}
