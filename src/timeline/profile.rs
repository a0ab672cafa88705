//! Profiles of edges as data: `edges/NAME.toml` in this repository, or a file that the user wrote.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::network::NotANetwork;
use super::{Edge, Rule, Statuses};

/// The profiles that are built into the program.
const BUILT_IN: [(&str, &str); 2] = [
    ("cloudflare", include_str!("../../edges/cloudflare.toml")),
    ("generic", include_str!("../../edges/generic.toml")),
];

impl Edge {
    /// Names of the profiles that are built in.
    pub fn names() -> impl Iterator<Item = &'static str> {
        BUILT_IN.iter().map(|&(name, _)| name)
    }

    /// The built-in profile of this name.
    #[must_use]
    pub fn built_in(name: &str) -> Option<Self> {
        let (_, text) = BUILT_IN.iter().find(|(known, _)| *known == name)?;
        File::parse(text).and_then(|file| file.over(Self::boundless())).ok()
    }

    /// The profile in the text of a file. What it does not say is as in the profile that it names as its `base`,
    /// else as in `generic`.
    ///
    /// # Errors
    /// Where the text is no TOML, has a key that no profile has, or a value that cannot be.
    pub fn from_toml(text: &str) -> Result<Self, ProfileError> {
        let file = File::parse(text)?;
        let base = file.base.as_deref().unwrap_or("generic");
        let base = Self::built_in(base).ok_or_else(|| ProfileError::Base(base.to_owned()))?;
        file.over(base)
    }
}

