//! Models that read values: a step of values in, a class or values out.
#![allow(unsafe_code, reason = "C's names")]

use core::ffi::c_void;

use lstm_core::Output;

use crate::{
    error::{Error, Status, status},
    object::{ErrorMemory, ModelMemory, SensorMemory},
    pointer::{In, Out},
    report::report,
    windowed::Windowed,
};

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

fn begin(model: In<ModelMemory>, workspace: Out<u32>, words: usize) -> Result<Windowed, Error> {
    let model = *model.content("model")?;
    Windowed::new(model, workspace.numbers("workspace", words)?)
}

/// Changes after how many steps a window is run again, after the next run. For a model that carries its state, which
/// answers each step, it changes nothing.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lstm_sensor_set_stride(
    sensor: *mut SensorMemory,
    stride: usize,
    error: *mut ErrorMemory,
) -> Status {
    let set = |sensor: &mut Windowed| sensor.set_stride(stride);
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
    place.write(sensor.step(values)?);
    Ok(())
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
    status(Out(sensor).content("sensor").map(Windowed::reset))
}

/// The bytes of a saved state.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lstm_sensor_state_bytes(
    sensor: *const SensorMemory,
    bytes: *mut usize,
) -> Status {
    let sensor = In(sensor).content("sensor");
    let state_bytes = sensor.map(Windowed::state_bytes);
    status(state_bytes.and_then(|found| Out(bytes).set("bytes", found)))
}

/// Writes the state into `state`, which has as many bytes as `lstm_sensor_state_bytes` tells: all that the coming answers
/// depend on, as the command `:save` of the firmware has it. They mean the same on every chip.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lstm_sensor_save(
    sensor: *const SensorMemory,
    state: *mut c_void,
    bytes: usize,
    error: *mut ErrorMemory,
) -> Status {
    let save = |sensor: &Windowed| sensor.save(Out(state).bytes("state", bytes)?);
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
    let restore = |sensor: &mut Windowed| sensor.restore(In(state).bytes("state", bytes)?);
    report(Out(sensor).content("sensor").and_then(restore), Out(error))
}
