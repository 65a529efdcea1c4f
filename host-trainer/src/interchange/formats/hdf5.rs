//! HDF5: data sets and attributes by their path.

use crate::interchange::contents::{Collector, MAX_BYTES, MAX_RATIO, Number, one_line};
use crate::interchange::names;
use hdf5_reader::group::Group;
use hdf5_reader::messages::attribute::AttributeMessage;
use hdf5_reader::messages::datatype::{Datatype, StringSize};
use hdf5_reader::{Dataset, Hdf5File, OpenOptions, RawAttribute};

/// The bytes that an HDF5 file begins with.
pub(super) const MAGIC: &[u8] = b"\x89HDF\r\n\x1a\n";
/// Groups within groups within groups; Keras needs five, and two for each model within a model.
const MAX_DEPTH: usize = 24;
/// Bytes of a reference to a text: its length, an address and a number.
const REFERENCE: usize = 16;
/// The longest text of an attribute; a description of four layers has some ten thousand characters.
const MAX_TEXT: u64 = 16 << 20;

/// Opens a file. Nothing is read that is much larger than the file.
pub(super) fn open(bytes: Vec<u8>) -> Result<Group, String> {
    let limit = MAX_BYTES.min(MAX_RATIO * bytes.len() as u64) as usize;
    let options = OpenOptions::default()
        .with_max_read_bytes(limit)
        .with_max_chunk_bytes(limit)
        .with_max_object_header_bytes(bytes.len());
    let file = Hdf5File::from_vec_with_options(bytes, options).map_err(damaged)?;
    file.root_group().map_err(damaged)
}

/// The data sets of a group, but for what the optimizer and random layers keep.
pub(super) fn collect(root: &Group, tensors: &mut Collector) -> Result<(), String> {
    visit(root, "", MAX_DEPTH, tensors)
}

fn visit(group: &Group, path: &str, depth: usize, tensors: &mut Collector) -> Result<(), String> {
    if depth == 0 {
        return Err(format!(
            "found more than {MAX_DEPTH} groups within each other at {path}, expected Keras's five"
        ));
    }
    let (groups, datasets) = group.members().map_err(damaged)?;
    for dataset in datasets {
        let name = format!("{path}{}", dataset.name());
        if names::is_bookkeeping(&name) {
            continue;
        }
        let failed = |e| format!("tensor {name}: {}", damaged(e));
        let Some(number) = number(&dataset)? else {
            tensors.pass_over(&name, &dtype(dataset.dtype()))?;
            continue;
        };
        let shape = dataset.shape().iter().map(|&d| usize::try_from(d));
        let shape: Vec<usize> = shape
            .collect::<Result<_, _>>()
            .map_err(|_| format!("tensor {name} is too large"))?;
        let bytes = dataset.read_native_bytes().map_err(failed)?;
        tensors.insert(&name, shape, number.decode(&bytes))?;
    }
    for group in groups {
        let path = format!("{path}{}/", group.name());
        if !names::is_bookkeeping(&path) {
            visit(&group, &path, depth - 1, tensors)?;
        }
    }
    Ok(())
}

/// The layers that have no numbers in a file of weights: the path of each, and a name that tells its class.
pub(super) fn without_numbers(root: &Group) -> Result<Vec<(String, String)>, String> {
    let mut found = Vec::new();
    search(root, "", MAX_DEPTH, &mut found)?;
    Ok(found)
}

/// Whether a group has numbers, with the layers within that have none.
fn search(
    group: &Group,
    path: &str,
    depth: usize,
    found: &mut Vec<(String, String)>,
) -> Result<bool, String> {
    let Some(depth) = depth.checked_sub(1) else {
        return Ok(true);
    };
    let (groups, datasets) = group.members().map_err(damaged)?;
    let mut has_numbers = !datasets.is_empty();
    // Keras 3 keeps a layer's own numbers, and its name, in a group of it; Keras 2 names them in an attribute.
    let mut own = None;
    for inner in &groups {
        let name = inner.name();
        let inner_path = match path {
            "" => name.to_owned(),
            path => format!("{path}/{name}"),
        };
        if names::is_bookkeeping(&format!("{inner_path}/")) {
            continue;
        }
        if name == "vars" {
            own = texts(inner, "name")?.into_iter().next();
        }
        has_numbers |= search(inner, &inner_path, depth, found)?;
    }
    let own_name = path.rsplit('/').next().unwrap_or_default();
    let is_old =
        || Ok::<_, String>(has(group, "weight_names")? && own_name != "top_level_model_weights");
    if has_numbers || path.is_empty() {
        return Ok(has_numbers);
    }
    // A Sequential or a Functional model calls its layers' groups by their classes, another one by its own attributes.
    let class = match own {
        Some(_) if path.starts_with("layers/") => Some(own_name.to_owned()),
        Some(name) => Some(name),
        None if is_old()? => Some(own_name.to_owned()),
        None => None,
    };
    found.extend(class.map(|class| (path.to_owned(), class)));
    Ok(false)
}

