//! `cargo xtask record`: what an emulated board writes, as a moving picture for the README.

use std::{
    fs,
    io::{BufRead, BufReader},
    path::PathBuf,
};

use anyhow::{Context, Result, ensure};
use svg::{
    Document,
    node::element::{ClipPath, Group, Rectangle, Style, Text},
};

use crate::{
    boards::{self, Board, emulator},
    firmware, models, qemu,
    shell::root,
};

/// Of the text, as `cargo xtask demo` shows it to a person.
const CHARS_A_SECOND: f64 = 60.0;
/// Seconds for which the whole text stays.
const PAUSE: f64 = 5.0;
/// Of a character and of a line.
const CELL: [f64; 2] = [8.4, 19.0];
/// Around the text, and above it for the title.
const MARGIN: f64 = 16.0;
const TITLE: f64 = 32.0;
/// The narrowest and the widest text, in characters.
const COLUMNS: [usize; 2] = [60, 90];

/// Colors and letters. Whatever does not move pictures shows the whole text.
const STYLE: &str = "
:root { --ink: #1c1d21; --dim: #6b7280; --paper: #f6f7f9; --bar: #e4e6eb; }
@media (prefers-color-scheme: dark) {
  :root { --ink: #e6e6ea; --dim: #9a9ea8; --paper: #16171b; --bar: #26282e; }
}
text { fill: var(--ink); font: 14px ui-monospace, 'DejaVu Sans Mono', Menlo, Consolas, monospace; dominant-baseline: central; }
.dim { fill: var(--dim); }
.paper { fill: var(--paper); }
.bar { fill: var(--bar); }
@media (prefers-reduced-motion: reduce) { .cover { animation: none !important; } }
";

/// What is recorded, and where to.
#[derive(clap::Args)]
pub struct Options {
    /// The name of the board, which QEMU emulates
    #[arg(long, value_name = "BOARD", default_value = "mps2-an386", value_parser = Board::parse_emulated)]
    board: &'static Board,
    /// The model in its flash [default: the best in models/ that fits]
    #[arg(long, value_name = "FILE")]
    model: Option<PathBuf>,
    /// How many lines, with the first one, which is the firmware's own
    #[arg(long, value_name = "N", default_value_t = 16)]
    lines: usize,
    /// The file to write [default: docs/recording.svg]
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

/// `cargo xtask record`.
///
/// # Errors
///
/// The board does not run, or writes less; the file is not written.
pub fn run(options: &Options) -> Result<()> {
    let board = options.board;
    let default = || models::default(board);
    let model = options.model.clone().unwrap_or_else(default);
    let elf = firmware::build(board)?;
    let mut machine = qemu::Machine::start(board, &elf, Some(&model))?;
    let serial = machine.serial().context("the serial port is piped")?;
    let lines = BufReader::new(serial).lines().take(options.lines);
    let lines = lines.collect::<Result<Vec<_>, _>>()?;
    let expected = options.lines;
    ensure!(
        lines.len() == expected,
        "found {} lines, expected {expected}",
        lines.len()
    );
    let out = options.out.clone().unwrap_or_else(path);
    fs::write(&out, picture(&title(board)?, &lines)).with_context(|| out.display().to_string())?;
    println!("{}", out.display());
    Ok(())
}

/// The recording of the README.
pub fn path() -> PathBuf {
    root().join("docs/recording.svg")
}

/// The board and the model of the recording of the README.
pub fn default() -> (&'static Board, PathBuf) {
    let board = boards::default_board();
    (board, models::default(board))
}

/// What stands above the text.
///
/// # Errors
///
/// QEMU has no machine for the board.
pub fn title(board: &Board) -> Result<String> {
    let machine = &emulator(board)?.machine;
    Ok(format!(
        "{} of QEMU's {machine}, its serial port",
        board.core
    ))
}

/// These lines, written one character after the other: the first at once, as the firmware does.
pub fn picture(title: &str, lines: &[impl AsRef<str>]) -> String {
    let lines: Vec<_> = lines.iter().map(|line| line.as_ref().trim_end()).collect();
    let columns = lines.iter().map(|line| line.chars().count()).max();
    let columns = columns.unwrap_or(0).clamp(COLUMNS[0], COLUMNS[1]);
    let width = 2.0 * MARGIN + columns as f64 * CELL[0];
    let height = TITLE + 2.0 * MARGIN + lines.len() as f64 * CELL[1];
    let text = lines.iter().skip(1);
    let written: usize = text.map(|line| line.chars().count() + 1).sum();
    let seconds = written as f64 / CHARS_A_SECOND + PAUSE;

    let (mut style, mut group) = (
        STYLE.to_owned(),
        Group::new().set("clip-path", "url(#frame)"),
    );
    group = group
        .add(rectangle(0.0, 0.0, width, height).set("class", "paper"))
        .add(rectangle(0.0, 0.0, width, TITLE).set("class", "bar"))
        .add(words(MARGIN, TITLE / 2.0, title).set("class", "dim"));
    let mut start = 0;
    for (index, line) in lines.iter().enumerate() {
        let middle = TITLE + MARGIN + (index as f64 + 0.5) * CELL[1];
        let class = if index == 0 { "dim" } else { "" };
        let indent = line.chars().take_while(|c| *c == ' ').count();
        let x = MARGIN + indent as f64 * CELL[0];
        group = group.add(words(x, middle, line.trim_start()).set("class", class));
        let chars = line.chars().count();
        if index > 0 && chars > 0 {
            let at = |chars: usize| 100.0 * chars as f64 / CHARS_A_SECOND / seconds;
            let (begin, end) = (at(start), at(start + chars));
            // A cover over the line, which moves away by a character at a time. Letters reach a little out of
            // their cells.
            let distance = chars as f64 * CELL[0] + 4.0;
            style += &format!(
                "@keyframes line-{index} {{\n\
                 0%, {begin:.2}% {{ transform: translateX(0); animation-timing-function: steps({chars}); }}\n\
                 {end:.2}%, 100% {{ transform: translateX({distance:.1}px); }}\n}}\n\
                 .line-{index} {{ transform: translateX({width:.0}px); animation: line-{index} {seconds:.1}s infinite; }}\n"
            );
            let top = middle - CELL[1] / 2.0;
            let cover = rectangle(MARGIN - 2.0, top, distance, CELL[1]);
            group = group.add(cover.set("class", format!("paper cover line-{index}")));
        }
        start += if index > 0 { chars + 1 } else { 0 };
    }
    let frame = rectangle(0.0, 0.0, width, height).set("rx", 8);
    let document = Document::new()
        .set("viewBox", (0, 0, width.round(), height.round()))
        .set("role", "img")
        .add(svg::node::element::Title::new(title))
        .add(Style::new(style))
        .add(ClipPath::new().set("id", "frame").add(frame))
        .add(group);
    document.to_string() + "\n"
}

fn rectangle(x: f64, y: f64, width: f64, height: f64) -> Rectangle {
    let tenths = |x: f64| (10.0 * x).round() / 10.0;
    Rectangle::new()
        .set("x", tenths(x))
        .set("y", tenths(y))
        .set("width", tenths(width))
        .set("height", tenths(height))
}

/// Text whose letters are as wide as a cell in every font. Spaces would be taken together.
fn words(x: f64, y: f64, content: &str) -> Text {
    let width = content.chars().count() as f64 * CELL[0];
    Text::new(content.replace(' ', "\u{a0}"))
        .set("x", format!("{x:.1}"))
        .set("y", format!("{y:.1}"))
        .set("textLength", format!("{width:.1}"))
        .set("lengthAdjust", "spacingAndGlyphs")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_but_the_first_is_written_after_the_one_before() {
        let picture = picture("a board", &["# model a", "to be", "", "  or not "]);
        assert_eq!(picture.matches("class=\"paper cover ").count(), 2);
        // 6 and 1 and 9 characters at 60 a second, and a pause of 5 seconds.
        let (seconds, percent) = (5.0 + 16.0 / 60.0, |chars: f64| {
            100.0 * chars / 60.0 / (5.0 + 16.0 / 60.0)
        });
        for part in [
            format!(
                "0%, {:.2}% {{ transform: translateX(0); animation-timing-function: steps(5); }}",
                percent(0.0)
            ),
            format!(
                "\n{:.2}%, 100% {{ transform: translateX(46.0px); }}",
                percent(5.0)
            ),
            format!(
                "0%, {:.2}% {{ transform: translateX(0); animation-timing-function: steps(8); }}",
                percent(7.0)
            ),
            format!("animation: line-3 {seconds:.1}s infinite;"),
            // Without the spaces before it, but where they put it.
            format!("x=\"{:.1}\"", MARGIN + 2.0 * CELL[0]),
            "\nor\u{a0}not\n".into(),
        ] {
            assert!(picture.contains(&part), "{part} in {picture}");
        }
    }
}
