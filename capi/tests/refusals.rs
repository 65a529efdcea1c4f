//! What C may give that is wrong is refused with a code and a line of text, and nothing changes.
#![allow(unsafe_code, reason = "the functions of C")]

use std::{
    ffi::{CStr, c_char, c_void},
    ptr::{null, null_mut},
};

use lstm::*;
use lstm_core::{Model, SensorSession, SensorWindow, WorkspaceSlices};
use xtask::aligned::AlignedBytes;

const MODEL: &[u8] = include_bytes!("../../models/sonnets-64.lstm");

/// Memory for an object, with nothing in it.
macro_rules! memory {
    ($name:ident) => {
        $name { align: 0 }
    };
}

fn words_of(model: &ModelMemory) -> usize {
    let mut info = std::mem::MaybeUninit::uninit();
    // SAFETY: both are memory of their types, and a description is written.
    unsafe {
        assert_eq!(
            lstm_model_describe(model, info.as_mut_ptr()),
            Status::LstmOk
        );
        info.assume_init().workspace_words
    }
}

/// The line about an error.
fn line(error: &ErrorMemory) -> String {
    let mut text = [1; 200];
    // SAFETY: there is room for as many bytes as are told, and a zero byte ends the text.
    unsafe {
        let length = lstm_error_text(error, text.as_mut_ptr(), text.len());
        let text = CStr::from_ptr(text.as_ptr()).to_str().unwrap();
        assert_eq!(text.len(), length);
        text.to_owned()
    }
}

/// A model, read from its file at an offset from an aligned address.
struct Files {
    flash: AlignedBytes,
    bytes: usize,
}

impl Files {
    fn new() -> Self {
        Files {
            flash: AlignedBytes::new(&[MODEL, &[0; 16]].concat()),
            bytes: MODEL.len(),
        }
    }

    fn at(&self, offset: usize) -> *const c_void {
        self.flash.bytes()[offset..].as_ptr().cast()
    }

    fn model(&self) -> ModelMemory {
        let mut model = memory!(ModelMemory);
        // SAFETY: the file has so many bytes, and stays.
        let status = unsafe { lstm_model_init(&mut model, self.at(0), self.bytes, null_mut()) };
        assert_eq!(status, Status::LstmOk);
        model
    }
}

#[test]
fn null_and_misaligned_pointers_and_impossible_lengths_are_refused() {
    let files = Files::new();
    let mut error = memory!(ErrorMemory);
    let mut places = [memory!(ModelMemory), memory!(ModelMemory)];
    let model = places.as_mut_ptr();
    let odd = model.wrapping_byte_add(1);
    let (file, bytes) = (files.at(0), files.bytes);
    // SAFETY: what is wrong is not followed; the rest is memory of its type.
    unsafe {
        let status = lstm_model_init(null_mut(), file, bytes, &mut error);
        assert_eq!(status, Status::LstmErrorNull);
        assert_eq!(line(&error), "`model` is null, expected memory");

        let status = lstm_model_init(odd, file, bytes, &mut error);
        assert_eq!(status, Status::LstmErrorAlignment);
        let expected = "`model` lies at an address that is 1 modulo 8, expected a multiple of 8";
        assert_eq!(line(&error), expected);

        let status = lstm_model_init(model, null(), bytes, &mut error);
        assert_eq!(status, Status::LstmErrorNull);
        assert_eq!(line(&error), "`file` is null, expected memory");

        let status = lstm_model_init(model, file, usize::MAX, &mut error);
        assert_eq!(status, Status::LstmErrorLength);
        let expected = format!(
            "`file` has a length of {}, expected one that fits into memory",
            usize::MAX
        );
        assert_eq!(line(&error), expected);

        // Without room for the error, and with room that is none.
        let status = lstm_model_init(model, null(), bytes, null_mut());
        assert_eq!(status, Status::LstmErrorNull);
        let odd = (&raw mut error).wrapping_byte_add(4);
        let status = lstm_model_init(model, null(), bytes, odd);
        assert_eq!(status, Status::LstmErrorAlignment);
    }
}

