//! What must not get into a ticket: credentials and e-mail addresses in targets and in quoted bytes.
//!
//! It sees finished text only, so it goes by shape: pairs whose name sounds secret, values that are long and random,
//! JSON Web Tokens, e-mail addresses, the user part of a URL, and header lines that carry credentials.

mod addresses;
mod fields;
mod url;

pub use addresses::Key;

use fields::{header_lines, json_members};
use url::{word, words};

/// What is taken out of a report.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Redaction {
    /// Credentials and e-mail addresses.
    pub secrets: Secrets,
    /// IP addresses.
    pub addresses: Addresses,
}

/// Credentials and e-mail addresses.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Secrets {
    /// They are replaced by `[redacted]`.
    #[default]
    Hidden,
    /// They are shown.
    Shown,
}

/// IP addresses.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Addresses {
    /// They are shown.
    #[default]
    Shown,
    /// They are replaced by pseudonyms that stay the same as long as the key does.
    Hidden(Key),
}

impl Redaction {
    /// A request target without its secrets.
    #[must_use]
    pub fn target(self, target: &str) -> String {
        self.without_addresses(match self.secrets {
            Secrets::Hidden => word(target, Mark::Named),
            Secrets::Shown => target.to_owned(),
        })
    }

    /// A text that may quote targets, header lines and bodies, without their secrets.
    #[must_use]
    pub fn text(self, text: &str) -> String {
        self.without_addresses(match self.secrets {
            Secrets::Hidden => clean(text, Mark::Named),
            Secrets::Shown => text.to_owned(),
        })
    }

    /// What a request is called: its Ray ID, request id or trace id.
    ///
    /// Tickets and logs are joined by it, so it is shown, however random it looks. A value that is no such name (a JSON
    /// Web Token, a parameter, an e-mail address) is redacted like a target.
    #[must_use]
    pub fn request_id(self, id: &str) -> String {
        if is_request_id(id) { self.without_addresses(id.to_owned()) } else { self.target(id) }
    }

    /// The id of an incident: a hash of its addresses, which could be found by trying them all.
    #[must_use]
    pub fn id(self, id: &str) -> String {
        match self.addresses {
            Addresses::Shown => id.to_owned(),
            Addresses::Hidden(key) => key.pseudonym(id.as_bytes()),
        }
    }

    fn without_addresses(self, text: String) -> String {
        match self.addresses {
            Addresses::Shown => text,
            Addresses::Hidden(key) => key.without_addresses(&text),
        }
    }
}

/// `text` by the rules of [`Redaction::text`], and as long as it was: each character of a secret becomes [`FILLER`].
pub(super) fn filled(text: &str) -> String {
    clean(text, Mark::Filled)
}

/// A target by the rules of [`Redaction::target`], and as long as it was.
pub(super) fn filled_target(target: &str) -> String {
    word(target, Mark::Filled)
}

/// A request id by the rules of [`Redaction::request_id`], and as long as it was.
pub(super) fn filled_request_id(id: &str) -> String {
    if is_request_id(id) { id.to_owned() } else { word(id, Mark::Filled) }
}

/// True for what names a request and nothing else: a UUID, a number, a W3C trace context, a Ray ID.
fn is_request_id(id: &str) -> bool {
    id.len() <= MAX_REQUEST_ID && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_:".contains(&byte))
}

fn clean(text: &str, mark: Mark) -> String {
    words(&json_members(&header_lines(text, mark), mark), mark)
}

/// Characters of a request id.
const MAX_REQUEST_ID: usize = 128;

/// What stands in the place of a secret.
#[derive(Clone, Copy)]
enum Mark {
    /// One word, however long the secret was.
    Named,
    /// A [`FILLER`] for each character.
    Filled,
}

impl Mark {
    fn of(self, secret: &str) -> String {
        match self {
            Self::Named => "[redacted]".to_owned(),
            Self::Filled => secret.chars().map(|_| FILLER).collect(),
        }
    }
}

/// What stands in the place of each character of a secret, where lengths must stay as they are.
pub(super) const FILLER: char = 'x';

#[cfg(test)]
mod tests {
    use super::*;

    const ON: Redaction = Redaction { secrets: Secrets::Hidden, addresses: Addresses::Shown };
    const OFF: Redaction = Redaction { secrets: Secrets::Shown, addresses: Addresses::Shown };

