/// A register of a device, at an address of the chip. `T` is its width.
#[derive(Clone, Copy, Debug)]
pub struct Register<T = u32>(*mut T);

impl<T: Copy> Register<T> {
    /// The register at this address.
    ///
    /// # Safety
    ///
    /// On this chip, a register of this width lies there. Whatever is written to it, the device
    /// touches no memory of the program.
    #[allow(unsafe_code, reason = "whoever names an address vouches for it")]
    pub const unsafe fn at(address: usize) -> Self {
        Register(core::ptr::without_provenance_mut(address))
    }

    /// Its value.
    #[allow(unsafe_code, reason = "memory-mapped registers")]
    pub fn read(self) -> T {
        // SAFETY: `at` promises a register of this width at this address, which is aligned.
        unsafe { self.0.read_volatile() }
    }

    /// Gives it a value.
    #[allow(unsafe_code, reason = "memory-mapped registers")]
    pub fn write(self, value: T) {
        // SAFETY: as in `read`, and `at` promises that the device touches no memory.
        unsafe { self.0.write_volatile(value) }
    }
}
