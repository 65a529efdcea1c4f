//! Sessions at the console of emulated boards.

use std::{
    collections::BTreeSet,
    fs,
    path::PathBuf,
    process::Command,
    time::{Duration, Instant},
};

use cross_tests::{Console, HostText, assert_same_text, board_firmware, host_text, host_trainer};
use lstm_core::Model;
use tempfile::TempDir;
use xtask::{
    aligned::AlignedBytes,
    boards::{Board, default_board, emulated},
    firmware,
    qemu::Machine,
    shell::root,
};

fn board(name: &str) -> &'static Board {
    Board::parse(name).unwrap()
}

/// A core with an FPU and much memory, and one with neither.
fn large_and_small() -> [&'static Board; 2] {
    [default_board(), board("microbit")]
}

fn path(name: &str) -> PathBuf {
    root().join("models").join(name)
}

fn shipped(name: &str) -> AlignedBytes {
    AlignedBytes::new(&fs::read(path(name)).unwrap())
}

/// A board that has sent its banner, with this file in its model region.
fn start(board: &Board, file: &AlignedBytes) -> Console {
    let mut console = Console::start(board, Some(file.bytes()));
    let banner = console.line();
    assert!(banner.starts_with("# model "), "{banner}");
    console
}

#[test]
fn a_session() {
    let file = shipped("cifg-96.lstm");
    let model = Model::from_bytes(file.bytes()).unwrap();
    for board in large_and_small() {
        let mut console = start(board, &file);
        console.pause();
        let help = console.ask(":help", "# without");
        assert!(help.contains("# :selftest "), "{help}");
        assert_eq!(console.ask(":temp 0.5", "#"), "# temperature 0.5\n");
        assert_eq!(
            console.ask(":temp hot", "#"),
            "# found :temp hot, expected :temp 0, or 0.01 to 100\n"
        );
        assert_eq!(console.ask(":topk 9", "#"), "# top-k 9\n");
        assert_eq!(console.ask(":seed 3", "#"), "# seed 3\n");

        let info = console.ask(":info", "# temperature");
        let (name, checksum) = (model.name(), model.checksum());
        let expected = format!("# model {name}, int8, checksum {checksum:08x}, 27 symbols\n");
        assert!(info.starts_with(&expected), "{info}");
        let room = board.memory.model.size.0;
        let expected = format!("; model {} of {room} bytes\n", file.bytes().len());
        assert!(info.contains(&expected), "{info}");
        assert!(info.ends_with("# temperature 0.5, top-k 9, top-p 1, seed 3, speed 0\n"));

        let answer = console.ask(":selftest", "# selftest");
        assert!(answer.ends_with("# selftest PASS\n"), "{answer}");
        let golden = format!(" digest {:08x}: right\n", model.golden().unwrap());
        assert!(answer.contains(&golden), "{answer}");

        let answer = console.ask(":bench", "# text");
        let label = format!(", on {}, ", board.name);
        assert!(answer.contains(&label), "{answer}");
        assert!(answer.contains("# 1000 characters, "), "{answer}");
        let golden = format!("# text digest {:08x}: right\n", model.golden().unwrap());
        assert!(answer.ends_with(&golden), "{answer}");

        // A line primes the model: the text goes on after it.
        console.send(b":reset\rShall I \x7f compare \r:resume\r");
        console.until("> Shall I \x08 \x08 compare ");
        console.until("> :resume\n");
        let text = HostText {
            prompt: "\nShall I compare ",
            seed: 3,
            temperature: 0.5,
            top_k: 9,
        };
        assert_same_text(&console.chars(500), &text.write(&model, 500));

        console.pause();
        let stats = console.ask(":stats", "# ");
        assert!(stats.contains("; 0 bytes lost, 0 port errors\n"), "{stats}");
        let mut words = stats.split(' ').skip(1);
        let mut number = || words.find_map(|word| word.parse::<u32>().ok()).unwrap();
        assert!(number() >= 500, "{stats}");
        assert!(number() > 0, "{stats}");
    }
}

