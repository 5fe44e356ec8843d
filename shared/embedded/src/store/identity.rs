//! Whether a file is a store of Dacapo. A store is made under another name and takes its own when
//! it is complete. So a file under that name that is empty or something else was not left by a
//! crash, and is refused unchanged.

use std::fs::File;
use std::io::{ErrorKind, Read as _};
use std::path::Path;

use rusqlite::{Connection, OpenFlags};

use super::schema::{self, APPLICATION};
use super::{LOG, StoreError};

/// The name under which a store is made.
const MADE: &str = "dacapo.db.new";

/// How every SQLite file begins, and where its application id is.
const MAGIC: &[u8; 16] = b"SQLite format 3\0";
const HEADER: usize = 100;
const ID_AT: usize = 68;

/// Makes the store if there is none. What is there is checked before anything writes to it.
///
/// # Errors
///
/// That it is not a store of Dacapo; that a new one could not be made.
pub(super) fn made_or_ours(directory: &Path, file: &Path) -> Result<(), StoreError> {
    let unusable = |source| StoreError::Directory { directory: directory.to_owned(), source };
    let foreign =
        |why: &str| Err(StoreError::Foreign { file: file.to_owned(), why: why.to_owned() });
    let mut header = Vec::with_capacity(HEADER);
    match File::open(file) {
        Ok(opened) => {
            let limit = u64::try_from(HEADER).unwrap_or(u64::MAX);
            opened.take(limit).read_to_end(&mut header).map_err(unusable)?;
        }
        Err(error) if error.kind() == ErrorKind::NotFound => {
            if directory.join(LOG).exists() {
                return foreign(
                    "is missing, but its log `dacapo.db-wal` is there and may hold data: put back \
                     the file that belongs to it, or move the log away",
                );
            }
            return make(directory, file).map_err(|error| match error {
                MakeError::Io(source) => unusable(source),
                MakeError::Store(error) => error,
            });
        }
        Err(error) => return Err(unusable(error)),
    }
    if header.is_empty() {
        return foreign(
            "is empty (0 bytes), and Dacapo never leaves it so: put back a copy of the data, or \
             move the file away to begin anew",
        );
    }
    if header.len() < HEADER || !header.starts_with(MAGIC) {
        return foreign(
            "is no SQLite file, so it is not Dacapo's; it was left as it is: choose another \
             --data-dir, or move the file away",
        );
    }
    let mut id = [0; 4];
    id.copy_from_slice(&header[ID_AT..ID_AT + 4]);
    match i32::from_be_bytes(id) {
        APPLICATION => Ok(()),
        // Stores from before the id.
        0 if looks_like_ours(file)? => Ok(()),
        _ => foreign(
            "is another program's SQLite file; it was left as it is: choose another --data-dir, or \
             move the file away",
        ),
    }
}

/// Whether the tables of a store exist. It writes nothing.
fn looks_like_ours(file: &Path) -> Result<bool, StoreError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(file, flags)?;
    let tables = "SELECT count(*) FROM sqlite_schema WHERE type = 'table'
        AND name IN ('meta', 'items', 'feed', 'checkpoints', 'timers', 'queue')";
    let tables: i64 = connection.query_row(tables, [], |row| row.get(0))?;
    Ok(tables == 6)
}

enum MakeError {
    Io(std::io::Error),
    Store(StoreError),
}

impl From<std::io::Error> for MakeError {
    fn from(error: std::io::Error) -> Self {
        Self::Io(error)
    }
}

impl From<StoreError> for MakeError {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

/// The caller holds the directory's lock: a file under the other name was left by a crash.
fn make(directory: &Path, file: &Path) -> Result<(), MakeError> {
    let made = directory.join(MADE);
    for suffix in ["", "-wal", "-shm", "-journal"] {
        match std::fs::remove_file(directory.join(format!("{MADE}{suffix}"))) {
            Err(error) if error.kind() != ErrorKind::NotFound => return Err(error.into()),
            Ok(()) | Err(_) => {}
        }
    }
    let connection = Connection::open(&made).map_err(StoreError::from)?;
    // Closing the last connection copies the log into the file and removes it.
    schema::prepare(connection)?.close().map_err(|(_, error)| StoreError::from(error))?;
    File::open(&made)?.sync_all()?;
    std::fs::rename(&made, file)?;
    File::open(directory)?.sync_all()?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::SqliteStore;

    fn open(directory: &Path) -> Result<(), String> {
        SqliteStore::open(Some(directory), |_| false).map(|_| ()).map_err(|error| error.to_string())
    }

    #[test]
    fn an_empty_file_or_a_foreign_one_is_refused_and_left_as_it_is() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("dacapo.db");
        for (content, says) in [(&b""[..], "0 bytes"), (b"Dear diary", "no SQLite file")] {
            std::fs::write(&file, content).unwrap();
            let refused = open(folder.path()).unwrap_err();
            assert!(refused.contains(says) && refused.contains("dacapo.db"), "{refused}");
            assert_eq!(std::fs::read(&file).unwrap(), content, "it was written to");
        }
        std::fs::remove_file(&file).unwrap();
        let others = "CREATE TABLE meta (name TEXT); CREATE TABLE notes (text TEXT);";
        Connection::open(&file).unwrap().execute_batch(others).unwrap();
        let before = std::fs::read(&file).unwrap();
        let refused = open(folder.path()).unwrap_err();
        assert!(refused.contains("another program"), "{refused}");
        assert_eq!(std::fs::read(&file).unwrap(), before, "it was written to");
    }

    #[test]
    fn a_log_without_its_file_is_not_thrown_away() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join(LOG), b"much").unwrap();
        let refused = open(folder.path()).unwrap_err();
        assert!(refused.contains("dacapo.db-wal"), "{refused}");
        assert_eq!(std::fs::read(folder.path().join(LOG)).unwrap(), b"much");
    }

    #[test]
    fn what_a_crash_left_of_making_a_store_is_in_nobodys_way() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join(MADE), b"").unwrap();
        std::fs::write(folder.path().join("dacapo.db.new-journal"), b"half").unwrap();
        open(folder.path()).unwrap();
        open(folder.path()).unwrap();
        assert!(!folder.path().join(MADE).exists());
    }

    #[test]
    fn a_store_of_before_the_application_id_is_ours() {
        let folder = tempfile::tempdir().unwrap();
        open(folder.path()).unwrap();
        let connection = Connection::open(folder.path().join("dacapo.db")).unwrap();
        connection.pragma_update(None, "application_id", 0).unwrap();
        connection.close().unwrap();
        open(folder.path()).unwrap();
    }
}
