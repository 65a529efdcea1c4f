//! A recurrent layer over a sequence, forward and backward, on panels.
//!
//! T steps, B rows (texts side by side), H units, R outputs (H without a projection), G gates. With the
//! equations of its [`Cell`] between them:
//!
//! ```text
//! input     = table[token], or bias + x · w_ih          forward, for t = 0..T      [B, G H]
//! recurrent = recurrent_bias + (h + context) · w_hh                                [B, G H]
//! h         = m · projection                            or m itself                [B, R]
//!
//! dh = dh from above + drecurrent · w_hhᵀ               backward, for t = T-1..=0
//! dm = dh · projectionᵀ                                 or dh itself
//! dcontext = drecurrent · w_hhᵀ
//!
//! dw_hh = sum over t of (h_before + context)ᵀ · drecurrent   afterwards
//! dw_ih = sum over t of xᵀ · dinput                     the same
//! dprojection = sum over t of mᵀ · dh
//! ```
//!
//! The embedding is folded: `table = embedding · w_ih + bias`, one row a symbol, so the first layer's
//! input costs a look-up instead of a product. The context, `[T, B, R]`, is what is known of each step beside its
//! token: the embeddings of the last few characters. Most networks have none.

mod gradient;
mod packed;
mod shape;
mod tape;

pub(crate) use gradient::{LayerGradient, Piece, Ran};
pub(crate) use packed::PackedLayer;
pub(crate) use shape::{InputShape, LayerShape};
pub(crate) use tape::{Above, LayerTape, Read, RecordedStep, StateRows};
