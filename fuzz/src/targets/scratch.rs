//! A file for bytes: captures are read from files. In memory where the machine has a place for that.

use std::cell::OnceCell;
use std::fs::File;
use std::io::{Seek as _, Write as _};
use std::path::{Path, PathBuf};

use tempfile::NamedTempFile;

/// Writes `data` into this thread's file and hands its path to `look`.
pub fn with_file(data: &[u8], look: impl FnOnce(&Path)) {
    thread_local! {
        static FILE: OnceCell<NamedTempFile> = const { OnceCell::new() };
    }
    FILE.with(|file| {
        let file = file.get_or_init(|| create().expect("a folder for a temporary file"));
        let mut handle: &File = file.as_file();
        let written = handle.rewind().and_then(|()| handle.write_all(data));
        written.and_then(|()| handle.set_len(data.len() as u64)).expect("room for a temporary file");
        look(file.path());
    });
}

fn create() -> std::io::Result<NamedTempFile> {
    let memory = PathBuf::from("/dev/shm");
    if memory.is_dir() { NamedTempFile::new_in(memory) } else { NamedTempFile::new() }
}
