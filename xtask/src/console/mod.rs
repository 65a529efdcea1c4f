//! What a person types, on its way to a board.

mod keys;
mod terminal;

#[cfg(test)]
pub(crate) use keys::tests::Keys;
pub(crate) use {keys::Flow, terminal::Terminal};