/// Every model that fits has room for its state too, which the self-test needs.
#[test]
fn poets_are_swapped_without_a_new_build() {
    for name in ["mps2-an386", "microbit", "bluepill"] {
        let board = board(name);
        let firmware = fs::read(board_firmware(board)).unwrap();
        let mut poets = 0;
        for path in cross_tests::shipped() {
            let file = AlignedBytes::new(&fs::read(path).unwrap());
            if file.bytes().len() > board.memory.model.size.0 as usize {
                continue;
            }
            poets += 1;
            let model = Model::from_bytes(file.bytes()).unwrap();
            let mut console = start(board, &file);
            assert_same_text(&console.chars(300), &host_text(&model, 300));
            console.pause();
            let info = console.ask(":info", "# temperature");
            assert!(info.contains(model.name()), "{info}");
            let answer = console.ask(":selftest", "# selftest");
            assert!(answer.ends_with("# selftest PASS\n"), "{answer}");
        }
        assert!(poets > 1);
        assert!(firmware == fs::read(board_firmware(board)).unwrap());
    }
}

#[test]
fn without_a_model_the_console_lives() {
    let mut damaged = fs::read(path("cifg-96.lstm")).unwrap();
    damaged[17_000] ^= 0x10;
    for board in [board("mps2-an386"), board("microbit"), board("riscv-virt")] {
        for (file, found) in [
            (
                None,
                "not a .lstm file: it begins with 00 00 00 00, expected ",
            ),
            (
                Some(&*damaged),
                "the .lstm file is damaged: found checksum ",
            ),
        ] {
            let mut console = Console::start(board, file);
            let refusal = format!("# no model runs: {found}");
            let line = console.line();
            assert!(line.starts_with(&refusal), "{line}");
            // No text meanwhile.
            assert!(console.is_silent_for(Duration::from_millis(300)));
            console.ask(":help", "# without");
            let info = console.ask(":info", "# RAM");
            assert!(info.starts_with(&refusal), "{info}");
            assert!(info.contains("# flash: firmware "), "{info}");
            let answer = console.ask(":selftest", "# selftest");
            let expected = format!("# selftest FAIL: no model runs: {found}");
            assert!(answer.starts_with(&expected), "{answer}");
            for line in ["shall i", ":reset", ":temp 1", ":resume"] {
                console.send(format!("{line}\r").as_bytes());
                console.until(&format!("> {line}\n"));
            }
            let answer = console.ask(":stats", "#");
            assert!(answer.starts_with(&refusal) || answer.starts_with("# 0 characters, "));
            assert!(console.is_running());
        }
    }
}

/// Every board, after everything that takes much stack.
#[test]
fn the_stack_gets_no_deeper_than_estimated() {
    let file = shipped("cifg-96-int4.lstm");
    for board in emulated() {
        let depth = stack_depth::depth(&board_firmware(board)).unwrap();
        let mut console = start(board, &file);
        console.chars(200);
        console.pause();
        console.ask(":topp 0.9", "#");
        console.send(b":resume\r");
        console.until("> :resume\n");
        console.chars(100);
        console.pause();
        let answer = console.ask(":selftest", "# selftest");
        assert!(answer.ends_with("# selftest PASS\n"), "{answer}");
        console.ask(":help", "# without");
        let saved = console.ask(":save", ":load ");
        let answer = console.ask(saved.trim_end(), "#");
        assert!(answer.starts_with("# state loaded: after "), "{answer}");
        console.ask(":load AAAA", "#");
        console.ask(":no", "#");
        console.ask(":stats", "#");
        let info = console.ask(":info", "# temperature");
        let (_, high_water) = info.split_once("high water ").unwrap();
        let (high_water, _) = high_water.split_once('\n').unwrap();
        let high_water: u64 = high_water.parse().unwrap();
        println!("{}: {high_water} of at most {}", board.name, depth.bytes);
        assert!(high_water <= depth.bytes, "{}: {high_water}", board.name);
        assert!(high_water > depth.bytes / 4, "{}: {high_water}", board.name);
    }
}

/// The text of a board from `:resume` to `:pause`, at least so many characters.
fn some_text(console: &mut Console, chars: usize) -> String {
    console.send(b":resume\r");
    console.until("> :resume\n");
    let mut text = console.chars(chars);
    console.send(b":pause\r");
    text += &console.until("\n> :pause\n");
    console.until("# paused; :resume goes on\n");
    text.strip_suffix("\n> :pause\n").unwrap().to_owned()
}

/// What `host-trainer generate` writes.
fn generate(folder: &TempDir, model: &str, arguments: &[&str]) -> String {
    let mut command = Command::new(host_trainer());
    command.arg("generate").arg(path(model)).args(arguments);
    let output = command.current_dir(folder.path()).output().unwrap();
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success(), "{arguments:?}: {stderr}");
    let text = String::from_utf8(output.stdout).unwrap();
    text.strip_suffix('\n').unwrap().to_owned()
}

