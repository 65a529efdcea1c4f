//! The figures of the chips follow docs/bench.txt. `BLESS=1 cargo test -p host-trainer --test cost` renews them
//! after a new count.

use host_trainer::hardware::cost::{Core, FORMATS, Fit, Lookups, Shape, estimates};
use host_trainer::hardware::figures::CORES;
use host_trainer::model::file::ModelFile;
use lstm_core::export::COLUMN_ALIGN;
use lstm_core::{Format, LayerShape};
use std::fmt::Write;

const BENCH: &str = include_str!("../../docs/bench.txt");

fn place(format: Format) -> usize {
    FORMATS.iter().position(|&f| f == format).unwrap()
}

/// A line of `docs/bench.txt`.
struct Count {
    core: &'static str,
    shape: Shape,
    /// On average, and at most.
    instructions: [f64; 2],
    /// Likewise, where they are known.
    cycles: Option<[f64; 2]>,
    ram: usize,
    stack: usize,
}

/// A line about a shipped model with a memory.
struct MemoryCount {
    core: &'static str,
    shape: Shape,
    instructions: f64,
    cycles: Option<f64>,
}

/// The counts, and for each core the bytes of the engine built for each format.
struct Bench {
    counts: Vec<Count>,
    memories: Vec<MemoryCount>,
    engines: Vec<(&'static str, [usize; FORMATS.len()])>,
}

/// The networks of the benchmark, by their letters.
fn network(letter: &str) -> Option<LayerShape> {
    match letter {
        "A" => Some(LayerShape::lstm(64)),
        "B" => Some(LayerShape::lstm(256)),
        "C" => Some(LayerShape::cifg(384).project(96)),
        "D" => Some(LayerShape::cifg(96).project(32)),
        _ => None,
    }
}

fn read(text: &'static str) -> Bench {
    let number = |cell: &str| cell.replace(',', "").parse::<usize>().ok();
    let (mut counts, mut memories, mut engines) = (Vec::new(), Vec::new(), Vec::new());
    let symbols = text.lines().find_map(|line| line.strip_suffix(" symbols."));
    let symbols = symbols.and_then(|n| n.parse().ok()).unwrap_or(0);
    for line in text.lines() {
        let cells: Vec<&'static str> = line.split_whitespace().collect();
        match cells[..] {
            [
                _,
                core,
                format,
                letter,
                mean,
                _,
                _,
                most,
                cycles,
                _,
                _,
                most_cycles,
                ..,
                ram,
                stack,
            ] if cells.len() == 21 => {
                let format = FORMATS.into_iter().find(|f| f.name() == format);
                let (Some(format), Some(layer)) = (format, network(letter)) else {
                    continue;
                };
                counts.push(Count {
                    core,
                    shape: Shape::text(format, vec![layer], symbols),
                    instructions: [mean, most].map(|n| number(n).unwrap_or(0) as f64),
                    cycles: match [cycles, most_cycles].map(number) {
                        [Some(mean), Some(most)] => Some([mean as f64, most as f64]),
                        _ => None,
                    },
                    ram: number(ram).unwrap_or(0),
                    stack: number(stack).unwrap_or(0),
                });
            }
            [model, core, format, instructions, cycles]
                if FORMATS.into_iter().any(|f| f.name() == format) =>
            {
                let path = format!("{}/../models/{model}.lstm", env!("CARGO_MANIFEST_DIR"));
                let file = ModelFile::load(path.as_ref()).unwrap();
                memories.push(MemoryCount {
                    core,
                    shape: Shape::of(&file.model().unwrap()),
                    instructions: number(instructions).unwrap() as f64,
                    cycles: number(cycles).map(|n| n as f64),
                });
            }
            [
                _,
                core,
                ref formats @ ..,
                code,
                constants,
                sum,
                runtime,
                variables,
            ] => {
                // int4 has int8 in it.
                let format = match formats {
                    ["f32"] => Format::F32,
                    ["int8"] => Format::Int8,
                    ["int8", "int4"] => Format::Int4,
                    _ => continue,
                };
                let sizes = [code, constants, sum, runtime, variables].map(number);
                let [_, _, Some(sum), _, Some(_)] = sizes else {
                    continue;
                };
                if engines.iter().all(|&(name, _)| name != core) {
                    engines.push((core, [0; FORMATS.len()]));
                }
                if let Some((_, bytes)) = engines.iter_mut().find(|(name, _)| *name == core) {
                    bytes[place(format)] = sum;
                }
            }
            _ => {}
        }
    }
    Bench {
        counts,
        memories,
        engines,
    }
}

fn cores(bench: &Bench) -> Vec<Core> {
    let core = |&(name, engines): &(&'static str, [usize; FORMATS.len()])| {
        let counts = || bench.counts.iter().filter(|count| count.core == name);
        let fit = |format| {
            let counts: Vec<&Count> = counts().filter(|c| c.shape.format == format).collect();
            fit(&counts)
        };
        let core = Core {
            name,
            engines,
            stack: counts().map(|count| count.stack).max().unwrap_or(0),
            fits: FORMATS.map(fit),
            lookups: Lookups::default(),
        };
        let memories = bench.memories.iter().filter(|count| count.core == name);
        Core {
            lookups: lookups(&core, &memories.collect::<Vec<_>>()),
            ..core
        }
    };
    bench.engines.iter().map(core).collect()
}

/// What models with a memory take beyond their networks, on average; of a core without a cost of look-ups.
fn lookups(core: &Core, counts: &[&MemoryCount]) -> Lookups {
    let mean = |more: Vec<f64>| more.iter().sum::<f64>() / more.len() as f64;
    let instructions = counts
        .iter()
        .map(|count| count.instructions - core.instructions(&count.shape));
    let cycles = counts.iter().map(|count| {
        let network = Shape {
            has_memory: false,
            ..count.shape.clone()
        };
        Some(count.cycles? - core.cycles(&network)?)
    });
    Lookups {
        instructions: mean(instructions.collect()),
        cycles: cycles.collect::<Option<Vec<f64>>>().map(mean),
    }
}

/// The factors of what `of` gives of each count, on average and at most.
fn factors(counts: &[&Count], of: impl Fn(&Count) -> [f64; 2]) -> [[f64; 3]; 2] {
    [0, 1].map(|which| {
        // The normal equations of `sum (per · x / y - 1)^2`.
        let mut equations = [[0.0; 4]; 3];
        for count in counts {
            let x = count.shape.counted()[which].map(|n| n / of(count)[which]);
            for (equation, a) in equations.iter_mut().zip(x) {
                let row = x.iter().copied().chain([1.0]);
                equation.iter_mut().zip(row).for_each(|(e, b)| *e += a * b);
            }
        }
        solve(equations)
    })
}

fn fit(counts: &[&Count]) -> Fit {
    let per = factors(counts, |count| count.instructions);
    let have_cycles = counts.iter().all(|count| count.cycles.is_some());
    let cycles = || factors(counts, |count| count.cycles.unwrap_or_default());
    let error = |count: &&Count| {
        let found = estimates(&per, &count.shape).into_iter();
        let errors = found
            .zip(count.instructions)
            .map(|(f, e)| (f / e - 1.0).abs());
        errors.fold(0.0, f64::max)
    };
    let columns =
        |count: &&Count| (count.ram - count.shape.ram(0)) * COLUMN_ALIGN / count.shape.widest();
    Fit {
        per,
        cycles: have_cycles.then(cycles),
        error: counts.iter().map(error).fold(0.0, f64::max),
        column_bytes: counts.first().map_or(0, columns),
    }
}

/// Three linear equations, the right side in the last column, by elimination.
fn solve(mut equations: [[f64; 4]; 3]) -> [f64; 3] {
    for i in 0..3 {
        let pivot = equations[i].map(|x| x / equations[i][i]);
        for (j, row) in equations.iter_mut().enumerate() {
            let factor = row[i];
            match j == i {
                true => *row = pivot,
                false => row
                    .iter_mut()
                    .zip(pivot)
                    .for_each(|(x, p)| *x -= factor * p),
            }
        }
    }
    equations.map(|row| row[3])
}

fn named(name: &str) -> &'static Core {
    CORES.iter().find(|core| core.name == name).unwrap()
}

