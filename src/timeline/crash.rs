//! What a crashed program prints where its response should be.

use std::fmt;

/// The output of an interpreter, a runtime or a shell that gave up, recognised by its first words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Crash {
    /// A warning or an error of PHP, in text or in HTML.
    Php,
    /// A traceback of Python.
    Python,
    /// A stack trace of a Java virtual machine.
    Java,
    /// A stack trace of Node.js.
    Node,
    /// An uncaught exception of Ruby.
    Ruby,
    /// `die` of Perl.
    Perl,
    /// A panic of Go.
    Go,
    /// A panic of Rust.
    Rust,
    /// An unhandled exception of .NET.
    DotNet,
    /// A shell or a dynamic linker that could not start the program.
    Shell,
    /// A signal that ended the process.
    Signal,
}

impl Crash {
    /// What the first bytes of a response tell.
    #[must_use]
    pub fn of(bytes: &[u8]) -> Option<Self> {
        let text = String::from_utf8_lossy(bytes);
        let text = text.trim_start();
        let line = text.lines().next().unwrap_or_default();
        let begins = |words: &[&str]| words.iter().any(|word| text.starts_with(word));
        let holds = |words: &[&str]| words.iter().any(|word| line.contains(word));
        let known = [
            (begins(&["<br />\n<b>", "<br />\r\n<b>", "<br>\n<b>"]) || is_php(line), Self::Php),
            (begins(&["Traceback (most recent call last)"]) || is_python_warning(line), Self::Python),
            (begins(&["Exception in thread ", "Caused by: "]) || holds(&[".NullPointerException"]), Self::Java),
            (begins(&["Unhandled exception. ", "Unhandled Exception: "]), Self::DotNet),
            (begins(&["panic: ", "fatal error: ", "goroutine "]), Self::Go),
            (line.starts_with("thread '") && line.contains("panicked at"), Self::Rust),
            (holds(&[":in `", ":in '"]), Self::Ruby),
            (is_node(text, line), Self::Node),
            (holds(&[" at "]) && is_perl(line), Self::Perl),
            (is_java(line), Self::Java),
            (begins(&["sh: ", "bash: ", "/bin/sh: ", "/bin/bash: ", "env: ", "error while loading"]), Self::Shell),
            (holds(&["Segmentation fault", "core dumped", "Aborted", "Killed", "Bus error"]), Self::Signal),
        ];
        known.into_iter().find(|(fits, _)| *fits).map(|(_, crash)| crash)
    }
}

impl fmt::Display for Crash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Php => "a PHP error message",
            Self::Python => "a Python traceback",
            Self::Java => "a Java stack trace",
            Self::Node => "a Node.js stack trace",
            Self::Ruby => "a Ruby exception",
            Self::Perl => "a Perl error message",
            Self::Go => "a Go panic",
            Self::Rust => "a Rust panic",
            Self::DotNet => "an unhandled .NET exception",
            Self::Shell => "a shell's error message",
            Self::Signal => "a crashed process's last words",
        })
    }
}

/// `PHP Warning:  ...`, `Fatal error: ... in FILE on line N`.
fn is_php(line: &str) -> bool {
    let line = line.strip_prefix("PHP ").unwrap_or(line);
    let levels = ["Warning: ", "Notice: ", "Fatal error: ", "Parse error: ", "Deprecated: "];
    levels.iter().any(|level| line.starts_with(level)) && (line.contains(" in ") || line.contains("PHP"))
}

/// `FILE.py:3: DeprecationWarning: ...`.
fn is_python_warning(line: &str) -> bool {
    line.contains(".py:") && line.contains("Warning: ")
}

/// `TypeError: ...` with frames behind it, or `FILE.js:3`.
fn is_node(text: &str, line: &str) -> bool {
    let frames = text.lines().skip(1).any(|line| line.starts_with("    at "));
    line.contains("(node:") || line.starts_with("node:internal") || line.contains(".js:") || frames
}

/// `... at FILE line 3.`
fn is_perl(line: &str) -> bool {
    line.contains(" line ")
        && line.ends_with('.')
        && (line.contains(".pl ") || line.contains(".pm") || line.contains(".cgi"))
}

/// `package.Class$Exception: ...`: a name with dots that ends as exceptions and errors do.
fn is_java(line: &str) -> bool {
    let name = line.split([':', ' ']).next().unwrap_or_default();
    name.contains('.') && (name.ends_with("Exception") || name.ends_with("Error"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_crash_is_known_by_its_first_words() {
        let table = [
            ("PHP Warning:  Undefined variable $x in /srv/index.php on line 3", Crash::Php),
            ("<br />\n<b>Fatal error</b>:  Uncaught Error in <b>/srv/index.php</b>", Crash::Php),
            ("Warning: Undefined array key \"a\" in /srv/i.php on line 9", Crash::Php),
            ("Traceback (most recent call last):\n  File \"/srv/app.py\", line 3", Crash::Python),
            ("/srv/app.py:3: DeprecationWarning: x", Crash::Python),
            ("Exception in thread \"main\" java.lang.NullPointerException", Crash::Java),
            ("java.lang.OutOfMemoryError: Java heap space\n\tat a.B.c(B.java:1)", Crash::Java),
            ("TypeError: x is not a function\n    at Object.<anonymous> (/srv/app.js:3:5)", Crash::Node),
            ("(node:12) Warning: Accessing non-existent property", Crash::Node),
            ("/srv/app.rb:3:in `index': undefined method (NoMethodError)", Crash::Ruby),
            ("Can't locate CGI.pm in @INC at /srv/app.cgi line 3.", Crash::Perl),
            ("panic: runtime error: index out of range", Crash::Go),
            ("thread 'main' panicked at src/main.rs:3:5:", Crash::Rust),
            ("Unhandled exception. System.NullReferenceException: Object", Crash::DotNet),
            ("sh: 1: php-cgi: not found", Crash::Shell),
            ("Segmentation fault (core dumped)", Crash::Signal),
        ];
        for (bytes, crash) in table {
            assert_eq!(Crash::of(bytes.as_bytes()), Some(crash), "{bytes}");
        }
    }

    #[test]
    fn other_text_is_no_crash() {
        for bytes in
            ["<html><body>hello</body></html>", "SSH-2.0-OpenSSH_9.2", "220 mail.example ESMTP", "hello", "{}", ""]
        {
            assert_eq!(Crash::of(bytes.as_bytes()), None, "{bytes}");
        }
    }
}
