//! A computer with a USB socket, as the driver of a board sees it.
#![allow(unreachable_pub, reason = "a module of a test")]

use std::{
    collections::{HashSet, VecDeque},
    future::poll_fn,
    sync::{Arc, Mutex, MutexGuard},
    task::Poll,
};

use embassy_usb::driver::{
    Bus, ControlPipe, Direction, Driver, Endpoint, EndpointAddress, EndpointAllocError,
    EndpointError, EndpointIn, EndpointInfo, EndpointOut, EndpointType, Event, Unsupported,
};

/// What happens on the cable. The clones are one computer.
#[derive(Clone, Default)]
pub struct Computer(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    events: VecDeque<Event>,
    /// Control transfers to be made: the setup packet, and the bytes after it.
    requests: VecDeque<([u8; 8], Vec<u8>)>,
    /// The bytes after the setup packet of the one that is being made.
    request: Vec<u8>,
    answer: Vec<u8>,
    /// What the board answered to each; `None` if it refused.
    answers: Vec<Option<Vec<u8>>>,
    enabled: HashSet<u8>,
    /// Packets of text that wait in the computer for the board.
    outgoing: VecDeque<Vec<u8>>,
    /// Packets of text that have come from the board.
    incoming: Vec<Vec<u8>>,
    /// Whether it leaves the board's packets where they are.
    is_deaf: bool,
    /// What it does when the board has nothing to do but to wait, one after the other.
    later: VecDeque<Action>,
    /// How often the board waited.
    waits: u32,
}

type Action = Box<dyn FnOnce(&Computer) + Send>;

impl Computer {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap()
    }

    /// Plugs the board in and configures it.
    pub fn plug_in(&self) {
        self.state()
            .events
            .extend([Event::PowerDetected, Event::Reset]);
        self.request([0x00, 5, 7, 0, 0, 0, 0, 0], &[]);
        self.request([0x00, 9, 1, 0, 0, 0, 0, 0], &[]);
    }

    /// Resets the bus: the board is no longer configured.
    pub fn reset(&self) {
        self.state().events.push_back(Event::Reset);
    }

    /// Asks for a descriptor.
    pub fn ask_for_descriptor(&self, kind: u8, index: u8) {
        let language = if kind == 3 && index > 0 { 0x0409u16 } else { 0 };
        let [low, high] = language.to_le_bytes();
        self.request([0x80, 6, index, kind, low, high, 255, 0], &[]);
    }

    /// A terminal program opens the port, or closes it.
    pub fn set_terminal(&self, is_there: bool) {
        self.request([0x21, 0x22, is_there.into(), 0, 0, 0, 0, 0], &[]);
    }

    fn request(&self, setup: [u8; 8], data: &[u8]) {
        self.state().requests.push_back((setup, data.to_vec()));
    }

    /// Sends a packet of text, as soon as the board takes it.
    pub fn send(&self, packet: &[u8]) {
        self.state().outgoing.push_back(packet.to_vec());
    }

    /// The packets that the board has not taken yet.
    pub fn unsent(&self) -> usize {
        self.state().outgoing.len()
    }

    /// Takes no more packets, or takes them again.
    pub fn set_deaf(&self, is_deaf: bool) {
        self.state().is_deaf = is_deaf;
    }

    /// The packets of text that have come, each once.
    pub fn packets(&self) -> Vec<Vec<u8>> {
        std::mem::take(&mut self.state().incoming)
    }

    /// The text that has come, each piece once.
    pub fn text(&self) -> String {
        String::from_utf8(self.packets().concat()).unwrap()
    }

    /// What the board answered to the requests so far; `None` where it refused.
    pub fn answers(&self) -> Vec<Option<Vec<u8>>> {
        self.state().answers.clone()
    }

    /// Does this once the board waits.
    pub fn later(&self, action: impl FnOnce(&Computer) + Send + 'static) {
        self.state().later.push_back(Box::new(action));
    }

    /// The board asks whether there is anything to do: what there is, or else the next action.
    fn poll<T>(&self, mut ready: impl FnMut(&mut State) -> Option<T>) -> Poll<T> {
        match ready(&mut self.state()) {
            Some(value) => Poll::Ready(value),
            None => Poll::Pending,
        }
    }

    /// The board has nothing to do.
    fn wait(&self) {
        let mut state = self.state();
        state.waits += 1;
        assert!(state.waits < 10_000, "the board waits for ever");
        let action = state.later.pop_front();
        drop(state);
        if let Some(action) = action {
            action(self);
        }
    }

    fn endpoint(&self, info: EndpointInfo) -> Pipe {
        Pipe {
            computer: self.clone(),
            info,
        }
    }
}

/// The driver of the board.
pub struct Socket {
    pub computer: Computer,
    pub endpoints: usize,
}

impl Socket {
    fn allocate(
        &mut self,
        direction: Direction,
        ep_type: EndpointType,
        max_packet_size: u16,
        interval_ms: u8,
    ) -> Pipe {
        self.endpoints += 1;
        self.computer.endpoint(EndpointInfo {
            addr: EndpointAddress::from_parts(self.endpoints, direction),
            ep_type,
            max_packet_size,
            interval_ms,
        })
    }
}

