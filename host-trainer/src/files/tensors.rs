//! Named f32 tensors, and bytes, in a safetensors file.

use crate::files::error::{Error, Result};
use crate::files::output::write_atomically;
use safetensors::tensor::TensorView;
use safetensors::{Dtype, SafeTensors};
use std::collections::BTreeMap;
use std::path::Path;

/// The metadata keys of this trainer's files, and what has them.
const KINDS: [(&str, &str); 5] = [
    ("network", "a network in f32"),
    ("sensor-network", "a network in f32 that reads values"),
    ("checkpoint", "a checkpoint"),
    ("quantized", "a network in int8"),
    ("quantized-int4", "a network in int4"),
];

/// A tensor's shape and its numbers in row-major order.
#[derive(Clone, Debug, PartialEq)]
pub struct NamedTensor {
    /// Length of each axis.
    pub shape: Vec<usize>,
    /// The numbers.
    pub values: Vec<f32>,
}

/// What a file holds: one JSON text and tensors by name.
#[derive(Clone, Debug, Default)]
pub struct TensorFile {
    /// The text under the metadata key that the file was written with.
    pub metadata: String,
    /// The tensors.
    pub tensors: BTreeMap<String, NamedTensor>,
    /// Bytes, each a tensor of one axis.
    pub bytes: BTreeMap<String, Vec<u8>>,
}

impl TensorFile {
    /// Adds a tensor.
    ///
    /// # Panics
    /// `values` does not have as many numbers as `shape` says.
    pub fn insert(&mut self, name: impl Into<String>, shape: &[usize], values: &[f32]) {
        assert_eq!(shape.iter().product::<usize>(), values.len());
        let (shape, values) = (shape.to_vec(), values.to_vec());
        self.tensors
            .insert(name.into(), NamedTensor { shape, values });
    }

    /// Takes bytes out.
    ///
    /// # Errors
    /// There are none of that name.
    pub fn take_bytes(&mut self, path: &Path, name: &str) -> Result<Vec<u8>> {
        self.bytes.remove(name).ok_or_else(|| {
            Error::bad_input(format!(
                "{}: found no tensor {name}, expected bytes",
                path.display()
            ))
        })
    }

    /// The name of something that nobody took.
    pub fn left(&self) -> Option<&String> {
        self.tensors.keys().chain(self.bytes.keys()).next()
    }

    /// Takes a tensor out.
    ///
    /// # Errors
    /// There is none of that name, or its shape is another.
    pub fn take(&mut self, path: &Path, name: &str, shape: &[usize]) -> Result<Vec<f32>> {
        let path = path.display();
        let tensor = self.tensors.remove(name).ok_or_else(|| {
            Error::bad_input(format!(
                "{path}: found no tensor {name}, expected {shape:?}"
            ))
        })?;
        if tensor.shape != shape {
            return Err(Error::bad_input(format!(
                "{path}: tensor {name} has shape {:?}, expected {shape:?}",
                tensor.shape
            )));
        }
        Ok(tensor.values)
    }

    /// As [`TensorFile::take`], of numbers that are all finite.
    ///
    /// # Errors
    /// As there, or one is not finite.
    pub fn take_finite(&mut self, path: &Path, name: &str, shape: &[usize]) -> Result<Vec<f32>> {
        let values = self.take(path, name, shape)?;
        match values.iter().position(|x| !x.is_finite()) {
            None => Ok(values),
            Some(at) => Err(Error::bad_input(format!(
                "{}: tensor {name} holds {} at {at}, expected finite numbers",
                path.display(),
                values[at]
            ))),
        }
    }

    /// Adds vectors as `NAME.0`, `NAME.1` and so on.
    pub fn insert_list(&mut self, name: &str, vectors: &[Vec<f32>]) {
        for (i, values) in vectors.iter().enumerate() {
            self.insert(format!("{name}.{i}"), &[values.len()], values);
        }
    }

    /// Takes what [`TensorFile::insert_list`] added; none where there is none.
    ///
    /// # Errors
    /// One is no vector, or a number is not finite.
    pub fn take_list(&mut self, path: &Path, name: &str) -> Result<Vec<Vec<f32>>> {
        let mut vectors = Vec::new();
        loop {
            let name = format!("{name}.{}", vectors.len());
            let Some(tensor) = self.tensors.get(&name) else {
                return Ok(vectors);
            };
            let length = tensor.values.len();
            vectors.push(self.take_finite(path, &name, &[length])?);
        }
    }