    #[test]
    fn secrets_in_a_query_go_and_the_rest_stays() {
        let cases = [
            ("/a?token=abc&page=2", "/a?token=[redacted]&page=2"),
            ("/a?page=2&Access_Token=abc", "/a?page=2&Access_Token=[redacted]"),
            ("/a?%74oken=abc", "/a?%74oken=[redacted]"),
            ("/cb?code=4%2F0Ab&state=xyz&ok=1", "/cb?code=[redacted]&state=[redacted]&ok=1"),
            ("/a?X-Amz-Signature=00ff&Expires=1", "/a?X-Amz-Signature=[redacted]&Expires=1"),
            ("/a?id=Zm9vYmFyMTIzNDU2Nzg5cXV4", "/a?id=[redacted]"),
            ("/a?3f9a8b7c6d5e4f3a2b1c0d9e", "/a?[redacted]"),
            ("/a?to=ann.lee@mail.example&x=1", "/a?to=[redacted]&x=1"),
            ("/a?to=ann%2Blee%40mail.example", "/a?to=[redacted]"),
            ("/u/ann@mail.example/edit", "/u/[redacted]/edit"),
            ("http://ann:pw@shop.example/a", "http://[redacted]@shop.example/a"),
            ("/v/eyJhbGciOi.eyJzdWIiOiIxMjM0NTY.SflKxwRJSM", "/v/[redacted]"),
            ("/?redirect=/in?token=abc?def", "/?redirect=/in?token=[redacted]"),
            ("/?to=https%3A%2F%2Fx.example%2F%3Ftoken%3Dabc&a=1", "/?to=[redacted]&a=1"),
        ];
        for (target, clean) in cases {
            assert_eq!(ON.target(target), clean);
            assert_eq!(OFF.target(target), target);
        }
    }

    #[test]
    fn names_of_requests_stay_and_tokens_in_their_place_go() {
        for id in [
            "8f3b2c1d0e9a7b65-FRA",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            "3f2504e0-4f89-41d3-9a0c-0305e82c3301",
            "Zm9vYmFyMTIzNDU2Nzg5cXV4",
        ] {
            assert_eq!(ON.request_id(id), id);
            assert_eq!(filled_request_id(id), id);
        }
        for (id, clean) in [
            ("eyJhbGciOi.eyJzdWIiOiIxMjM0NTY.SflKxwRJSM", "[redacted]"),
            ("token=abc", "token=[redacted]"),
            ("ann@mail.example", "[redacted]"),
        ] {
            assert_eq!(ON.request_id(id), clean);
            assert_eq!(OFF.request_id(id), id);
            assert_eq!(filled_request_id(id).len(), id.len());
            assert_ne!(filled_request_id(id), id);
        }
    }

    #[test]
    fn harmless_targets_stay_as_they_are() {
        for target in [
            "/",
            "/cart",
            "/search?q=how-to-build-a-house-in-2024&page=2",
            "/a?author=tolkien&sort=price",
            "/_next/static/chunks/main-3f9a8b7c6d5e4f3a.js",
            "/o/3f2504e0-4f89-41d3-9a0c-0305e82c3301",
            "/@scope/package",
            "*",
            "",
        ] {
            assert_eq!(ON.target(target), target);
        }
    }

    #[test]
    fn quoted_credential_lines_are_cut_to_their_name() {
        let cases = [
            (r#"it sent "Set-Cookie: sid=1; Path=/\r\nServer: x""#, r#"it sent "Set-Cookie: [redacted]\r\nServer: x""#),
            (
                r#"it sent "Server: x\r\nset-cookie : sid=1" and left"#,
                r#"it sent "Server: x\r\nset-cookie : [redacted]" and left"#,
            ),
            (r#"the line "Set-Cookie sid=1" has no colon"#, r#"the line "Set-Cookie [redacted]" has no colon"#),
            (
                r#"a field name with a space: "X Token: abc\r\n" (RFC"#,
                r#"a field name with a space: "X Token: [redacted]\r\n" (RFC"#,
            ),
            ("Authorization: Basic dTpw", "Authorization: [redacted]"),
            (r#"the body `{"ok":true,"token": "abc"}`"#, r#"the body `{"ok":true,"token": "[redacted]"}`"#),
            ("GET /a?token=abc, then FIN", "GET /a?token=[redacted], then FIN"),
        ];
        for (text, clean) in cases {
            assert_eq!(ON.text(text), clean);
            assert_eq!(OFF.text(text), text);
        }
    }

    #[test]
    fn sentences_without_secrets_stay_as_they_are() {
        for text in [
            "the origin closed the idle connection 1.000 s after its last response (#121)",
            "the field Set-Cookie stands twice, status code: 200, key exchange = x25519",
            "its TTL is 64, the sender's other packets have 57; RFC 9112 section 5.1",
            "TLS ClientHello for shop.example, ALPN offered: h2, http/1.1",
            "",
        ] {
            assert_eq!(ON.text(text), text);
        }
    }

    #[test]
    fn long_repetitions_are_done_in_one_pass() {
        for piece in [
            "cookie:",
            "cookie ",
            "\"cookie\" ",
            "\\n",
            "%40",
            "%25",
            "a@b.",
            "?a=",
            "&token",
            "\":",
            "=",
            "eyJ.",
            "\"",
        ] {
            let text = piece.repeat(20_000);
            assert!(ON.text(&text).len() <= 3 * text.len());
            assert!(ON.target(&text).len() <= 3 * text.len());
        }
    }

    #[test]
    fn any_text_is_taken() {
        for text in
            ["\"", "cookie", "\"cookie", "\"cookie:", "=%", "?%4", "@", "%40", "é=é?é@é.é", "\":\":\":", "cookie:\\"]
        {
            let once = ON.text(text);
            assert_eq!(ON.text(&once), once, "{text}");
        }
    }
}
