//! The costs as a table, and as JSON.

use super::subject::Subject;
use crate::files::stdout::grouped;
use crate::files::table;
use crate::hardware::boards::{BOARDS, Board};
use crate::hardware::cost::{Core, Shape, layer_name};
use crate::hardware::figures::CORES;
use serde_json::json;

/// The whole report, for programs.
pub(super) fn as_json(subject: &Subject, clock: Option<f64>) -> serde_json::Value {
    let shape = &subject.shape;
    let cores = CORES.iter().map(|core| {
        json!({
            "name": core.name,
            "engine_bytes": core.engine(shape.format),
            "ram_bytes": core.ram(shape),
            "stack_bytes": core.stack,
            "instructions": core.instructions(shape),
            "most_instructions": core.most_instructions(shape),
            "cycles": core.cycles(shape),
            "largest_error": core.error(shape.format),
        })
    });
    let boards = BOARDS.iter().map(|board| {
        let clock = clock.unwrap_or(board.clock);
        let outcome = board.try_model(shape, subject.bytes, clock);
        let mut told = json!({
            "name": board.name,
            "core": board.core,
            "hertz": clock,
            "model_room_bytes": board.model_room,
            "ram_bytes": board.ram,
            "misfit": outcome.misfit,
        });
        told[format!("{}_per_second", of(shape).many)] = json!(outcome.characters_per_second);
        told
    });
    let mut report = json!({
        "layers": shape.layers.iter().copied().map(layer_name).collect::<Vec<_>>(),
        "format": shape.format.to_string(),
        "file_bytes": subject.bytes.file,
        "multiply_adds": subject.multiply_adds,
        "cores": cores.collect::<Vec<_>>(),
        "boards": boards.collect::<Vec<_>>(),
    });
    match shape.channels {
        0 => report["symbols"] = json!(shape.symbols),
        channels => {
            report["channels"] = json!(channels);
            report["outputs"] = json!(shape.symbols);
            report["window"] = json!(shape.window);
            report["window_bytes"] = json!(shape.window_bytes());
        }
    }
    report
}

/// What a model does again and again.
struct Turn {
    one: &'static str,
    many: &'static str,
}

fn of(shape: &Shape) -> Turn {
    match shape.channels {
        0 => Turn {
            one: "character",
            many: "characters",
        },
        _ => Turn {
            one: "step",
            many: "steps",
        },
    }
}

/// The network in words.
fn network(shape: &Shape) -> String {
    let layers = shape.layers.iter().copied().map(layer_name);
    let dense = shape.dense.iter();
    let dense = dense.map(|dense| format!("dense {} {}", dense.width, dense.activation));
    let layers: Vec<String> = layers.chain(dense).collect();
    let layers = layers.join(", ");
    match shape.channels {
        0 => format!("{layers}, {} symbols", shape.symbols),
        channels => format!("{channels} channels, {layers}, {} outputs", shape.symbols),
    }
}

/// The whole report, for people.
pub(super) fn table(subject: &Subject, clock: Option<f64>) -> String {
    let shape = &subject.shape;
    let Turn { one, many } = of(shape);
    let mut facts = Vec::new();
    if let Some(parameters) = subject.parameters {
        facts.push(("parameters", grouped(parameters)));
    }
    facts.extend([
        ("network", network(shape)),
        ("format", shape.format.to_string()),
        (
            "model",
            format!(
                "{} bytes of flash, of which the name takes {}",
                grouped(subject.bytes.file),
                subject.name_bytes
            ),
        ),
        (
            "multiply-adds",
            format!("{} a {one}", grouped(subject.multiply_adds)),
        ),
    ]);
    if shape.window > 0 {
        let told = format!(
            "{} steps, {} bytes of RAM more; an answer costs so many steps",
            shape.window,
            grouped(shape.window_bytes())
        );
        facts.push(("window", told));
    }
    let facts = facts
        .into_iter()
        .map(|(what, value)| format!("{what:<14} {value}\n"));
    let mut text: String = facts.collect();
    text += "\n";
    text += &cores(shape);
    text += &format!(
        "bytes; instructions of a {one}, estimated from docs/bench.txt, with the largest\n\
         error on what was counted there{}; int4 skips zeros, at most it skips none;\n\
         cycles at zero wait states, as docs/CYCLES.md estimates them\n\n",
        match shape.channels {
            0 => "",
            _ => ", which was text",
        }
    );
    let heads = [
        "board",
        "core",
        "MHz",
        "model room",
        "RAM",
        &format!("{many}/s"),
        "fits",
    ];
    let row = |board: &Board| {
        let clock = clock.unwrap_or(board.clock);
        let outcome = board.try_model(shape, subject.bytes, clock);
        [
            board.name.to_owned(),
            board.core.to_owned(),
            (clock / 1e6).to_string(),
            grouped(board.model_room),
            grouped(board.ram),
            format!("{:.1}", outcome.characters_per_second),
            outcome
                .misfit
                .map_or("yes".to_owned(), |misfit| format!("no: {misfit}")),
        ]
    };
    text += &table::table(&heads, &[0, 1, 6], BOARDS.iter().map(row));
    text + &format!(
        "{many}/s: an estimate by the cycles (or one an instruction where they are not known)\n\
         and the time to read from flash that is a chip of its own; nobody has measured it\n"
    )
}

/// What it takes on each core.
fn cores(shape: &Shape) -> String {
    let heads = [
        "core",
        "engine",
        "RAM",
        "stack",
        "instructions",
        "at most",
        "error",
        "cycles",
    ];
    let row = |core: &Core| {
        [
            core.name.to_owned(),
            grouped(core.engine(shape.format)),
            grouped(core.ram(shape)),
            grouped(core.stack),
            grouped(core.instructions(shape).round() as usize),
            grouped(core.most_instructions(shape).round() as usize),
            format!("{:.1} %", 100.0 * core.error(shape.format)),
            core.cycles(shape)
                .map_or("-".to_owned(), |cycles| grouped(cycles.round() as usize)),
        ]
    };
    table::table(&heads, &[0], CORES.iter().map(row))
}
