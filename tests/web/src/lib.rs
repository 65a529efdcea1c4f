//! The modules of the page, called as the page calls them.

mod image;

use std::{
    fs,
    sync::OnceLock,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};
use wasmtime::{Caller, Engine, Instance, Linker, Memory, Module, Store, WasmParams, WasmResults};
use xtask::web::Modules;

pub use image::replace;

/// The modules, built once.
///
/// # Errors
///
/// They are not built.
pub fn modules() -> Result<Modules> {
    static BUILT: OnceLock<std::result::Result<Modules, String>> = OnceLock::new();
    let built = BUILT.get_or_init(|| Modules::build().map_err(|error| format!("{error:#}")));
    built.clone().map_err(anyhow::Error::msg)
}

fn compiled() -> Result<&'static (Engine, Module)> {
    static COMPILED: OnceLock<(Engine, Module)> = OnceLock::new();
    if let Some(compiled) = COMPILED.get() {
        return Ok(compiled);
    }
    let engine = Engine::default();
    let compiled = Module::new(&engine, fs::read(modules()?.engine)?)?;
    Ok(COMPILED.get_or_init(|| (engine, compiled)))
}

/// What a step has done, as `Done` of the module.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Did {
    /// Nothing: it waits.
    Nothing,
    /// Something that shows nothing.
    Work,
    /// The console has said something.
    Said,
    /// The model has written a character.
    Wrote,
    /// The model has read a character.
    Read,
}

/// A model in the module.
pub struct Page {
    store: Store<Instant>,
    instance: Instance,
    memory: Memory,
    buffer: usize,
}

impl Page {
    /// A model in a new instance; or why the engine refuses it.
    ///
    /// # Errors
    ///
    /// The module is not built, or lacks something.
    pub fn open(file: &[u8]) -> Result<std::result::Result<Self, String>> {
        let (engine, module) = compiled()?;
        let mut store = Store::new(engine, Instant::now());
        let mut linker = Linker::new(engine);
        linker.func_wrap("page", "ticks", |caller: Caller<'_, Instant>| -> u32 {
            caller.data().elapsed().as_micros() as u32
        })?;
        let instance = linker.instantiate(&mut store, module)?;
        let memory = instance
            .get_memory(&mut store, "memory")
            .context("a memory")?;
        let mut page = Page {
            store,
            instance,
            memory,
            buffer: 0,
        };
        let place: u32 = page.call("room", file.len() as u32)?;
        page.memory.write(&mut page.store, place as usize, file)?;
        page.buffer = page.call::<_, u32>("buffer", ())? as usize;
        let refused: u32 = page.call("start", (place, file.len() as u32, 0u32))?;
        if refused > 0 {
            return Ok(Err(page.text(refused)?));
        }
        Ok(Ok(page))
    }

    /// Calls an export.
    ///
    /// # Errors
    ///
    /// There is none with this name and these types, or it traps.
    pub fn call<P: WasmParams, R: WasmResults>(&mut self, name: &str, arguments: P) -> Result<R> {
        let function = self
            .instance
            .get_typed_func::<P, R>(&mut self.store, name)?;
        Ok(function.call(&mut self.store, arguments)?)
    }

    /// The bytes that an export gives.
    ///
    /// # Errors
    ///
    /// As [`Page::call`].
    pub fn bytes(&mut self, name: &str) -> Result<Vec<u8>> {
        let length: u32 = self.call(name, ())?;
        self.buffered(length)
    }

    fn buffered(&self, length: u32) -> Result<Vec<u8>> {
        let memory = self.memory.data(&self.store);
        let bytes = memory
            .get(self.buffer..)
            .and_then(|bytes| bytes.get(..length as usize));
        Ok(bytes.context("the buffer ends before")?.to_vec())
    }

    fn text(&self, length: u32) -> Result<String> {
        Ok(String::from_utf8(self.buffered(length)?)?)
    }

    /// Does what comes next.
    ///
    /// # Errors
    ///
    /// As [`Page::call`].
    pub fn step(&mut self) -> Result<(Did, String)> {
        let done: u32 = self.call("step", ())?;
        let kinds = [Did::Nothing, Did::Work, Did::Said, Did::Wrote, Did::Read];
        let did = *kinds.get((done >> 16) as usize).context("a kind of step")?;
        Ok((did, self.text(done & 0xffff)?))
    }

    /// The next characters that the model writes.
    ///
    /// # Errors
    ///
    /// As [`Page::call`], or it writes none for a minute.
    pub fn write(&mut self, characters: usize) -> Result<String> {
        let start = Instant::now();
        let mut text = String::new();
        for _ in 0..characters {
            loop {
                let (did, written) = self.step()?;
                if did == Did::Wrote {
                    text.push_str(&written.replace("\r\n", "\n"));
                    break;
                }
                ensure!(
                    start.elapsed() < Duration::from_secs(60),
                    "no character in a minute"
                );
            }
        }
        Ok(text)
    }

    /// Types a byte.
    ///
    /// # Errors
    ///
    /// As [`Page::call`].
    pub fn key(&mut self, byte: u8) -> Result<String> {
        let echo: u32 = self.call("input", u32::from(byte))?;
        self.text(echo)
    }

    /// Types a line, and does what it asks for: what the console has said, and what the model has read.
    ///
    /// # Errors
    ///
    /// As [`Page::call`].
    pub fn line(&mut self, line: &str) -> Result<(String, String)> {
        let (mut said, mut read) = (String::new(), String::new());
        while self.call::<_, u32>("is_listening", ())? == 0 {
            self.step()?;
        }
        for byte in line.bytes().chain([b'\r']) {
            said.push_str(&self.key(byte)?);
        }
        while self.call::<_, u32>("is_listening", ())? == 0 {
            match self.step()? {
                (Did::Read, character) => read.push_str(&character),
                (_, text) => said.push_str(&text),
            }
        }
        Ok((said, read))
    }
}
