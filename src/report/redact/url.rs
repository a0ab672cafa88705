//! Credentials and addresses of people in targets, URLs and forms.

use super::Mark;

/// Each word by itself, with the white space between them kept.
pub(super) fn words(text: &str, mark: Mark) -> String {
    text.split_inclusive(char::is_whitespace)
        .map(|piece| {
            let body = piece.trim_end();
            let end = piece.get(body.len()..).unwrap_or_default();
            word(body, mark) + end
        })
        .collect()
}

/// One target, URL or `name=value`.
pub(super) fn word(word: &str, mark: Mark) -> String {
    let (path, query) = match word.split_once('?') {
        Some((path, query)) => (path, Some(query)),
        None => (word, None),
    };
    let mut clean = path_part(path, mark);
    if let Some(query) = query {
        clean.push('?');
        let pairs: Vec<String> = query.split_inclusive(['&', ';']).map(|text| pair(text, Place::Query, mark)).collect();
        clean.extend(pairs);
    }
    clean
}

/// A path, a URL without its query, or pairs outside of a query.
fn path_part(path: &str, mark: Mark) -> String {
    let path = without_user(path, mark);
    if path.contains('=') {
        return path.split_inclusive(['&', ';']).map(|text| pair(text, Place::Elsewhere, mark)).collect();
    }
    let segments: Vec<String> = path.split('/').map(|segment| value(segment, Place::Elsewhere, mark)).collect();
    segments.join("/")
}

/// `http://user:password@host/` without the user.
fn without_user(url: &str, mark: Mark) -> String {
    let Some((scheme, rest)) = url.split_once("://") else { return url.to_owned() };
    let authority = rest.split('/').next().unwrap_or_default();
    match authority.rfind('@') {
        Some(at) => {
            let (user, host) = rest.split_at(at);
            format!("{scheme}://{}{host}", mark.of(user))
        }
        None => url.to_owned(),
    }
}

/// `name=value`, with what separates it from the next; the value may be a target with pairs of its own.
fn pair(text: &str, place: Place, mark: Mark) -> String {
    let body = text.trim_end_matches(CLOSING);
    let end = text.get(body.len()..).unwrap_or_default();
    let mut parts = Vec::new();
    let mut rest = body;
    for part in body.split('?') {
        match part.split_once('=') {
            Some((name, _)) if sounds_secret(name) => {
                let secret = rest.split_once('=').map_or("", |(_, secret)| secret);
                parts.push(format!("{name}={}", mark.of(secret)));
                break;
            }
            Some((name, text)) => parts.push(format!("{name}={}", value(text, place, mark))),
            None => parts.push(value(part, place, mark)),
        }
        rest = rest.split_once('?').map_or("", |(_, rest)| rest);
    }
    parts.join("?") + end
}

/// A value whose name says nothing: redacted where its own shape does.
fn value(text: &str, place: Place, mark: Mark) -> String {
    let least = match place {
        Place::Query => OPAQUE_IN_QUERY,
        Place::Elsewhere => OPAQUE_ELSEWHERE,
    };
    if is_jwt(text) || is_opaque(text, least) || hides_secret(text) {
        mark.of(text)
    } else {
        without_emails(text, mark)
    }
}

/// True for a percent-encoded URL or form with a secret in it.
fn hides_secret(text: &str) -> bool {
    let names = |pair: &str| pair.split_once('=').is_some_and(|(name, _)| sounds_secret(name));
    text.contains("%3") && percent_decoded(text).split(['?', '&', ';', '#']).any(names)
}

/// Where a value stands: a query holds credentials more often than a path.
#[derive(Clone, Copy)]
enum Place {
    Query,
    Elsewhere,
}

/// True for names of parameters that carry credentials or people's data, however they are written.
pub(super) fn sounds_secret(name: &str) -> bool {
    let name: String = percent_decoded(name)
        .rsplit(|c: char| c.is_whitespace() || matches!(c, '?' | '/' | '"' | '\'' | '(' | '{' | ','))
        .next()
        .unwrap_or_default()
        .chars()
        .filter(char::is_ascii_alphanumeric)
        .map(|c| c.to_ascii_lowercase())
        .collect();
    SECRET_NAMES.contains(&name.as_str())
        || SECRET_PARTS.iter().any(|part| name.contains(part))
        || name.contains("auth") && !name.contains("author")
}

