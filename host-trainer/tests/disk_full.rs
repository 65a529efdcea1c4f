//! A disk that fills up: files that cannot grow beyond a limit, and an output that takes nothing.
//! What was there before stays whole; one line tells; the exit code is not 0.
#![cfg(unix)]

mod binary;

use binary::{SMALL, folder, printed, run, trainer};
use std::collections::BTreeMap;
use std::fs::File;
use std::path::Path;
use std::process::{Command, Output, Stdio};

/// Runs a program that can write files of so many blocks (of 512 or 1024 bytes).
fn limited(folder: &Path, blocks: usize, program: &str, line: &str) -> Output {
    let script = format!("trap '' XFSZ; ulimit -f {blocks}; exec \"$0\" \"$@\"");
    let mut command = Command::new("sh");
    command.args(["-c", &script, program]);
    command.args(line.split_whitespace()).current_dir(folder);
    command.output().unwrap()
}

fn limited_trainer(folder: &Path, blocks: usize, line: &str) -> Output {
    limited(folder, blocks, env!("CARGO_BIN_EXE_host-trainer"), line)
}

/// One line on stderr that says which file could not be written.
fn is_told(output: &Output) -> bool {
    let stderr = String::from_utf8_lossy(&output.stderr);
    output.status.code() == Some(1)
        && stderr.lines().count() == 1
        && stderr.starts_with("error: cannot write ")
}

/// The files of a folder, but for those that only grow.
fn contents(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let entries = std::fs::read_dir(folder).unwrap().map(|e| e.unwrap());
    let files = entries.filter(|e| e.file_type().unwrap().is_file());
    let named = files.map(|e| {
        let name = e.file_name().to_string_lossy().into_owned();
        (name, std::fs::read(e.path()).unwrap())
    });
    named
        .filter(|(name, _)| !["metrics.csv", "metrics.jsonl", "samples.txt"].contains(&&name[..]))
        .collect()
}

/// Exports over a model at `sizes` limits, the last of which lets it pass.
fn export_with_less_and_less_room(sizes: usize) {
    let folder = folder();
    let path = folder.path();
    printed(path, &format!("train {SMALL} --epochs 1 --out r"));
    for (format, to) in [("int8", "m.lstm"), ("f32", "m.lstm"), ("npz", "m.npz")] {
        let line = match format {
            "npz" => format!("export r/final.safetensors --to npz --out {to}"),
            _ => format!("export r/final.safetensors --format {format} --out {to}"),
        };
        printed(path, &line);
        let wanted = contents(path);
        std::fs::write(path.join(to), "an older file").unwrap();
        let before = contents(path);
        // A block may have 1024 bytes or 512.
        let most = wanted[to].len() / 1024 * sizes / (sizes + 1);
        for size in 0..sizes {
            let output = limited_trainer(path, most * size / sizes, &line);
            assert!(is_told(&output), "{format} {size}: {output:?}");
            assert!(contents(path) == before, "{format} {size}");
        }
        let output = limited_trainer(path, wanted[to].len() / 512 + 1, &line);
        assert!(output.status.success(), "{output:?}");
        assert!(contents(path) == wanted);
    }
}

#[test]
fn an_export_without_room_leaves_the_old_file() {
    export_with_less_and_less_room(3);
}

#[test]
#[ignore = "20 sizes for each of three files"]
fn an_export_without_room_leaves_the_old_file_at_twenty_sizes() {
    export_with_less_and_less_room(20);
}