    /// Whether bytes are a safetensors file whose metadata has `key`.
    pub fn is_of_kind(bytes: &[u8], key: &str) -> bool {
        SafeTensors::read_metadata(bytes).is_ok_and(|(_, header)| {
            let metadata = header.metadata().as_ref();
            metadata.is_some_and(|metadata| metadata.contains_key(key))
        })
    }

    /// Reads a file whose metadata has `key`.
    ///
    /// # Errors
    /// It cannot be read, is not a safetensors file of f32, or lacks `key`.
    pub fn read(path: &Path, key: &str) -> Result<Self> {
        let bytes = std::fs::read(path).map_err(|e| Error::reading(path, &e))?;
        Self::from_bytes(path, &bytes, key)
    }

    /// As [`TensorFile::read`], from the bytes of a file; `path` only names it in errors.
    ///
    /// # Errors
    /// They are not a safetensors file of f32, or lack `key`.
    pub fn from_bytes(path: &Path, bytes: &[u8], key: &str) -> Result<Self> {
        let bad = |found: String| {
            Error::bad_input(format!(
                "{}: found {found}, expected a safetensors file of this trainer",
                path.display()
            ))
        };
        let (_, header) = SafeTensors::read_metadata(bytes)
            .map_err(|e| bad(format!("{} bytes that do not parse ({e})", bytes.len())))?;
        let metadata = |key| header.metadata().as_ref().and_then(|m| m.get(key));
        let Some(text) = metadata(key) else {
            let other = KINDS.into_iter().find(|(key, _)| metadata(key).is_some());
            return Err(match other {
                Some((_, found)) => {
                    let expected = KINDS.into_iter().find(|(kind, _)| *kind == key);
                    let expected = expected.map_or(key, |(_, kind)| kind);
                    let path = path.display();
                    Error::bad_input(format!("{path}: found {found}, expected {expected}"))
                }
                None => bad(format!("no \"{key}\" in the metadata")),
            });
        };
        let metadata = text.clone();
        let file = SafeTensors::deserialize(bytes).map_err(|e| bad(format!("damage ({e})")))?;
        let (mut tensors, mut bytes) = (BTreeMap::new(), BTreeMap::new());
        for (name, view) in file.tensors() {
            if view.dtype() == Dtype::U8 && view.shape().len() == 1 {
                bytes.insert(name, view.data().to_vec());
                continue;
            }
            if view.dtype() != Dtype::F32 {
                return Err(bad(format!("tensor {name} of {:?}", view.dtype())));
            }
            let values = view.data().as_chunks::<4>().0;
            let values = values.iter().map(|&b| f32::from_le_bytes(b)).collect();
            let shape = view.shape().to_vec();
            tensors.insert(name, NamedTensor { shape, values });
        }
        Ok(Self {
            metadata,
            tensors,
            bytes,
        })
    }

    /// Writes the file: to a temporary name in the same folder, synced, then renamed.
    ///
    /// # Errors
    /// The disk refuses; nothing is left behind then.
    pub fn write(&self, path: &Path, key: &str) -> Result<()> {
        let file = self
            .to_bytes(key)
            .map_err(|e| Error::failed(format!("cannot serialize {}: {e}", path.display())))?;
        write_atomically(path, &file)
    }

    /// The bytes of the file.
    ///
    /// # Errors
    /// None for tensors that [`TensorFile::insert`] took.
    pub fn to_bytes(&self, key: &str) -> Result<Vec<u8>, safetensors::SafeTensorError> {
        let bytes: Vec<(&String, &NamedTensor, Vec<u8>)> = self
            .tensors
            .iter()
            .map(|(n, t)| {
                (
                    n,
                    t,
                    t.values.iter().flat_map(|x| x.to_le_bytes()).collect(),
                )
            })
            .collect();
        let views = bytes.iter().map(|(name, tensor, data)| {
            let view = TensorView::new(Dtype::F32, tensor.shape.clone(), data);
            (
                name.as_str(),
                view.expect("the shape was checked by insert"),
            )
        });
        let raw = self.bytes.iter().map(|(name, data)| {
            let view = TensorView::new(Dtype::U8, vec![data.len()], data);
            (name.as_str(), view.expect("one axis"))
        });
        let metadata = [(key.to_owned(), self.metadata.clone())].into();
        safetensors::serialize(views.chain(raw), Some(metadata))
    }
}

/// A row-major matrix `[rows, columns]` turned to `[columns, rows]`.
pub fn transpose(values: &[f32], rows: usize, columns: usize) -> Vec<f32> {
    let column = |c: usize| (0..rows).map(move |r| values[r * columns + c]);
    (0..columns).flat_map(column).collect()
}
