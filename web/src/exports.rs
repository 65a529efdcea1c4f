//! What the page calls.
#![allow(
    unsafe_code,
    unreachable_pub,
    reason = "exported functions have their names as they are, and are called from outside"
)]

use core::{
    arch::wasm32::{memory_grow, unreachable},
    cell::{RefCell, RefMut},
    fmt::{self, Write},
    panic::PanicInfo,
};

use lstm_core::{Sampler, Settings};

use crate::{
    page::{Done, Page},
    units,
};

static PAGE: Alone<Option<Page>> = Alone(RefCell::new(None));
static BUFFER: Alone<Buffer> = Alone(RefCell::new(Buffer {
    bytes: [0; units::MOST],
    len: 0,
}));

/// What one call at a time uses.
struct Alone<T>(RefCell<T>);

// SAFETY: The module has no threads.
unsafe impl<T> Sync for Alone<T> {}

impl<T> Alone<T> {
    fn lock(&self) -> RefMut<'_, T> {
        self.0.borrow_mut()
    }
}

/// The page makes a new instance of the module after a trap. The engine and the console have no panic.
#[panic_handler]
fn panic(_: &PanicInfo<'_>) -> ! {
    unreachable()
}

/// What goes to the page.
struct Buffer {
    bytes: [u8; units::MOST],
    len: usize,
}

impl Buffer {
    /// Takes bytes, as far as there is room.
    fn push(&mut self, bytes: &[u8]) {
        let room = self.bytes.get_mut(self.len..).unwrap_or_default();
        for (to, from) in room.iter_mut().zip(bytes) {
            *to = *from;
            self.len += 1;
        }
    }
}

impl Write for Buffer {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.push(text.as_bytes());
        Ok(())
    }
}

/// Fills the buffer from its start, and gives the number of bytes.
fn fill(write: impl FnOnce(&mut Page, &mut Buffer)) -> usize {
    let (mut page, mut buffer) = (PAGE.lock(), BUFFER.lock());
    buffer.len = 0;
    if let Some(page) = &mut *page {
        write(page, &mut buffer);
    }
    buffer.len
}

/// Makes room for a model's file of so many bytes, and tells where; 0 where the browser has none.
#[unsafe(no_mangle)]
pub extern "C" fn room(bytes: usize) -> usize {
    const PAGE: usize = 65536;
    // Nothing else asks for memory: there is no heap.
    memory_grow(0, bytes.div_ceil(PAGE))
        .checked_mul(PAGE)
        .unwrap_or(0)
}

/// Where the buffer is.
#[unsafe(no_mangle)]
pub extern "C" fn buffer() -> *const u8 {
    BUFFER.lock().bytes.as_ptr()
}

/// Reads the model, of so many bytes in its `room`; `code` is the size of this program, for `:info`. Gives 0,
/// or the bytes of why it is refused.
///
/// # Safety
///
/// `file` and `bytes` are those of `room`, and nobody writes there any more.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn start(file: *const u8, bytes: usize, code: u32) -> usize {
    // SAFETY: The memory is there, and stays as it is.
    let file = unsafe { core::slice::from_raw_parts(file, bytes) };
    *PAGE.lock() = Page::new(file, code);
    fill(|page, buffer| {
        if let Err(error) = page.console.poet() {
            let _ = write!(buffer, "{error}");
        }
    })
}

/// Whether `input` takes a byte now.
#[unsafe(no_mangle)]
pub extern "C" fn is_listening() -> bool {
    let page = PAGE.lock();
    page.as_ref()
        .is_some_and(|page| page.console.is_listening())
}

/// Takes a byte that was typed: bytes of its echo.
#[unsafe(no_mangle)]
pub extern "C" fn input(byte: u8) -> usize {
    fill(|page, buffer| buffer.push(page.console.input(byte).as_bytes()))
}

