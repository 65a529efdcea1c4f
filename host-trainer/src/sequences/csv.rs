//! Sequences in a `.csv` with a line of names: a step a line.
//!
//! Lines that follow each other with the same text in the column `sequence` are one sequence; without that column all
//! lines are. The column `class` has the sequence's class, a name. Columns whose names begin with `target` are values to be told, at
//! each step. All other columns are channels.

use super::{Sequence, Sequences, Target, Targets};
use lstm_core::MAX_CHANNELS;

/// What a column holds.
enum Column {
    Sequence,
    Class,
    Target,
    Channel,
}

pub(super) fn read(bytes: &[u8]) -> Result<Sequences, String> {
    let mut reader = csv::ReaderBuilder::new()
        .trim(csv::Trim::All)
        .from_reader(bytes);
    let one_line = |e: csv::Error| format!("found no .csv ({e}), expected lines of values");
    let names = reader.headers().map_err(one_line)?.clone();
    let columns: Vec<Column> = names
        .iter()
        .map(|name| match name {
            "sequence" => Column::Sequence,
            "class" => Column::Class,
            name if name.starts_with("target") => Column::Target,
            _ => Column::Channel,
        })
        .collect();
    let of_kind = |is: fn(&Column) -> bool| -> Vec<String> {
        let named = names.iter().zip(&columns);
        let named = named.filter(|(_, column)| is(column));
        named.map(|(name, _)| name.to_owned()).collect()
    };
    let channels = of_kind(|column| matches!(column, Column::Channel));
    let values = of_kind(|column| matches!(column, Column::Target));
    let has_class = columns.iter().any(|column| matches!(column, Column::Class));
    for (what, found, least) in [
        ("channels", channels.len(), 1),
        ("targets", values.len(), 0),
    ] {
        if !(least..=MAX_CHANNELS).contains(&found) {
            return Err(format!(
                "found {found} columns of {what}, expected {least} to {MAX_CHANNELS}: a first line of names, then numbers"
            ));
        }
    }
    if has_class && !values.is_empty() {
        return Err("found a column class and targets, expected one of both".into());
    }
    let mut labels: Vec<String> = Vec::new();
    let mut sequences: Vec<Sequence> = Vec::new();
    let mut last: Option<(String, String)> = None;
    for record in reader.records() {
        let record = record.map_err(one_line)?;
        let line = record.position().map_or(0, |position| position.line());
        let (mut steps, mut targets) = (Vec::new(), Vec::new());
        let (mut sequence, mut class) = ("", "");
        for (field, column) in record.iter().zip(&columns) {
            let number = || -> Result<f32, String> {
                field
                    .parse()
                    .map_err(|_| format!("found {field:?} in line {line}, expected a number"))
            };
            match column {
                Column::Sequence => sequence = field,
                Column::Class => class = field,
                Column::Target => targets.push(number()?),
                Column::Channel => steps.push(number()?),
            }
        }
        let is_new = last.as_ref().is_none_or(|(name, _)| name != sequence);
        if is_new {
            let target = match (has_class, values.is_empty()) {
                (true, _) => {
                    let known = labels.iter().position(|label| label == class);
                    Target::Class(known.unwrap_or_else(|| {
                        labels.push(class.to_owned());
                        labels.len() - 1
                    }))
                }
                (false, true) => Target::None,
                (false, false) => Target::Each(Vec::new()),
            };
            let values = Vec::new();
            sequences.push(Sequence { values, target });
        } else if let Some((_, before)) = last.filter(|(_, before)| before != class) {
            return Err(format!(
                "found class {class:?} in line {line}, expected {before:?} as in the lines of the sequence before it"
            ));
        }
        last = Some((sequence.to_owned(), class.to_owned()));
        let Some(sequence) = sequences.last_mut() else {
            continue;
        };
        sequence.values.extend(steps);
        if let Target::Each(values) = &mut sequence.target {
            values.extend(targets);
        }
    }
    let targets = match (has_class, values.is_empty()) {
        (true, _) => {
            // In the order of the alphabet, so that two parts of a data set have the same.
            let mut sorted = labels.clone();
            sorted.sort();
            if sorted.len() > MAX_CHANNELS {
                return Err(format!(
                    "found {} classes, expected at most {MAX_CHANNELS}",
                    sorted.len()
                ));
            }
            for sequence in &mut sequences {
                if let Target::Class(class) = &mut sequence.target {
                    *class = sorted
                        .binary_search(&labels[*class])
                        .expect("the same labels");
                }
            }
            Targets::Classes(sorted)
        }
        (false, true) => Targets::None,
        (false, false) => Targets::Values(values),
    };
    Ok(Sequences {
        channels,
        sequences,
        targets,
    })
}
