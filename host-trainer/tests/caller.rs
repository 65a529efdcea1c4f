//! Commands that another program runs within itself: it hears what a terminal would show, and may stop them.

use host_trainer::commands::cli::call;
use host_trainer::files::caller::{Caller, Told};
use host_trainer::files::error::Error;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::channel;

/// The words of a training in `folder` that is small; its text is there.
fn training(folder: &Path, rest: &str) -> Vec<String> {
    let corpus = folder.join("corpus.txt");
    let text = "The woods are lovely, dark and deep. ".repeat(60);
    std::fs::write(&corpus, text).unwrap();
    let corpus = corpus.display();
    let line = format!("train --corpus={corpus} --hidden=8 --embedding=4 --batch-size=4 {rest}");
    line.split_whitespace().map(str::to_owned).collect()
}

/// Runs a command; the caller wants it to end as soon as it hears this line. Its end, and what it told.
fn heard(
    words: Vec<String>,
    is_enough: fn(&str) -> bool,
) -> (host_trainer::files::error::Result<()>, Vec<Told>) {
    let (told, hear) = channel();
    let stop = Arc::new(AtomicBool::new(false));
    let caller = Caller {
        told,
        stop: stop.clone(),
    };
    std::thread::scope(|scope| {
        let words = words.into_iter().map(Into::into);
        let running = scope.spawn(|| call(words, caller));
        let told = hear.into_iter().inspect(|told| {
            if matches!(told, Told::Line(line) if is_enough(line)) {
                stop.store(true, Ordering::SeqCst);
            }
        });
        let told = told.collect();
        (running.join().unwrap(), told)
    })
}

#[test]
fn a_program_hears_the_lines_of_its_own_command_and_may_stop_it() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    let out = |name: &str| format!("--out={}", path.join(name).display());
    let whole = training(path, &format!("--epochs=30 {}", out("whole")));
    let (ended, told) = heard(whole, |_| false);
    ended.unwrap();
    let lines = told.iter().filter_map(|told| match told {
        Told::Line(line) => Some(line.as_str()),
        Told::Progress { .. } => None,
    });
    let lines: Vec<&str> = lines.collect();
    let weights = path.join("whole/best.safetensors").display().to_string();
    for start in ["sonnets: 27 symbols", &weights] {
        assert!(lines.iter().any(|l| l.starts_with(start)), "{lines:?}");
    }

    // Two at once: the second waits, and each hears its own.
    let stopped = training(path, &format!("--epochs=30 {}", out("stopped")));
    let (ended, other) = std::thread::scope(|scope| {
        let budget = vec!["budget".into(), "--hidden=32".into()];
        let other = scope.spawn(|| heard(budget, |_| false));
        (
            heard(stopped, |line| line.contains("bits/char")),
            other.join().unwrap(),
        )
    });
    let Err(Error::Interrupted(line)) = ended.0 else {
        panic!("{ended:?}");
    };
    assert!(line.starts_with("stopped after update "), "{line}");
    let is_of_training = |told: &&Told| matches!(told, Told::Line(l) if l.contains("bits/char"));
    assert_eq!(other.1.iter().filter(is_of_training).count(), 0);
    other.0.unwrap();

    let resumed = ["train".into(), "--resume".into(), out("stopped")];
    heard(resumed.into(), |_| false).0.unwrap();
    let [whole, resumed] = ["whole", "stopped"]
        .map(|run| std::fs::read(path.join(run).join("final.safetensors")).unwrap());
    assert_eq!(whole, resumed);
}

#[test]
fn what_is_no_command_is_an_error_and_not_the_end_of_the_program() {
    for (words, expected) in [
        ("train --hiden=8", "unexpected argument '--hiden' found"),
        ("trian", "unrecognized subcommand 'trian'"),
        ("inspect missing", "cannot read missing"),
    ] {
        let words = words.split(' ').map(str::to_owned).collect();
        let (ended, told) = heard(words, |_| false);
        let error = ended.unwrap_err().to_string();
        assert!(error.starts_with(expected), "{error}");
        assert_eq!((error.lines().count(), told), (1, Vec::new()));
    }
}
