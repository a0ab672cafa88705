//! Traffic for the benchmarks: connections that carry a few exchanges each, in one capture.

use etherparse::PacketBuilder;

/// What the connections are like.
#[derive(Clone, Copy, Debug)]
pub struct Shape {
    /// Connections, a few hundred of them at one time.
    pub connections: u32,
    /// Exchanges on each.
    pub exchanges: u32,
    /// Bytes of each response's body.
    pub body: usize,
}

/// Bulk: what a proxy fetches over connections that it keeps.
pub const WEB: Shape = Shape { connections: 200, exchanges: 8, body: 40_000 };

/// Many connections with little in each.
pub const SMALL: Shape = Shape { connections: 20_000, exchanges: 1, body: 200 };

/// A classic pcap with this traffic.
pub fn capture(shape: Shape) -> Vec<u8> {
    let mut file = u32s(&[0xa1b2_c3d4, 0x0004_0002, 0, 0, 262_144, 1]);
    let mut micros = 0;
    for first in (0..shape.connections).step_by(AT_A_TIME) {
        let last = shape.connections.min(first + AT_A_TIME as u32);
        let mut talks: Vec<_> = (first..last).map(|nth| talk(nth, shape).into_iter()).collect();
        while !talks.is_empty() {
            talks.retain_mut(|talk| {
                let Some(packet) = talk.next() else { return false };
                micros += 20;
                file.extend(u32s(&[micros / 1_000_000, micros % 1_000_000, packet.len() as u32, packet.len() as u32]));
                file.extend(packet);
                true
            });
        }
    }
    file
}

/// A capture that is nothing but SYNs, each from another port or address.
pub fn flood(syns: u32) -> Vec<u8> {
    let mut file = u32s(&[0xa1b2_c3d4, 0x0004_0002, 0, 0, 262_144, 1]);
    for nth in 0..syns {
        let packet = Side::client(nth).packet(|tcp| tcp.syn(), 0, b"");
        file.extend(u32s(&[nth / 100_000, nth % 100_000 * 10, packet.len() as u32, packet.len() as u32]));
        file.extend(packet);
    }
    file
}

/// Connections of which each has one response, with a field line that has no colon.
pub fn malformed(connections: u32) -> Vec<u8> {
    let mut bytes = capture(Shape { connections, exchanges: 1, body: 200 });
    for at in 0..bytes.len() {
        if let Some(colon) = bytes[at..].strip_prefix(b"Server: nginx").map(|_| at + 6) {
            bytes[colon] = b';';
        }
    }
    bytes
}

/// The packets of one connection, from SYN to FIN.
fn talk(nth: u32, shape: Shape) -> Vec<Vec<u8>> {
    let (mut edge, mut origin) = (Side::client(nth), Side::server(nth));
    let mut packets = vec![edge.packet(|tcp| tcp.syn(), 0, b""), origin.packet(|tcp| tcp.syn(), edge.next, b"")];
    packets.push(edge.packet(|tcp| tcp, origin.next, b""));
    let body = vec![b'x'; shape.body];
    for exchange in 0..shape.exchanges {
        let request = format!(
            "GET /{nth}/{exchange}?page=1 HTTP/1.1\r\nHost: shop.example\r\nUser-Agent: bench\r\nAccept: */*\r\n\
             CF-RAY: {nth:016x}-FRA\r\nAccept-Encoding: gzip\r\nX-Forwarded-For: 203.0.113.7\r\n\r\n"
        );
        packets.push(edge.packet(|tcp| tcp.psh(), origin.next, request.as_bytes()));
        let head = format!(
            "HTTP/1.1 200 OK\r\nServer: nginx\r\nDate: Tue, 24 Nov 2026 10:00:00 GMT\r\nContent-Type: text/html\r\n\
             Content-Length: {}\r\nConnection: keep-alive\r\nCache-Control: max-age=60\r\n\r\n",
            shape.body
        );
        let response = [head.as_bytes(), &body].concat();
        for segment in response.chunks(1_400) {
            packets.push(origin.packet(|tcp| tcp.psh(), edge.next, segment));
        }
        packets.push(edge.packet(|tcp| tcp, origin.next, b""));
    }
    packets.push(edge.packet(|tcp| tcp.fin(), origin.next, b""));
    packets.push(origin.packet(|tcp| tcp.fin(), edge.next, b""));
    packets.push(edge.packet(|tcp| tcp, origin.next, b""));
    packets
}

/// One end of a connection, which counts its own sequence numbers.
struct Side {
    source: ([u8; 4], u16),
    destination: ([u8; 4], u16),
    next: u32,
}

type Tcp = etherparse::PacketBuilderStep<etherparse::TcpHeader>;

impl Side {
    fn client(nth: u32) -> Self {
        let [_, a, b, c] = (nth / 20_000).to_be_bytes();
        let port = 20_000 + (nth % 20_000) as u16;
        Self { source: ([172, 68 + a, b, c], port), destination: SERVER, next: nth.wrapping_mul(2_654_435_761) }
    }

    fn server(nth: u32) -> Self {
        let client = Self::client(nth);
        Self { source: SERVER, destination: client.source, next: client.next.rotate_left(16) }
    }

    fn packet(&mut self, flags: impl Fn(Tcp) -> Tcp, ack: u32, payload: &[u8]) -> Vec<u8> {
        let ((source, from), (destination, to)) = (self.source, self.destination);
        let link = PacketBuilder::ethernet2([2; 6], [4; 6]).ipv4(source, destination, 60);
        let plain = link.tcp(from, to, self.next, 64_000);
        let tcp = flags(if ack == 0 { plain } else { plain.ack(ack) });
        let mut bytes = Vec::with_capacity(tcp.size(payload.len()));
        tcp.write(&mut bytes, payload).expect("a vector takes all");
        let [.., flags] = bytes.get(..48).map_or([0; 48], |header| header.try_into().expect("48 bytes"));
        self.next = self.next.wrapping_add(payload.len() as u32 + u32::from(flags & 0x03 != 0));
        bytes
    }
}

fn u32s(numbers: &[u32]) -> Vec<u8> {
    numbers.iter().flat_map(|number| number.to_le_bytes()).collect()
}

const SERVER: ([u8; 4], u16) = ([10, 0, 0, 2], 80);

/// Connections that are open at one time.
const AT_A_TIME: usize = 200;