/// Goes on with a run at `sizes` limits: nothing of it is lost, and it ends as it would have.
fn resume_with_less_and_less_room(sizes: usize) {
    let folder = folder();
    let path = folder.path();
    let line = format!("train {SMALL} --epochs 60 --ema 0.9 --checkpoint-every 0");
    printed(path, &format!("{line} --out whole"));
    let mut child = trainer(path, &format!("{line} --out r"))
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    while !path.join("r/config.json").exists() {
        std::thread::sleep(std::time::Duration::from_millis(1));
    }
    child.kill().unwrap();
    child.wait().unwrap();
    let resume = "train --resume --out r --checkpoint-every 0";
    // The first step's checkpoint is refused, so that each try begins at the same place.
    let _ = limited_trainer(path, 0, resume);
    let before = contents(&path.join("r"));
    let most = before["checkpoint.safetensors"].len() / 1024 - 1;
    for size in 0..sizes {
        let output = limited_trainer(path, most * size / sizes, resume);
        assert!(is_told(&output), "{size}: {output:?}");
        assert!(contents(&path.join("r")) == before, "{size}");
    }
    printed(path, resume);
    let [whole, parts] = ["whole", "r"].map(|name| contents(&path.join(name)));
    for name in ["final.safetensors", "best.safetensors"] {
        assert!(whole[name] == parts[name], "{name}");
    }
}

#[test]
fn a_checkpoint_without_room_costs_nothing() {
    resume_with_less_and_less_room(3);
}

#[test]
#[ignore = "20 sizes"]
fn a_checkpoint_without_room_costs_nothing_at_twenty_sizes() {
    resume_with_less_and_less_room(20);
}

/// That the checks above can fail: under the same limit, a program that writes to the file itself
/// leaves half of it, and an exit code that is not what they want.
#[test]
fn a_plain_writer_does_lose_the_old_file() {
    let folder = folder();
    let path = folder.path();
    std::fs::write(path.join("old"), "an older file").unwrap();
    let before = contents(path);
    std::fs::write(path.join("new"), vec![1; 5000]).unwrap();
    let output = limited(path, 2, "cp", "new old");
    std::fs::remove_file(path.join("new")).unwrap();
    assert!(!is_told(&output), "{output:?}");
    assert!(contents(path) != before);
    let torn = std::fs::metadata(path.join("old")).unwrap().len();
    assert!(torn > 0 && torn < 5000, "{torn}");
}

#[test]
fn a_run_that_cannot_begin_says_so() {
    let folder = folder();
    let output = limited_trainer(folder.path(), 0, &format!("train {SMALL} --out r"));
    assert!(is_told(&output), "{output:?}");
}

/// `/dev/full` refuses every write with "no space left".
#[cfg(target_os = "linux")]
#[test]
fn an_output_that_takes_nothing_is_told_and_ends_no_training() {
    let folder = folder();
    let full = || Stdio::from(File::options().write(true).open("/dev/full").unwrap());
    let to_full = |line: &str| {
        trainer(folder.path(), line)
            .stdout(full())
            .output()
            .unwrap()
    };
    for line in [
        &format!("train {SMALL} --epochs 1 --out r")[..],
        "evaluate r/best.safetensors --corpus good.txt",
        "generate r/best.safetensors",
        "budget r/best.safetensors",
        "report r",
        "quantize r/best.safetensors --qat --corpus good.txt --batch-size 4 --epochs 1 --out q.safetensors",
        "export r/best.safetensors --out m.lstm",
    ] {
        let output = to_full(line);
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1), "{line}: {stderr}");
        assert!(stderr.contains("No space left on device"), "{stderr}");
        assert_eq!(stderr.lines().count(), 1, "{line}: {stderr}");
    }
    // The work itself went on to its end.
    for file in ["q.safetensors", "m.lstm"] {
        assert!(folder.path().join(file).exists(), "{file}");
    }
    assert!(folder.path().join("r/final.safetensors").exists());
    assert!(
        run(
            folder.path(),
            "evaluate r/final.safetensors --corpus good.txt"
        )
        .status
        .success()
    );
}

/// A pipe whose reader wants no more is no failure.
#[test]
fn a_reader_that_has_seen_enough_is_no_failure() {
    let folder = folder();
    let mut child = trainer(folder.path(), &format!("train {SMALL} --epochs 20 --out r"))
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{output:?}");
    assert!(folder.path().join("r/final.safetensors").exists());
}
