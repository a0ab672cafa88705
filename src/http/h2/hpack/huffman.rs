//! The Huffman code of string literals (RFC 7541 section 5.2 and appendix B).
//!
//! The code is canonical: codes of one length count up with the symbol, shorter codes come first. So the lengths
//! of appendix B are the whole code, and the decoder's table is computed from them at compile time.

/// Appends what `coded` stands for to `out`; none where it breaks section 5.2: the EOS symbol within, or padding
/// that is longer than 7 bits or no prefix of EOS.
pub(super) fn decode(coded: &[u8], out: &mut Vec<u8>) -> Option<()> {
    let mut state = ROOT;
    for &byte in coded {
        for nibble in [byte >> 4, byte & 0xf] {
            let step = STEPS.get(usize::from(state))?.get(usize::from(nibble))?;
            match step.emits {
                Emits::Nothing => {}
                Emits::Symbol => out.push(step.symbol),
                Emits::EndOfString => return None,
            }
            state = step.next;
        }
    }
    (*MAY_END.get(usize::from(state))?).then_some(())
}

/// What four more bits do in a state. A state is an inner node of the code's tree; the shortest code has five
/// bits, so four bits complete one symbol at most.
#[derive(Clone, Copy)]
struct Step {
    next: u8,
    symbol: u8,
    emits: Emits,
}

#[derive(Clone, Copy)]
enum Emits {
    Nothing,
    Symbol,
    EndOfString,
}

/// A child in the code's tree.
#[derive(Clone, Copy)]
enum Node {
    Inner(u8),
    Leaf(u16),
}

/// A full binary tree with 257 leaves has 256 inner nodes: they are numbered by a byte.
struct Tree {
    children: [[Node; 2]; 256],
}

#[expect(
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::panic,
    reason = "runs at compile time only, where a panic is a build error"
)]
const fn tree() -> Tree {
    let mut children = [[Node::Inner(ROOT); 2]; 256];
    let mut nodes: u8 = 0;
    let mut code: u32 = 0;
    let mut length = 0;
    while length < LONGEST {
        length += 1;
        code <<= 1;
        let mut symbol: u16 = 0;
        while symbol < SYMBOLS {
            if LENGTHS[symbol as usize] == length {
                let mut node = ROOT;
                let mut bit = length - 1;
                while bit > 0 {
                    let side = ((code >> bit) & 1) as usize;
                    node = match children[node as usize][side] {
                        // No edge leads back to the root: that value stands for "not yet there".
                        Node::Inner(ROOT) => {
                            nodes += 1;
                            children[node as usize][side] = Node::Inner(nodes);
                            nodes
                        }
                        Node::Inner(next) => next,
                        Node::Leaf(_) => panic!("a code is the prefix of another"),
                    };
                    bit -= 1;
                }
                children[node as usize][(code & 1) as usize] = Node::Leaf(symbol);
                code += 1;
            }
            symbol += 1;
        }
    }
    Tree { children }
}

#[expect(
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "runs at compile time only, where a panic is a build error"
)]
const fn steps() -> [[Step; 16]; 256] {
    let tree = tree();
    let mut steps = [[Step { next: ROOT, symbol: 0, emits: Emits::Nothing }; 16]; 256];
    let mut state = 0;
    while state < 256 {
        let mut nibble = 0;
        while nibble < 16 {
            let mut step = Step { next: state as u8, symbol: 0, emits: Emits::Nothing };
            let mut bit = 4;
            while bit > 0 {
                bit -= 1;
                match tree.children[step.next as usize][(nibble >> bit) & 1] {
                    Node::Inner(next) => step.next = next,
                    Node::Leaf(END_OF_STRING) => step = Step { next: ROOT, symbol: 0, emits: Emits::EndOfString },
                    Node::Leaf(symbol) => step = Step { next: ROOT, symbol: symbol as u8, emits: Emits::Symbol },
                }
            }
            steps[state][nibble] = step;
            nibble += 1;
        }
        state += 1;
    }
    steps
}

/// The states in which a string may end: up to seven 1 bits after the last symbol, which begin EOS.
#[expect(
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "runs at compile time only, where a panic is a build error"
)]
const fn may_end() -> [bool; 256] {
    let tree = tree();
    let mut ends = [false; 256];
    let mut node = ROOT;
    let mut ones = 0;
    while ones <= 7 {
        ends[node as usize] = true;
        if let Node::Inner(next) = tree.children[node as usize][1] {
            node = next;
        }
        ones += 1;
    }
    ends
}

static STEPS: [[Step; 16]; 256] = steps();
static MAY_END: [bool; 256] = may_end();

const ROOT: u8 = 0;
const SYMBOLS: u16 = 257;
const END_OF_STRING: u16 = 256;
const LONGEST: u8 = 30;