#[test]
fn a_model_at_an_odd_address_or_cut_or_damaged_is_refused_by_the_engine() {
    let mut files = Files::new();
    let mut error = memory!(ErrorMemory);
    let mut model = memory!(ModelMemory);
    let bytes = files.bytes;
    let shifted = [&[0; 1], MODEL].concat();
    let shifted = AlignedBytes::new(&shifted);
    // SAFETY: the files have so many bytes.
    unsafe {
        let odd = shifted.bytes()[1..].as_ptr().cast();
        let status = lstm_model_init(&mut model, odd, bytes, &mut error);
        assert_eq!(status, Status::LstmErrorModel);
        let expected =
            "the weights lie at an address that is 1 modulo 16, expected an alignment of 4 bytes";
        assert_eq!(line(&error), expected);

        let status = lstm_model_init(&mut model, files.at(0), bytes - 1, &mut error);
        assert_eq!(status, Status::LstmErrorModel);
        let found = bytes - 1;
        let expected =
            format!("the .lstm file is truncated: found {found} bytes, expected {bytes}");
        assert_eq!(line(&error), expected);

        let status = lstm_model_init(&mut model, files.at(0), bytes + 1, &mut error);
        assert_eq!(status, Status::LstmErrorModel);
        let status = lstm_model_init_region(&mut model, files.at(0), bytes + 1, &mut error);
        assert_eq!(status, Status::LstmOk);

        files.flash.bytes_mut()[bytes / 2] ^= 1;
        let status = lstm_model_init(&mut model, files.at(0), bytes, &mut error);
        assert_eq!(status, Status::LstmErrorModel);
        assert!(line(&error).starts_with("the .lstm file is damaged"));
        // What was there before is gone.
        let mut token = 0;
        let status = lstm_model_encode(&model, 'a'.into(), &mut token);
        assert_eq!(status, Status::LstmErrorNotReady);
    }
}

#[test]
fn an_object_that_was_not_made_and_one_of_another_kind_are_refused() {
    let files = Files::new();
    let mut error = memory!(ErrorMemory);
    let mut generator = memory!(GeneratorMemory);
    let (mut token, mut bytes) = (0, 0);
    let mut words = [0u32; 8];
    let (workspace, length) = (words.as_mut_ptr(), words.len());
    let nothing = memory!(ModelMemory);
    let model = files.model();
    // SAFETY: all is memory of at least the size of its type.
    unsafe {
        let status = lstm_generator_next(&mut generator, &mut token);
        assert_eq!(status, Status::LstmErrorNotReady);
        let status = lstm_generator_snapshot_bytes(&generator, &mut bytes);
        assert_eq!(status, Status::LstmErrorNotReady);
        let status =
            lstm_generator_init(&mut generator, &nothing, workspace, length, 1, &mut error);
        assert_eq!(status, Status::LstmErrorNotReady);
        let expected = "`model` was not made or was refused, expected one that was made";
        assert_eq!(line(&error), expected);

        let mut room = memory!(GeneratorMemory);
        (&raw mut room).cast::<ModelMemory>().write(model);
        let status = lstm_generator_next(&mut room, &mut token);
        assert_eq!(status, Status::LstmErrorNotReady);
        // An error that there is not has no text.
        assert_eq!(line(&memory!(ErrorMemory)), "");
    }
}

