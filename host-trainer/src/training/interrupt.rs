//! Ctrl-C, and the end that the system asks for.

use crate::files::caller::caller;
use crate::files::error::{Error, Result};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// A flag that the first Ctrl-C (or SIGTERM) sets; the second ends the program at once. The flag of the program that
/// called, if one did: Ctrl-C is its own affair.
///
/// # Errors
/// The system does not tell of Ctrl-C.
pub(crate) fn on_ctrl_c() -> Result<Arc<AtomicBool>> {
    if let Some(caller) = caller() {
        return Ok(caller.stop);
    }
    let stop = Arc::new(AtomicBool::new(false));
    let flag = stop.clone();
    let listen = ctrlc::set_handler(move || {
        if flag.swap(true, Ordering::SeqCst) {
            std::process::exit(130);
        }
    });
    listen.map_err(|e| Error::failed(format!("cannot listen for Ctrl-C: {e}")))?;
    Ok(stop)
}
