//! The corpus and what mutations make of it: no panic, no hang, the same report twice.

use super::fuzz::bytes::Random;
use super::fuzz::{mutate, seeds, targets};

/// Mutations of each seed; PCAP520_MUTATIONS sets another number.
const MUTATIONS: u64 = 1;

/// Seeds of each target that are mutated, spread over all of them; PCAP520_MUTATIONS takes all.
const SEEDS: usize = 8;

#[test]
fn no_seed_and_no_mutation_breaks_a_promise() {
    let wanted = std::env::var("PCAP520_MUTATIONS").ok().map(|text| text.parse::<u64>().expect("a number"));
    for target in &targets::ALL {
        let seeds = seeds::of(target.name);
        assert!(!seeds.is_empty(), "{} has no seed", target.name);
        let step = if wanted.is_some() { 1 } else { seeds.len().div_ceil(SEEDS) };
        for (index, seed) in seeds.iter().enumerate().step_by(step) {
            (target.run)(seed);
            for nth in 0..wanted.unwrap_or(MUTATIONS) {
                let mut random = Random::new((index as u64) << 32 | nth);
                let bent = match target.name {
                    "capture" | "program" => mutate::file(seed, &mut random),
                    _ => mutate::bytes(seed.clone(), &mut random),
                };
                (target.run)(&bent);
            }
        }
    }
}

#[test]
fn the_same_mutation_gives_the_same_report() {
    for path in seeds::captures().iter().step_by(40) {
        let capture = std::fs::read(path).unwrap();
        let bent = mutate::file(&capture, &mut Random::new(520));
        let mut file = tempfile::NamedTempFile::new().unwrap();
        std::io::Write::write_all(&mut file, &bent).unwrap();
        let report = || targets::program::analyse(file.path());
        assert_eq!(report(), report(), "{}", path.display());
    }
}

/// Captures of a folder outside the repository, each as it is and mutated: PCAP520_CAPTURES=FOLDER, and how often with
/// PCAP520_MUTATIONS.
#[test]
fn captures_of_others_are_analysed_without_a_failure() {
    let folder = std::env::var("PCAP520_CAPTURES").unwrap_or_else(|_| "testdata/wire".to_owned());
    let times = std::env::var("PCAP520_MUTATIONS").ok().map_or(MUTATIONS, |text| text.parse().expect("a number"));
    let mut analysed = 0_u64;
    for path in seeds::files(std::path::Path::new(&folder)) {
        let capture = std::fs::read(&path).unwrap();
        let frames = super::fuzz::packets::read(&path);
        if frames.is_empty() {
            continue;
        }
        targets::program::run(&capture);
        analysed += 1;
        for nth in 0..times {
            let mut random = Random::new(nth);
            let mut frames = frames.clone();
            (0..=random.below(4)).for_each(|_| mutate::packets(&mut frames, &mut random));
            let name = path.display();
            let bent = mutate::written(&frames, &mut random);
            let result = std::panic::catch_unwind(|| targets::program::run(&bent));
            assert!(result.is_ok(), "{name}, mutation {nth}");
            analysed += 1;
        }
    }
    assert!(analysed > 0, "no capture in {folder}");
    println!("{analysed} captures analysed");
}
