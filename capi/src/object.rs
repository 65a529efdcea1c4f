//! Rust values in memory of C: the types that the header calls opaque.

use core::mem::MaybeUninit;

use lstm_core::{Generator, MAX_WINDOW, Model, Sampler, Session, WorkspaceSlices};

use crate::{error::Error, windowed::Windowed};

/// Words of `lstm_model`, of the size of a pointer.
pub const MODEL_WORDS: usize = 64;
/// Words of `lstm_sampler`.
pub const SAMPLER_WORDS: usize = 16;
/// Words of `lstm_session`.
pub const SESSION_WORDS: usize = 72;
/// Words of `lstm_generator`.
pub const GENERATOR_WORDS: usize = 128;
/// Words of `lstm_sensor`.
pub const SENSOR_WORDS: usize = 88;
/// Words of `lstm_error`.
pub const ERROR_WORDS: usize = 10;

/// A model: where its file lies, and what it says. It may be copied, as an object of C.
#[repr(C)]
pub union ModelMemory {
    /// For its alignment.
    pub align: u64,
    /// Nothing for a program.
    pub words: [usize; MODEL_WORDS],
}

/// What draws tokens: settings, and random numbers of a seed.
#[repr(C)]
pub union SamplerMemory {
    /// For its alignment.
    pub align: u64,
    /// Nothing for a program.
    pub words: [usize; SAMPLER_WORDS],
}

/// A model with its state, which lies in the workspace.
#[repr(C)]
pub union SessionMemory {
    /// For its alignment.
    pub align: u64,
    /// Nothing for a program.
    pub words: [usize; SESSION_WORDS],
}

/// A session and a sampler: each token that is drawn is the next that is read.
#[repr(C)]
pub union GeneratorMemory {
    /// For its alignment.
    pub align: u64,
    /// Nothing for a program.
    pub words: [usize; GENERATOR_WORDS],
}

/// A model that reads values, with its state and its window, which lie in the workspace.
#[repr(C)]
pub union SensorMemory {
    /// For its alignment.
    pub align: u64,
    /// Nothing for a program.
    pub words: [usize; SENSOR_WORDS],
}

/// What went wrong, of which `lstm_error_text` makes a line. It may be copied.
#[repr(C)]
pub union ErrorMemory {
    /// For its alignment.
    pub align: u64,
    /// Nothing for a program.
    pub words: [usize; ERROR_WORDS],
}

/// Memory of C with a Rust value in it.
pub(crate) trait Object: Sized {
    /// The value.
    type Content;

    /// What stands before a value, so that memory in which there is none is told from it.
    const TAG: u32;

    /// That the value fits. The compiler computes it.
    const FITS: () = {
        assert!(size_of::<Slot<Self::Content>>() <= size_of::<Self>());
        assert!(align_of::<Slot<Self::Content>>() <= align_of::<Self>());
    };
}

const _: [(); 6] = [
    ModelMemory::FITS,
    SamplerMemory::FITS,
    SessionMemory::FITS,
    GeneratorMemory::FITS,
    SensorMemory::FITS,
    ErrorMemory::FITS,
];

/// What lies in the memory.
#[repr(C)]
pub(crate) struct Slot<T> {
    pub(crate) tag: u32,
    pub(crate) content: MaybeUninit<T>,
}

impl Object for ModelMemory {
    type Content = Model<'static>;
    const TAG: u32 = u32::from_le_bytes(*b"LSTm");
}

impl Object for SamplerMemory {
    type Content = Sampler;
    const TAG: u32 = u32::from_le_bytes(*b"LSTr");
}

impl Object for SessionMemory {
    type Content = Session<'static, WorkspaceSlices<'static>>;
    const TAG: u32 = u32::from_le_bytes(*b"LSTs");
}

impl Object for GeneratorMemory {
    type Content = Generator<'static, WorkspaceSlices<'static>, MAX_WINDOW>;
    const TAG: u32 = u32::from_le_bytes(*b"LSTg");
}

impl Object for SensorMemory {
    type Content = Windowed;
    const TAG: u32 = u32::from_le_bytes(*b"LSTv");
}

impl Object for ErrorMemory {
    type Content = Error;
    const TAG: u32 = u32::from_le_bytes(*b"LSTe");
}
