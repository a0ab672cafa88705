//! Dialogues of two peers, and what is made of them.

mod dialogue;
mod exchanges;
mod holes;
mod hostile;
mod rules;

use dialogue::Dialogue;

use crate::timeline::{Exchange, H2, Response, Rule, Timeline};

/// The facts of the connection as a whole.
fn h2(line: &Timeline) -> &H2 {
    line.h2.as_deref().unwrap()
}

/// The only exchange.
fn exchange(line: &Timeline) -> &Exchange {
    assert_eq!(line.exchanges.len(), 1);
    &line.exchanges[0]
}

/// The response of the only exchange.
fn response(line: &Timeline) -> &Response {
    exchange(line).response.as_ref().unwrap()
}

/// Every rule that was broken: of the connection, then of the exchanges.
fn rules(line: &Timeline) -> Vec<Rule> {
    let responses = line.exchanges.iter().filter_map(|exchange| exchange.response.as_ref());
    let deviations = h2(line).deviations.iter().chain(responses.flat_map(|response| &response.deviations));
    deviations.map(|deviation| deviation.rule).collect()
}

/// Says that nothing is wrong with a dialogue, however its bytes are split, and returns what is made of it.
fn assert_healthy(dialogue: &Dialogue) -> Timeline {
    let line = dialogue.told();
    assert_eq!(rules(&line), []);
    assert_eq!(h2(&line).spoken_instead, None);
    assert_eq!(h2(&line).flood, None);
    for size in [1, 2, 3, 7, 10] {
        assert_eq!(dialogue.told_in_pieces(size), line, "pieces of {size}");
    }
    line
}
