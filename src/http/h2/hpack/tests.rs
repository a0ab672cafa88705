//! The examples of RFC 7541 appendix C, each rule at its byte, and a foreign decoder's opinion.

use super::super::random::Random;
use super::*;

/// The fields of one block as "name: value" lines; unknown parts are "?".
fn decode(decoder: &mut Decoder, block: &[u8]) -> Result<Vec<String>, Malformed> {
    let mut fields = Vec::new();
    let text = |part: Option<&[u8]>| part.map_or("?".into(), |bytes| String::from_utf8_lossy(bytes).into_owned());
    decoder.decode(block, |field| fields.push(format!("{}: {}", text(field.name), text(field.value))))?;
    Ok(fields)
}

fn hex(text: &str) -> Vec<u8> {
    let digits: Vec<u8> = text.bytes().filter(u8::is_ascii_hexdigit).collect();
    digits.chunks(2).map(|pair| u8::from_str_radix(str::from_utf8(pair).unwrap(), 16).unwrap()).collect()
}

fn assert_story(decoder: &mut Decoder, story: &[(&str, &[&str])]) {
    for (block, fields) in story {
        assert_eq!(decode(decoder, &hex(block)).as_deref(), Ok(&fields.map_to_owned()[..]), "{block}");
    }
}

trait MapToOwned {
    fn map_to_owned(&self) -> Vec<String>;
}

impl MapToOwned for &[&str] {
    fn map_to_owned(&self) -> Vec<String> {
        self.iter().map(|field| (*field).to_owned()).collect()
    }
}

#[test]
fn examples_of_appendix_c2() {
    let story: [(&str, &[&str]); 4] = [
        ("400a 6375 7374 6f6d 2d6b 6579 0d63 7573 746f 6d2d 6865 6164 6572", &["custom-key: custom-header"]),
        ("040c 2f73 616d 706c 652f 7061 7468", &[":path: /sample/path"]),
        ("1008 7061 7373 776f 7264 0673 6563 7265 74", &["password: secret"]),
        ("82", &[":method: GET"]),
    ];
    assert_story(&mut Decoder::new(), &story);
}

#[test]
fn requests_of_appendix_c3_and_c4() {
    let first: &[&str] = &[":method: GET", ":scheme: http", ":path: /", ":authority: www.example.com"];
    let second: &[&str] =
        &[":method: GET", ":scheme: http", ":path: /", ":authority: www.example.com", "cache-control: no-cache"];
    let third: &[&str] = &[
        ":method: GET",
        ":scheme: https",
        ":path: /index.html",
        ":authority: www.example.com",
        "custom-key: custom-value",
    ];
    let plain = [
        ("8286 8441 0f77 7777 2e65 7861 6d70 6c65 2e63 6f6d", first),
        ("8286 84be 5808 6e6f 2d63 6163 6865", second),
        ("8287 85bf 400a 6375 7374 6f6d 2d6b 6579 0c63 7573 746f 6d2d 7661 6c75 65", third),
    ];
    let coded = [
        ("8286 8441 8cf1 e3c2 e5f2 3a6b a0ab 90f4 ff", first),
        ("8286 84be 5886 a8eb 1064 9cbf", second),
        ("8287 85bf 4088 25a8 49e9 5ba9 7d7f 8925 a849 e95b b8e8 b4bf", third),
    ];
    assert_story(&mut Decoder::new(), &plain);
    assert_story(&mut Decoder::new(), &coded);
}

