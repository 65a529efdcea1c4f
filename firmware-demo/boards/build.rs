//! The build script of every board: gives the linker and the program what its `board.toml` says.

use std::{env, fs, path::Path};

use board_list::{Board, Runtime};

fn main() {
    println!("cargo::rerun-if-changed=board.toml");
    println!("cargo::rerun-if-changed=../build.rs");
    match board() {
        Ok(board) => link(&board),
        Err(error) => println!("cargo::error={error}"),
    }
}

/// The board in whose folder we are. Of several for one target, the first: they differ in nothing that
/// the firmware knows.
fn board() -> Result<Board, String> {
    let here = variable("CARGO_MANIFEST_DIR");
    let folder = Path::new(&here).file_name().unwrap_or_default();
    let text = fs::read_to_string("board.toml").map_err(|e| format!("board.toml: {e}"))?;
    let folder = folder.display().to_string();
    let boards = board_list::read(&folder, &text).map_err(|e| e.to_string())?;
    let target = variable("TARGET");
    let mut boards = boards.into_iter().filter(|board| board.target == target);
    let expected = || format!("{folder} is not for {target}; its board.toml names the target");
    let board = boards.next().ok_or_else(expected)?;
    match boards.find(|other| other.memory != board.memory || other.clock != board.clock) {
        Some(other) => Err(format!(
            "{} and {} share a firmware: found two memory maps or clocks, expected one",
            board.name, other.name
        )),
        None => Ok(board),
    }
}

fn link(board: &Board) {
    let out = variable("OUT_DIR");
    let mut own = String::new();
    if let Some(script) = &board.memory.linker_script {
        let path = Path::new("..").join(script);
        println!("cargo::rerun-if-changed={}", path.display());
        own = fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    }
    let write = |name: &str, text: String| {
        fs::write(Path::new(&out).join(name), text).expect("OUT_DIR is writable");
    };
    println!("cargo::rustc-link-search={out}");
    let script = |name: &str| println!("cargo::rustc-link-arg-bins=-T{name}");
    match board.runtime {
        Runtime::EspHal => {
            write("board.x", board.model_symbols() + &own);
            script("linkall.x");
        }
        Runtime::Registers | Runtime::Embassy => {
            write("memory.x", board.memory_x() + &own);
            write("board.x", board.model_symbols() + ROOM_FOR_THE_STACK);
            println!("cargo::rustc-link-arg-bins=--nmagic");
            // On Arm, link.x includes it.
            if variable("CARGO_CFG_TARGET_ARCH") == "riscv32" {
                script("memory.x");
            }
            script("link.x");
            if board.memory.boot2.is_some() {
                script("link-rp.x");
            }
        }
    }
    script("board.x");
    println!("cargo::rustc-env=BOARD_TITLE={}", board.title);
    println!("cargo::rustc-env=BOARD_CLOCK={}", board.clock);
    let megahertz = f64::from(board.clock) / 1e6;
    println!(
        "cargo::rustc-env=BOARD_LABEL={}, {megahertz} MHz",
        board.name
    );
    let copy = board.memory.model_copy.map_or(0, |copy| copy.0);
    println!("cargo::rustc-env=BOARD_MODEL_COPY={copy}");
}

/// What the start-up code of cortex-m-rt and riscv-rt leaves to us.
const ROOM_FOR_THE_STACK: &str = "\
__code_start = ORIGIN(FLASH);
ASSERT(ORIGIN(RAM) + LENGTH(RAM) - __ebss >= 4K, \"the stack needs 4 KB beside the variables\");
";

fn variable(name: &str) -> String {
    env::var(name).unwrap_or_else(|_| panic!("cargo sets {name}"))
}