#[test]
fn the_figures_are_those_of_the_bench() {
    let fitted = cores(&read(BENCH));
    if std::env::var_os("BLESS").is_some() {
        let mut source =
            "//! What was fitted to docs/bench.txt by the test `cost`, which renews this file.\n\n\
                          use super::cost::{Core, Fit, Lookups};\n\n\
                          /// The cores that were counted on.\n\
                          pub static CORES: [Core; 4] = ["
                .to_owned();
        for core in &fitted {
            write!(source, "{core:?},").unwrap();
        }
        source += "];\n";
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/src/hardware/figures.rs");
        std::fs::write(path, source).unwrap();
        return;
    }
    assert_eq!(fitted.len(), CORES.len());
    for (fitted, core) in fitted.iter().zip(&CORES) {
        assert_eq!(
            (fitted.name, fitted.stack, fitted.engines),
            (core.name, core.stack, core.engines)
        );
        let lookups = [fitted.lookups, core.lookups];
        let [found, expected] = lookups.map(|l| [l.instructions, l.cycles.unwrap_or(0.0)]);
        for (found, expected) in found.into_iter().zip(expected) {
            assert!((found - expected).abs() < 1e-6 * expected.max(1.0));
        }
        for (fitted, fit) in fitted.fits.iter().zip(&core.fits) {
            assert_eq!(fitted.column_bytes, fit.column_bytes);
            let cycles = |fit: &Fit| fit.cycles.map_or(vec![], |cycles| cycles.concat());
            let numbers = |fit: &Fit| [fit.per.concat(), cycles(fit), vec![fit.error]].concat();
            assert_eq!(fitted.cycles.is_some(), fit.cycles.is_some());
            for (fitted, number) in numbers(fitted).into_iter().zip(numbers(fit)) {
                assert!(
                    (fitted / number - 1.0).abs() < 1e-6,
                    "{}: {fitted}, {number}",
                    core.name
                );
            }
        }
    }
}