/// A table of 256 bytes, so entries are evicted.
#[test]
fn responses_of_appendix_c5_and_c6() {
    let first: &[&str] = &[
        ":status: 302",
        "cache-control: private",
        "date: Mon, 21 Oct 2013 20:13:21 GMT",
        "location: https://www.example.com",
    ];
    let second: &[&str] = &[
        ":status: 307",
        "cache-control: private",
        "date: Mon, 21 Oct 2013 20:13:21 GMT",
        "location: https://www.example.com",
    ];
    let third: &[&str] = &[
        ":status: 200",
        "cache-control: private",
        "date: Mon, 21 Oct 2013 20:13:22 GMT",
        "location: https://www.example.com",
        "content-encoding: gzip",
        "set-cookie: foo=ASDJKHQKBZXOQWEOPIUAXQWEOIU; max-age=3600; version=1",
    ];
    let table_of_256: (&str, &[&str]) = ("3fe1 01", &[]);
    let plain = [
        table_of_256,
        (
            "4803 3330 3258 0770 7269 7661 7465 611d 4d6f 6e2c 2032 3120 4f63 7420 3230 3133 2032 303a 3133 3a32
             3120 474d 546e 1768 7474 7073 3a2f 2f77 7777 2e65 7861 6d70 6c65 2e63 6f6d",
            first,
        ),
        ("4803 3330 37c1 c0bf", second),
        (
            "88c1 611d 4d6f 6e2c 2032 3120 4f63 7420 3230 3133 2032 303a 3133 3a32 3220 474d 54c0 5a04 677a 6970
             7738 666f 6f3d 4153 444a 4b48 514b 425a 584f 5157 454f 5049 5541 5851 5745 4f49 553b 206d 6178 2d61
             6765 3d33 3630 303b 2076 6572 7369 6f6e 3d31",
            third,
        ),
    ];
    let coded = [
        table_of_256,
        (
            "4882 6402 5885 aec3 771a 4b61 96d0 7abe 9410 54d4 44a8 2005 9504 0b81 66e0 82a6 2d1b ff6e 919d 29ad
             1718 63c7 8f0b 97c8 e9ae 82ae 43d3",
            first,
        ),
        ("4883 640e ffc1 c0bf", second),
        (
            "88c1 6196 d07a be94 1054 d444 a820 0595 040b 8166 e084 a62d 1bff c05a 839b d9ab 77ad 94e7 821d d7f2
             e6c7 b335 dfdf cd5b 3960 d5af 2708 7f36 72c1 ab27 0fb5 291f 9587 3160 65c0 03ed 4ee5 b106 3d50 07",
            third,
        ),
    ];
    assert_story(&mut Decoder::new(), &plain);
    assert_story(&mut Decoder::new(), &coded);
}

#[test]
fn every_rule_is_found_at_its_field() {
    let malformed = [
        ("82 80", 1, "index 0"),
        ("82 be", 1, "an entry that does not exist"),
        ("82 7e 00", 1, "a name that does not exist"),
        ("88 ff ffff ffff ff7f", 1, "an integer above 32 bits"),
        ("88 40 01 61 05 62", 1, "a value that is longer than the block"),
        ("88 40", 1, "no name"),
        ("88 0f", 1, "half an integer"),
        ("88 48 81 06", 1, "Huffman padding that is not all ones"),
        ("88 48 84 ffff ffff", 1, "EOS within a string"),
        ("88 20", 1, "a table size update after a field"),
        ("3fe2 1f", 0, "a table above what the receiver allows"),
    ];
    for (block, at, what) in malformed {
        assert_eq!(decode(&mut Decoder::new(), &hex(block)), Err(Malformed { at }), "{what}");
    }
}

#[test]
fn a_table_size_update_keeps_to_the_settings() {
    let mut decoder = Decoder::new();
    decoder.allow(Some(8_192));
    assert_eq!(decode(&mut decoder, &hex("3fe1 3f 88")).as_deref(), Ok(&[":status: 200".to_owned()][..]));
    let mut decoder = Decoder::new();
    decoder.allow(None);
    assert!(decode(&mut decoder, &hex("3fe1 ff03 88")).is_ok(), "unknown settings forbid nothing");
}

#[test]
fn an_acknowledged_smaller_table_must_be_signalled() {
    let shrunk = || {
        let mut decoder = Decoder::new();
        decoder.allow(Some(100));
        decoder.acknowledged(100);
        decoder
    };
    assert_eq!(decode(&mut shrunk(), &hex("88")), Err(Malformed { at: 0 }));
    assert!(decode(&mut shrunk(), &hex("20 3f45 88")).is_ok());
    let mut waiting = shrunk();
    assert!(decode(&mut waiting, &[]).is_ok(), "an empty block has nothing to begin with");
    assert_eq!(decode(&mut waiting, &hex("88")), Err(Malformed { at: 0 }));
    let mut lenient = shrunk();
    lenient.forget();
    assert!(decode(&mut lenient, &hex("88")).is_ok(), "the update may have been missed");
    let mut once = shrunk();
    assert!(decode(&mut once, &hex("3f45 88")).is_ok());
    assert!(decode(&mut once, &hex("88")).is_ok());
}

