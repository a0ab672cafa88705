//! A pager between a long text and the terminal, as git and man have it.

use std::env;
use std::io::{self, IsTerminal, Write};
use std::process::{Child, Command, Stdio};

/// The command of a pager.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Pager(String);

impl Pager {
    /// What PAGER names, or less: where standard output is a terminal, and PAGER is not empty and not cat.
    pub(super) fn of_environment() -> Option<Self> {
        if !io::stdout().is_terminal() {
            return None;
        }
        Self::named(env::var("PAGER").ok().as_deref())
    }

    fn named(pager: Option<&str>) -> Option<Self> {
        let pager = pager.unwrap_or("less").trim();
        (!pager.is_empty() && pager != "cat").then(|| Self(pager.to_owned()))
    }

    /// Shows what `text` writes; without the pager, where it cannot be started.
    pub(super) fn show(&self, text: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> io::Result<()> {
        let Ok(mut child) = self.start() else { return text(&mut io::stdout().lock()) };
        let written = child.stdin.take().map_or(Ok(()), |mut stdin| text(&mut stdin));
        child.wait()?;
        match written {
            // Whoever reads has seen enough.
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
            other => other,
        }
    }

    fn start(&self) -> io::Result<Child> {
        let mut command = if self.0.contains(SHELL) {
            let mut shell = Command::new("sh");
            shell.args(["-c", &self.0]);
            shell
        } else {
            let mut words = self.0.split_ascii_whitespace();
            let mut program = Command::new(words.next().unwrap_or("less"));
            program.args(words);
            program
        };
        if env::var_os("LESS").is_none() {
            // Ends at once where all fits one screen, lets colours through, and leaves the text on the screen.
            command.env("LESS", "FRX");
        }
        command.stdin(Stdio::piped()).spawn()
    }
}

/// Characters that only a shell understands.
const SHELL: &[char] =
    &['|', '&', ';', '<', '>', '(', ')', '$', '`', '\\', '"', '\'', '*', '?', '[', '#', '~', '=', '%'];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_pager_and_cat_are_none() {
        assert_eq!(Pager::named(None), Some(Pager("less".to_owned())));
        assert_eq!(Pager::named(Some("more -s")), Some(Pager("more -s".to_owned())));
        assert_eq!((Pager::named(Some("")), Pager::named(Some("cat"))), (None, None));
    }

    #[test]
    fn a_pager_gets_the_text_and_may_leave_early() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("shown");
        let pager = Pager(format!("cat > '{}'", file.display()));
        pager.show(|out| out.write_all(b"text")).unwrap();
        assert_eq!(std::fs::read_to_string(&file).unwrap(), "text");
        let impatient = Pager("true".to_owned());
        impatient.show(|out| (0..1_000).try_for_each(|_| out.write_all(&[b'x'; 1_024]))).unwrap();
    }
}
