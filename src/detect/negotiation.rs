//! What was offered and what was chosen in a TLS handshake, and what other connections to the same origin were given.

use super::{Case, Evidence};
use crate::timeline::{
    ClientHello, Given, HandshakePhase, PacketRef, ServerHello, Tls, TlsVersion, cipher_name, group_name,
    signature_scheme_name,
};

/// The offer and, where there is one, the choice, side by side; then what the origin gave another connection.
pub(super) fn negotiation(case: &Case<'_>, tls: &Tls) -> Vec<Evidence> {
    let offer = tls
        .client_hello
        .iter()
        .flat_map(|hello| offered(hello).into_iter().map(|line| Evidence::new(hello.packet, line)));
    let retry = tls.hello_retry.map(|packet| {
        let group = tls.hello_retry_group.map_or_else(String::new, |group| format!(" for group {}", group_text(group)));
        Evidence::new(packet, format!("the origin asks{group} by a HelloRetryRequest"))
    });
    let choice = tls.server_hello.as_ref().map(|hello| Evidence::new(hello.packet, chosen(hello, tls.alpn.as_deref())));
    let given = other(case, tls).map(|given| Evidence::new(given.choice.packet, given_text(given)));
    offer.chain(retry).chain(choice).chain(given).collect()
}

/// The handshake that the same origin completed on another connection: with the same server name where there is
/// one, else the first.
pub(super) fn other<'a>(case: &Case<'a>, tls: &Tls) -> Option<&'a Given> {
    let given = &case.origin()?.given;
    let sni = tls.client_hello.as_ref().and_then(|hello| hello.sni.clone());
    given.get(&sni).or_else(|| given.values().min_by_key(|given| given.choice.packet.number))
}

/// True where the edge left at `left` though it was its turn: the origin's part of the handshake is complete, and arrived.
pub(super) fn edge_owed_answer(case: &Case<'_>, tls: &Tls, left: PacketRef) -> bool {
    let (edge, origin) = (&case.line.direction.edge, &case.line.direction.origin);
    let silent = edge.last_data.zip(tls.server_hello.as_ref()).is_some_and(|(last, hello)| {
        let between = last.number..left.number;
        between.contains(&hello.packet.number)
    });
    tls.phase == HandshakePhase::ServerDone && silent && origin.stuck.is_none()
}

/// The edge's lists, in its order.
fn offered(hello: &ClientHello) -> Vec<String> {
    let alpn = if hello.alpn.is_empty() { "none".to_owned() } else { hello.alpn.join(", ") };
    let sni = hello.sni.as_deref().unwrap_or("none");
    let mut lines = vec![
        format!("offered by the edge: TLS {}; SNI {sni}; ALPN {alpn}", versions(&hello.versions)),
        format!("suites offered: {}", list(&hello.ciphers, cipher_text)),
    ];
    if !hello.groups.is_empty() {
        lines.push(format!("groups offered: {}", group_list(&hello.groups)));
    }
    if !hello.signature_schemes.is_empty() {
        lines.push(format!("signatures offered: {}", list(&hello.signature_schemes, signature_text)));
    }
    lines
}

fn chosen(hello: &ServerHello, alpn: Option<&str>) -> String {
    format!("chosen by the origin: {}", choice_text(hello, alpn))
}

fn choice_text(hello: &ServerHello, alpn: Option<&str>) -> String {
    let mut parts = vec![format!("TLS {}", hello.version), format!("suite {}", cipher_text(hello.cipher))];
    parts.extend(hello.group.map(|group| format!("group {}", group_text(group))));
    parts.extend(hello.signature_scheme.map(|scheme| format!("signature {}", signature_text(scheme))));
    parts.extend(alpn.map(|alpn| format!("ALPN {alpn}")));
    parts.join("; ")
}

fn given_text(given: &Given) -> String {
    let name = given.offer.sni.as_deref().map_or_else(|| "no SNI".to_owned(), |sni| format!("SNI {sni}"));
    let choice = choice_text(&given.choice, given.alpn.as_deref());
    format!("on connection {} the same origin accepted {name}: {choice}", given.connection)
}

/// "1.3, 1.2".
pub(super) fn versions(versions: &[TlsVersion]) -> String {
    let names: Vec<String> = versions.iter().map(ToString::to_string).collect();
    names.join(", ")
}

/// A cipher suite's name, or its number.
pub(super) fn cipher_text(number: u16) -> String {
    cipher_name(number).map_or_else(|| format!("{number:#06x}"), str::to_owned)
}

fn group_text(number: u16) -> String {
    group_name(number).map_or_else(|| format!("{number:#06x}"), str::to_owned)
}

/// Names of groups, in the edge's order.
pub(super) fn group_list(groups: &[u16]) -> String {
    list(groups, group_text)
}

fn signature_text(number: u16) -> String {
    signature_scheme_name(number).map_or_else(|| format!("{number:#06x}"), str::to_owned)
}

/// The first of a list, and how many more there are.
fn list(numbers: &[u16], text: fn(u16) -> String) -> String {
    let shown: Vec<String> = numbers.iter().take(SHOWN).map(|&number| text(number)).collect();
    match numbers.len().saturating_sub(SHOWN) {
        0 => shown.join(", "),
        more => format!("{} and {more} more", shown.join(", ")),
    }
}

/// Numbers of one list that evidence shows.
const SHOWN: usize = 12;