#[test]
fn after_a_miss_old_entries_are_unknown_and_new_ones_are_known() {
    let mut decoder = Decoder::new();
    decode(&mut decoder, &hex("40 01 61 01 62")).unwrap();
    decoder.forget();
    assert_eq!(decode(&mut decoder, &hex("be")), Ok(vec!["?: ?".to_owned()]));
    assert_eq!(decode(&mut decoder, &hex("40 01 63 01 64 be bf")).unwrap(), ["c: d", "c: d", "?: ?"]);
    assert_eq!(decode(&mut decoder, &hex("7f 10 01 65 be")).unwrap(), ["?: e", "?: e"]);
}

/// Blocks that an encoder may send, then the same with a byte changed.
#[test]
fn agrees_with_a_foreign_decoder() {
    let mut random = Random(0x9e37_79b9_7f4a_7c15);
    for _ in 0..40 {
        let mut ours = Decoder::new();
        let mut theirs = loona_hpack::Decoder::new();
        theirs.set_max_allowed_table_size(4_096);
        for _ in 0..20 {
            let mut block = some_block(&mut random);
            if random.below(3) == 0 {
                let at = random.below(block.len());
                block[at] ^= 1 << random.below(8);
            }
            if !agree(&mut ours, &mut theirs, &block) {
                break;
            }
        }
    }
}

/// False where both refuse the block, and so know no table any more.
fn agree(ours: &mut Decoder, theirs: &mut loona_hpack::Decoder<'_>, block: &[u8]) -> bool {
    use loona_hpack::decoder::DecoderError::{IntegerDecodingError, SizeUpdateAtEnd};
    let mut fields = Vec::new();
    let result = ours.decode(block, |field| {
        fields.push((field.name.unwrap().to_vec(), field.value.unwrap().to_vec()));
    });
    match (result, theirs.decode(block)) {
        (Ok(()), Ok(expected)) => {
            assert_eq!(fields, expected, "{block:02x?}");
            true
        }
        (Err(_), Err(_)) => false,
        // It refuses an update that no field follows, and integers with more than five bytes.
        (Ok(()), Err(SizeUpdateAtEnd | IntegerDecodingError(_))) => false,
        // It takes an update behind a field, which section 4.2 forbids.
        (Err(Malformed { at }), Ok(_)) if at > 0 && block[at] & 0xe0 == 0x20 => false,
        (ours, theirs) => panic!("{ours:?} against {theirs:?}: {block:02x?}"),
    }
}

fn some_block(random: &mut Random) -> Vec<u8> {
    let mut block = Vec::new();
    if random.below(8) == 0 {
        put_integer(&mut block, 0x20, 0x1f, random.pick(&[0, 64, 500, 4_096]));
    }
    for _ in 0..=random.below(8) {
        match random.below(4) {
            0 => put_integer(&mut block, 0x80, 0x7f, 1 + random.below(66)),
            1 => put_literal(&mut block, 0x40, 0x3f, random),
            2 => put_literal(&mut block, 0x00, 0x0f, random),
            _ => put_literal(&mut block, 0x10, 0x0f, random),
        }
    }
    block
}

fn put_literal(block: &mut Vec<u8>, pattern: u8, prefix: u8, random: &mut Random) {
    let index = random.pick(&[0, 0, 28, 61, 62]);
    put_integer(block, pattern, prefix, index);
    if index == 0 {
        put_string(block, random);
    }
    put_string(block, random);
}

fn put_string(block: &mut Vec<u8>, random: &mut Random) {
    let text: Vec<u8> = (0..random.below(40)).map(|_| random.next() as u8).collect();
    if random.below(2) == 0 {
        put_integer(block, 0, 0x7f, text.len());
        block.extend(text);
    } else {
        let coded = huffman::encode(&text);
        put_integer(block, 0x80, 0x7f, coded.len());
        block.extend(coded);
    }
}

fn put_integer(block: &mut Vec<u8>, pattern: u8, prefix: u8, value: usize) {
    let Some(mut rest) = value.checked_sub(usize::from(prefix)) else {
        block.push(pattern | value as u8);
        return;
    };
    block.push(pattern | prefix);
    while rest >= 0x80 {
        block.push(rest as u8 | 0x80);
        rest >>= 7;
    }
    block.push(rest as u8);
}
