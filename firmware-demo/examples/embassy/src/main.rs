//! A model in a task of [embassy](https://embassy.dev)'s executor. The task owns the model, its state
//! and its scratch; other tasks ask it for text over a channel, and a third one sends the text.
//!
//! What it says of itself goes over defmt.

#![no_std]
#![no_main]

#[cfg(target_arch = "arm")]
use cortex_m as _;
use defmt::{error, info};
use defmt_rtt as _;
use embassy_executor::Spawner;
use embassy_futures::yield_now;
use embassy_sync::blocking_mutex::raw::CriticalSectionRawMutex;
use embassy_sync::channel::Channel;
use embassy_sync::pipe::Pipe;
use lstm_core::{
    Aligned, Alphabet, Error, Generator, Logits, Model, ModelShape, Sampler, Session, Token,
    Workspace,
};
use panic_halt as _;
use portable_atomic as _;
#[cfg(target_arch = "riscv32")]
use riscv as _;
use uart::Uart;

/// The model, in flash.
const FILE: &Aligned<[u8]> = &Aligned(*include_bytes!("../../../../models/sonnets-64.lstm"));
const SHAPE: ModelShape = ModelShape::of(&FILE.0).expect("a .lstm file");

/// The RAM of a session with this model.
type Ram = Workspace<{ SHAPE.words() }, { SHAPE.num_symbols() }>;

/// What the poet is asked for.
#[derive(Clone, Copy, defmt::Format)]
enum Request {
    /// So many characters more.
    Write(u16),
    /// Keep the state.
    Save,
    /// Go back to the state that was kept.
    Restore,
    /// Go on from this text with the likeliest characters, so many.
    Complete(&'static str, u16),
}

static REQUESTS: Channel<CriticalSectionRawMutex, Request, 4> = Channel::new();
/// Text on its way from the poet to the serial port.
static TEXT: Pipe<CriticalSectionRawMutex, 64> = Pipe::new();

#[embassy_executor::main]
async fn main(spawner: Spawner) {
    spawner.spawn(serial_port(Uart::start()).expect("spawned once"));
    spawner.spawn(poet().expect("spawned once"));
    for request in [
        Request::Write(200),
        Request::Save,
        Request::Write(60),
        Request::Restore,
        Request::Write(60),
        Request::Complete("shall i compare thee to a ", 40),
    ] {
        REQUESTS.send(request).await;
    }
}

/// Sends the text. With a HAL, `uart.write(..).await` takes the place of the loop.
#[embassy_executor::task]
async fn serial_port(mut uart: Uart) {
    let mut bytes = [0; 16];
    loop {
        let count = TEXT.read(&mut bytes).await;
        for &byte in bytes.iter().take(count) {
            while !uart.is_ready() {
                yield_now().await;
            }
            uart.send(byte);
        }
    }
}

/// Does as it is asked.
#[embassy_executor::task]
async fn poet() {
    if let Err(error) = serve().await {
        error!("{}", error);
        put("error\n").await;
    }
}

async fn serve() -> Result<(), Error> {
    let model = Model::from_bytes(&FILE.0)?;
    info!("{}, {}", model.name(), model.format());
    let alphabet = model.alphabet();
    let sampler = Sampler::new(1).with_temperature(0.8)?;
    let mut writer = Generator::new(Session::new(model, Ram::new())?, sampler)?;
    let mut reader = Session::new(model, Ram::new())?;
    // It would be kept in flash.
    let mut snapshot = [0; SHAPE.snapshot_bytes()];
    writer.save(&mut snapshot)?;
    loop {
        let request = REQUESTS.receive().await;
        info!("{}", request);
        match request {
            Request::Write(characters) => {
                for token in writer.by_ref().take(characters.into()) {
                    put_token(alphabet, token).await;
                }
                put("\n").await;
            }
            Request::Save => writer.save(&mut snapshot)?,
            Request::Restore => writer.restore(&snapshot)?,
            Request::Complete(text, characters) => {
                reader.reset();
                let mut last = alphabet.encode(' ');
                for character in text.chars() {
                    reader.advance(last);
                    last = alphabet.encode(character);
                }
                for _ in 0..characters {
                    last = likeliest_but(reader.step(last), last);
                    put_token(alphabet, last).await;
                }
                put("\nend\n").await;
            }
        }
    }
}

/// A sampler of one's own: the likeliest symbol but one.
fn likeliest_but(logits: Logits<'_>, other: Token) -> Token {
    let logits = logits.into_q12().iter().enumerate();
    let others = logits.filter(|&(index, _)| index != other.index());
    let likeliest = others.max_by_key(|&(_, logit)| logit);
    likeliest.map_or(other, |(index, _)| Token::new(index as u8))
}

async fn put_token(alphabet: Alphabet<'_>, token: Token) {
    put(alphabet.decode(token).encode_utf8(&mut [0; 4])).await;
}

/// Waits while the serial port is behind; other tasks run meanwhile.
async fn put(text: &str) {
    TEXT.write_all(text.as_bytes()).await;
}
