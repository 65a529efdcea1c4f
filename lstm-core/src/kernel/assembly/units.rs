//! The equations of the LSTM and the CIFG in the assembly of a CPU.

use crate::format::BLOCK_ROWS;
use crate::kernel::cpu;

/// Assembly that takes units one step on, at least one, until their hidden states end at `end`.
///
/// # Safety
///
/// There are as many cell states as hidden states, and sums for them: for an LSTM a block of i, f, g, o for each,
/// for a CIFG three blocks of i, g, o for each four, or for the rest.
type Units = unsafe extern "C" fn(
    sums: *const [i32; BLOCK_ROWS],
    hidden: *mut i8,
    cell_state: *mut i16,
    end: *const i8,
);

/// Takes units of an LSTM one step on, as many as there are sums for.
pub(crate) fn lstm_units(sums: &[[i32; BLOCK_ROWS]], hidden: &mut [i8], cell_state: &mut [i16]) {
    // A block of sums is a unit.
    step(
        cpu::units_until::<false>,
        sums.len(),
        sums,
        hidden,
        cell_state,
    );
}

/// Takes units of a CIFG one step on, as many as there are sums for.
pub(crate) fn cifg_units(sums: &[[i32; BLOCK_ROWS]], hidden: &mut [i8], cell_state: &mut [i16]) {
    // Three blocks of sums are four units.
    let most = sums.len() / 3 * BLOCK_ROWS;
    step(cpu::units_until::<true>, most, sums, hidden, cell_state);
}

/// Takes as many units one step on as there are hidden and cell states for, at most `most`, for which there
/// are sums.
#[inline(always)]
fn step(
    units_until: Units,
    most: usize,
    sums: &[[i32; BLOCK_ROWS]],
    hidden: &mut [i8],
    cell_state: &mut [i16],
) {
    let units = most.min(hidden.len()).min(cell_state.len());
    if units == 0 {
        return;
    }
    let hidden = hidden.as_mut_ptr();
    let end = hidden.wrapping_add(units);
    // SAFETY: so many units, and sums for them, were counted.
    unsafe { units_until(sums.as_ptr(), hidden, cell_state.as_mut_ptr(), end) }
}