/// Goes on with what there is to do. Gives what was done (`Done`) times 65536, and the bytes of its text: what
/// the console has said, or the character that was written or read.
#[unsafe(no_mangle)]
pub extern "C" fn step() -> u32 {
    let mut done = Done::Nothing;
    let bytes = fill(|page, buffer| {
        done = page.step(|text| buffer.push(text.as_bytes()));
        if let (Done::Read, Some(character)) = (done, page.last()) {
            let _ = buffer.write_char(character);
        }
    });
    (done as u32) << 16 | bytes as u32
}

/// A signed byte for each unit of the network: of each layer the hidden state, then the cell state.
#[unsafe(no_mangle)]
pub extern "C" fn units() -> usize {
    fill(|page, buffer| buffer.len = page.units(&mut buffer.bytes))
}

/// A u32 for each symbol: in proportion to its probability when the last character was drawn. Nothing where
/// it was not drawn, but the likeliest.
#[unsafe(no_mangle)]
pub extern "C" fn weights() -> usize {
    fill(|page, buffer| {
        if let Ok(poet) = page.console.poet() {
            let weights = poet.generator().weights().unwrap_or_default();
            buffer.push(bytemuck::cast_slice(weights));
        }
    })
}

/// The symbols, in UTF-8.
#[unsafe(no_mangle)]
pub extern "C" fn symbols() -> usize {
    fill(|page, buffer| {
        if let Ok(poet) = page.console.poet() {
            buffer.push(poet.model().alphabet().symbols().as_bytes());
        }
    })
}

/// A line for each layer: its kind, its cells, its outputs.
#[unsafe(no_mangle)]
pub extern "C" fn shape() -> usize {
    fill(|page, buffer| {
        if let Ok(poet) = page.console.poet() {
            for layer in poet.model().layers() {
                let (cell, hidden) = (layer.cell.name(), layer.hidden);
                let _ = writeln!(buffer, "{cell} {hidden} {}", layer.output());
            }
        }
    })
}

/// The model's format, checksum and name, a blank between.
#[unsafe(no_mangle)]
pub extern "C" fn name() -> usize {
    fill(|page, buffer| {
        if let Ok(poet) = page.console.poet() {
            let model = poet.model();
            let (format, checksum) = (model.format().name(), model.checksum());
            let _ = write!(buffer, "{format} {checksum:08x} {}", model.name());
        }
    })
}

/// Something of the page, or of one without a model.
fn get<T: Default>(get: impl FnOnce(&mut Page) -> T) -> T {
    PAGE.lock().as_mut().map_or_else(T::default, get)
}

fn settings() -> Option<Settings> {
    sampler(Sampler::settings)
}

fn sampler<T>(read: impl FnOnce(&Sampler) -> T) -> Option<T> {
    get(|page| {
        let poet = page.console.poet().ok()?;
        Some(read(poet.generator().sampler()))
    })
}

/// The sampler's.
#[unsafe(no_mangle)]
pub extern "C" fn temperature() -> f32 {
    settings().map_or(0.0, |settings| settings.temperature)
}

/// The sampler's.
#[unsafe(no_mangle)]
pub extern "C" fn top_k() -> u32 {
    settings().map_or(0, |settings| settings.top_k as u32)
}

/// The sampler's.
#[unsafe(no_mangle)]
pub extern "C" fn top_p() -> f32 {
    settings().map_or(0.0, |settings| settings.top_p)
}

/// The sampler's.
#[unsafe(no_mangle)]
pub extern "C" fn seed() -> u64 {
    sampler(Sampler::seed).unwrap_or_default()
}

/// Characters a second; 0 as fast as it can.
#[unsafe(no_mangle)]
pub extern "C" fn speed() -> u32 {
    get(|page| page.console.speed())
}

/// Whether the text is paused.
#[unsafe(no_mangle)]
pub extern "C" fn is_paused() -> bool {
    get(|page| page.console.is_paused())
}

/// Characters that the model has written.
#[unsafe(no_mangle)]
pub extern "C" fn written() -> u64 {
    get(|page| page.written())
}
