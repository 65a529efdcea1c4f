//! Recorded motions as an array of C, for the example that classifies.

use std::{collections::BTreeSet, fmt::Write};

use anyhow::{Context, Result};

use crate::{
    motions::{self, Sequence},
    shell::root,
};

/// The first recorded sequence of each class.
///
/// # Errors
///
/// The file of the recordings cannot be read.
pub fn sequences() -> Result<Vec<Sequence>> {
    let mut sequences = motions::read(&root().join("tests/data/motions.csv"))?;
    let mut classes = BTreeSet::new();
    sequences.retain(|sequence| classes.insert(sequence.class.clone()));
    Ok(sequences)
}

/// A header with the steps of these sequences, one after the other, as `motions`.
///
/// # Errors
///
/// A step is no line of numbers.
pub fn motions_header(sequences: &[Sequence]) -> Result<String> {
    let mut text = "\
/* Recorded motions: BasicMotions by students of the University of East Anglia, from the PyPI package aeon
 * (BSD-3-Clause). Ten steps a second, of acceleration x, y, z and rotation x, y, z. */
#ifndef MOTIONS_H
#define MOTIONS_H

static const float motions[][6] = {
"
    .to_owned();
    for sequence in sequences {
        writeln!(text, "/* {} */", sequence.class)?;
        for step in &sequence.steps {
            let numbers: Result<Vec<f32>, _> = step.split(',').map(str::parse).collect();
            let numbers = numbers.with_context(|| step.clone())?;
            let numbers: Vec<_> = numbers
                .iter()
                .map(|number| format!("{number:?}f"))
                .collect();
            writeln!(text, "{{{}}},", numbers.join(","))?;
        }
    }
    Ok(text + "};\n\n#endif\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_number_is_a_float_of_c() {
        let sequences = [Sequence {
            class: "Walking".into(),
            steps: vec!["1,-2.5,-5.8E-5".into(), "0,1e20,3".into()],
        }];
        let text = motions_header(&sequences).unwrap();
        let (_, array) = text.split_once("[][6] = {\n").unwrap();
        let expected = "/* Walking */\n{1.0f,-2.5f,-5.8e-5f},\n{0.0f,1e20f,3.0f},\n};\n\n#endif\n";
        assert_eq!(array, expected);
        assert_eq!(super::sequences().unwrap().len(), 4);
    }
}
