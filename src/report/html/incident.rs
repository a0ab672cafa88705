//! One incident on the page, and what the list is filtered by.

use std::collections::BTreeMap;

use maud::{Markup, html};

use super::joined::hops;
use super::ladder;
use crate::report::document::{Document, Incident};
use crate::report::numbers::thousands;
use crate::report::plain::{Plain, shortened};

/// The causes, hosts and servers of the incidents; each is known by its number in the page.
pub(super) struct Keys {
    causes: Key,
    hosts: Key,
    servers: Key,
}

/// Names in alphabetical order, each with the number of its incidents.
#[derive(Default)]
struct Key(BTreeMap<String, u64>);

impl Keys {
    pub(super) fn of(document: &Document<'_>) -> Self {
        let mut keys = Self { causes: Key::default(), hosts: Key::default(), servers: Key::default() };
        for incident in document.incidents.iter() {
            keys.causes.add(incident.cause);
            keys.hosts.add(host(&incident));
            keys.servers.add(&incident.connection.server);
        }
        keys
    }

    /// Where the script finds what an incident is filtered by.
    fn of_incident(&self, incident: &Incident) -> String {
        let (cause, host, server) = (
            self.causes.number(incident.cause),
            self.hosts.number(host(incident)),
            self.servers.number(&incident.connection.server),
        );
        format!("{cause},{host},{server}")
    }

    /// The same for a kind of incident, of any host.
    pub(super) fn of_kind(&self, cause: &str, server: &str) -> String {
        format!("{},,{}", self.causes.number(cause), self.servers.number(server))
    }

    /// What the list is filtered with; of use with the script only.
    pub(super) fn form(&self) -> Markup {
        html! {
            form.filters hidden role="search" aria-label="Filter the incidents" {
                (self.causes.choice("cause", "Cause"))
                (self.hosts.choice("host", "Host"))
                (self.servers.choice("server", "Origin"))
                label { "Search" input name="search" type="search" placeholder="Ray ID, path, packet" autocomplete="off"; }
                button type="reset" { "Show all" }
                output aria-live="polite" {}
            }
        }
    }
}

impl Key {
    fn add(&mut self, name: &str) {
        match self.0.get_mut(name) {
            Some(count) => *count = count.saturating_add(1),
            None => {
                self.0.insert(name.to_owned(), 1);
            }
        }
    }

    fn number(&self, name: &str) -> usize {
        self.0.range(..name.to_owned()).count()
    }

    fn choice(&self, name: &str, title: &str) -> Markup {
        html! {
            label {
                (title)
                select name=(name) {
                    option value="" { "all" }
                    @for (number, (name, count)) in self.0.iter().enumerate().take(CHOICES) {
                        option value=(number) {
                            (Plain(&shortened(if name.is_empty() { "(none)" } else { name }, CHOICE))) " (" (thousands(*count)) ")"
                        }
                    }
                }
            }
        }
    }
}

/// The host of the request, or the name that the TLS client asked for.
fn host(incident: &Incident) -> &str {
    let of_request = incident.request.as_ref().and_then(|request| request.host.as_deref());
    of_request.or(incident.connection.sni.as_deref()).unwrap_or_default()
}

/// How much an entry tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Telling {
    /// What sets it apart from others of its kind.
    Short,
    /// All of it, once it is opened.
    Full,
    /// All of it, at once.
    Open,
}

/// The incident with this index: a line, and what it opens to.
pub(super) fn entry(index: usize, incident: &Incident, keys: &Keys, telling: Telling) -> Markup {
    html! {
        details.incident open[telling == Telling::Open] id={ "i-" (incident.id) } data-i=(index) data-k=(keys.of_incident(incident)) {
            summary {
                span class={ "badge s" (incident.edge_status) } { (incident.edge_status) }
                span.mono { (incident.fault.time.to_the_second()) }
                span.what { (incident.cause) }
                span.req { (Plain(&shortened(&request(incident), REQUEST))) }
            }
            div.body {
                p.why { (Plain(&shortened(&incident.summary, LONG_TEXT))) }
                @if telling == Telling::Short { (short_body(incident)) } @else { (in_full_body(incident)) }
            }
        }
    }
}

