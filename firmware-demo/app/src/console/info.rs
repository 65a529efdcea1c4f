//! What runs, on what, and how it has gone.

use crate::{
    Board, Memory,
    output::Output,
    program::Program,
    told::{name, no_model, pace},
};

use super::pace::Pace;

const PAUSED: &str = "paused; :resume goes on";

/// What has been done.
#[derive(Default)]
pub(super) struct Stats {
    /// Characters written, or steps of a model that reads values.
    characters: u32,
    ticks: u64,
    port_errors: u32,
}

impl Stats {
    /// Counts characters or steps, which have taken so many ticks.
    pub(super) fn count(&mut self, characters: u32, ticks: u32) {
        self.ticks = self.ticks.wrapping_add(ticks.into());
        self.characters = self.characters.wrapping_add(characters);
    }

    pub(super) fn count_port_error(&mut self) {
        self.port_errors = self.port_errors.saturating_add(1);
    }
}

/// What a board says of its clock and its port.
pub(super) struct Figures {
    lost_bytes: u32,
    port_errors: u32,
    ticks_per_second: u32,
    tick_unit: &'static str,
}

impl Figures {
    pub(super) fn of(board: &mut impl Board) -> Self {
        Figures {
            lost_bytes: board.lost_bytes(),
            port_errors: board.port_errors(),
            ticks_per_second: board.ticks_per_second(),
            tick_unit: board.tick_unit(),
        }
    }
}

/// Where a model lies.
pub(super) struct Place {
    /// Bytes for one in the flash.
    pub(super) region: usize,
    pub(super) copied: Copied,
}

/// What of a model lies in RAM too, and is read there.
#[derive(Clone, Copy)]
pub(super) enum Copied {
    Nothing,
    /// All but its memory.
    Network,
    Model,
}

/// The first line that a person sees.
pub(super) fn banner(program: &Program<'_, '_>, output: &mut Output) {
    match program.model() {
        Ok(model) => {
            name(model, output);
            #[cfg(feature = "sensor")]
            if let Program::Sensor(sensor) = program {
                sensor.tell(output);
            }
            output.str("; type :help").end();
        }
        Err(error) => no_model(error, output.remark("")),
    }
}

/// Says that the text is paused.
pub(super) fn paused(output: &mut Output) {
    output.remark(PAUSED).end();
}

/// `:info`, a line at a time; false where there is none.
#[inline(never)]
pub(super) fn info(
    line: u8,
    program: &mut Program<'_, '_>,
    (place, pace): (&Place, &Pace),
    memory: &Memory,
    output: &mut Output,
) -> bool {
    match (line, program.model()) {
        (0, Ok(model)) => {
            name(model, output);
            match program {
                #[cfg(feature = "sensor")]
                Program::Sensor(sensor) => sensor.tell(output),
                _ => {
                    let symbols = model.alphabet().len() as u64;
                    output.str(", ").number(symbols).str(" symbols");
                }
            }
            output.end();
        }
        (0, Err(error)) => no_model(error, output.remark("")),
        (1, Ok(model)) => {
            let version = model.format_version();
            output.remark("file format ").number(version.into());
            for shape in model.layers() {
                output.str(", ").str(shape.cell.name()).str(" ");
                output.number(shape.hidden.into());
                if let Some(projection) = shape.projection {
                    output.str(" projected to ").number(projection.into());
                }
            }
            #[cfg(feature = "sensor")]
            if let Program::Sensor(sensor) = program {
                sensor.tell_layers(output);
            }
            output.end();
        }
        (2, model) => {
            let model = model.map_or(0, |model| model.file_bytes());
            output.remark("flash: firmware ").number(memory.code.into());
            output.str(" bytes; model ").number(model as u64);
            output.str(" of ").number(place.region as u64);
            output.str(" bytes");
            match place.copied {
                Copied::Nothing => output,
                Copied::Network => output.str(", its network runs from a copy in RAM"),
                Copied::Model => output.str(", runs from a copy in RAM"),
            }
            .end();
        }
        (3, _) => {
            output
                .remark("RAM: variables ")
                .number(memory.variables.into());
            output.str(" bytes; stack ").number(memory.stack.into());
            output.str(" bytes");
            if let Some(high_water) = memory.stack_high_water {
                output.str(", high water ").number(high_water.into());
            }
            output.end();
        }
        (4, Ok(_)) => {
            let Program::Poet(poet) = program else {
                return false;
            };
            let sampler = poet.generator().sampler();
            let settings = sampler.settings();
            output.remark("temperature ").decimal(settings.temperature);
            output.str(", top-k ").number(settings.top_k as u64);
            output.str(", top-p ").decimal(settings.top_p);
            output.str(", seed ").number(sampler.seed());
            output.str(", speed ").number(pace.speed.into()).end();
        }
        (1 | 4, Err(_)) => {}
        _ => return false,
    }
    true
}

/// `:stats`.
#[inline(never)]
pub(super) fn stats(stats: &Stats, is_sensor: bool, figures: &Figures, output: &mut Output) {
    let what = match is_sensor {
        true => " steps, ",
        false => " characters, ",
    };
    let unit = (figures.tick_unit, figures.ticks_per_second);
    pace(stats.characters, what, stats.ticks, unit, output);
    output.str("; ").number(figures.lost_bytes.into());
    output.str(" bytes lost, ");
    let port_errors = stats.port_errors.saturating_add(figures.port_errors);
    output.number(port_errors.into());
    output.str(" port errors").end();
}
