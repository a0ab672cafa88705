//! A file that takes its name once it is whole.

use std::fs::File;
use std::io;
use std::os::fd::AsRawFd;
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, CWD, Mode, OFlags, linkat, open};
use tempfile::NamedTempFile;

/// What is written before it has its name; only its owner may read it.
pub(super) enum Draft {
    /// A file without a name: nothing of it stays, however this process ends.
    Nameless {
        /// Folder in which it will stand.
        folder: PathBuf,
        /// The file.
        file: File,
    },
    /// A hidden file, where the file system knows no files without a name (NFS, for one).
    Hidden(NamedTempFile),
}

impl Draft {
    pub(super) fn create_in(folder: &Path) -> io::Result<Self> {
        let flags = OFlags::TMPFILE | OFlags::WRONLY | OFlags::CLOEXEC;
        match open(folder, flags, Mode::RUSR | Mode::WUSR) {
            Ok(file) if Path::new(OPEN_FILES).exists() => {
                Ok(Self::Nameless { folder: folder.to_owned(), file: file.into() })
            }
            _ => NamedTempFile::new_in(folder).map(Self::Hidden),
        }
    }

    pub(super) fn as_file_mut(&mut self) -> &mut File {
        match self {
            Self::Nameless { file, .. } => file,
            Self::Hidden(file) => file.as_file_mut(),
        }
    }

    /// Gives it its name; what had it before is gone.
    pub(super) fn persist(self, path: &Path) -> io::Result<()> {
        let hidden = match self {
            Self::Nameless { folder, file } => {
                // A link takes the place of nothing; what it is renamed to may be there.
                let open = format!("{OPEN_FILES}/{}", file.as_raw_fd());
                let link = |name: &Path| Ok(linkat(CWD, &*open, CWD, name, AtFlags::SYMLINK_FOLLOW)?);
                tempfile::Builder::new().make_in(folder, link)?.into_temp_path()
            }
            Self::Hidden(file) => file.into_temp_path(),
        };
        hidden.persist(path).map_err(|error| error.error)
    }
}

/// The files that this process has open, by number.
const OPEN_FILES: &str = "/proc/self/fd";

#[cfg(test)]
mod tests {
    use std::fs;
    use std::io::Write;

    use super::*;

    #[test]
    fn a_draft_of_either_kind_takes_the_place_of_an_old_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("report");
        let hidden = Draft::Hidden(NamedTempFile::new_in(folder.path()).unwrap());
        for (mut draft, text) in [(hidden, "one"), (Draft::create_in(folder.path()).unwrap(), "two")] {
            draft.as_file_mut().write_all(text.as_bytes()).unwrap();
            draft.persist(&path).unwrap();
            assert_eq!(fs::read_to_string(&path).unwrap(), text);
        }
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }
}
