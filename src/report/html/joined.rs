//! What belongs to several connections: hops of a request, patterns, the edge's own log.

use maud::{Markup, html};

use super::LONG_TEXT;
use crate::report::joined::{EdgeLog, Hop, Pattern, Story, told};
use crate::report::plain::{Plain, shortened};

/// The requests that were asked for.
pub(super) fn stories(stories: &[Story]) -> Markup {
    html! {
        @for story in stories.iter().take(STORIES) {
            h2 { (Plain(&shortened(&story.name(), LONG_TEXT))) }
            (hops(&story.hops))
            table.events {
                caption.unseen { "What happened, in seconds since the first packet of the connection" }
                thead { tr { th { "seconds" } th { "packet" } th { "by" } th { "what" } } }
                tbody {
                    @for event in &story.timeline {
                        tr {
                            td.mono { (format!("{:.6}", event.at)) }
                            td.mono { "#" (event.packet) }
                            td { (event.from) }
                            td { (Plain(&shortened(&event.text, LONG_TEXT))) }
                        }
                    }
                }
            }
        }
    }
}

/// The way of a request, from the outermost hop on.
pub(super) fn hops(hops: &[Hop]) -> Markup {
    html! {
        @if !hops.is_empty() {
            ol {
                @for hop in hops {
                    li { span.mono { (Plain(&hop.client)) " → " (Plain(&hop.server)) } " " (told(hop)) }
                }
            }
        }
    }
}

pub(super) fn patterns(patterns: &[Pattern]) -> Markup {
    html! {
        @if !patterns.is_empty() {
            h2 { "Patterns" }
            p.soft { "What the incidents have in common." }
            ul { @for pattern in patterns.iter().take(PATTERNS) { li { (Plain(&shortened(&pattern.summary, LONG_TEXT))) } } }
        }
    }
}

pub(super) fn edge_log(log: &EdgeLog) -> Markup {
    html! {
        h2 { "The edge's own log" }
        p { (log.balance()) }
        ul { @for text in log.contradictions().chain(log.unseen()) { li { (Plain(&text)) } } }
    }
}

/// Requests of one Ray ID.
const STORIES: usize = 10;

/// Patterns: a few a cause.
const PATTERNS: usize = 100;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_gives_nothing() {
        assert_eq!(hops(&[]).into_string() + &patterns(&[]).into_string() + &stories(&[]).into_string(), "");
    }

    #[test]
    fn a_pattern_of_strangers_text_is_no_markup() {
        let pattern = Pattern { kind: "one-path", summary: "All 9 are for /<b>\u{202e}".to_owned(), incidents: 9 };
        let text = patterns(&[pattern]).into_string();
        assert!(text.contains("All 9 are for /&lt;b&gt;") && !text.contains('\u{202e}'), "{text}");
    }
}
