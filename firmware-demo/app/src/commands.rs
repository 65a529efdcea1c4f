//! The commands: what `:help` says of them, and the one that was meant by a mistyped one.

/// What was expected instead of a line.
pub(crate) type Expected = &'static str;
pub(crate) const A_COMMAND: Expected = "a command of :help";
/// Every command.
pub(crate) const COMMANDS: [&str; 15] = [
    ":bench",
    ":help",
    ":info",
    ":load",
    ":pause",
    ":reset",
    ":resume",
    ":save",
    ":seed",
    ":selftest",
    ":speed",
    ":stats",
    ":temp",
    ":topk",
    ":topp",
];
const LONGEST_COMMAND: usize = 9;

/// What `:help` says, a line each.
pub(crate) const HELP: [&str; 16] = [
    "type a line: the model reads it, and the text goes on from there",
    "\\n in a line is a line break, as between the lines of a pasted text",
    ":temp 0.8   temperature: 0 the likeliest, or 0.01 to 100",
    ":topk 256   from so many likeliest, 1 to 256",
    ":topp 1     from the likeliest with this probability, above 0 to 1",
    ":seed 1     random numbers anew",
    ":speed 0    characters a second, 0 as fast as it can",
    ":reset      the text anew, from its seed",
    ":pause      or Ctrl-S; :resume or Ctrl-Q goes on",
    ":info       model, memory, settings",
    ":stats      characters, ticks, losses",
    ":bench      its speed, to report",
    ":selftest   checksum, 1000 golden tokens, state",
    ":save       the state as a line, for any board or the host",
    ":load ...   takes such a line back",
    "without a number, a setting is shown; Ctrl-C and Ctrl-U drop the line",
];

/// The command of these that is most like this word: the word begins with it, or has two wrong letters at most.
pub(crate) fn nearest(word: &str, commands: &[&'static str]) -> Option<&'static str> {
    let distances = commands
        .iter()
        .map(|&command| (distance(command, word), command));
    let (distance, command) = distances.min_by_key(|&(distance, _)| distance)?;
    (distance <= 2).then_some(command)
}

/// How many letters of a word must be changed, added or left out to make it the command (the algorithm
/// of Wagner and Fischer); 0 if it begins with the command.
fn distance(command: &str, word: &str) -> u8 {
    if word.starts_with(command) {
        return 0;
    }
    let mut row: [u8; LONGEST_COMMAND] = core::array::from_fn(|column| column as u8 + 1);
    let mut distance = u8::MAX;
    // One of more letters than this is near to none.
    for (letters, typed) in (0..).zip(word.bytes().take(LONGEST_COMMAND + 3)) {
        let mut diagonal = letters;
        distance = letters + 1;
        for (cell, letter) in row.iter_mut().zip(command.bytes()) {
            let changed = diagonal + u8::from(letter != typed);
            diagonal = *cell;
            distance = changed.min(diagonal + 1).min(distance + 1);
            *cell = distance;
        }
    }
    distance
}

#[cfg(test)]
mod tests {
    extern crate std;

    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn help_tells_of_every_command_and_of_no_other() {
        let words = HELP.iter().flat_map(|line| line.split([' ', ';']));
        let told: BTreeSet<_> = words.filter(|word| word.starts_with(':')).collect();
        // It is help itself that tells.
        let others = COMMANDS.into_iter().filter(|&command| command != ":help");
        assert_eq!(told, others.collect());
        assert!(HELP.iter().all(|line| line.len() < 78));
    }

    #[test]
    fn a_mistyped_command_is_near_to_the_one_that_was_meant() {
        for command in COMMANDS {
            assert!(command.len() <= LONGEST_COMMAND);
            assert_eq!(distance(command, command), 0);
        }
        for (typed, meant) in [
            (":tmep", ":temp"),
            (":temperature", ":temp"),
            (":temp0.8", ":temp"),
            (":Pause", ":pause"),
            (":sleftest", ":selftest"),
            (":res", ":reset"),
            (":resum", ":resume"),
            (":hlp", ":help"),
            (":top", ":topk"),
        ] {
            assert_eq!(nearest(typed, &COMMANDS), Some(meant), "{typed}");
        }
        for typed in [":", ":x", ":quit", ":compare", ":xxxxxxxxxxxxxxxx"] {
            assert_eq!(nearest(typed, &COMMANDS), None, "{typed}");
        }
    }
}
