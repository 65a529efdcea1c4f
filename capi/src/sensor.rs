//! Models that read values: a step of values in, a class or values out.
#![allow(unsafe_code, reason = "C's names")]

use core::ffi::c_void;

use lstm_core::{Model, Output, SensorSession, SensorWindowSlice, WorkspaceError, WorkspaceSlices};

use crate::{
    error::{Error, Status, status},
    model::{nth, session_words},
    object::{ErrorMemory, ModelMemory, SensorMemory},
    pointer::{In, Out},
    report::report,
    session::slices,
};

/// A session, with the window of a model that has one.
#[derive(Debug)]
pub(crate) struct Sensor {
    session: SensorSession<'static, WorkspaceSlices<'static>>,
    window: Option<SensorWindowSlice<'static>>,
    /// Whether a step was answered since the start.
    has_output: bool,
}

/// Words of the window of a model that reads values in windows, else 0.
pub(crate) fn window_words(model: &Model<'_>) -> usize {
    model
        .window()
        .map_or(0, |length| model.window_words(length))
}

/// A model that reads values, at the zero state, with an empty window if the model was trained on windows. State and
/// window lie in `workspace`, of so many words, which stays in use: `lstm_model_describe` tells how many the model
/// needs. `model` is copied, and may go. A window is run once it is full, and then every so many steps as it is long.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lstm_sensor_init(
    sensor: *mut SensorMemory,
    model: *const ModelMemory,
    workspace: *mut u32,
    words: usize,
    error: *mut ErrorMemory,
) -> Status {
    let make = || begin(In(model), Out(workspace), words);
    report(Out(sensor).make("sensor", make), Out(error))
}

fn begin(model: In<ModelMemory>, workspace: Out<u32>, words: usize) -> Result<Sensor, Error> {
    let model = *model.content("model")?;
    let workspace = workspace.numbers("workspace", words)?;
    let at = session_words(&model);
    let (found, expected) = (words, at + window_words(&model));
    let too_few = WorkspaceError::Words { found, expected };
    let (of_session, of_window) = workspace.split_at_mut_checked(at).ok_or(too_few)?;
    let window = match model.window() {
        Some(_) if found < expected => return Err(too_few.into()),
        Some(length) => Some(SensorWindowSlice::new(&model, of_window, length, length)?),
        None => None,
    };
    Ok(Sensor {
        session: SensorSession::new(model, slices(&model, of_session))?,
        window,
        has_output: false,
    })
}

/// Changes after how many steps a window is run again, behind the next run. For a model that carries its state, which
/// answers each step, it changes nothing.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lstm_sensor_set_stride(
    sensor: *mut SensorMemory,
    stride: usize,
    error: *mut ErrorMemory,
) -> Status {
    let set = |sensor: &mut Sensor| match &mut sensor.window {
        Some(window) => Ok(window.set_stride(stride)?),
        None => Ok(()),
    };
    report(Out(sensor).content("sensor").and_then(set), Out(error))
}

/// Reads the values of one step, in the user's units: as many as the model has channels. `is_answered` then tells
/// whether the model has answered it: always, but in a window that is not to be run yet. What is no number counts as
/// the mean of its channel in the integer formats.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lstm_sensor_step(
    sensor: *mut SensorMemory,
    values: *const f32,
    count: usize,
    is_answered: *mut bool,
    error: *mut ErrorMemory,
) -> Status {
    report(
        step(Out(sensor), In(values), count, Out(is_answered)),
        Out(error),
    )
}

fn step(
    sensor: Out<SensorMemory>,
    values: In<f32>,
    count: usize,
    is_answered: Out<bool>,
) -> Result<(), Error> {
    let sensor = sensor.content("sensor")?;
    let values = values.numbers("values", count)?;
    let place = is_answered.place("is_answered")?;
    let is_answered = match &mut sensor.window {
        Some(window) => window.push(&mut sensor.session, values)?.is_some(),
        None => {
            sensor.session.step(values)?;
            true
        }
    };
    sensor.has_output |= is_answered;
    place.write(is_answered);
    Ok(())
}

impl Sensor {
    /// The last answer.
    fn output(&mut self) -> Result<Output<'_>, Error> {
        match self.has_output {
            true => Ok(self.session.output()),
            false => Err(Error::NoOutput),
        }
    }

    /// One of the numbers in the last answer.
    fn number<T>(
        &mut self,
        index: usize,
        number: impl FnOnce(&Output<'_>, usize) -> T,
    ) -> Result<T, Error> {
        let output = self.output()?;
        let index = nth(0..output.len(), index, output.len())?;
        Ok(number(&output, index))
    }
}

