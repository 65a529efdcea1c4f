//! The device that computes.

use crate::files::error::{Error, Result};
use candle_core::{Device, Result as CandleResult};
use std::panic;

/// What computes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum DeviceKind {
    /// The processor, by the kernels of this crate.
    #[default]
    Cpu,
    /// The first NVIDIA device, by candle; needs the cargo feature `cuda`.
    Cuda,
    /// The first Apple device, by candle; needs the cargo feature `metal`.
    Metal,
}

impl DeviceKind {
    /// The device for candle.
    ///
    /// # Errors
    /// This program was built without the feature, or the computer has no such device.
    pub fn open(self) -> Result<Device> {
        let (name, is_built) = match self {
            Self::Cpu => return Ok(Device::Cpu),
            Self::Cuda => ("cuda", cfg!(feature = "cuda")),
            Self::Metal => ("metal", cfg!(feature = "metal")),
        };
        if !is_built {
            return Err(Error::bad_input(format!(
                "found --device {name} in a program built without it, expected one built with \
                 --features {name}"
            )));
        }
        let open = || match self {
            Self::Metal => Device::new_metal(0),
            _ => Device::new_cuda(0),
        };
        let device = without_panic(open).map_err(|reason| {
            Error::bad_input(format!(
                "found no {name} device ({reason}), expected one for --device {name}"
            ))
        })?;
        Ok(device)
    }
}

/// Opens a device. On a computer without one, candle's Metal backend panics: here that is a reason.
fn without_panic(open: impl FnOnce() -> CandleResult<Device>) -> Result<Device, String> {
    let hook = panic::take_hook();
    panic::set_hook(Box::new(|_| ()));
    let opened = panic::catch_unwind(panic::AssertUnwindSafe(open));
    panic::set_hook(hook);
    let device = opened.map_err(|_| "there is none".to_owned())?;
    device.map_err(|e| e.to_string().lines().next().unwrap_or("unknown").to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_device_is_a_reason() {
        assert!(without_panic(|| Ok(Device::Cpu)).is_ok());
        assert_eq!(
            without_panic(|| panic!("index 0")).unwrap_err(),
            "there is none"
        );
        let failed = || Err(candle_core::Error::Msg("no device\nat all".into()));
        assert_eq!(without_panic(failed).unwrap_err(), "no device");
    }

    #[test]
    fn a_device_that_is_not_built_in_is_one_line() {
        for (kind, name) in [(DeviceKind::Cuda, "cuda"), (DeviceKind::Metal, "metal")] {
            if let Err(error) = kind.open() {
                let error = error.to_string();
                assert!(error.contains(&format!("--device {name}")), "{error}");
                assert_eq!(error.lines().count(), 1);
            }
        }
        assert!(DeviceKind::Cpu.open().unwrap().is_cpu());
    }
}
