//! HDF5: every data set by its path.

use super::{insert, not_floating, one_line};
use crate::files::tensors::NamedTensor;
use hdf5_reader::group::Group;
use hdf5_reader::{Dataset, Datatype, Hdf5File, OpenOptions};
use std::collections::BTreeMap;

/// Groups within groups within groups; Keras needs five.
const MAX_DEPTH: usize = 16;

/// The data sets of a file, but for what the optimizer and random layers keep.
pub(super) fn read(bytes: Vec<u8>) -> Result<BTreeMap<String, NamedTensor>, String> {
    // Keras does not compress, so the data sets together are no larger than their file.
    let limit = bytes.len();
    let options = OpenOptions::default()
        .with_max_read_bytes(limit)
        .with_max_chunk_bytes(limit)
        .with_max_object_header_bytes(limit);
    let file = Hdf5File::from_vec_with_options(bytes, options).map_err(damaged)?;
    let root = file.root_group().map_err(damaged)?;
    let mut tensors = BTreeMap::new();
    let mut left = limit;
    visit(&root, "", 0, &mut left, &mut tensors)?;
    Ok(tensors)
}

fn visit(
    group: &Group,
    path: &str,
    depth: usize,
    left: &mut usize,
    tensors: &mut BTreeMap<String, NamedTensor>,
) -> Result<(), String> {
    if depth == MAX_DEPTH {
        return Err(format!(
            "found more than {MAX_DEPTH} groups within each other at {path}, expected Keras's five"
        ));
    }
    let (groups, datasets) = group.members().map_err(damaged)?;
    for dataset in datasets {
        let name = format!("{path}{}", dataset.name());
        if super::names::is_bookkeeping(&name) {
            continue;
        }
        let shape = dataset.shape().iter().map(|&d| usize::try_from(d));
        let shape: Vec<usize> = shape
            .collect::<Result<_, _>>()
            .map_err(|_| format!("tensor {name} is too large"))?;
        let values = numbers(&dataset, &name)?;
        // Four bytes a number, at least.
        *left = left.checked_sub(4 * values.len()).ok_or_else(|| {
            format!(
                "found more numbers than the file could hold up to tensor {name}, expected weights"
            )
        })?;
        insert(tensors, name, shape, values)?;
    }
    for group in groups {
        let path = format!("{path}{}/", group.name());
        visit(&group, &path, depth + 1, left, tensors)?;
    }
    Ok(())
}

fn numbers(dataset: &Dataset, name: &str) -> Result<Vec<f32>, String> {
    let failed = |e| format!("tensor {name}: {}", damaged(e));
    match dataset.dtype() {
        Datatype::FloatingPoint { size: 4, .. } => {
            let array = dataset.read_array::<f32>().map_err(failed)?;
            Ok(array.iter().copied().collect())
        }
        Datatype::FloatingPoint { size: 8, .. } => {
            let array = dataset.read_array::<f64>().map_err(failed)?;
            Ok(array.iter().map(|&x| x as f32).collect())
        }
        Datatype::FloatingPoint { size, .. } => Err(format!(
            "tensor {name} is of floating-point numbers of {size} bytes, expected 4 or 8"
        )),
        other => Err(not_floating(name, &one_line(&format!("{other:?}")))),
    }
}

fn damaged(e: hdf5_reader::error::Error) -> String {
    format!(
        "found a damaged HDF5 file ({}), expected Keras weights",
        one_line(&e.to_string())
    )
}