#[test]
fn a_workspace_of_a_word_too_few_is_refused_and_one_of_enough_is_not() {
    let files = Files::new();
    let model = files.model();
    let enough = words_of(&model);
    let mut words = vec![0u32; enough + 1];
    let workspace = words.as_mut_ptr();
    let mut error = memory!(ErrorMemory);
    let mut session = memory!(SessionMemory);
    // SAFETY: the workspace has as many words as are told, and stays.
    unsafe {
        for few in [0, 1, enough / 2, enough - 1] {
            let status = lstm_session_init(&mut session, &model, workspace, few, &mut error);
            assert_eq!(status, Status::LstmErrorWorkspace, "{few} of {enough}");
            assert!(
                line(&error).contains("expected at least"),
                "{}",
                line(&error)
            );
        }
        for odd in [1, 2, 3] {
            let workspace = workspace.wrapping_byte_add(odd);
            let status = lstm_session_init(&mut session, &model, workspace, enough, &mut error);
            assert_eq!(status, Status::LstmErrorAlignment);
        }
        let status = lstm_session_init(&mut session, &model, workspace, enough, &mut error);
        assert_eq!(status, Status::LstmOk);
    }
}

#[test]
fn a_saved_state_of_another_length_or_damaged_is_refused_and_the_text_goes_on() {
    let files = Files::new();
    let model = files.model();
    let mut words = vec![0u32; words_of(&model)];
    let mut error = memory!(ErrorMemory);
    let mut generator = memory!(GeneratorMemory);
    let (mut bytes, mut token) = (0, 0);
    // SAFETY: all is memory of its type and of the length that is told, and stays.
    unsafe {
        let (workspace, length) = (words.as_mut_ptr(), words.len());
        let status = lstm_generator_init(&mut generator, &model, workspace, length, 3, &mut error);
        assert_eq!(status, Status::LstmOk);
        let status = lstm_generator_snapshot_bytes(&generator, &mut bytes);
        assert_eq!(status, Status::LstmOk);
        let mut snapshot = vec![0u8; bytes + 1];
        let place: *mut c_void = snapshot.as_mut_ptr().cast();
        for wrong in [0, bytes - 1, bytes + 1] {
            let status = lstm_generator_save(&generator, place, wrong, &mut error);
            assert_eq!(status, Status::LstmErrorSnapshot);
            let expected = format!("the snapshot has {wrong} bytes, expected {bytes}");
            assert_eq!(line(&error), expected);
        }
        let status = lstm_generator_save(&generator, place, bytes, &mut error);
        assert_eq!(status, Status::LstmOk);
        let mut text = |generator: &mut GeneratorMemory| {
            let mut next = || {
                assert_eq!(lstm_generator_next(generator, &mut token), Status::LstmOk);
                token
            };
            (0..50).map(|_| next()).collect::<Vec<u8>>()
        };
        let first = text(&mut generator);
        let before = text(&mut generator);
        snapshot[bytes / 2] ^= 1;
        let place: *const c_void = snapshot.as_ptr().cast();
        let status = lstm_generator_restore(&mut generator, place, bytes, &mut error);
        assert_eq!(status, Status::LstmErrorSnapshot);
        let after = text(&mut generator);
        snapshot[bytes / 2] ^= 1;
        let place: *const c_void = snapshot.as_ptr().cast();
        let status = lstm_generator_restore(&mut generator, place, bytes, &mut error);
        assert_eq!(status, Status::LstmOk);
        let again = [
            text(&mut generator),
            text(&mut generator),
            text(&mut generator),
        ];
        assert_eq!(again, [first, before, after]);
    }
}

