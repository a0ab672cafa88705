//! Holds the profile `generic` against what real edges did with the responses of `testdata/http1/responses.txt`:
//! `make renew` writes it anew from `testdata/http1/edges.txt`.

mod golden;

use std::collections::BTreeMap;

/// The first line of the part that is written by this test.
const GENERATED: &str = "# From here on written by `make renew`";

#[test]
fn the_profile_generic_is_what_real_edges_do() {
    let written = include_str!("../edges/generic.toml");
    let by_hand = written.split(GENERATED).next().unwrap_or_default();
    let table = include_str!("../testdata/http1/edges.txt");
    golden::assert_equals_file("edges/generic.toml", &format!("{by_hand}{}", generated(table)));
}

#[test]
fn a_rule_is_tolerated_only_where_every_edge_takes_every_response_that_breaks_it() {
    let told = generated("# What a and b do\n\nrule x takes\nrule y refuses\nrule z differs\nbeyond takes\n");
    let lines: Vec<&str> = told.lines().filter(|line| !line.starts_with('#')).collect();
    let wanted =
        ["[tolerates]", "rules = [", r#"    "x","#, "]", "perhaps = [", r#"    "z","#, "]", "bytes-beyond = true"];
    assert_eq!(lines, wanted);
    assert!(generated("# \n\nbeyond differs\n").ends_with("bytes-beyond = false\n"));
}

/// The tolerance of the edges in the table.
fn generated(table: &str) -> String {
    let edges = table.lines().next().unwrap_or_default().trim_start_matches("# What ");
    let edges = edges.split(" do ").next().unwrap_or_default();
    let mut rules: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    let mut beyond = None;
    for line in table.lines() {
        match line.split(' ').collect::<Vec<_>>()[..] {
            ["rule", rule, word] => rules.entry(word).or_default().push(rule),
            ["beyond", word] => beyond = Some(word == "takes"),
            _ => {}
        }
    }
    let list = |word| {
        let rules = rules.get(word).into_iter().flatten();
        rules.map(|rule| format!("    \"{rule}\",\n")).collect::<String>()
    };
    format!(
        "{GENERATED} from testdata/http1/edges.txt:\n\
         # what {edges} do as reverse proxies.\n\
         [tolerates]\n\
         # All of them take every response that breaks such a rule alone.\n\
         rules = [\n{}]\n\
         # Some take one that others refuse.\n\
         perhaps = [\n{}]\n\
         # All of them throw away what follows the end of a response.\n\
         bytes-beyond = {}\n",
        list("takes"),
        list("differs"),
        beyond.expect("the table says what they do with bytes beyond the end"),
    )
}
