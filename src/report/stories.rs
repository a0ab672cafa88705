//! Stories of requests, hop by hop: what `pcap520 hops` writes.

use std::io::{self, Write};

use super::compose::{Composer, precision};
use super::joined::{Story, write_stories};
use super::text::{Page, Palette, Row, Tone};
use super::{Redaction, Zone, json};
use crate::verdict::{Chains, Leg, Verdict};

/// The requests whose stories are told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Chosen {
    /// Every request that failed on one of its hops.
    Failed,
    /// Those with this Ray ID.
    Ray(String),
    /// Those with this `X-Request-Id` or `traceparent`.
    RequestId(String),
}

/// Stories of requests.
#[derive(Debug)]
pub struct Stories(Vec<Story>);

impl Stories {
    /// The stories of the requests that are `chosen`, where the verdict has the records of all connections.
    #[must_use]
    pub fn new(verdict: &Verdict, chosen: &Chosen, redaction: Redaction) -> Self {
        let failed = |leg: &Leg| {
            verdict.incidents.iter().any(|it| it.timeline.index == leg.line.index && it.finding.scope == leg.scope)
        };
        let request = |leg: &Leg| leg.exchange().map(|exchange| exchange.request.clone());
        let wanted = |leg: &Leg| match chosen {
            Chosen::Failed => failed(leg),
            Chosen::Ray(ray) => request(leg).is_some_and(|request| request.has_ray(ray)),
            Chosen::RequestId(id) => request(leg)
                .is_some_and(|request| [request.request_id, request.traceparent].contains(&Some(id.clone()))),
        };
        let composer = Composer { redaction, precision: precision(verdict, &[]), zone: Zone::Utc };
        let chains = Chains::new(&verdict.records).of(wanted);
        Self(chains.iter().map(|hops| composer.story(hops, &verdict.incidents)).collect())
    }

    /// Writes them as a JSON array.
    ///
    /// # Errors
    /// What `out` fails with.
    pub fn write_json(&self, out: &mut dyn Write) -> io::Result<()> {
        json::write_line(&self.0, out)
    }

    /// Writes them for people.
    ///
    /// # Errors
    /// What `out` fails with.
    pub fn write_text(&self, width: usize, palette: Palette, out: &mut dyn Write) -> io::Result<()> {
        let mut page = Page::new(out, width, palette);
        if self.0.is_empty() {
            return page.row(&Row::new(0).text(Tone::Plain, "No such request in this capture."));
        }
        write_stories(&mut page, &self.0)
    }
}
