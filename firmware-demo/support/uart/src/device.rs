/// The registers of a device of the chip. `T` is their width.
#[derive(Clone, Copy, Debug)]
pub struct Device<T = u32>(usize, core::marker::PhantomData<T>);

impl<T: Copy> Device<T> {
    /// The device whose registers begin at this address.
    ///
    /// # Safety
    ///
    /// On this chip, a register of this width lies at every offset that is read or written.
    /// Whatever is written there, the device touches no memory of the program.
    #[allow(unsafe_code, reason = "whoever names an address vouches for it")]
    pub const unsafe fn at(base: usize) -> Self {
        Device(base, core::marker::PhantomData)
    }

    fn register(self, offset: usize) -> *mut T {
        let mask = size_of::<T>() - 1;
        core::ptr::without_provenance_mut((self.0 + offset) & !mask)
    }

    /// The value of the register at this offset in bytes.
    #[allow(unsafe_code, reason = "memory-mapped registers")]
    pub fn read(self, offset: usize) -> T {
        // SAFETY: `at` promises a register of this width, and the address is aligned.
        unsafe { self.register(offset).read_volatile() }
    }

    /// Gives the register at this offset in bytes a value.
    #[allow(unsafe_code, reason = "memory-mapped registers")]
    pub fn write(self, offset: usize, value: T) {
        // SAFETY: as in `read`, and `at` promises that the device touches no memory.
        unsafe { self.register(offset).write_volatile(value) }
    }
}

impl Device {
    /// Sets these bits of a register, and leaves the others.
    pub fn set(self, offset: usize, bits: u32) {
        self.write(offset, self.read(offset) | bits);
    }

    /// Gives the bits of `mask` in a register these values, and leaves the others.
    pub fn change(self, offset: usize, mask: u32, bits: u32) {
        self.write(offset, self.read(offset) & !mask | bits);
    }

    /// Waits until a register has one of these bits, but not for ever: whether it has.
    pub fn wait_for(self, offset: usize, bits: u32) -> bool {
        (0..100_000).any(|_| self.read(offset) & bits != 0)
    }
}