#[test]
fn settings_texts_and_characters_out_of_range_are_refused() {
    let files = Files::new();
    let model = files.model();
    let mut words = vec![0u32; words_of(&model)];
    let mut error = memory!(ErrorMemory);
    let mut generator = memory!(GeneratorMemory);
    let mut token = 7;
    // SAFETY: as above.
    unsafe {
        let (workspace, length) = (words.as_mut_ptr(), words.len());
        let status = lstm_generator_init(&mut generator, &model, workspace, length, 3, &mut error);
        assert_eq!(status, Status::LstmOk);
        for (temperature, top_k, top_p) in [
            (f32::NAN, 256, 1.0),
            (-1.0, 256, 1.0),
            (1.0, 0, 1.0),
            (1.0, 257, 1.0),
            (1.0, 256, 0.0),
        ] {
            let status = lstm_generator_set(&mut generator, temperature, top_k, top_p, &mut error);
            assert_eq!(status, Status::LstmErrorSampler);
            assert!(line(&error).contains("expected"), "{}", line(&error));
        }
        let text: *const c_char = b"ab\xff".as_ptr().cast();
        let status = lstm_generator_read(&mut generator, text, 3, &mut error);
        assert_eq!(status, Status::LstmErrorText);
        let expected = "the text is UTF-8 in its first 2 bytes alone, expected all of it";
        assert_eq!(line(&error), expected);
        assert_eq!(
            lstm_model_encode(&model, 0xd800, &mut token),
            Status::LstmErrorText
        );
        assert_eq!(token, 7);
        let mut text = [7; CHARACTER_BYTES];
        let status = lstm_model_decode(&model, 1, text.as_mut_ptr(), 1);
        assert_eq!((status, text[0]), (Status::LstmErrorCapacity, 7));
        let status = lstm_model_decode(&model, 1, text.as_mut_ptr(), 2);
        assert_eq!(status, Status::LstmOk);
        assert_eq!(CStr::from_ptr(text.as_ptr()), c"a");
    }
}

/// Session and sampler by hand give the text of the generator, and the logits lead to it.
#[test]
fn steps_by_hand_give_the_text_of_a_generator() {
    let files = Files::new();
    let model = files.model();
    let length = words_of(&model);
    let (mut words, mut others) = (vec![0u32; length], vec![0u32; length]);
    let mut error = memory!(ErrorMemory);
    let mut generator = memory!(GeneratorMemory);
    let mut session = memory!(SessionMemory);
    let mut sampler = memory!(SamplerMemory);
    let (mut token, mut next, mut written) = (0, 0, 0);
    let ok = |status| assert_eq!(status, Status::LstmOk);
    // SAFETY: as above; the logits lie where the session says, a number for each of 27 symbols.
    unsafe {
        let workspace = words.as_mut_ptr();
        ok(lstm_generator_init(
            &mut generator,
            &model,
            workspace,
            length,
            5,
            &mut error,
        ));
        ok(lstm_session_init(
            &mut session,
            &model,
            others.as_mut_ptr(),
            length,
            &mut error,
        ));
        ok(lstm_sampler_init(&mut sampler, 5));
        for _ in 0..100 {
            ok(lstm_generator_next(&mut generator, &mut written));
            ok(lstm_session_sample(
                &mut session,
                &mut sampler,
                token,
                &mut next,
            ));
            assert_eq!(next, written);
            token = next;
        }
        ok(lstm_sampler_set(&mut sampler, 0.0, 256, 1.0, &mut error));
        let mut bytes = 0;
        ok(lstm_session_state_bytes(&session, &mut bytes));
        let mut state = vec![0u8; bytes];
        ok(lstm_session_save(
            &session,
            state.as_mut_ptr().cast(),
            bytes,
            &mut error,
        ));
        let mut logits = null();
        ok(lstm_session_step(&mut session, token, &mut logits));
        let logits = std::slice::from_raw_parts(logits, 27);
        let best = (0..27).rev().max_by_key(|&index| logits[index]).unwrap();
        ok(lstm_session_reset(&mut session));
        ok(lstm_session_restore(
            &mut session,
            state.as_ptr().cast(),
            bytes,
            &mut error,
        ));
        ok(lstm_session_sample(
            &mut session,
            &mut sampler,
            token,
            &mut next,
        ));
        assert_eq!(usize::from(next), best);
        // A step without logits is a step.
        ok(lstm_session_restore(
            &mut session,
            state.as_ptr().cast(),
            bytes,
            &mut error,
        ));
        ok(lstm_session_step(&mut session, token, null_mut()));
        ok(lstm_generator_reset(&mut generator, 5));
    }
}