fn in_full_body(incident: &Incident) -> Markup {
    html! {
        (facts(incident))
        @if !incident.hops.is_empty() {
            h3 { "Its way through the proxies" }
            (hops(&incident.hops))
        }
        h3 { "Between edge and origin" }
        (ladder::table(incident))
        @if !incident.fix.is_empty() {
            h3 { "What to do" }
            dl.fixes { @for fix in &incident.fix { dt { (fix.target) } dd { (prose(&fix.text)) } } }
        }
        @if !incident.also.is_empty() {
            h3 { "Also weighed" }
            ul {
                @for also in &incident.also {
                    li { strong { (also.cause) } ": " (Plain(&shortened(&also.why_not, LONG_TEXT))) }
                }
            }
        }
    }
}

/// One incident of many alike ones.
fn short_body(incident: &Incident) -> Markup {
    html! {
        p.soft {
            (incident.actor) ", " (incident.confidence) " · " (incident.fault.time.date_and_time()) " · packet "
            (incident.fault.packet) @if let Some(ray) = ray(incident) { " · Ray " (Plain(ray)) } " · "
            (Plain(&incident.connection.client)) " → " (Plain(&incident.connection.server)) " · " (incident.wireshark)
        }
    }
}

fn facts(incident: &Incident) -> Markup {
    let (connection, time) = (&incident.connection, incident.fault.time);
    let exchange = incident.exchange.map(|number| format!(", exchange {number}")).unwrap_or_default();
    html! {
        dl.facts {
            dt { "cause" } dd { (incident.cause) ": " (incident.title) }
            dt { "who, how sure" } dd { (incident.actor) ", " (incident.confidence) ", " (incident.layer) " layer" }
            dt { "when" } dd.mono { (time.date_and_time()) " " (time.zone()) }
            @if let Some(ray) = ray(incident) { dt { "CF-Ray" } dd.mono { (Plain(ray)) } }
            dt { "status" } dd {
                (incident.edge_status) " at the visitor, "
                @if incident.origin_status == 0 { "none" } @else { (incident.origin_status) } " from the origin"
            }
            dt { "path" } dd.mono { (Plain(&connection.client)) " → " (Plain(&connection.server)) }
            @if connection.vantage != "unknown" { dt { "captured at" } dd { (connection.vantage) } }
            dt { "packets" } dd {
                "connection " (connection.index) (exchange) "; in Wireshark " code { (incident.wireshark) }
                ", fault " code { "frame.number == " (incident.fault.packet) }
            }
        }
    }
}

fn ray(incident: &Incident) -> Option<&str> {
    incident.request.as_ref()?.ray.as_deref()
}

/// What failed, in one line.
fn request(incident: &Incident) -> String {
    let Some(request) = &incident.request else {
        let name = incident.connection.sni.as_deref().unwrap_or(&incident.connection.server);
        return format!("connection to {name}, before a request");
    };
    let host = request.host.as_deref().or(incident.connection.sni.as_deref()).unwrap_or_default();
    match &request.method {
        Some(method) => format!("{method} {host}{}", request.target.as_deref().unwrap_or_default()),
        None => {
            format!("a request that encryption hides, for {}", if host.is_empty() { "an unknown host" } else { host })
        }
    }
}

/// Text of the catalogue: paragraphs, with code between backticks.
pub(super) fn prose(text: &str) -> Markup {
    html! {
        @for paragraph in text.split("\n\n") {
            p {
                @for (nth, piece) in paragraph.split('`').enumerate() {
                    @if nth % 2 == 1 { code { (piece) } } @else { (piece) }
                }
            }
        }
    }
}

/// Names in one choice.
const CHOICES: usize = 500;

/// Characters of a name in a choice.
const CHOICE: usize = 80;

/// Characters of a request in the list.
const REQUEST: usize = 200;

/// Characters of a text that quotes strangers.
const LONG_TEXT: usize = 600;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn code_of_the_catalogue_is_set_as_code_and_markup_in_it_is_none() {
        let text = prose("Set `a < b;`\n\nand <b>").into_string();
        assert_eq!(text, "<p>Set <code>a &lt; b;</code></p><p>and &lt;b&gt;</p>");
    }

    #[test]
    fn names_are_numbered_in_their_order() {
        let mut key = Key::default();
        ["b", "a", "b"].iter().for_each(|name| key.add(name));
        assert_eq!((key.number("a"), key.number("b")), (0, 1));
        let choice = key.choice("host", "Host").into_string();
        assert!(choice.contains("<option value=\"1\">b (2)</option>"), "{choice}");
    }
}