/// Why a profile cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ProfileError {
    /// No TOML, or no keys of a profile.
    #[error("it is no profile of an edge: {0}")]
    Toml(String),
    /// A base that is not built in.
    #[error("its base `{0}` is no built-in profile; take cloudflare or generic")]
    Base(String),
    /// A timeout that cannot be waited for.
    #[error("its timeout `{0}` is no number of seconds above 0")]
    Timeout(&'static str),
    /// A limit that nothing can keep.
    #[error("its limit `{0}` is 0: nothing would pass")]
    Limit(&'static str),
    /// A rule that does not exist.
    #[error("it tolerates `{0}`, which is no rule; `pcap520 explain malformed-header` names some")]
    Rule(String),
    /// A network that is none.
    #[error(transparent)]
    Network(#[from] NotANetwork),
    /// A status that no server sends.
    #[error("`{0}` is no status; take 400 to 599")]
    Status(u16),
}

/// A profile as it is written: what is missing is inherited.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    name: String,
    base: Option<String>,
    statuses: Option<Statuses>,
    #[serde(rename = "closes-by-reset")]
    closes_by_reset: Option<bool>,
    #[serde(default)]
    timeouts: Timeouts,
    #[serde(default)]
    limits: Limits,
    #[serde(default)]
    tolerates: Tolerates,
    networks: Option<Networks>,
    /// Statuses of single causes.
    #[serde(default)]
    status: BTreeMap<String, u16>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct Timeouts {
    connect: Option<f64>,
    acknowledge: Option<f64>,
    handshake: Option<f64>,
    response: Option<f64>,
    response_least: Option<f64>,
    idle: Option<f64>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Limits {
    header: Option<u64>,
    headers: Option<u64>,
    fields: Option<u64>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct Tolerates {
    rules: Option<Vec<String>>,
    perhaps: Option<Vec<String>>,
    bytes_beyond: Option<bool>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Networks {
    from: Vec<String>,
}

impl File {
    fn parse(text: &str) -> Result<Self, ProfileError> {
        toml::from_str(text).map_err(|error| ProfileError::Toml(in_one_line(&error.to_string())))
    }

    /// This profile over what it inherits.
    fn over(self, base: Edge) -> Result<Edge, ProfileError> {
        let Timeouts { connect, acknowledge, handshake, response, response_least, idle } = self.timeouts;
        let response_timeout_s = timeout("response", response, base.response_timeout_s)?;
        // A shortest wait that is inherited goes with the timeout that is inherited.
        let least = if response.is_some() { response_timeout_s } else { base.response_least_s };
        let Tolerates { rules: tolerates, perhaps, bytes_beyond } = self.tolerates;
        let networks = self.networks.map(|networks| networks.from.iter().map(|text| text.parse()).collect());
        if let Some(&status) = self.status.values().find(|status| !(400..600).contains(*status)) {
            return Err(ProfileError::Status(status));
        }
        Ok(Edge {
            profile: self.name,
            statuses: self.statuses.unwrap_or(base.statuses),
            status_of: if self.status.is_empty() { base.status_of } else { self.status },
            connect_timeout_s: timeout("connect", connect, base.connect_timeout_s)?,
            ack_timeout_s: timeout("acknowledge", acknowledge, base.ack_timeout_s)?,
            handshake_timeout_s: timeout("handshake", handshake, base.handshake_timeout_s)?,
            response_timeout_s,
            response_least_s: timeout("response-least", response_least, least)?.min(response_timeout_s),
            response_timeout_given: base.response_timeout_given,
            idle_timeout_s: timeout("idle", idle, base.idle_timeout_s)?,
            header_limit: limit("header", self.limits.header, base.header_limit)?,
            headers_limit: limit("headers", self.limits.headers, base.headers_limit)?,
            fields_limit: limit("fields", self.limits.fields, base.fields_limit)?,
            tolerates: rules(tolerates, base.tolerates)?,
            perhaps: rules(perhaps, base.perhaps)?,
            closes_by_reset: self.closes_by_reset.unwrap_or(base.closes_by_reset),
            takes_bytes_beyond: bytes_beyond.unwrap_or(base.takes_bytes_beyond),
            networks: networks.transpose()?.unwrap_or(base.networks),
        })
    }
}

fn timeout(key: &'static str, own: Option<f64>, inherited: f64) -> Result<f64, ProfileError> {
    match own {
        Some(seconds) if !(seconds.is_finite() && seconds > 0.0) => Err(ProfileError::Timeout(key)),
        own => Ok(own.unwrap_or(inherited)),
    }
}

fn limit(key: &'static str, own: Option<u64>, inherited: u64) -> Result<u64, ProfileError> {
    if own == Some(0) { Err(ProfileError::Limit(key)) } else { Ok(own.unwrap_or(inherited)) }
}

fn rules(own: Option<Vec<String>>, inherited: Vec<Rule>) -> Result<Vec<Rule>, ProfileError> {
    let Some(names) = own else { return Ok(inherited) };
    names.into_iter().map(|name| Rule::named(&name).ok_or(ProfileError::Rule(name))).collect()
}

/// The parser draws the place under the line; a message on standard error has one line.
fn in_one_line(text: &str) -> String {
    let lines = text.lines().map(str::trim).filter(|line| !line.chars().all(|c| "|^ ".contains(c)));
    lines.collect::<Vec<_>>().join("; ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_built_in_profile_says_everything() {
        for name in Edge::names() {
            let edge = Edge::built_in(name).unwrap_or_else(|| panic!("edges/{name}.toml"));
            assert_eq!(edge.profile, name);
            let timeouts = [edge.connect_timeout_s, edge.ack_timeout_s, edge.handshake_timeout_s, edge.idle_timeout_s];
            assert!(timeouts.iter().all(|seconds| seconds.is_finite()), "{name}: {timeouts:?}");
            assert!(edge.response_least_s <= edge.response_timeout_s && edge.response_timeout_s.is_finite(), "{name}");
            assert!(edge.header_limit <= edge.headers_limit && edge.headers_limit < u64::MAX, "{name}");
            assert!(!edge.tolerates.iter().any(|rule| edge.perhaps.contains(rule)), "{name}");
        }
        assert_eq!(Edge::built_in("teapot"), None);
    }

    #[test]
    fn cloudflare_is_known_by_its_addresses() {
        let edge = Edge::default();
        assert_eq!(edge.profile, "cloudflare");
        for address in ["172.68.10.7", "162.159.0.1", "2606:4700::1111", "131.0.75.255"] {
            assert!(edge.connects_from(address.parse().unwrap()), "{address}");
        }
        for address in ["10.0.0.1", "172.32.0.1", "131.0.76.0", "2001:db8::1"] {
            assert!(!edge.connects_from(address.parse().unwrap()), "{address}");
        }
    }

    #[test]
    fn a_file_changes_what_it_says_and_inherits_the_rest() {
        let text = "
            name = 'shop'
            base = 'cloudflare'
            [timeouts]
            response = 30
            [limits]
            headers = 8192
            [tolerates]
            rules = ['field-no-colon']
            bytes-beyond = true
            [networks]
            from = ['10.1.0.0/16']
            [status]
            keepalive-race = 503
        ";
        let edge = Edge::from_toml(text).unwrap();
        let cloudflare = Edge::default();
        assert_eq!((edge.response_timeout_s, edge.response_least_s), (30.0, 30.0));
        assert_eq!((edge.headers_limit, edge.header_limit), (8192, cloudflare.header_limit));
        assert_eq!(edge.tolerates, [Rule::FieldNoColon]);
        assert_eq!((&edge.perhaps, edge.fields_limit), (&cloudflare.perhaps, cloudflare.fields_limit));
        assert!(edge.takes_bytes_beyond && !cloudflare.takes_bytes_beyond);
        assert_eq!(edge.connect_timeout_s, cloudflare.connect_timeout_s);
        assert_eq!(edge.statuses, Statuses::Cloudflare);
        assert_eq!(edge.status_of["keepalive-race"], 503);
        assert!(edge.connects_from("10.1.2.3".parse().unwrap()) && !edge.connects_from("172.68.10.7".parse().unwrap()));
        assert_eq!(Edge::from_toml("name = 'x'").unwrap().statuses, Statuses::Gateway, "generic is the base of all");
    }

    #[test]
    fn a_wrong_file_is_refused_with_its_reason_in_one_line() {
        let cases = [
            ("", "missing field `name`"),
            ("name = 'x'\ncolour = 'red'", "unknown field `colour`"),
            ("name = 'x'\n[timeouts]\nconnect = 'soon'", "invalid type"),
            ("name = 'x'\n[timeouts]\nconnect = 0", "timeout `connect`"),
            ("name = 'x'\n[timeouts]\nidle = inf", "timeout `idle`"),
            ("name = 'x'\n[limits]\nheader = 0", "limit `header`"),
            ("name = 'x'\nbase = 'y'", "base `y`"),
            ("name = 'x'\n[tolerates]\nrules = ['all']", "tolerates `all`"),
            ("name = 'x'\n[networks]\nfrom = ['here']", "`here` is no block"),
            ("name = 'x'\n[status]\nkeepalive-race = 200", "`200` is no status"),
        ];
        for (text, reason) in cases {
            let message = Edge::from_toml(text).unwrap_err().to_string();
            assert!(message.contains(reason) && message.lines().count() == 1, "{text}: {message}");
        }
    }
}