/// Bits of the code of each byte, and of EOS (appendix B).
#[rustfmt::skip]
const LENGTHS: [u8; SYMBOLS as usize] = [
    13, 23, 28, 28, 28, 28, 28, 28, 28, 24, 30, 28, 28, 30, 28, 28, 28, 28, 28, 28, 28, 28, 30, 28, 28, 28, 28, 28, 28, 28, 28, 28,
    6, 10, 10, 12, 13, 6, 8, 11, 10, 10, 8, 11, 8, 6, 6, 6, 5, 5, 5, 6, 6, 6, 6, 6, 6, 6, 7, 8, 15, 6, 12, 10,
    13, 6, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 8, 7, 8, 13, 19, 13, 14, 6,
    15, 5, 6, 5, 6, 5, 6, 6, 6, 5, 7, 7, 6, 6, 6, 5, 6, 7, 6, 5, 5, 6, 7, 7, 7, 7, 7, 15, 11, 14, 13, 28,
    20, 22, 20, 20, 22, 22, 22, 23, 22, 23, 23, 23, 23, 23, 24, 23, 24, 24, 22, 23, 24, 23, 23, 23, 23, 21, 22, 23, 22, 23, 23, 24,
    22, 21, 20, 22, 22, 23, 23, 21, 23, 22, 22, 24, 21, 22, 23, 23, 21, 21, 22, 21, 23, 22, 23, 23, 20, 22, 22, 22, 23, 22, 22, 23,
    26, 26, 20, 19, 22, 23, 22, 25, 26, 26, 26, 27, 27, 26, 24, 25, 19, 21, 26, 27, 27, 26, 27, 24, 21, 21, 26, 26, 28, 27, 27, 27,
    20, 24, 20, 21, 22, 21, 21, 23, 22, 22, 25, 25, 24, 24, 26, 23, 26, 27, 26, 26, 27, 27, 27, 27, 27, 28, 27, 27, 27, 27, 27, 26,
    30,
];

/// The code of `text`, padded with ones: the way back, bit by bit.
#[cfg(test)]
pub(super) fn encode(text: &[u8]) -> Vec<u8> {
    let mut bits = Vec::new();
    for &byte in text {
        let (code, length) = code_of(byte);
        bits.extend((0..length).rev().map(|bit| (code >> bit) & 1 == 1));
    }
    bits.resize(bits.len().next_multiple_of(8), true);
    bits.chunks(8).map(|byte| byte.iter().fold(0, |byte, &bit| (byte << 1) | u8::from(bit))).collect()
}

#[cfg(test)]
fn code_of(byte: u8) -> (u32, u8) {
    let mut order: Vec<usize> = (0..LENGTHS.len()).collect();
    order.sort_by_key(|&symbol| (LENGTHS[symbol], symbol));
    let (mut code, mut length) = (0_u32, 0);
    for symbol in order {
        code <<= LENGTHS[symbol] - length;
        length = LENGTHS[symbol];
        if symbol == usize::from(byte) {
            break;
        }
        code += 1;
    }
    (code, length)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decoded(coded: &[u8]) -> Option<Vec<u8>> {
        let mut out = Vec::new();
        decode(coded, &mut out).map(|()| out)
    }

    /// Codes as printed in appendix B, packed with the 1 bits that pad them.
    #[test]
    fn codes_are_those_of_appendix_b() {
        let rows: [(u8, u32, u32); 14] = [
            (b'0', 0x0, 5),
            (b't', 0x9, 5),
            (b' ', 0x14, 6),
            (b':', 0x5c, 7),
            (b'&', 0xf8, 8),
            (b'!', 0x3f8, 10),
            (b'{', 0x7ffe, 15),
            (b'\\', 0x7fff0, 19),
            (128, 0xfffe6, 20),
            (9, 0xffffea, 24),
            (249, 0xffffffe, 28),
            (10, 0x3ffffffc, 30),
            (13, 0x3ffffffd, 30),
            (22, 0x3ffffffe, 30),
        ];
        for (symbol, code, length) in rows {
            let padded = (u64::from(code) << (40 - length)) | ((1 << (40 - length)) - 1);
            let bytes = padded.to_be_bytes();
            let whole = &bytes[3..3 + length.div_ceil(8) as usize];
            assert_eq!(decoded(whole), Some(vec![symbol]), "symbol {symbol}");
        }
    }

    #[test]
    fn strings_of_appendix_c() {
        let coded = [0xf1, 0xe3, 0xc2, 0xe5, 0xf2, 0x3a, 0x6b, 0xa0, 0xab, 0x90, 0xf4, 0xff];
        assert_eq!(decoded(&coded).as_deref(), Some(&b"www.example.com"[..]));
        assert_eq!(decoded(&[]), Some(vec![]));
    }

    #[test]
    fn padding_must_begin_eos_and_be_short() {
        assert_eq!(decoded(&[0x07]), Some(b"0".to_vec()));
        assert_eq!(decoded(&[0x06]), None, "padded with 110");
        assert_eq!(decoded(&[0x00]), None, "padded with zeros");
        assert_eq!(decoded(&[0x07, 0xff]), None, "padded with 11 bits");
        assert_eq!(decoded(&[0xff]), None, "8 bits of padding and nothing else");
        assert_eq!(decoded(&[0xff, 0xff, 0xff, 0xff]), None, "EOS");
    }
}