/// Whether a group has an attribute.
fn has(group: &Group, name: &str) -> Result<bool, String> {
    let attributes = group.raw_attributes().map_err(damaged)?;
    Ok(attributes.iter().any(|attribute| attribute.name() == name))
}

/// How a data set stores its numbers; `None` where they are not floating-point ones.
fn number(dataset: &Dataset) -> Result<Option<Number>, String> {
    Ok(match dataset.dtype() {
        Datatype::FloatingPoint { size: 2, .. } => Some(Number::F16),
        Datatype::FloatingPoint { size: 4, .. } => Some(Number::F32),
        Datatype::FloatingPoint { size: 8, .. } => Some(Number::F64),
        // HDF5 knows no bfloat16: Keras writes two bytes of no kind, and an attribute.
        Datatype::Opaque { size: 2, .. } => {
            let attributes = dataset.raw_attributes().map_err(damaged)?;
            let follow = |reference: &[u8]| dataset.resolve_vlen_reference_bytes(reference, 1).ok();
            let dtype = strings(&attributes, "dtype", follow)?;
            (dtype == ["bfloat16"]).then_some(Number::Bf16)
        }
        _ => None,
    })
}

/// A type as people name it.
fn dtype(datatype: &Datatype) -> String {
    match datatype {
        Datatype::FixedPoint { size, signed, .. } => {
            let sign = if *signed { "" } else { "u" };
            format!("{sign}int{}", 8 * u32::from(*size))
        }
        Datatype::FloatingPoint { size, .. } => format!("float{}", 8 * u32::from(*size)),
        Datatype::Opaque { size, .. } => format!("bytes by {size}"),
        other => one_line(&format!("{other:?}")),
    }
}

/// The texts of a group's attribute; none where there is no such attribute.
pub(super) fn texts(group: &Group, name: &str) -> Result<Vec<String>, String> {
    let attributes = group.raw_attributes().map_err(damaged)?;
    let follow = |reference: &[u8]| group.resolve_vlen_reference_bytes(reference, 1).ok();
    strings(&attributes, name, follow)
}

/// The texts of an attribute. `follow` reads one that lies elsewhere, after a reference of the
/// attribute. (The library's own way would read one long text as often as a few bytes name it.)
fn strings(
    attributes: &[RawAttribute],
    name: &str,
    follow: impl Fn(&[u8]) -> Option<Vec<u8>>,
) -> Result<Vec<String>, String> {
    let Some(attribute) = attributes.iter().find(|a| a.name() == name) else {
        return Ok(Vec::new());
    };
    let AttributeMessage {
        datatype, raw_data, ..
    } = attribute.message();
    let text = |bytes: &[u8]| {
        let end = bytes.iter().position(|&b| b == 0).unwrap_or(bytes.len());
        String::from_utf8_lossy(&bytes[..end]).into_owned()
    };
    match datatype {
        Datatype::String {
            size: StringSize::Fixed(size),
            ..
        } if *size > 0 => Ok(raw_data.chunks(*size as usize).map(text).collect()),
        Datatype::String { .. } | Datatype::VarLen { .. } => {
            let references = raw_data.as_chunks::<REFERENCE>().0;
            let lengths = references
                .iter()
                .map(|[a, b, c, d, ..]| u32::from_le_bytes([*a, *b, *c, *d]));
            let length: u64 = lengths.map(u64::from).sum();
            if length > MAX_TEXT {
                return Err(format!(
                    "found {length} characters in attribute {name}, expected at most {MAX_TEXT}"
                ));
            }
            let texts = references.iter().map(|reference| follow(reference));
            texts
                .map(|bytes| {
                    Ok(text(
                        &bytes.ok_or_else(|| format!("attribute {name} is damaged"))?,
                    ))
                })
                .collect()
        }
        _ => Ok(Vec::new()),
    }
}

pub(super) fn damaged(e: hdf5_reader::error::Error) -> String {
    format!(
        "found a damaged HDF5 file ({}), expected Keras weights",
        one_line(&e.to_string())
    )
}