#[test]
fn a_line_is_cut_where_there_is_no_room_and_every_code_has_a_text() {
    let mut error = memory!(ErrorMemory);
    let mut text = [7; 12];
    // SAFETY: as above.
    unsafe {
        let status = lstm_model_init(null_mut(), null(), 0, &mut error);
        assert_eq!(status, Status::LstmErrorNull);
        let length = lstm_error_text(&error, text.as_mut_ptr(), 10);
        assert_eq!(length, "`model` is null, expected memory".len());
        assert_eq!(CStr::from_ptr(text.as_ptr()), c"`model` i");
        assert_eq!(text[10..], [7, 7]);
        assert_eq!(lstm_error_text(&error, text.as_mut_ptr(), 0), length);
        assert_eq!(lstm_error_text(&error, null_mut(), 10), 0);
        let texts = (0..=14).map(|code| CStr::from_ptr(lstm_status_text(code)));
        let texts: std::collections::BTreeSet<_> = texts.collect();
        assert_eq!(texts.len(), 15);
        assert_eq!(CStr::from_ptr(lstm_status_text(-5)), c"another error");
    }
}

/// A model that reads values, in `flash`.
fn sensor_model(flash: &AlignedBytes) -> ModelMemory {
    let mut model = memory!(ModelMemory);
    let file = flash.bytes();
    // SAFETY: the file has so many bytes, and stays as long as `flash`.
    let status =
        unsafe { lstm_model_init(&mut model, file.as_ptr().cast(), file.len(), null_mut()) };
    assert_eq!(status, Status::LstmOk);
    model
}

const CLASSIFIER: &[u8] = include_bytes!("../../models/sensors/motions-gru.lstm");

#[test]
fn a_model_tells_its_channels_and_its_classes() {
    let flash = AlignedBytes::new(CLASSIFIER);
    let model = sensor_model(&flash);
    let mut error = memory!(ErrorMemory);
    let mut info = std::mem::MaybeUninit::uninit();
    let mut text = [7; NAME_BYTES];
    // SAFETY: all is memory of its type, and of the length that is told.
    unsafe {
        let status = lstm_model_describe(&model, info.as_mut_ptr());
        assert_eq!(status, Status::LstmOk);
        let info = info.assume_init();
        assert_eq!((info.num_symbols, info.num_channels), (0, 6));
        assert_eq!((info.num_outputs, info.gives), (4, Gives::LstmGivesClasses));
        assert_eq!(info.window, 100);
        let place = text.as_mut_ptr();
        let status = lstm_model_channel_name(&model, 5, place, NAME_BYTES, &mut error);
        assert_eq!(status, Status::LstmOk);
        assert_eq!(CStr::from_ptr(place), c"gyro z");
        let status = lstm_model_output_name(&model, 0, place, NAME_BYTES, &mut error);
        assert_eq!(status, Status::LstmOk);
        assert_eq!(CStr::from_ptr(place), c"Badminton");
        let status = lstm_model_output_name(&model, 0, place, 9, &mut error);
        assert_eq!(status, Status::LstmErrorCapacity);
        assert_eq!(line(&error), "there is room for 9 bytes, expected 10");
        let status = lstm_model_output_name(&model, 4, place, NAME_BYTES, &mut error);
        assert_eq!(status, Status::LstmErrorIndex);
        assert_eq!(line(&error), "found number 4, expected one below 4");
        let status = lstm_model_channel_name(&model, 6, place, NAME_BYTES, &mut error);
        assert_eq!(status, Status::LstmErrorIndex);
        // One that reads symbols has none.
        let files = Files::new();
        let status = lstm_model_channel_name(&files.model(), 0, place, NAME_BYTES, &mut error);
        assert_eq!(status, Status::LstmErrorIndex);
        assert_eq!(line(&error), "found number 0, expected one below 0");
    }
}

