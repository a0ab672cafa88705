//! Where a report goes: standard output, or a file that appears only once it is whole.

use std::fs;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use super::Error;
use super::draft::Draft;
use super::pager::Pager;

/// An output that is open.
pub(super) enum Output {
    /// Standard output.
    Standard,
    /// A pager in front of standard output.
    Pager(Pager),
    /// A file that takes its name when the report is whole; only its owner may read it.
    File {
        /// The name that it will have.
        path: PathBuf,
        /// What is written until then, in the same folder.
        draft: Draft,
    },
    /// A pipe or device that stands under the name already.
    Device {
        /// Its path.
        path: PathBuf,
        /// The open device.
        device: fs::File,
    },
}

impl Output {
    /// Opens the output before the work begins, so that a place that cannot be written is known at once.
    pub(super) fn open(path: Option<&Path>) -> Result<Self, Error> {
        let Some(path) = path.filter(|path| *path != Path::new("-")) else { return Ok(Self::Standard) };
        let unwritable = |source| Error::Unwritable { path: path.to_owned(), source };
        let is_device = fs::metadata(path).is_ok_and(|found| !found.is_file() && !found.is_dir());
        if is_device {
            let device = fs::OpenOptions::new().write(true).open(path).map_err(unwritable)?;
            return Ok(Self::Device { path: path.to_owned(), device });
        }
        // A link is kept, and what it leads to replaced.
        let path = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
        if path.is_dir() {
            return Err(unwritable(io::ErrorKind::IsADirectory.into()));
        }
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let draft = Draft::create_in(folder).map_err(unwritable)?;
        Ok(Self::File { path, draft })
    }

    /// Lets `report` write, and ends the output: a file takes its name now.
    pub(super) fn write(self, report: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> Result<(), Error> {
        let buffered = |to: &mut dyn Write| {
            let mut out = BufWriter::with_capacity(BUFFER, to);
            report(&mut out)?;
            out.flush()
        };
        match self {
            Self::Standard => Ok(buffered(&mut io::stdout().lock())?),
            Self::Pager(pager) => Ok(pager.show(buffered)?),
            Self::Device { path, mut device } => {
                buffered(&mut device).map_err(|source| Error::Unwritable { path, source })
            }
            Self::File { path, mut draft } => {
                let written = buffered(draft.as_file_mut()).and_then(|()| draft.persist(&path));
                written.map_err(|source| Error::Unwritable { path, source })
            }
        }
    }
}

/// Bytes that are collected before they are written.
const BUFFER: usize = 64 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    fn write(path: &Path, text: &str) -> Result<(), Error> {
        Output::open(Some(path))?.write(|out| out.write_all(text.as_bytes()))
    }

    #[test]
    fn a_file_takes_the_place_of_the_old_one_and_nothing_else_stays() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("report.json");
        write(&path, "old").unwrap();
        write(&path, "new").unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "new");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_report_that_fails_half_way_leaves_the_old_one() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("report.json");
        write(&path, "old").unwrap();
        let failed = Output::open(Some(&path)).unwrap().write(|out| {
            out.write_all(b"half")?;
            Err(io::ErrorKind::StorageFull.into())
        });
        assert!(failed.is_err());
        assert_eq!(fs::read_to_string(&path).unwrap(), "old");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_folder_and_a_place_that_does_not_exist_are_refused_at_once() {
        let folder = tempfile::tempdir().unwrap();
        assert!(Output::open(Some(folder.path())).is_err());
        assert!(Output::open(Some(&folder.path().join("missing").join("report.json"))).is_err());
    }

    #[cfg(unix)]
    #[test]
    fn only_the_owner_may_read_it_and_links_and_devices_stay() {
        use std::os::unix::fs::{PermissionsExt, symlink};
        let folder = tempfile::tempdir().unwrap();
        let (path, link) = (folder.path().join("report.json"), folder.path().join("link"));
        write(&path, "old").unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        symlink(&path, &link).unwrap();
        write(&link, "new").unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "new");
        assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
        assert!(matches!(Output::open(Some(Path::new("/dev/null"))), Ok(Output::Device { .. })));
    }
}