/// With the largest state that a board of 16 KB of RAM takes.
#[test]
fn a_mind_moves_from_host_to_m0_to_risc_v_and_back() {
    const MODEL: &str = "cifg-512-int4.lstm";
    let folder = TempDir::new().unwrap();
    let settings = ["--seed", "11", "--temperature", "0.7", "--top-k", "12"];
    let save = ["--length", "100", "--save-state", "mind"];
    let mut text = generate(&folder, MODEL, &[&settings[..], &save].concat());
    let mut line = fs::read_to_string(folder.path().join("mind")).unwrap();

    let file = shipped(MODEL);
    for name in ["microbit", "riscv-virt"] {
        let mut console = start(board(name), &file);
        console.pause();
        // Something else in its mind.
        console.ask(":temp 1", "#");
        let answer = console.ask(line.trim_end(), "#");
        let position = text.chars().count();
        assert_eq!(
            answer,
            format!("# state loaded: after {position} characters\n")
        );
        text += &some_text(&mut console, 60);
        line = console.ask(":save", ":load ");
    }
    text += &generate(&folder, MODEL, &["--length", "50", "--state", &line]);

    let length = text.chars().count().to_string();
    let unbroken = [&settings[..], &["--length", &length]].concat();
    assert_same_text(&text, &generate(&folder, MODEL, &unbroken));
}

/// Some 8 KB, of which the first come while a self-test runs and nothing is read.
#[test]
fn a_long_paste_loses_nothing_where_the_board_is_obeyed() {
    let file = shipped("cifg-96.lstm");
    let line = "shall i compare thee to a summers day thou art more lovely\r";
    for board in large_and_small() {
        let mut console = start(board, &file);
        console.pause();
        console.send(b":selftest\r");
        console.paste(line.repeat(140).as_bytes());
        console.paste(b":stats\r");
        let told = console.until(", 0 port errors\n");
        assert!(
            told.ends_with("; 0 bytes lost, 0 port errors\n"),
            "{}",
            board.name
        );
        assert_eq!(told.matches(line.trim_end()).count(), 140, "{}", board.name);
    }
}

/// While a self-test runs, the ring of the UART's interrupt takes 1,024 bytes. Each byte more is lost,
/// and counted.
#[test]
fn what_overflows_is_counted_to_the_byte() {
    const SENT: usize = 5000;
    let file = shipped("cifg-256.lstm");
    for board in large_and_small() {
        let mut console = start(board, &file);
        console.pause();
        console.send(b":selftest\r");
        console.send(&[b'x'; SENT]);
        console.until("# selftest PASS\n");
        // The line is far too long, and the refusal counts its bytes.
        console.until("> xxx");
        while !console.is_silent_for(Duration::from_millis(500)) {
            let echo = console.received();
            assert!(echo.chars().all(|c| matches!(c, 'x' | '\x07')), "{echo}");
        }
        console.send(b"\r");
        let refusal = console.until("expected at most 252\n");
        let (_, count) = refusal.split_once("found a line of ").unwrap();
        let (taken, _) = count.split_once(' ').unwrap();
        let taken: usize = taken.parse().unwrap();
        assert!(taken >= 1024, "{}: {taken}", board.name);
        let stats = console.ask(":stats", "# ");
        let lost = SENT - taken;
        assert!(lost > 0, "{}: {stats}", board.name);
        let expected = format!("; {lost} bytes lost, 0 port errors\n");
        assert!(
            stats.ends_with(&expected),
            "{}: {taken}, {stats}",
            board.name
        );
    }
}

/// A firmware that reads at its start where there is nothing.
#[test]
fn a_fault_of_the_core_is_told() {
    let target = firmware::workspace().join("target/planted-fault");
    for board in [board("mps2-an386"), board("microbit"), board("riscv-virt")] {
        let mut build = Command::new(env!("CARGO"));
        build.args(["build", "--quiet", "--release", "--target", &board.target]);
        build.args(["--features", "support-uart/planted-fault", "--target-dir"]);
        build.arg(&target).current_dir(firmware::folder(board));
        let output = build.output().unwrap();
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{}: {stderr}", board.name);
        let elf = target
            .join(&board.target)
            .join("release")
            .join(&board.folder);
        let mut console = Console::of(Machine::start(board, &elf, None).unwrap());
        assert_eq!(console.line(), "");
        let line = console.line();
        let expected = "# the core has met a fault and stops; a reset starts it again";
        assert_eq!(line, expected, "{}", board.name);
        assert!(console.is_silent_for(Duration::from_millis(300)));
    }
}

