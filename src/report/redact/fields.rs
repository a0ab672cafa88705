//! Credentials in quoted header lines and JSON.

use super::Mark;
use super::url::sounds_secret;

/// Cuts header lines that carry credentials down to their name: to the end of the line, or of the quotation.
pub(super) fn header_lines(text: &str, mark: Mark) -> String {
    let mut clean = String::with_capacity(text.len());
    let mut quote = None;
    let mut begins_line = false;
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let unit = match first {
            '\\' => first.len_utf8().saturating_add(rest.chars().nth(1).map_or(0, char::len_utf8)),
            _ if is_name_char(first) => rest.find(|c| !is_name_char(c)).unwrap_or(rest.len()),
            _ => first.len_utf8(),
        };
        let (piece, after) = rest.split_at(unit);
        clean.push_str(piece);
        rest = after;
        let of_secret_name = quote.is_some() && after.starts_with(':') && sounds_secret(piece);
        if of_secret_name
            || is_credential_field(piece) && (is_field_value(after) || begins_line && !closes(after, quote))
        {
            let value = after.trim_start_matches([' ', ':', '=']);
            clean.push_str(after.strip_suffix(value).unwrap_or_default());
            let (secret, behind) = value.split_at(line_len(value, quote));
            clean.push_str(&mark.of(secret));
            rest = behind;
        }
        if quote == Some(first) {
            quote = None;
        } else if quote.is_none() && matches!(first, '"' | '`') {
            quote = Some(first);
        }
        begins_line = matches!(piece, "\\n" | "\\r" | "\n" | "\r" | "\"" | "`");
    }
    clean
}

fn is_credential_field(name: &str) -> bool {
    CREDENTIAL_FIELDS.iter().any(|field| field.eq_ignore_ascii_case(name))
}

fn is_name_char(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '-' || c == '_'
}

fn is_field_value(after_name: &str) -> bool {
    after_name.trim_start_matches(' ').starts_with([':', '='])
}

fn closes(text: &str, quote: Option<char>) -> bool {
    text.is_empty() || quote.is_some_and(|quote| text.starts_with(quote))
}

/// Bytes up to the end of a line, real or escaped, or to the quotation mark that closes it.
fn line_len(line: &str, quote: Option<char>) -> usize {
    let mut escaped = false;
    for (at, c) in line.char_indices() {
        match c {
            'r' | 'n' if escaped => return at.saturating_sub(1),
            '\r' | '\n' => return at,
            _ if !escaped && Some(c) == quote => return at,
            _ => {}
        }
        escaped = c == '\\' && !escaped;
    }
    line.len()
}

/// Takes the values of JSON members out whose names sound secret: `"token":"..."`, escaped or not.
pub(super) fn json_members(text: &str, mark: Mark) -> String {
    let mut clean = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find(':') {
        let (head, tail) = rest.split_at(at.saturating_add(1));
        clean.push_str(head);
        rest = tail;
        let quoted = head.trim_end_matches([':', ' ']).strip_suffix('"').map(|head| head.trim_end_matches('\\'));
        let name = quoted.and_then(|head| head.rsplit('"').next());
        if name.is_some_and(sounds_secret) {
            let blank = rest.len().saturating_sub(rest.trim_start_matches([' ', '\\', '"']).len());
            let value = rest.get(blank..).unwrap_or_default();
            let len = value.find(['"', '\\', ',', '}', ' ']).unwrap_or(value.len());
            clean.push_str(rest.get(..blank).unwrap_or_default());
            let (secret, behind) = value.split_at(len);
            clean.push_str(&mark.of(secret));
            rest = behind;
        }
    }
    clean.push_str(rest);
    clean
}

/// Field names whose values are credentials, in lower case.
const CREDENTIAL_FIELDS: &[&str] = &[
    "set-cookie",
    "set-cookie2",
    "cookie",
    "authorization",
    "proxy-authorization",
    "authentication-info",
    "x-api-key",
    "x-auth-token",
    "x-csrf-token",
    "x-amz-security-token",
    "cf-access-jwt-assertion",
    "cf-access-client-secret",
];