/// The class of the last answer: the likeliest, the first of equals.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lstm_sensor_class(
    sensor: *mut SensorMemory,
    class_index: *mut usize,
    error: *mut ErrorMemory,
) -> Status {
    let sensor = Out(sensor).content("sensor");
    let class = sensor.and_then(|sensor| Ok(sensor.output()?.class()));
    report(
        class.and_then(|class| Out(class_index).set("class_index", class)),
        Out(error),
    )
}

/// The probability of a class in the last answer, 0 to 1.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lstm_sensor_probability(
    sensor: *mut SensorMemory,
    class_index: usize,
    probability: *mut f32,
    error: *mut ErrorMemory,
) -> Status {
    let sensor = Out(sensor).content("sensor");
    let number = sensor
        .and_then(|sensor| sensor.number(class_index, |output, index| output.probability(index)));
    report(
        number.and_then(|number| Out(probability).set("probability", number)),
        Out(error),
    )
}

/// The probability of a class in the last answer, in 1/32768: computed in integers, and equal on every chip.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lstm_sensor_probability_q15(
    sensor: *mut SensorMemory,
    class_index: usize,
    probability: *mut u16,
    error: *mut ErrorMemory,
) -> Status {
    let sensor = Out(sensor).content("sensor");
    let number = sensor.and_then(|sensor| {
        sensor.number(class_index, |output, index| output.probability_q15(index))
    });
    report(
        number.and_then(|number| Out(probability).set("probability", number)),
        Out(error),
    )
}

/// A value of the last answer, in the user's units; the logit of a class.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lstm_sensor_value(
    sensor: *mut SensorMemory,
    index: usize,
    value: *mut f32,
    error: *mut ErrorMemory,
) -> Status {
    let sensor = Out(sensor).content("sensor");
    let nth = |output: &Output<'_>, index| output.values().nth(index).unwrap_or_default();
    let number = sensor.and_then(|sensor| sensor.number(index, nth));
    report(
        number.and_then(|number| Out(value).set("value", number)),
        Out(error),
    )
}

/// Back to the zero state and an empty window, without an answer.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lstm_sensor_reset(sensor: *mut SensorMemory) -> Status {
    let reset = |sensor: &mut Sensor| {
        sensor.session.reset();
        if let Some(window) = &mut sensor.window {
            window.clear();
        }
        sensor.has_output = false;
    };
    status(Out(sensor).content("sensor").map(reset))
}

/// The bytes of a saved state.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lstm_sensor_state_bytes(
    sensor: *const SensorMemory,
    bytes: *mut usize,
) -> Status {
    let sensor = In(sensor).content("sensor");
    let state_bytes = sensor.map(|sensor| match &sensor.window {
        Some(window) => window.state_bytes(),
        None => sensor.session.state_bytes(),
    });
    status(state_bytes.and_then(|found| Out(bytes).set("bytes", found)))
}

/// Writes the state into `state`, which has as many bytes as `lstm_sensor_state_bytes` tells: the state of the
/// network, or the window, which is run from the zero state. They mean the same on every chip.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lstm_sensor_save(
    sensor: *const SensorMemory,
    state: *mut c_void,
    bytes: usize,
    error: *mut ErrorMemory,
) -> Status {
    let save = |sensor: &Sensor| {
        let state = Out(state).bytes("state", bytes)?;
        match &sensor.window {
            Some(window) => window.save(state)?,
            None => sensor.session.save(state)?,
        }
        Ok(())
    };
    report(In(sensor).content("sensor").and_then(save), Out(error))
}

/// Takes back a state that `lstm_sensor_save` wrote with this model, here or on another chip. There is no answer until
/// the next step that is answered. Where it is refused, nothing changes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lstm_sensor_restore(
    sensor: *mut SensorMemory,
    state: *const c_void,
    bytes: usize,
    error: *mut ErrorMemory,
) -> Status {
    let restore = |sensor: &mut Sensor| {
        let state = In(state).bytes("state", bytes)?;
        match &mut sensor.window {
            Some(window) => window.restore(state)?,
            None => sensor.session.restore(state)?,
        }
        sensor.has_output = false;
        Ok(())
    };
    report(Out(sensor).content("sensor").and_then(restore), Out(error))
}
