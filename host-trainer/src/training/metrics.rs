//! The course of a run: a row a validation, as CSV for people and as JSON lines for programs.

use crate::files::error::{Error, Result};
use serde::ser::SerializeMap;
use serde::{Deserialize, Serialize, Serializer};
use std::path::Path;

/// What the numbers of a row hold, as the files name them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Columns {
    counted: &'static str,
    train: &'static str,
    validation: &'static str,
    average: &'static str,
}

impl Columns {
    /// Of a network that writes text.
    pub const TEXT: Self = Self {
        counted: "characters",
        train: "train_nats",
        validation: "validation_bits_per_char",
        average: "average_bits_per_char",
    };
    /// Of one that tells classes of data.
    pub const CLASSES: Self = Self {
        counted: "steps",
        train: "train_nats",
        validation: "validation_bits_per_answer",
        average: "average_bits_per_answer",
    };
    /// Of one that tells values.
    pub const VALUES: Self = Self {
        counted: "steps",
        train: "train_squared_deviations",
        validation: "validation_squared_deviations",
        average: "average_squared_deviations",
    };

    /// The first line of the CSV.
    pub fn header(&self) -> String {
        format!(
            "phase,update,epoch,{},seconds,learning_rate,{},{},{}\n",
            self.counted, self.train, self.validation, self.average
        )
    }
}

/// What one validation found. Its fields are called as those of a text are; [`Columns`] has the names in the files.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Row {
    /// Name of the phase.
    pub phase: String,
    /// Updates made in this phase, one a batch.
    pub update: u64,
    /// Epochs done in this phase.
    pub epoch: f64,
    /// Characters, or steps of data, read in all.
    #[serde(alias = "steps")]
    pub characters: u64,
    /// Seconds of training in all.
    pub seconds: f64,
    /// The learning rate now.
    pub learning_rate: f64,
    /// Mean loss of the batches since the last validation, in nats or squared deviations.
    #[serde(alias = "train_squared_deviations")]
    pub train_nats: f64,
    /// Of the weights, on the validation part.
    #[serde(
        alias = "validation_bits_per_answer",
        alias = "validation_squared_deviations"
    )]
    pub validation_bits_per_char: f64,
    /// Of the averaged weights, where they are kept.
    #[serde(
        default,
        alias = "average_bits_per_answer",
        alias = "average_squared_deviations"
    )]
    pub average_bits_per_char: Option<f64>,
}

impl Row {
    /// The row as a line of CSV.
    pub fn to_csv(&self) -> String {
        let average = self.average_bits_per_char.map(|bits| format!("{bits:.5}"));
        format!(
            "{},{},{:.3},{},{:.1},{:.3e},{:.5},{:.5},{}\n",
            self.phase,
            self.update,
            self.epoch,
            self.characters,
            self.seconds,
            self.learning_rate,
            self.train_nats,
            self.validation_bits_per_char,
            average.unwrap_or_default()
        )
    }

    /// The row as a line of JSON.
    pub fn to_json(&self, columns: &Columns) -> String {
        serde_json::to_string(&Named(self, columns)).expect("plain data") + "\n"
    }

    /// The epoch that ended with this validation, from one; `None` if it came within one.
    pub fn whole_epoch(&self) -> Option<usize> {
        (self.epoch >= 1.0 && self.epoch.fract() == 0.0).then_some(self.epoch as usize)
    }

    /// How many epochs are done, for people.
    pub fn epoch_name(&self) -> String {
        match self.whole_epoch() {
            Some(epoch) => epoch.to_string(),
            None => format!("{:.2}", self.epoch),
        }
    }

    /// The better of the weights and their average, on the validation part.
    pub fn lowest(&self) -> f64 {
        let average = self.average_bits_per_char.unwrap_or(f64::INFINITY);
        self.validation_bits_per_char.min(average)
    }

    /// The notebook's own loss at this epoch.
    pub fn notebook_loss(&self, losses: &[f64]) -> Option<f64> {
        losses.get(self.whole_epoch()? - 1).copied()
    }

    /// Mean loss of the batches since the last validation, in bits.
    pub fn train_bits(&self) -> f64 {
        self.train_nats / std::f64::consts::LN_2
    }
}

/// A row with the names of its columns.
struct Named<'a>(&'a Row, &'a Columns);

impl Serialize for Named<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self(row, columns) = self;
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("phase", &row.phase)?;
        map.serialize_entry("update", &row.update)?;
        map.serialize_entry("epoch", &row.epoch)?;
        map.serialize_entry(columns.counted, &row.characters)?;
        map.serialize_entry("seconds", &row.seconds)?;
        map.serialize_entry("learning_rate", &row.learning_rate)?;
        map.serialize_entry(columns.train, &row.train_nats)?;
        map.serialize_entry(columns.validation, &row.validation_bits_per_char)?;
        map.serialize_entry(columns.average, &row.average_bits_per_char)?;
        map.end()
    }
}

