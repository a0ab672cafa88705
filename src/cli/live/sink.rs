//! Where incidents go as they are decided.

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, fchown};
use std::path::{Path, PathBuf};

use super::args::{Format, OutputArgs};
use super::user::User;
use crate::cli::{Error, terminal};
use crate::report::{self, Detail, Document, Lines, Palette, Style, document};

/// An open output.
pub(super) struct Sink {
    format: Format,
    lines: Lines,
    style: Style,
    to: To,
    told: usize,
}

enum To {
    Standard,
    File { path: PathBuf, file: File },
}

impl Sink {
    /// Opens the output; a file goes to the user that this process will go on as.
    pub(super) fn open(args: &OutputArgs, user: Option<User>) -> Result<Self, Error> {
        let path = args.output.as_deref().filter(|path| *path != Path::new("-"));
        let to = match path {
            None => To::Standard,
            Some(path) => {
                let opened = append(path).and_then(|file| {
                    // So that it can be opened again after SIGHUP.
                    let found = file.metadata()?;
                    if let Some(user) = user.filter(|user| found.is_file() && found.uid() != user.uid) {
                        fchown(&file, Some(user.uid), Some(user.gid))?;
                    }
                    Ok(file)
                });
                let file = opened.map_err(|source| Error::Unwritable { path: path.to_owned(), source })?;
                To::File { path: fs::canonicalize(path).unwrap_or_else(|_| path.to_owned()), file }
            }
        };
        let on_terminal = matches!(to, To::Standard);
        Ok(Self {
            format: args.format,
            lines: Lines::new(args.origin_name.clone()),
            style: Style {
                width: if on_terminal { terminal::width() } else { 80 },
                palette: if on_terminal { args.color.palette() } else { Palette::Plain },
                detail: if args.verbose { Detail::Full } else { Detail::Digest },
            },
            to,
            told: 0,
        })
    }

    /// The file that is written; none for standard output.
    pub(super) fn path(&self) -> Option<&Path> {
        match &self.to {
            To::Standard => None,
            To::File { path, .. } => Some(path),
        }
    }

    /// Writes one incident.
    pub(super) fn incident(&mut self, incident: &document::Incident) -> Result<(), Error> {
        self.told = self.told.saturating_add(1);
        let (format, style, nth, lines) = (self.format, self.style, self.told, self.lines.clone());
        self.write(|out| match format {
            Format::Text => report::write_text_incident(incident, nth, style, out),
            Format::Ndjson => lines.incident(incident, out),
        })
    }

    /// Writes the whole report.
    pub(super) fn report(&mut self, document: &Document<'_>) -> Result<(), Error> {
        let (format, style, lines) = (self.format, self.style, self.lines.clone());
        self.write(|out| match format {
            Format::Text => report::write_text(document, style, out),
            Format::Ndjson => lines.end(document, out),
        })
    }

    /// Opens the file again, for it may have been renamed.
    pub(super) fn reopen(&mut self) -> Result<(), Error> {
        if let To::File { path, file } = &mut self.to {
            *file = append(path).map_err(|source| Error::Unwritable { path: path.clone(), source })?;
        }
        Ok(())
    }

    fn write(&mut self, report: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> Result<(), Error> {
        let buffered = |to: &mut dyn Write| {
            let mut out = BufWriter::new(to);
            report(&mut out)?;
            out.flush()
        };
        match &mut self.to {
            To::Standard => Ok(buffered(&mut io::stdout().lock())?),
            To::File { path, file } => {
                buffered(file).map_err(|source| Error::Unwritable { path: path.clone(), source })
            }
        }
    }
}

/// A file that only its owner may read.
fn append(path: &Path) -> io::Result<File> {
    OpenOptions::new().append(true).create(true).mode(0o600).open(path)
}
