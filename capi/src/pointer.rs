//! Pointers of C. Each is checked for what can be seen of it: that it is not null, that it is aligned,
//! that its length can be. The rest is the contract of the header.

use core::{ffi::c_void, mem::MaybeUninit};

use crate::{
    error::Error,
    object::{Object, Slot},
};

/// A pointer of C through which a function reads: an argument of an exported function, and nothing else.
///
/// The caller of that function promises what the header asks for: if the pointer is not null, then as many
/// elements as the call says can be read there, and nothing writes to them during the call. The file of a
/// model stays for as long as it is used.
#[derive(Clone, Copy, Debug)]
pub(crate) struct In<T>(pub(crate) *const T);

/// A pointer of C through which a function writes: likewise, and nothing else reads or writes there during
/// the call. A workspace stays for as long as it is used, and nothing else writes to it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Out<T>(pub(crate) *mut T);

/// Of one byte, any of which is a value: `c_char` is one of the first two.
pub(crate) trait Byte {}
impl Byte for u8 {}
impl Byte for i8 {}
impl Byte for c_void {}

/// Numbers: all bits are values.
pub(crate) trait Number: Copy {}
impl Number for u8 {}
impl Number for u32 {}
impl Number for f32 {}

/// Refuses what cannot be an address of so many elements.
fn check<T>(name: &'static str, pointer: *const T, length: usize) -> Result<(), Error> {
    if pointer.is_null() {
        return Err(Error::Null { name });
    }
    if !pointer.is_aligned() {
        let expected = align_of::<T>();
        let found = pointer.addr() % expected;
        return Err(Error::Alignment {
            name,
            found,
            expected,
        });
    }
    // No object is larger, and none goes round the end of the address space.
    let bytes = length.checked_mul(size_of::<T>());
    let is_possible = bytes.is_some_and(|bytes| {
        isize::try_from(bytes).is_ok() && pointer.addr().checked_add(bytes).is_some()
    });
    match is_possible {
        true => Ok(()),
        false => Err(Error::Length {
            name,
            found: length,
        }),
    }
}

#[allow(unsafe_code, reason = "C's pointers are read and written here alone")]
mod access {
    use super::*;

    impl<T> In<T> {
        /// The value in an object.
        pub(crate) fn content<'a>(self, name: &'static str) -> Result<&'a T::Content, Error>
        where
            T: Object,
        {
            check(name, self.0, 1)?;
            // SAFETY: not null and aligned, and an object has room for its slot, all bits of whose tag
            // are values; the rest is promised.
            let slot = unsafe { &*self.0.cast::<Slot<T::Content>>() };
            match slot.tag == T::TAG {
                // SAFETY: the tag is written only after the value.
                true => Ok(unsafe { slot.content.assume_init_ref() }),
                false => Err(Error::NotReady { name }),
            }
        }

        /// So many bytes.
        pub(crate) fn bytes<'a>(self, name: &'static str, length: usize) -> Result<&'a [u8], Error>
        where
            T: Byte,
        {
            In(self.0.cast::<u8>()).numbers(name, length)
        }

        /// So many numbers.
        pub(crate) fn numbers<'a>(self, name: &'static str, length: usize) -> Result<&'a [T], Error>
        where
            T: Number,
        {
            check(name, self.0, length)?;
            // SAFETY: not null and aligned, and the length can be; the rest is promised.
            Ok(unsafe { core::slice::from_raw_parts(self.0, length) })
        }
    }

    impl<T> Out<T> {
        /// The value in an object.
        pub(crate) fn content<'a>(self, name: &'static str) -> Result<&'a mut T::Content, Error>
        where
            T: Object,
        {
            let slot = self.slot(name)?;
            match slot.tag == T::TAG {
                // SAFETY: the tag is written only after the value.
                true => Ok(unsafe { slot.content.assume_init_mut() }),
                false => Err(Error::NotReady { name }),
            }
        }

        /// The memory of an object, whatever is in it.
        pub(super) fn slot<'a>(self, name: &'static str) -> Result<&'a mut Slot<T::Content>, Error>
        where
            T: Object,
        {
            check(name, self.0, 1)?;
            // SAFETY: not null and aligned, and an object has room for its slot, all bits of whose tag
            // are values; the rest is promised.
            Ok(unsafe { &mut *self.0.cast() })
        }

        /// The place of a value, whatever is in it.
        pub(crate) fn place<'a>(self, name: &'static str) -> Result<&'a mut MaybeUninit<T>, Error> {
            check(name, self.0, 1)?;
            // SAFETY: not null and aligned; the rest is promised.
            Ok(unsafe { &mut *self.0.cast() })
        }

        /// So many bytes.
        pub(crate) fn bytes<'a>(
            self,
            name: &'static str,
            length: usize,
        ) -> Result<&'a mut [u8], Error>
        where
            T: Byte,
        {
            Out(self.0.cast::<u8>()).numbers(name, length)
        }

        /// So many numbers.
        pub(crate) fn numbers<'a>(
            self,
            name: &'static str,
            length: usize,
        ) -> Result<&'a mut [T], Error>
        where
            T: Number,
        {
            check(name, self.0, length)?;
            // SAFETY: not null and aligned, and the length can be; the rest is promised.
            Ok(unsafe { core::slice::from_raw_parts_mut(self.0, length) })
        }
    }
}

impl<T> Out<T> {
    /// Whether there is no place.
    pub(crate) fn is_null(&self) -> bool {
        self.0.is_null()
    }

    /// Writes a value.
    pub(crate) fn set(self, name: &'static str, value: T) -> Result<(), Error> {
        self.place(name)?.write(value);
        Ok(())
    }

    /// Makes the value of an object. Until that is done, and where it is refused, there is none in it.
    pub(crate) fn make(
        self,
        name: &'static str,
        make: impl FnOnce() -> Result<T::Content, Error>,
    ) -> Result<(), Error>
    where
        T: Object,
    {
        let slot = self.slot(name)?;
        slot.tag = 0;
        slot.content.write(make()?);
        slot.tag = T::TAG;
        Ok(())
    }
}