/// The most bits per character that a network of so many symbols may have and still be kept as the best: as if it
/// guessed among twice as many.
pub(crate) fn most_plausible(symbols: usize) -> f64 {
    guessing(symbols) + 1.0
}

/// The bits per character of a guess among so many symbols.
fn guessing(symbols: usize) -> f64 {
    (symbols as f64).log2()
}

/// A line about bits that are more than [`most_plausible`], and their units.
pub(crate) fn absurd(bits: f64, symbols: usize, [unit, guessed]: [&str; 2]) -> String {
    format!(
        "not kept: {bits:.2} {unit} is far above the {:.2} of guessing among {symbols} {guessed}; a lower \
         --learning-rate or --grad-clip may help",
        guessing(symbols)
    )
}

/// The row of the lowest validation.
pub fn best(rows: &[Row]) -> Option<&Row> {
    let rows = rows.iter();
    rows.min_by(|a, b| a.lowest().total_cmp(&b.lowest()))
}

/// The rows of a file of JSON lines.
///
/// # Errors
/// The file cannot be read, or a line is no row.
pub fn read(path: &Path) -> Result<Vec<Row>> {
    let text = std::fs::read_to_string(path).map_err(|e| Error::reading(path, &e))?;
    parse(path, &text)
}

/// As [`read`], from the text of a file; `path` only names it in errors.
///
/// # Errors
/// A line is no row.
pub fn parse(path: &Path, text: &str) -> Result<Vec<Row>> {
    let row = |(number, line)| {
        serde_json::from_str(line).map_err(|e| {
            Error::bad_input(format!(
                "{} line {}: {e}, expected a row of metrics",
                path.display(),
                number + 1
            ))
        })
    };
    // The last line may be under way.
    let whole = &text[..text.rfind('\n').map_or(0, |at| at + 1)];
    whole.lines().enumerate().map(row).collect()
}

/// The losses of a recipe of the notebook beside the notebook's own, as Markdown.
pub fn notebook_table(rows: &[Row], own: &[f64]) -> String {
    let mut table = "| epoch | loss | the notebook's own run | difference |\n\
                     | --- | --- | --- | --- |\n"
        .to_owned();
    for row in rows {
        let (epoch, loss) = (row.epoch_name(), row.train_nats);
        table += &match row.notebook_loss(own) {
            Some(own) => format!(
                "| {epoch} | {loss:.4} | {own:.4} | {:+.1} % |\n",
                100.0 * (loss / own - 1.0)
            ),
            None => format!("| {epoch} | {loss:.4} | | |\n"),
        };
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row() -> Row {
        Row {
            phase: "train".into(),
            update: 747,
            epoch: 1.0,
            characters: 3_824_400,
            seconds: 12.34,
            learning_rate: 1e-3,
            train_nats: 2.4,
            validation_bits_per_char: 3.25,
            average_bits_per_char: None,
        }
    }

    #[test]
    fn a_row_has_a_field_for_each_column() {
        let line = row().to_csv();
        assert_eq!(
            line,
            "train,747,1.000,3824400,12.3,1.000e-3,2.40000,3.25000,\n"
        );
        let fields = |line: &str| line.split(',').count();
        for columns in [Columns::TEXT, Columns::CLASSES, Columns::VALUES] {
            assert_eq!(fields(&line), fields(&columns.header()));
        }
    }

    #[test]
    fn json_lines_come_back_and_a_bad_one_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("metrics.jsonl");
        let averaged = Row {
            average_bits_per_char: Some(0.1 + 0.2),
            ..row()
        };
        let mut text = String::new();
        for columns in [Columns::CLASSES, Columns::VALUES, Columns::TEXT] {
            text = row().to_json(&columns) + &averaged.to_json(&columns);
            // The names are those of the CSV.
            let header = columns.header();
            let names = header.trim().split(',');
            assert!(
                names
                    .clone()
                    .all(|name| text.contains(&format!("\"{name}\":")))
            );
            std::fs::write(&path, &text).unwrap();
            assert_eq!(read(&path).unwrap(), [row(), averaged.clone()]);
        }
        std::fs::write(&path, text.clone() + "{\"phase\": \"tra").unwrap();
        assert_eq!(read(&path).unwrap().len(), 2);
        std::fs::write(&path, text + "{\"phase\": 3}\n").unwrap();
        let error = read(&path).unwrap_err().to_string();
        assert!(error.contains("metrics.jsonl line 3: "), "{error}");
    }

    #[test]
    fn the_difference_is_signed() {
        let at = |epoch| Row { epoch, ..row() };
        let table = notebook_table(&[at(1.0), at(1.5), at(2.0), at(3.0)], &[2.5, 2.0]);
        let lines: Vec<&str> = table.lines().skip(2).collect();
        let expected = [
            "| 1 | 2.4000 | 2.5000 | -4.0 % |",
            "| 1.50 | 2.4000 | | |",
            "| 2 | 2.4000 | 2.0000 | +20.0 % |",
            "| 3 | 2.4000 | | |",
        ];
        assert_eq!(lines, expected);
        assert_eq!(at(0.0).whole_epoch(), None);
    }
}
