//! The public interoperability stories of HPACK: the same fields as eleven encoders write them, see
//! `testdata/http2/hpack`.

use serde_json::Value;

use super::*;

#[test]
fn every_encoder_s_stories_are_read_as_they_were_told() {
    let stories = include_str!("../../../../testdata/http2/hpack/stories.jsonl");
    let mut blocks = 0;
    for story in stories.lines().map(|line| serde_json::from_str::<Value>(line).unwrap()) {
        for (encoder, told) in story["encoders"].as_object().unwrap() {
            let name = format!("story {} of {encoder}", story["story"]);
            let mut decoder = Decoder::new();
            for (fields, block) in story["fields"].as_array().unwrap().iter().zip(told.as_array().unwrap()) {
                let allowed = block[0].as_u64().and_then(|size| u32::try_from(size).ok());
                if let Some(size) = allowed {
                    decoder.allow(Some(size));
                    decoder.acknowledged(size);
                }
                assert_eq!(read(&mut decoder, block[1].as_str().unwrap()), listed(fields), "{name}");
                blocks += 1;
            }
        }
    }
    assert!(blocks > 500, "{blocks} blocks");
}

fn read(decoder: &mut Decoder, hex: &str) -> Vec<(Vec<u8>, Vec<u8>)> {
    let digit = |at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap();
    let block: Vec<u8> = (0..hex.len()).step_by(2).map(digit).collect();
    let mut fields = Vec::new();
    decoder.decode(&block, |field| fields.push((field.name.unwrap().into(), field.value.unwrap().into()))).unwrap();
    fields
}

fn listed(fields: &Value) -> Vec<(Vec<u8>, Vec<u8>)> {
    let text = |value: &Value| value.as_str().unwrap().as_bytes().to_vec();
    fields.as_array().unwrap().iter().map(|field| (text(&field[0]), text(&field[1]))).collect()
}