#[test]
fn the_estimates_are_near_every_count() {
    if std::env::var_os("BLESS").is_some() {
        // The figures in this program are those before.
        return;
    }
    let bench = read(BENCH);
    assert_eq!((bench.engines.len(), bench.counts.len()), (4, 48));
    // Looking up costs about the same beside every network.
    assert_eq!(bench.memories.len() % bench.engines.len(), 0);
    assert!(!bench.memories.is_empty());
    for count in &bench.memories {
        let core = named(count.core);
        let error = core.instructions(&count.shape) / count.instructions - 1.0;
        assert!(error.abs() < 0.03, "{}: {error}", core.name);
        assert!((1000.0..5000.0).contains(&core.lookups.instructions));
        assert_eq!(core.cycles(&count.shape).is_some(), count.cycles.is_some());
    }
    for count in &bench.counts {
        let core = named(count.core);
        let shape = &count.shape;
        let found = [core.instructions(shape), core.most_instructions(shape)];
        for (found, expected) in found.into_iter().zip(count.instructions) {
            let error = found / expected - 1.0;
            assert!(error.abs() <= 0.025, "{} {shape:?}: {error}", core.name);
            assert!(error.abs() <= core.error(shape.format) + 1e-12);
        }
        let cycles = core.cycles(shape).zip(count.cycles);
        if let Some((found, [expected, _])) = cycles {
            let error = found / expected - 1.0;
            assert!(error.abs() <= 0.025, "{} {shape:?}: {error}", core.name);
        }
        // Of three cores, but soft floats.
        let are_counted = core.name.starts_with("Cortex")
            && (shape.format != Format::F32 || core.name.ends_with('F'));
        assert_eq!(cycles.is_some(), are_counted);
        // Only int4 skips anything.
        let is_longer = count.instructions[1] > 1.03 * count.instructions[0];
        assert_eq!(is_longer, shape.format == Format::Int4);
        assert!(core.engines.iter().all(|&bytes| bytes > 1000));
        assert!(
            core.fits
                .iter()
                .all(|fit| fit.per.iter().flatten().all(|&p| p > 0.0))
        );
    }
}

#[test]
fn ram_is_what_the_engine_takes() {
    for count in read(BENCH).counts {
        assert_eq!(named(count.core).ram(&count.shape), count.ram);
    }
    // On this computer the columns may be packed otherwise, but in one way for all shapes.
    let lstm = LayerShape::lstm;
    let cifg = LayerShape::cifg;
    for format in FORMATS {
        let column_bytes: Vec<usize> = [
            vec![lstm(64)],
            vec![lstm(33), lstm(70).project(21)],
            vec![cifg(384).project(96)],
            vec![cifg(97).project(31), cifg(50), lstm(10)],
        ]
        .into_iter()
        .map(|layers| {
            let shape = Shape::text(format, layers, 0);
            let bytes = 4 * lstm_core::workspace_words(format, &shape.layers) - shape.ram(0);
            assert_eq!(COLUMN_ALIGN * bytes % shape.widest(), 0, "{shape:?}");
            COLUMN_ALIGN * bytes / shape.widest()
        })
        .collect();
        assert!(column_bytes.iter().all(|&b| b == column_bytes[0]));
    }
}

#[test]
fn equations_are_solved() {
    let solved = solve([
        [2.0, 1.0, 0.0, 4.0],
        [1.0, 3.0, 1.0, 10.0],
        [0.0, 1.0, 4.0, 14.0],
    ]);
    for (found, expected) in solved.into_iter().zip([1.0, 2.0, 3.0]) {
        assert!((found - expected).abs() < 1e-12);
    }
}
