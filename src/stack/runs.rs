//! Which runs are alive on this machine: each holds a lock for as long as it may have objects in
//! the engine. The kernel drops the lock with the process, however it ends.

use std::fs::{self, File, TryLockError};
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::PathBuf;

use crate::run_id::RunId;

/// A run's sign of life.
#[derive(Debug)]
pub struct Alive {
    _file: File,
}

/// The folder of the locks: of this user alone.
///
/// # Errors
/// When it cannot be made.
pub fn folder() -> io::Result<PathBuf> {
    let uid = rustix::process::getuid().as_raw();
    let folder = match std::env::var_os("XDG_RUNTIME_DIR") {
        Some(runtime) if !runtime.is_empty() => PathBuf::from(runtime).join("stackproof"),
        _ => std::env::temp_dir().join(format!("stackproof-{uid}")),
    };
    fs::DirBuilder::new().recursive(true).mode(0o700).create(&folder)?;
    Ok(folder)
}

/// The folder of a run's own files, such as its Compose model. It is made by the run.
///
/// # Errors
/// When the folder of all runs cannot be made.
pub fn folder_of(run: &RunId) -> io::Result<PathBuf> {
    Ok(folder()?.join(run.as_str()))
}

impl Alive {
    /// Declares a run alive. The run itself and its reaper both do.
    ///
    /// # Errors
    /// When the lock file cannot be made.
    pub fn declare(run: &RunId) -> io::Result<Alive> {
        let path = folder()?.join(format!("{run}.lock"));
        let file = File::options().create(true).truncate(false).write(true).open(&path)?;
        file.lock_shared()?;
        Ok(Alive { _file: file })
    }
}

/// Whether a run is alive on this machine.
///
/// # Errors
/// When the lock file cannot be looked at.
pub fn is_alive(run: &RunId) -> io::Result<bool> {
    let path = folder()?.join(format!("{run}.lock"));
    let file = match File::options().write(true).open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
        Err(error) => return Err(error),
    };
    match file.try_lock() {
        Ok(()) => Ok(false),
        Err(TryLockError::WouldBlock) => Ok(true),
        Err(TryLockError::Error(error)) => Err(error),
    }
}

/// Notes that a run's stack was asked to stay up after the run.
///
/// # Errors
/// When the note cannot be written.
pub fn keep(run: &RunId) -> io::Result<()> {
    fs::write(folder()?.join(format!("{run}.kept")), "")
}

/// Whether a run's stack was asked to stay up.
#[must_use]
pub fn is_kept(run: &RunId) -> bool {
    folder().is_ok_and(|folder| folder.join(format!("{run}.kept")).exists())
}

/// Removes the files of a run that has nothing in the engine any more. A file that stays is
/// harmless: nobody holds its lock.
pub fn forget(run: &RunId) {
    if let Ok(folder) = folder() {
        // What is not there need not be removed.
        let _ = fs::remove_dir_all(folder.join(run.as_str()));
        let _ = fs::remove_file(folder.join(format!("{run}.lock")));
        let _ = fs::remove_file(folder.join(format!("{run}.kept")));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_is_alive_while_it_says_so_and_not_after() {
        let run = RunId::fresh().unwrap();
        assert!(!is_alive(&run).unwrap());
        let first = Alive::declare(&run).unwrap();
        let second = Alive::declare(&run).unwrap();
        assert!(is_alive(&run).unwrap());
        drop(second);
        assert!(is_alive(&run).unwrap());
        drop(first);
        assert!(!is_alive(&run).unwrap());
        forget(&run);
        assert!(!is_alive(&run).unwrap());
    }
}
