//! The course of a run as a picture.

use crate::chart::{self, Line};
use crate::metrics::Row;

/// Bits per character over the characters read. A recipe of the notebook is shown beside the
/// notebook's own losses.
pub fn loss_curve(size: (u32, u32), rows: &[Row], notebook: Option<&[f64]>) -> String {
    let most = rows.last().map_or(0, |row| row.characters);
    let (unit, label) = match most {
        0..100_000 => (1.0, "characters read"),
        100_000..100_000_000 => (1e6, "million characters read"),
        _ => (1e9, "billion characters read"),
    };
    let points = |value: &dyn Fn(&Row) -> Option<f64>| -> Vec<(f64, f64)> {
        let point = |row: &Row| Some((row.characters as f64 / unit, value(row)?));
        rows.iter().filter_map(point).collect()
    };
    let mut lines = vec![
        Line {
            name: "training",
            color: 0,
            points: points(&|row| Some(row.train_bits())),
        },
        Line {
            name: "validation",
            color: 1,
            points: points(&|row| Some(row.validation_bits_per_char)),
        },
    ];
    if rows.iter().any(|row| row.average_bits_per_char.is_some()) {
        lines.push(Line {
            name: "averaged",
            color: 2,
            points: points(&|row| row.average_bits_per_char),
        });
    }
    if let Some(own) = notebook {
        let own = rows.iter().zip(own);
        let bits = |(row, nats): (&Row, &f64)| {
            (row.characters as f64 / unit, nats / std::f64::consts::LN_2)
        };
        lines.push(Line {
            name: "notebook",
            color: 3,
            points: own.map(bits).collect(),
        });
    }
    chart::lines(size, (label, "bits per character"), &lines)
}
