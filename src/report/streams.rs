//! The long parts of a document, composed one by one while a format writes them.

use std::borrow::Cow;
use std::collections::HashMap;

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::{Serialize, Serializer};

use super::alike::{Group, groups};
use super::compose::{Composer, Told};
use super::document::{Connection, Incident};
use super::{Listing, Precision, View};
use crate::timeline::Timeline;
use crate::verdict::{self, Verdict};

/// Failed exchanges and connections, in the order of their first fault.
#[derive(Clone, Debug)]
pub struct Incidents<'a> {
    chosen: Vec<&'a verdict::Incident>,
    composer: Composer,
}

impl<'a> Incidents<'a> {
    pub(super) fn new(chosen: Vec<&'a verdict::Incident>, composer: Composer) -> Self {
        Self { chosen, composer }
    }

    /// True where nothing failed.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.chosen.is_empty()
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.chosen.len()
    }

    /// The incident with this index.
    #[must_use]
    pub fn get(&self, index: usize) -> Option<Incident> {
        self.chosen.get(index).map(|incident| self.composer.incident(incident, &Told::of(&incident.timeline)))
    }

    /// One after the other.
    pub fn iter(&self) -> impl Iterator<Item = Incident> {
        let mut stories = Stories::of(&self.chosen);
        self.chosen
            .iter()
            .map(move |incident| stories.tell(&incident.timeline, |story| self.composer.incident(incident, story)))
    }

    /// Those that are alike, the largest group first.
    pub(super) fn groups(&self) -> Vec<Group> {
        groups(&self.chosen, &self.composer)
    }
}

impl Incident {
    /// What the report says of incidents that were decided together, ahead of the rest, as far as `view` takes them. What
    /// happened on a connection is told once for all its incidents.
    pub fn ahead<'a>(decided: &'a [verdict::Incident], view: &'a View) -> impl Iterator<Item = Self> {
        let chosen: Vec<_> = decided.iter().filter(|incident| view.selection.takes_incident(incident)).collect();
        let mut stories = Stories::of(&chosen);
        chosen.into_iter().map(move |incident| {
            let line = &incident.timeline;
            let precision = Precision::of([line.first.time, line.last.time, incident.finding.at.time]);
            let composer = Composer { redaction: view.redaction, precision, zone: view.zone.clone() };
            stories.tell(line, |story| composer.incident(incident, story))
        })
    }
}

impl Serialize for Incidents<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.iter())
    }
}

impl JsonSchema for Incidents<'_> {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Incidents".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        Vec::<Incident>::json_schema(generator)
    }
}

/// Every connection, where they were asked for.
#[derive(Clone, Debug)]
pub struct Connections<'a> {
    /// Each with the incidents on it.
    chosen: Vec<(&'a Timeline, Vec<&'a verdict::Incident>)>,
    composer: Composer,
}

impl<'a> Connections<'a> {
    pub(super) fn new(verdict: &'a Verdict, view: &View, composer: Composer) -> Self {
        let mut incidents: HashMap<u32, Vec<&verdict::Incident>> = HashMap::new();
        for incident in &verdict.incidents {
            incidents.entry(incident.timeline.index).or_default().push(incident);
        }
        let mut chosen = Vec::new();
        let records = match view.connections {
            Listing::Kept => verdict.records.as_slice(),
            Listing::None => &[],
        };
        for line in records {
            let own = incidents.remove(&line.index).unwrap_or_default();
            let causes: Vec<&str> = own.iter().map(|incident| incident.finding.cause.0).collect();
            if view.selection.takes_connection(line, &causes) {
                chosen.push((&**line, own));
            }
        }
        Self { chosen, composer }
    }

    /// One after the other, in the order of their index.
    pub fn iter(&self) -> impl Iterator<Item = Connection> {
        self.chosen.iter().map(|(line, incidents)| self.composer.connection(line, incidents))
    }

    /// The records themselves, each with the incidents on it.
    pub(super) fn records(&self) -> impl Iterator<Item = (&'a Timeline, &[&'a verdict::Incident])> {
        self.chosen.iter().map(|(line, incidents)| (*line, incidents.as_slice()))
    }

    /// What turns a record into a part of a report.
    pub(super) fn composer(&self) -> &Composer {
        &self.composer
    }
}

impl Serialize for Connections<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.iter())
    }
}

impl JsonSchema for Connections<'_> {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Connections".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        Vec::<Connection>::json_schema(generator)
    }
}

/// A connection with many failed exchanges is told once, and its story forgotten after the last of them.
struct Stories {
    kept: HashMap<Standing, Told>,
    left: HashMap<Standing, usize>,
}

/// A connection, as far as it had come: one that is open may be looked at again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Standing {
    index: u32,
    last: u64,
}

impl Stories {
    fn of(incidents: &[&verdict::Incident]) -> Self {
        let mut left: HashMap<Standing, usize> = HashMap::new();
        for incident in incidents {
            let number = left.entry(Self::key(&incident.timeline)).or_default();
            *number = number.saturating_add(1);
        }
        Self { kept: HashMap::new(), left }
    }

    fn tell(&mut self, line: &Timeline, compose: impl FnOnce(&Told) -> Incident) -> Incident {
        let key = Self::key(line);
        let left = self.left.entry(key).or_insert(1);
        *left = left.saturating_sub(1);
        if *left > 0 {
            return compose(self.kept.entry(key).or_insert_with(|| Told::of(line)));
        }
        compose(&self.kept.remove(&key).unwrap_or_else(|| Told::of(line)))
    }

    fn key(line: &Timeline) -> Standing {
        Standing { index: line.index, last: line.last.number }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::{Document, sample};

    #[test]
    fn an_incident_is_the_same_however_it_is_taken() {
        let verdict = sample::verdict(vec![sample::keepalive_race(), sample::handshake_failure()]);
        let document = Document::new(&verdict, &[sample::source()], &View::default());
        let (incidents, text) = (&document.incidents, |incident| serde_json::to_string(&incident).unwrap());
        let one_by_one: Vec<String> = incidents.iter().map(text).collect();
        let by_index: Vec<String> = (0..incidents.len()).filter_map(|index| incidents.get(index)).map(text).collect();
        assert_eq!((one_by_one.len(), incidents.is_empty()), (2, false));
        assert_eq!(one_by_one, by_index);
    }

    #[test]
    fn what_is_told_ahead_is_what_the_report_says() {
        let decided = [sample::keepalive_race(), sample::handshake_failure(), sample::keepalive_race()];
        let (verdict, view) = (sample::verdict(decided.to_vec()), View::default());
        let document = Document::new(&verdict, &[], &view);
        let text = |incident| serde_json::to_string(&incident).unwrap();
        let ahead: Vec<String> = Incident::ahead(&verdict.incidents, &view).map(text).collect();
        assert_eq!(ahead, document.incidents.iter().map(text).collect::<Vec<_>>());
    }

    #[test]
    fn a_story_is_kept_until_its_last_incident() {
        let (a, b) = (sample::keepalive_race(), sample::handshake_failure());
        let order = [&a, &b, &a];
        let mut stories = Stories::of(&order);
        let composer = Composer {
            redaction: crate::report::Redaction::default(),
            precision: crate::report::Precision::Micro,
            zone: crate::report::Zone::Utc,
        };
        let kept: Vec<usize> = order
            .iter()
            .map(|incident| {
                stories.tell(&incident.timeline, |story| composer.incident(incident, story));
                stories.kept.len()
            })
            .collect();
        assert_eq!(kept, [1, 1, 0]);
    }
}