#[test]
fn a_sensor_without_room_or_values_or_answer_or_of_text_is_refused() {
    let flash = AlignedBytes::new(CLASSIFIER);
    let model = sensor_model(&flash);
    let enough = words_of(&model);
    let mut words = vec![0u32; enough];
    let workspace = words.as_mut_ptr();
    let mut error = memory!(ErrorMemory);
    let mut sensor = memory!(SensorMemory);
    let (mut is_answered, mut index, mut number, mut q15) = (true, 7, 7.0, 7);
    let steps = [[0.25f32; 6]; 100];
    // SAFETY: all is memory of its type and of the length that is told, and stays.
    unsafe {
        for few in [0, 1, 50, 62, enough - 1] {
            let status = lstm_sensor_init(&mut sensor, &model, workspace, few, &mut error);
            assert_eq!(status, Status::LstmErrorWorkspace, "{few} of {enough}");
            let expected = format!(
                "the workspace has {few} words of state, expected at least {enough} for this model"
            );
            assert_eq!(line(&error), expected);
        }
        let status = lstm_sensor_step(
            &mut sensor,
            steps[0].as_ptr(),
            6,
            &mut is_answered,
            &mut error,
        );
        assert_eq!(status, Status::LstmErrorNotReady);
        // Text and values are told apart.
        let files = Files::new();
        let mut room = vec![0u32; words_of(&files.model())];
        let (place, length) = (room.as_mut_ptr(), room.len());
        let status = lstm_sensor_init(&mut sensor, &files.model(), place, length, &mut error);
        assert_eq!(status, Status::LstmErrorWorkspace);
        let expected = "the model reads one of 27 symbols a step, expected one that reads values";
        assert_eq!(line(&error), expected);
        let mut session = memory!(SessionMemory);
        let status = lstm_session_init(&mut session, &model, workspace, enough, &mut error);
        assert_eq!(status, Status::LstmErrorWorkspace);

        let status = lstm_sensor_init(&mut sensor, &model, workspace, enough, &mut error);
        assert_eq!(status, Status::LstmOk);
        let status = lstm_sensor_step(
            &mut sensor,
            steps[0].as_ptr(),
            5,
            &mut is_answered,
            &mut error,
        );
        assert_eq!(status, Status::LstmErrorInput);
        let expected = "found 5 values, expected 6, one for each channel";
        assert_eq!(line(&error), expected);
        let status = lstm_sensor_step(&mut sensor, null(), 6, &mut is_answered, &mut error);
        assert_eq!(status, Status::LstmErrorNull);
        let status = lstm_sensor_step(&mut sensor, steps[0].as_ptr(), 6, null_mut(), &mut error);
        assert_eq!(status, Status::LstmErrorNull);
        let status = lstm_sensor_set_stride(&mut sensor, 0, &mut error);
        assert_eq!(status, Status::LstmErrorWorkspace);

        // What was refused is no step: the 100th answers.
        for (at, step) in steps.iter().enumerate() {
            let status = lstm_sensor_class(&mut sensor, &mut index, &mut error);
            assert_eq!((status, index), (Status::LstmErrorNoOutput, 7));
            let status =
                lstm_sensor_step(&mut sensor, step.as_ptr(), 6, &mut is_answered, &mut error);
            assert_eq!(status, Status::LstmOk);
            assert_eq!(is_answered, at == 99);
        }
        let status = lstm_sensor_class(&mut sensor, &mut index, &mut error);
        assert_eq!(status, Status::LstmOk);
        assert!(index < 4);
        let status = lstm_sensor_probability(&mut sensor, 4, &mut number, &mut error);
        assert_eq!((status, number), (Status::LstmErrorIndex, 7.0));
        let status = lstm_sensor_value(&mut sensor, 4, &mut number, &mut error);
        assert_eq!((status, number), (Status::LstmErrorIndex, 7.0));
        let status = lstm_sensor_probability_q15(&mut sensor, 4, &mut q15, &mut error);
        assert_eq!((status, q15), (Status::LstmErrorIndex, 7));
        assert_eq!(lstm_sensor_reset(&mut sensor), Status::LstmOk);
        let status = lstm_sensor_probability(&mut sensor, 0, &mut number, &mut error);
        assert_eq!(status, Status::LstmErrorNoOutput);
        assert_eq!(
            line(&error),
            "no step was answered yet, expected one that was"
        );
    }
}

