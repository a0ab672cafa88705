//! Selection of packets by a BPF expression, as tcpdump does it.

use pcap::{BpfProgram, Capture, Linktype};

use super::Packet;
use super::error::CaptureError;
use super::link_type::LinkType;

/// A filter expression (pcap-filter(7)), compiled for each link type that comes up.
pub struct Filter {
    expression: String,
    programs: Vec<Program>,
    /// A cut packet filled up with zeros to its length on the wire.
    padded: Vec<u8>,
}

struct Program {
    link: LinkType,
    bpf: BpfProgram,
    /// The expression asks for the packet's length (`greater`, `less`, `len`).
    reads_len: bool,
}

impl Filter {
    /// Takes an expression; an empty one selects every packet.
    ///
    /// # Errors
    /// libpcap takes it for no usual link type: with the reason that it gives for Ethernet.
    pub fn new(expression: &str) -> Result<Self, CaptureError> {
        let expression = expression.to_owned();
        let mut refused = None;
        for link in USUAL {
            match compile(&expression, link) {
                Ok(program) => return Ok(Self { expression, programs: vec![program], padded: Vec::new() }),
                Err(reason) => refused = refused.or(Some(reason)),
            }
        }
        Err(CaptureError::Filter { expression, reason: refused.unwrap_or_default() })
    }

    /// True where the expression selects `packet`.
    ///
    /// # Errors
    /// libpcap cannot filter packets of this link type by this expression.
    pub fn matches(&mut self, packet: &Packet<'_>) -> Result<bool, CaptureError> {
        let known = self.programs.iter().position(|program| program.link == packet.link);
        let index = match known {
            Some(index) => index,
            None => self.compile_for(packet.link)?,
        };
        let Some(program) = self.programs.get(index) else { return Ok(false) };
        let wire_len = packet.wire_len as usize;
        if !program.reads_len || packet.data.len() == wire_len || wire_len > MAX_PADDED_BYTES {
            return Ok(program.bpf.filter(packet.data));
        }
        // The binding takes the captured length for the length on the wire.
        self.padded.clear();
        self.padded.extend_from_slice(packet.data);
        self.padded.resize(wire_len, 0);
        Ok(program.bpf.filter(&self.padded))
    }

    #[cold]
    fn compile_for(&mut self, link: LinkType) -> Result<usize, CaptureError> {
        let refused = |reason| CaptureError::FilterLink { expression: self.expression.clone(), link, reason };
        let program = compile(&self.expression, link).map_err(refused)?;
        let index = self.programs.len();
        self.programs.push(program);
        Ok(index)
    }
}

/// Compiles for one link type; the error is what libpcap says.
fn compile(expression: &str, link: LinkType) -> Result<Program, String> {
    let compiled = Capture::dead(data_link(link)).and_then(|handle| handle.compile(expression, true));
    let bpf = compiled.map_err(|error| match error {
        pcap::Error::PcapError(text) => text,
        other => other.to_string(),
    })?;
    let reads_len = bpf.get_instructions().iter().any(|instruction| {
        // The binding shows an instruction as "code jt jf k" only.
        let text = instruction.to_string();
        LOAD_LEN.contains(&text.split(' ').next().unwrap_or_default())
    });
    Ok(Program { link, bpf, reads_len })
}

/// libpcap numbers link types in programs as the host does (DLT_), in files as LINKTYPE_.
fn data_link(link: LinkType) -> Linktype {
    Linktype(match link {
        LinkType::RAW | LinkType::DLT_RAW | LinkType::DLT_RAW_OPENBSD => DLT_RAW,
        LinkType(number) => number.into(),
    })
}

#[cfg(target_os = "openbsd")]
const DLT_RAW: i32 = 14;
#[cfg(not(target_os = "openbsd"))]
const DLT_RAW: i32 = 12;

/// BPF_LD and BPF_LDX with BPF_W and BPF_LEN.
const LOAD_LEN: [&str; 2] = ["128", "129"];

/// Longer packets are filtered as they were captured.
const MAX_PADDED_BYTES: usize = 1024 * 1024;

/// An expression is valid where one of these takes it: `inbound` needs cooked packets, for one.
const USUAL: [LinkType; 4] = [LinkType::EN10MB, LinkType::LINUX_SLL2, LinkType::RAW, LinkType::NULL];

#[cfg(test)]
mod tests {
    use super::super::{CaptureError, LinkType, Packet};
    use super::Filter;
    use crate::timeline::Time;
    use etherparse::PacketBuilder;

    fn syn_to(port: u16) -> Vec<u8> {
        let mut bytes = Vec::new();
        let builder = PacketBuilder::ipv4([10, 0, 0, 1], [10, 0, 0, 2], 64).tcp(40_000, port, 1, 1).syn();
        builder.write(&mut bytes, &[]).expect("a vector takes all");
        bytes
    }

    fn ethernet(port: u16) -> Vec<u8> {
        [&[0; 12][..], &[8, 0], &syn_to(port)].concat()
    }

    fn packet(link: LinkType, data: &[u8]) -> Packet<'_> {
        Packet { number: 1, time: Time(0), link, wire_len: data.len() as u32, data }
    }

    #[test]
    fn one_expression_selects_on_every_link_type() {
        let mut filter = Filter::new("tcp port 443").expect("valid");
        for link in [LinkType::RAW, LinkType::DLT_RAW, LinkType::IPV4] {
            assert!(filter.matches(&packet(link, &syn_to(443))).expect("supported"), "{link}");
            assert!(!filter.matches(&packet(link, &syn_to(80))).expect("supported"), "{link}");
        }
        assert!(filter.matches(&packet(LinkType::EN10MB, &ethernet(443))).expect("supported"));
        assert!(!filter.matches(&packet(LinkType::EN10MB, &ethernet(80))).expect("supported"));
    }

    #[test]
    fn an_empty_expression_selects_all() {
        assert!(Filter::new("").expect("valid").matches(&packet(LinkType::EN10MB, &[])).expect("supported"));
    }

    #[test]
    fn a_cut_packet_has_its_length_on_the_wire() {
        let data = ethernet(80);
        let cut = Packet { wire_len: 1000, ..packet(LinkType::EN10MB, &data) };
        assert!(Filter::new("greater 900").expect("valid").matches(&cut).expect("supported"));
        assert!(!Filter::new("less 900").expect("valid").matches(&cut).expect("supported"));
    }

    #[test]
    fn nonsense_is_refused_with_libpcaps_reason() {
        let error = Filter::new("tcp prot 443").err().expect("no such keyword");
        assert!(error.to_string().contains("'tcp prot 443' is not valid: "), "{error}");
        assert!(Filter::new("tcp\0").is_err());
    }

    #[test]
    fn a_link_type_that_libpcap_cannot_filter_is_named() {
        let mut filter = Filter::new("tcp port 443").expect("valid");
        let error = filter.matches(&packet(LinkType::NFLOG, &[0; 40])).expect_err("libpcap has no NFLOG filters");
        assert!(matches!(error, CaptureError::FilterLink { link: LinkType::NFLOG, .. }), "{error}");
    }
}
