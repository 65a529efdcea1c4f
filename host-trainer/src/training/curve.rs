//! The course of a run as a picture.

use crate::training::chart::{self, Line};
use crate::training::metrics::Row;
use crate::training::run_config::RunConfig;

/// Bits per character over the characters read, or over the reports where phases of very different
/// lengths follow each other. A run of the notebook is shown beside the notebook's own losses.
pub(crate) fn loss_curve(size: (u32, u32), config: &RunConfig, rows: &[Row]) -> String {
    let (places, label) = places(rows);
    let points = |value: &dyn Fn(&Row) -> Option<f64>| -> Vec<(f64, f64)> {
        let point = |(row, &x): (&Row, &f64)| Some((x, value(row)?));
        rows.iter().zip(&places).filter_map(point).collect()
    };
    let mut lines = vec![
        Line {
            name: "training".into(),
            color: 0,
            points: points(&|row| Some(row.train_bits())),
        },
        Line {
            name: if config.holds_out() {
                "validation"
            } else {
                "validation (trained on)"
            }
            .into(),
            color: 1,
            points: points(&|row| Some(row.validation_bits_per_char)),
        },
    ];
    if rows.iter().any(|row| row.average_bits_per_char.is_some()) {
        lines.push(Line {
            name: "averaged".into(),
            color: 2,
            points: points(&|row| row.average_bits_per_char),
        });
    }
    if let Some(own) = config.notebook_losses() {
        lines.push(Line {
            name: "notebook".into(),
            color: 3,
            points: points(&|row| Some(row.notebook_loss(own)? / std::f64::consts::LN_2)),
        });
    }
    chart::lines(size, (&label, "bits per character"), &lines)
}

/// The losses of a network that reads values over the epochs, in `unit`; so many of the training's are one of it.
pub(crate) fn value_curve(size: (u32, u32), unit: &str, train_unit: f64, rows: &[Row]) -> String {
    let line = |name: &str, color, value: &dyn Fn(&Row) -> f64| Line {
        name: name.into(),
        color,
        points: rows.iter().map(|row| (row.epoch, value(row))).collect(),
    };
    let lines = [
        line("training", 0, &|row| row.train_nats / train_unit),
        line("validation", 1, &Row::lowest),
    ];
    chart::lines(size, ("epoch", unit), &lines)
}

/// Where each row stands on the axis, and what the axis is.
fn places(rows: &[Row]) -> (Vec<f64>, String) {
    let second = rows.iter().position(|row| row.phase != rows[0].phase);
    if let Some(second) = second {
        let reports = (1..=rows.len()).map(|n| n as f64).collect();
        let (first, then) = (&rows[0].phase, &rows[second].phase);
        return (
            reports,
            format!("report ({first} to {second}, then {then})"),
        );
    }
    let (unit, label) = characters_axis(rows.last().map_or(0, |row| row.characters));
    let place = |row: &Row| row.characters as f64 / unit;
    (rows.iter().map(place).collect(), label.to_owned())
}

/// The unit of an axis of characters, of which it shows so many, and what it is.
fn characters_axis(characters: u64) -> (f64, &'static str) {
    match characters {
        0..100_000 => (1.0, "characters read"),
        100_000..1_000_000_000 => (1e6, "million characters read"),
        _ => (1e9, "billion characters read"),
    }
}

/// The validation of several runs over the characters read, without a legend: the line of run n has the color n.
pub(crate) fn validation_curves(size: (u32, u32), runs: &[&[Row]]) -> String {
    let last = runs.iter().filter_map(|rows| rows.last());
    let (unit, label) = characters_axis(last.map(|row| row.characters).max().unwrap_or(0));
    let point = |row: &Row| (row.characters as f64 / unit, row.lowest());
    let line = |(color, rows): (usize, &&[Row])| Line {
        name: String::new(),
        color,
        points: rows.iter().map(point).collect(),
    };
    let lines: Vec<Line> = runs.iter().enumerate().map(line).collect();
    chart::lines(size, (label, "bits per character"), &lines)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn phases_are_shown_by_reports() {
        let row = |phase: &str, characters| Row {
            phase: phase.into(),
            update: 1,
            epoch: 1.0,
            characters,
            seconds: 1.0,
            learning_rate: 1e-3,
            train_nats: 1.0,
            validation_bits_per_char: 2.0,
            average_bits_per_char: None,
        };
        let one = [row("train", 2_000_000), row("train", 4_000_000)];
        let expected = (vec![2.0, 4.0], "million characters read".to_owned());
        assert_eq!(places(&one), expected);
        let two = [
            row("pre-train", 50),
            row("pre-train", 60),
            row("fine-tune", 61),
        ];
        let label = "report (pre-train to 2, then fine-tune)".to_owned();
        assert_eq!(places(&two), (vec![1.0, 2.0, 3.0], label));
        assert!(places(&[]).0.is_empty());
    }
}
