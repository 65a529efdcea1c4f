//! A network of characters of a file that tells all its layers.

use super::Mapped;
use crate::files::error::Error;
use crate::files::tensors::{NamedTensor, TensorFile};
use crate::interchange::plan::{End, Input, Piece, Plan};
use crate::network::config::{LayerConfig, NetworkConfig};
use crate::network::parameters::Network;
use crate::network::sensor::Activation;
use crate::text::alphabet::Alphabet;
use std::borrow::Cow;
use std::path::Path;

/// # Errors
/// The layers are not those of an embedding, one to four recurrent layers and a dense layer that fit the alphabet.
pub(super) fn find(path: &Path, plan: &Plan, alphabet: &Alphabet) -> Result<Mapped, Error> {
    let bad = |e| Error::bad_input(format!("{}: {e}", path.display()));
    let config = config(plan, alphabet).map_err(bad)?;
    let embedding = embedding(plan, alphabet).map_err(bad)?;
    let mut notes = Vec::new();
    if matches!(plan.input, Input::Values(_)) {
        notes.push(
            "there is no embedding: the input is one-hot, so the identity stands for it".to_owned(),
        );
    }
    let mut pieces = vec![&*embedding];
    for layer in &plan.layers {
        pieces.extend([&layer.w_ih, &layer.w_hh, &layer.bias]);
        pieces.extend(&layer.recurrent_bias);
        pieces.extend(&layer.projection);
    }
    pieces.extend(
        plan.dense
            .iter()
            .flat_map(|dense| [&dense.weight, &dense.bias]),
    );
    let (mut file, mut map) = (TensorFile::default(), Vec::new());
    for ((name, shape), piece) in config.shapes().into_iter().zip(pieces) {
        piece.expect(&shape).map_err(bad)?;
        map.push(piece.line(&name));
        let (shape, values) = (piece.shape.clone(), piece.values.clone());
        file.tensors.insert(name, NamedTensor { shape, values });
    }
    Ok(Mapped {
        network: Network::from_tensors(path, config, &mut file)?,
        map,
        notes,
    })
}

/// The matrix in which characters are looked up; the identity where they are 1 among zeros.
fn embedding<'p>(plan: &'p Plan, alphabet: &Alphabet) -> Result<Cow<'p, Piece>, String> {
    let symbols = alphabet.len();
    match &plan.input {
        Input::Characters(embedding) => Ok(Cow::Borrowed(embedding)),
        Input::Values(None) if plan.inputs() == Some(symbols) => {
            let mut values = vec![0.0; symbols * symbols];
            values
                .iter_mut()
                .step_by(symbols + 1)
                .for_each(|x| *x = 1.0);
            Ok(Cow::Owned(Piece {
                shape: vec![symbols, symbols],
                values,
                from: "the identity: one-hot input".to_owned(),
            }))
        }
        Input::Values(_) => Err(format!(
            "found a network that reads {} values, expected an embedding, or for one-hot input one of each of the \
             alphabet's {symbols} symbols, as they are",
            plan.inputs().unwrap_or(0)
        )),
    }
}

fn config(plan: &Plan, alphabet: &Alphabet) -> Result<NetworkConfig, String> {
    let embedding = embedding(plan, alphabet)?;
    let (&[symbols, width], [dense]) = (&embedding.shape[..], &plan.dense[..]) else {
        return Err(format!(
            "found an embedding {:?} and {} dense layers, expected a matrix and one",
            embedding.shape,
            plan.dense.len()
        ));
    };
    plan.check_widths()?;
    for (what, found) in [
        (format!("the embedding {}", embedding.from), symbols),
        (
            format!("the dense layer {}", dense.name),
            dense.bias.values.len(),
        ),
    ] {
        if found != alphabet.len() {
            return Err(format!(
                "{what} has {found} symbols, expected the alphabet's {} (--symbols FILE gives another alphabet)",
                alphabet.len()
            ));
        }
    }
    if !matches!(
        dense.end,
        End::Untold | End::Softmax | End::Of(Activation::Linear)
    ) {
        return Err(format!(
            "the dense layer {} has an activation, expected softmax or none",
            dense.name
        ));
    }
    let layers = plan.layers.iter().map(|layer| {
        let cell = layer.cell.trained().ok_or_else(|| {
            format!(
                "layer {} is a GRU with the reset gate before the product, expected it after (PyTorch's, or Keras's \
                 reset_after=True)",
                layer.name
            )
        })?;
        Ok::<_, String>(LayerConfig {
            cell,
            hidden: layer.hidden,
            projection: layer.projection.as_ref().map(|_| layer.output()),
        })
    });
    let config = NetworkConfig {
        ngrams: crate::ngram::NgramConfig::NONE,
        symbols: alphabet.symbols.iter().collect(),
        fold_case: alphabet.fold_case,
        embedding: width,
        layers: layers.collect::<Result<_, _>>()?,
        window: None,
        corpus: None,
    };
    config.check().map_err(|e| e.to_string())?;
    Ok(config)
}
