//! What a report is narrowed to.

use super::compose::failed_exchange;
use crate::timeline::{Request, Timeline};
use crate::verdict::Incident;

/// The incidents and connections that a report is narrowed to; by default all.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Selection {
    /// A Ray ID, with or without the data centre behind it.
    pub ray: Option<String>,
    /// A host name, without its port.
    pub host: Option<String>,
    /// The id of a cause.
    pub cause: Option<String>,
}

impl Selection {
    /// True where nothing is left out.
    #[must_use]
    pub fn takes_all(&self) -> bool {
        *self == Self::default()
    }

    /// True where the report holds this incident.
    #[must_use]
    pub fn takes_incident(&self, incident: &Incident) -> bool {
        let request = failed_exchange(incident).map(|exchange| &exchange.request);
        let cause = self.cause.as_deref().is_none_or(|cause| incident.finding.cause.0 == cause);
        let host = self.host.as_deref().is_none_or(|host| match request {
            Some(request) => has_host(request, host) || request.host.is_none() && has_sni(&incident.timeline, host),
            None => has_sni(&incident.timeline, host),
        });
        let ray = self.ray.as_deref().is_none_or(|ray| request.is_some_and(|request| request.has_ray(ray)));
        cause && host && ray
    }

    /// True where the list of connections holds this one, whose incidents' causes are `causes`.
    #[must_use]
    pub fn takes_connection(&self, timeline: &Timeline, causes: &[&str]) -> bool {
        let any = |test: &dyn Fn(&Request) -> bool| timeline.exchanges.iter().any(|exchange| test(&exchange.request));
        let cause = self.cause.as_deref().is_none_or(|cause| causes.contains(&cause));
        let host =
            self.host.as_deref().is_none_or(|host| has_sni(timeline, host) || any(&|request| has_host(request, host)));
        let ray = self.ray.as_deref().is_none_or(|ray| any(&|request| request.has_ray(ray)));
        cause && host && ray
    }
}

fn has_host(request: &Request, host: &str) -> bool {
    request.host.as_deref().is_some_and(|own| without_port(own).eq_ignore_ascii_case(without_port(host)))
}

fn has_sni(timeline: &Timeline, host: &str) -> bool {
    let hello = timeline.tls.as_ref().and_then(|tls| tls.client_hello.as_ref());
    hello.and_then(|hello| hello.sni.as_deref()).is_some_and(|sni| sni.eq_ignore_ascii_case(without_port(host)))
}

/// `shop.example:8080` as `shop.example`; an IPv6 address keeps its brackets.
fn without_port(host: &str) -> &str {
    match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) && !name.ends_with(':') => name,
        _ => host,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::sample;

    #[test]
    fn a_ray_is_found_with_and_without_its_data_centre() {
        let incident = sample::keepalive_race();
        let takes =
            |ray: &str| Selection { ray: Some(ray.to_owned()), ..Selection::default() }.takes_incident(&incident);
        assert!(takes("8f3b2c1d0e9a7b65-FRA") && takes("8F3B2C1D0E9A7B65"));
        assert!(!takes("8f3b2c1d0e9a7b66") && !takes(""));
    }

    #[test]
    fn a_host_is_found_with_and_without_its_port_and_by_its_sni() {
        let takes = |host: &str, incident| {
            Selection { host: Some(host.to_owned()), ..Selection::default() }.takes_incident(incident)
        };
        let incident = sample::keepalive_race();
        assert!(takes("Shop.Example", &incident) && takes("shop.example:443", &incident));
        assert!(!takes("example", &incident));
        let handshake = sample::handshake_failure();
        assert!(takes("shop.example", &handshake) && !takes("other.example", &handshake));
    }

    #[test]
    fn a_cause_takes_its_incidents_and_their_connections() {
        let incident = sample::keepalive_race();
        let narrowed = Selection { cause: Some("keepalive-race".to_owned()), ..Selection::default() };
        assert!(narrowed.takes_incident(&incident) && !narrowed.takes_incident(&sample::handshake_failure()));
        assert!(narrowed.takes_connection(&incident.timeline, &["keepalive-race"]));
        assert!(!narrowed.takes_connection(&incident.timeline, &[]));
        assert!(Selection::default().takes_all() && !narrowed.takes_all());
    }

    #[test]
    fn only_a_port_is_cut_off() {
        for (host, name) in [("a.b:80", "a.b"), ("[::1]:80", "[::1]"), ("[::1]", "[::1]"), ("::1", "::1"), ("a", "a")] {
            assert_eq!(without_port(host), name);
        }
    }
}