impl Driver<'_> for Socket {
    type EndpointOut = Pipe;
    type EndpointIn = Pipe;
    type ControlPipe = Control;
    type Bus = Cable;

    fn alloc_endpoint_out(
        &mut self,
        kind: EndpointType,
        _: Option<EndpointAddress>,
        size: u16,
        interval: u8,
    ) -> Result<Pipe, EndpointAllocError> {
        Ok(self.allocate(Direction::Out, kind, size, interval))
    }

    fn alloc_endpoint_in(
        &mut self,
        kind: EndpointType,
        _: Option<EndpointAddress>,
        size: u16,
        interval: u8,
    ) -> Result<Pipe, EndpointAllocError> {
        Ok(self.allocate(Direction::In, kind, size, interval))
    }

    fn start(self, _: u16) -> (Cable, Control) {
        (Cable(self.computer.clone()), Control(self.computer))
    }
}

/// The bus.
pub struct Cable(Computer);

impl Bus for Cable {
    async fn enable(&mut self) {}

    async fn disable(&mut self) {}

    async fn poll(&mut self) -> Event {
        let event = poll_fn(|_| self.0.poll(|state| state.events.pop_front())).await;
        if event == Event::Reset {
            self.0.state().enabled.clear();
        }
        event
    }

    fn endpoint_set_enabled(&mut self, address: EndpointAddress, enabled: bool) {
        let enabled_now = &mut self.0.state().enabled;
        match enabled {
            true => enabled_now.insert(address.into()),
            false => enabled_now.remove(&address.into()),
        };
    }

    fn endpoint_set_stalled(&mut self, _: EndpointAddress, _: bool) {}

    fn endpoint_is_stalled(&mut self, _: EndpointAddress) -> bool {
        false
    }

    async fn remote_wakeup(&mut self) -> Result<(), Unsupported> {
        Err(Unsupported)
    }
}

/// The pipe of control transfers.
pub struct Control(Computer);

impl ControlPipe for Control {
    fn max_packet_size(&self) -> usize {
        64
    }

    /// The board asks for this last, and again and again while it waits.
    async fn setup(&mut self) -> [u8; 8] {
        poll_fn(|_| {
            let request = self.0.poll(|state| {
                let (setup, data) = state.requests.pop_front()?;
                state.request = data;
                state.answer.clear();
                Some(setup)
            });
            if request.is_pending() {
                self.0.wait();
            }
            request
        })
        .await
    }

    async fn data_out(
        &mut self,
        bytes: &mut [u8],
        _: bool,
        _: bool,
    ) -> Result<usize, EndpointError> {
        let request = &mut self.0.state().request;
        let count = request.len().min(bytes.len());
        bytes[..count].copy_from_slice(&request[..count]);
        request.drain(..count);
        Ok(count)
    }

    async fn data_in(&mut self, bytes: &[u8], _: bool, is_last: bool) -> Result<(), EndpointError> {
        let mut state = self.0.state();
        state.answer.extend(bytes);
        if is_last {
            let answer = std::mem::take(&mut state.answer);
            state.answers.push(Some(answer));
        }
        Ok(())
    }

    async fn accept(&mut self) {
        self.0.state().answers.push(Some(Vec::new()));
    }

    async fn reject(&mut self) {
        self.0.state().answers.push(None);
    }

    async fn accept_set_address(&mut self, _: u8) {
        self.accept().await;
    }
}

/// Any other pipe.
pub struct Pipe {
    computer: Computer,
    info: EndpointInfo,
}

impl Pipe {
    fn is_enabled(&self, state: &State) -> bool {
        state.enabled.contains(&self.info.addr.into())
    }
}

impl Endpoint for Pipe {
    fn info(&self) -> &EndpointInfo {
        &self.info
    }

    async fn wait_enabled(&mut self) {
        poll_fn(|_| {
            self.computer
                .poll(|state| self.is_enabled(state).then_some(()))
        })
        .await;
    }
}

impl EndpointOut for Pipe {
    async fn read(&mut self, bytes: &mut [u8]) -> Result<usize, EndpointError> {
        poll_fn(|_| {
            self.computer.poll(|state| {
                if !self.is_enabled(state) {
                    return Some(Err(EndpointError::Disabled));
                }
                // A computer ends one transfer before it begins the next.
                if !state.requests.is_empty() {
                    return None;
                }
                let packet = state.outgoing.pop_front()?;
                bytes[..packet.len()].copy_from_slice(&packet);
                Some(Ok(packet.len()))
            })
        })
        .await
    }
}

impl EndpointIn for Pipe {
    async fn write(&mut self, bytes: &[u8]) -> Result<(), EndpointError> {
        assert!(bytes.len() <= self.info.max_packet_size.into());
        poll_fn(|_| {
            self.computer.poll(|state| {
                if !self.is_enabled(state) {
                    return Some(Err(EndpointError::Disabled));
                }
                if state.is_deaf {
                    return None;
                }
                state.incoming.push(bytes.to_vec());
                Some(Ok(()))
            })
        })
        .await
    }
}
