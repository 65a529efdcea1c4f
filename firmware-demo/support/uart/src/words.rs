use lstm_core::{Format, LayerShape, MAX_HIDDEN, MAX_LAYERS, workspace_words};

/// Words of the workspace for every model that the file format can describe.
pub const ANY_MODEL: usize = {
    let widest = LayerShape::lstm(MAX_HIDDEN as u16).project(MAX_HIDDEN as u16);
    words_for_any_format(&[widest; MAX_LAYERS])
};

/// Words of the workspace for these layers in every format.
pub const fn words_for_any_format(layers: &[LayerShape]) -> usize {
    let f32 = workspace_words(Format::F32, layers);
    let integer = words_for_integers(layers);
    if f32 > integer { f32 } else { integer }
}

/// Words of the workspace for these layers in the integer formats.
pub const fn words_for_integers(layers: &[LayerShape]) -> usize {
    let int8 = workspace_words(Format::Int8, layers);
    let int4 = workspace_words(Format::Int4, layers);
    if int8 > int4 { int8 } else { int4 }
}