/// With a window that is run at every 20th step, whose state moves to another sensor in the middle.
#[test]
fn a_sensor_tells_what_the_engine_tells_and_goes_on_from_a_saved_state() {
    const STEPS: usize = 100;
    let flash = AlignedBytes::new(CLASSIFIER);
    let engine = Model::from_bytes(flash.bytes()).unwrap();
    let (mut words, mut logits) = (vec![0; engine.workspace_words()], [0; 4]);
    let memory = WorkspaceSlices::new(&mut words, &mut logits);
    let mut session = SensorSession::new(engine, memory).unwrap();
    let mut columns = vec![0; engine.window_words(STEPS)];
    let mut window = SensorWindow::new(&engine, &mut columns, STEPS, 20).unwrap();

    let model = sensor_model(&flash);
    let length = words_of(&model);
    let mut rooms = [vec![0u32; length], vec![0u32; length]];
    let mut error = memory!(ErrorMemory);
    let mut sensors = [memory!(SensorMemory), memory!(SensorMemory)];
    let (mut is_answered, mut answers) = (false, 0);
    let ok = |status| assert_eq!(status, Status::LstmOk);
    // SAFETY: as above.
    unsafe {
        for (sensor, room) in sensors.iter_mut().zip(&mut rooms) {
            let workspace = room.as_mut_ptr();
            ok(lstm_sensor_init(
                sensor, &model, workspace, length, &mut error,
            ));
        }
        let [now, next] = &mut sensors;
        ok(lstm_sensor_set_stride(now, 20, &mut error));
        let mut bytes = 0;
        ok(lstm_sensor_state_bytes(now, &mut bytes));
        let mut state = vec![0u8; bytes];
        for at in 0..3 * STEPS {
            let step: [f32; 6] =
                std::array::from_fn(|channel| ((at * 7 + channel * 5) % 23) as f32 - 11.0);
            let place: *mut c_void = state.as_mut_ptr().cast();
            ok(lstm_sensor_save(now, place, bytes, &mut error));
            ok(lstm_sensor_restore(next, place, bytes, &mut error));
            std::mem::swap(now, next);
            ok(lstm_sensor_step(
                now,
                step.as_ptr(),
                6,
                &mut is_answered,
                &mut error,
            ));
            let expected = window.push(&mut session, &step).unwrap();
            assert_eq!(is_answered, expected.is_some());
            let Some(expected) = expected else { continue };
            answers += 1;
            let mut best = 0;
            ok(lstm_sensor_class(now, &mut best, &mut error));
            assert_eq!(best, expected.class());
            for class in 0..4 {
                let (mut probability, mut q15, mut value) = (0.0, 0, 0.0);
                ok(lstm_sensor_probability(
                    now,
                    class,
                    &mut probability,
                    &mut error,
                ));
                ok(lstm_sensor_probability_q15(
                    now, class, &mut q15, &mut error,
                ));
                ok(lstm_sensor_value(now, class, &mut value, &mut error));
                assert_eq!(probability.to_bits(), expected.probability(class).to_bits());
                assert_eq!(q15, expected.probability_q15(class));
                assert_eq!(Some(value), expected.values().nth(class));
            }
        }
        assert_eq!(answers, 11);
        state[4] = 0;
        let place = state.as_ptr().cast();
        let status = lstm_sensor_restore(now, place, bytes, &mut error);
        assert_eq!(status, Status::LstmErrorSnapshot);
        let status = lstm_sensor_save(now, state.as_mut_ptr().cast(), bytes - 1, &mut error);
        assert_eq!(status, Status::LstmErrorSnapshot);
    }
}
