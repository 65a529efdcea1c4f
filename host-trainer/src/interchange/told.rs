//! What a person says where a file does not.

/// The flags of `import` that settle what a file leaves open.
#[derive(Clone, Debug, Default)]
pub struct Told {
    /// The names of the layers from the input to the output: all recurrent ones, or all.
    pub order: Vec<String>,
    /// Tensors that are left out, by their names or their modules' names.
    pub ignore: Vec<String>,
    /// The key of the dictionary that holds the network in a checkpoint of PyTorch.
    pub key: Option<String>,
}
