//! Files in the repository that the program's own output has to equal.
//!
//! `make renew` (`PCAP520_RENEW=1 cargo test`) writes them anew; `git diff` then shows what changed.

use std::path::Path;
use std::{env, fs};

/// Holds `text` against the file at `path` in the repository.
pub fn assert_equals_file(path: &str, text: &str) {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    if env::var_os("PCAP520_RENEW").is_some() {
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        return fs::write(&file, text).unwrap();
    }
    let committed = fs::read_to_string(&file).unwrap_or_default();
    let differs = committed.lines().zip(text.lines()).position(|(old, new)| old != new);
    let line = differs.unwrap_or_else(|| committed.lines().count().min(text.lines().count()));
    assert!(
        committed == text,
        "{path} line {}: {:?} in the file, {:?} now; `make renew` writes it anew",
        line + 1,
        committed.lines().nth(line),
        text.lines().nth(line)
    );
}
