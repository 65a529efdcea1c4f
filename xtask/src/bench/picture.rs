//! The instructions as a picture, for the README.

use svg::{
    Document,
    node::element::{Rectangle, Style, Text},
};

use crate::table::grouped;

/// Colors of the text, the background and the bars of a group, in light and dark.
const STYLE: &str = "
:root { --ink: #1c1d21; --paper: #ffffff; --bar-1: #b4b8c2; --bar-2: #1f6feb; --bar-3: #0f8a5f; }
@media (prefers-color-scheme: dark) {
  :root { --ink: #e6e6ea; --paper: #16171b; --bar-1: #5b5f6b; --bar-2: #6ea8fe; --bar-3: #4cc38a; }
}
svg { background: var(--paper); }
text { fill: var(--ink); font: 14px sans-serif; dominant-baseline: central; }
.title { font-weight: bold; }
";
const WIDTH: f64 = 760.0;
const MARGIN: f64 = 16.0;
const LINE: f64 = 24.0;
/// Between groups, and between the bars of one.
const GAPS: [f64; 2] = [14.0, 2.0];
const BAR: f64 = 18.0;
/// Where the bars begin, and how long the longest is.
const BARS: [f64; 2] = [130.0, 430.0];

/// Bars under a common name.
pub(super) struct Group {
    /// What is compared.
    pub(super) name: String,
    /// One each of the legend; the first is what the others are measured by.
    pub(super) values: Vec<f64>,
}

/// Horizontal bars, with their values and how many times less than the first of the group they are.
pub(super) fn bars(title: &str, legend: &[&str], groups: &[Group]) -> String {
    let values = || groups.iter().flat_map(|group| &group.values);
    let longest = values().copied().fold(1.0, f64::max);
    let mut document = Document::new()
        .add(Style::new(STYLE))
        .add(text(MARGIN, MARGIN + LINE / 2.0, title).set("class", "title"));

    let mut y = MARGIN + 1.5 * LINE;
    for (index, name) in legend.iter().enumerate() {
        let x = MARGIN + index as f64 * (WIDTH - 2.0 * MARGIN) / legend.len() as f64;
        let square = bar(index, x, y - BAR / 2.0, BAR);
        document = document.add(square).add(text(x + 1.5 * BAR, y, name));
    }
    y += LINE;
    for group in groups {
        document = document.add(text(MARGIN, y + BAR / 2.0, &group.name));
        for (index, &value) in group.values.iter().enumerate() {
            let [left, room] = BARS;
            let length = room * value / longest;
            let mut label = grouped(value.round() as u64);
            if index > 0 {
                label += &format!(": {:.2} times fewer", group.values[0] / value);
            }
            let beside = text(left + length + 6.0, y + BAR / 2.0, &label);
            document = document.add(bar(index, left, y, length)).add(beside);
            y += BAR + GAPS[1];
        }
        y += GAPS[0];
    }
    document.set("viewBox", (0, 0, WIDTH, y)).to_string() + "\n"
}

fn bar(color: usize, x: f64, y: f64, width: f64) -> Rectangle {
    Rectangle::new()
        .set("x", tenths(x))
        .set("y", y)
        .set("width", tenths(width))
        .set("height", BAR)
        .set("rx", 2)
        .set("style", format!("fill: var(--bar-{})", color + 1))
}

fn text(x: f64, y: f64, content: &str) -> Text {
    Text::new(content).set("x", tenths(x)).set("y", y)
}

fn tenths(x: f64) -> f64 {
    (10.0 * x).round() / 10.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bar_is_as_long_as_its_value() {
        let groups = [
            Group {
                name: "one".into(),
                values: vec![2000.0, 500.0],
            },
            Group {
                name: "two".into(),
                values: vec![1000.0, 1000.0],
            },
        ];
        let picture = bars("title", &["theirs", "ours"], &groups);
        for part in [
            "width=\"430\"",
            "width=\"107.5\"",
            "width=\"215\"",
            "500: 4.00 times fewer",
        ] {
            assert!(picture.contains(part), "{part} in {picture}");
        }
    }
}