/// Bytes without a meaning: the top ones of a generator of Knuth.
fn noise() -> impl Iterator<Item = u8> {
    let mut state = 1u64;
    std::iter::repeat_with(move || {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (state >> 56) as u8
    })
}

/// Sends bytes without a meaning while the board writes. Afterwards it must be its old self.
fn soak(board: &Board, bytes: usize) {
    let file = shipped("cifg-96.lstm");
    let model = Model::from_bytes(file.bytes()).unwrap();
    let mut console = start(board, &file);
    console.pause();
    // What a reset would undo.
    console.ask(":topk 99", "#");
    console.send(b":resume\r");
    console.chars(100);
    let mut random = noise();
    let mut sent = 0;
    let mut output = String::new();
    while sent < bytes {
        let garbage: Vec<u8> = random.by_ref().take(1024).collect();
        console.send(&garbage);
        sent += garbage.len();
        output += &console.received();
    }
    // The last bytes may still be on their way, and some of the first tries with them.
    let line = "# seed 424242\n";
    let deadline = Instant::now() + Duration::from_secs(60);
    loop {
        assert!(
            Instant::now() < deadline,
            "{}: no answer after {bytes} bytes",
            board.name
        );
        console.send(b"\x03\r:pause\r:seed 424242\r");
        match console.until_within(line, Duration::from_secs(2)) {
            Some(more) => break output += &more,
            None => output += &console.received(),
        }
    }
    while let Some(more) = console.until_within(line, Duration::from_millis(500)) {
        output += &more;
    }
    output += &console.received();
    let remarks: BTreeSet<_> = output
        .lines()
        .filter(|line| line.starts_with("# found "))
        .collect();
    assert!(remarks.len() > 10, "{}: {remarks:?}", board.name);

    for (command, answer) in [
        (":topk", "# top-k 99\n"),
        (":topk 256", "# top-k 256\n"),
        (":temp 0.8", "# temperature 0.8\n"),
        (":topp 1", "# top-p 1\n"),
        (":speed 0", "# speed 0\n"),
        (":seed 5", "# seed 5\n"),
    ] {
        assert_eq!(console.ask(command, "#"), answer);
    }
    println!("{}: {}", board.name, console.ask(":stats", "#"));
    let answer = console.ask(":selftest", "# selftest");
    assert!(answer.ends_with("# selftest PASS\n"), "{answer}");
    console.send(b":reset\r:resume\r");
    console.until("> :resume\n");
    let text = HostText {
        seed: 5,
        ..HostText::default()
    };
    assert_same_text(&console.chars(1000), &text.write(&model, 1000));
}

/// A text that is pasted while the board writes: it reads all of it, with its line breaks.
#[test]
fn a_pasted_text_is_read() {
    let file = shipped("verse-384-int4.lstm");
    let model = Model::from_bytes(file.bytes()).unwrap();
    let text = "Shall I compare thee to a summer's day?\nThou art more lovely\n\nRough winds";
    for board in large_and_small() {
        let mut console = start(board, &file);
        console.pause();
        console.send(b":reset\r:resume\r");
        console.until("> :resume\n");
        console.pause();
        console.send(b":reset\r");
        console.until("> :reset\n");
        console.send(format!("{}\r", text.replace('\n', "\r")).as_bytes());
        console.until("> Rough winds");
        console.send(b"\x11");
        let text = HostText {
            prompt: &format!("\n{text}"),
            ..HostText::default()
        };
        assert_same_text(&console.chars(200), &text.write(&model, 200));
        // What it lacks, and what it does not.
        console.pause();
        console.send("caf\u{e9} \u{1f600}\x7f\r".as_bytes());
        console.until("# found 1 characters that the model lacks, first \u{e9}; ");
        assert_eq!(
            console.ask(" :tmep 1", "#"),
            "# found :tmep 1, expected a command of :help; did you mean :temp?\n"
        );
        console.send(b"\r");
        console.until("# model verse-384-int4, ");
    }
}

#[test]
fn garbage_does_no_harm() {
    for board in large_and_small() {
        soak(board, 32 << 10);
    }
}

#[test]
#[ignore = "takes minutes"]
fn a_megabyte_of_garbage_does_no_harm() {
    for board in large_and_small() {
        soak(board, 1 << 20);
    }
}
