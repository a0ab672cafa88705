//! Text of strangers made safe for a terminal.

use std::fmt::{self, Write as _};

/// Writes a text with every character that does not simply show escaped: control characters (a capture could
/// otherwise drive the reader's terminal), and what turns, hides or joins the characters around it.
#[derive(Clone, Copy, Debug)]
pub struct Plain<'a>(pub &'a str);

impl fmt::Display for Plain<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.chars().try_for_each(|c| match c {
            '\n' => f.write_str("\\n"),
            '\r' => f.write_str("\\r"),
            '\t' => f.write_str("\\t"),
            c if shows(c) => f.write_char(c),
            c => write!(f, "{}", c.escape_unicode()),
        })
    }
}

/// True for a character that takes its own place and changes nothing else.
pub(super) fn shows(c: char) -> bool {
    // `escape_debug` knows which characters print; of those it escapes, only these print.
    matches!(c, '"' | '\'' | '\\') || c.escape_debug().len() == 1
}

/// A text of at most `most` characters: of a longer one the beginning and the end.
pub(super) fn shortened(text: &str, most: usize) -> String {
    let len = text.chars().count();
    if len <= most {
        return text.to_owned();
    }
    let tail = most / 4;
    let head = most.saturating_sub(tail.saturating_add(1));
    let begin: String = text.chars().take(head).collect();
    let end: String = text.chars().skip(len.saturating_sub(tail)).collect();
    format!("{begin}…{end}")
}

/// The first sentences of a text, as many as `most` characters hold.
pub(super) fn sentences(text: &str, most: usize) -> String {
    let end = text.char_indices().nth(most).map_or(text.len(), |(end, _)| end);
    let head = text.get(..end).unwrap_or(text);
    if head.len() == text.len() {
        return text.to_owned();
    }
    let mut stops = head.rmatch_indices(". ").map(|(stop, _)| stop);
    match stops.find(|&stop| !head.get(..stop).unwrap_or_default().ends_with('.')) {
        Some(stop) => format!("{}.", head.get(..stop).unwrap_or(head)),
        None => format!("{} …", head.rsplit_once(' ').map_or(head, |(words, _)| words)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_reaches_the_terminal_but_what_shows() {
        let hostile = "a\x1b]0;x\x07\u{9b}2J\u{202e}b\u{200b}\u{301}\u{2028}\0\x7f\r\n\t";
        let safe = Plain(hostile).to_string();
        assert_eq!(safe, "a\\u{1b}]0;x\\u{7}\\u{9b}2J\\u{202e}b\\u{200b}\\u{301}\\u{2028}\\u{0}\\u{7f}\\r\\n\\t");
    }

    #[test]
    fn a_long_text_keeps_both_its_ends() {
        assert_eq!(shortened("abcdefghij", 10), "abcdefghij");
        assert_eq!(shortened("abcdefghijk", 8), "abcde…jk");
        assert_eq!(shortened("äöüß", 1), "…");
    }

    #[test]
    fn ordinary_text_stays() {
        for text in ["GET /a?b=c \"q\" 'x' \\ ~", "3 µs → 4, größer, 日本", ""] {
            assert_eq!(Plain(text).to_string(), text);
        }
    }

    #[test]
    fn advice_ends_with_a_sentence() {
        let text = format!("Set `a`. {} b.", "word ".repeat(60));
        assert_eq!(sentences(&text, 200), "Set `a`.");
        assert!(sentences(&"word ".repeat(60), 200).ends_with("word …"));
        let dots = format!("One. Two ... {}", "word ".repeat(60));
        assert_eq!(sentences(&dots, 200), "One.");
        assert_eq!(sentences("All of it. Yes.", 200), "All of it. Yes.");
    }
}