/// `%41` as `A`, where that is ASCII.
fn percent_decoded(text: &str) -> String {
    let mut decoded = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('%') {
        decoded.push_str(before);
        rest = after;
        match after.get(..2).and_then(|digits| u8::from_str_radix(digits, 16).ok()).filter(u8::is_ascii) {
            Some(byte) => {
                decoded.push(char::from(byte));
                rest = after.get(2..).unwrap_or_default();
            }
            None => decoded.push('%'),
        }
    }
    decoded.push_str(rest);
    decoded
}

/// A JSON Web Token (RFC 7519): three parts in base64url, the first of which begins with `{"`.
fn is_jwt(text: &str) -> bool {
    text.contains("eyJ") && text.matches('.').count() >= 2 && text.len() >= 30
}

/// Letters and digits without words in them: the kind of character changes at least at every fourth place.
fn is_opaque(text: &str, least: usize) -> bool {
    if text.len() < least || !text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+/=_-~%".contains(&byte)) {
        return false;
    }
    let kinds: Vec<Kind> = text.bytes().filter_map(Kind::of).collect();
    let digits = kinds.iter().filter(|&&kind| kind == Kind::Digit).count();
    let changes = kinds.windows(2).filter(|pair| pair.first() != pair.last()).count();
    digits >= 2 && digits < kinds.len() && changes.saturating_mul(4) >= kinds.len()
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Digit,
    Lower,
    Upper,
}

impl Kind {
    fn of(byte: u8) -> Option<Self> {
        match byte {
            b'0'..=b'9' => Some(Self::Digit),
            b'a'..=b'z' => Some(Self::Lower),
            b'A'..=b'Z' => Some(Self::Upper),
            _ => None,
        }
    }
}

/// Replaces e-mail addresses, with `@` as it is or percent-encoded.
fn without_emails(text: &str, mark: Mark) -> String {
    let mut clean = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find(['@', '%']) {
        let (before, sign) = rest.split_at(at);
        let (len, is_at) = if sign.starts_with("%40") { (3, true) } else { (1, sign.starts_with('@')) };
        let after = sign.get(len..).unwrap_or_default();
        let domain = after.len().saturating_sub(after.trim_start_matches(is_domain_char).len());
        let name = after.get(..domain).unwrap_or_default().trim_end_matches('.');
        clean.push_str(before);
        if is_at && name.contains('.') && clean.ends_with(is_local_char) {
            let local = clean.split_off(clean.trim_end_matches(is_local_char).len());
            let (sign, _) = sign.split_at(len);
            clean.push_str(&mark.of(&[&local, sign, name].concat()));
            rest = after.get(name.len()..).unwrap_or_default();
        } else {
            clean.push_str(sign.get(..len).unwrap_or_default());
            rest = after;
        }
    }
    clean.push_str(rest);
    clean
}

fn is_local_char(c: char) -> bool {
    c.is_ascii_alphanumeric() || "._%+-".contains(c)
}

fn is_domain_char(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '.' || c == '-'
}

/// Least length of a value in a query that is taken for a credential where it looks random.
const OPAQUE_IN_QUERY: usize = 20;

/// The same in a path, where build hashes and ids are common.
const OPAQUE_ELSEWHERE: usize = 40;

/// What closes a quoted target in a sentence, and what separates pairs.
const CLOSING: &[char] = &['&', ';', '"', '\'', '`', ')', ',', '.', ']', '}', '>'];

/// Names of parameters that carry credentials, without their punctuation.
const SECRET_NAMES: &[&str] =
    &["key", "sig", "sid", "code", "state", "pass", "pin", "ticket", "pwd", "otp", "email", "mail", "phone", "ssn"];

/// What the names of such parameters contain.
const SECRET_PARTS: &[&str] = &[
    "token",
    "secret",
    "passw",
    "passphrase",
    "session",
    "sessid",
    "apikey",
    "accesskey",
    "privatekey",
    "signature",
    "credential",
    "jwt",
    "bearer",
    "csrf",
    "xsrf",
    "saml",
    "assertion",
];
