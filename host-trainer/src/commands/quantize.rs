//! `quantize`: a network in the integers of the device.

use crate::commands::model_name::{check_model_name, stem};
use crate::commands::tuning::TuningArgs;
use crate::files::error::{Error, Result};
use crate::files::output::refuse_input_as_output;
use crate::files::stdout::{say, tell};
use crate::model::encode::write_model;
use crate::model::sensor::encode_integers;
use crate::network::parameters::Network;
use crate::network::sensor::{SensorConfig, SensorNetwork};
use crate::quantize::beyond::{self, Beyond};
use crate::quantize::range::{beyond_integers, refusal};
use crate::quantize::sensor::{SENSOR_DEAD_ZONE, SensorFormat, observe, quantize_sensor};
use crate::quantize::{DEAD_ZONE, error_table, quantize};
use crate::sequences::Sequences;
use lstm_core::Format;
use std::path::{Path, PathBuf};

/// Arguments of `quantize`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The trained network (.safetensors)
    network: PathBuf,
    /// The number format
    #[arg(long, value_enum, default_value_t = QuantizedFormat::Int8)]
    format: QuantizedFormat,
    /// In int4, count a hidden value whose absolute value is below N/127 as 0 in the layers' sums:
    /// a step skips its column. 0 and 1 skip exact zeros alone
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u8).range(..=127))]
    dead_zone: Option<u8>,
    /// Data of the user's (.npz, .csv) that a network reads which reads values: its ranges decide the integers
    #[arg(long, value_name = "FILE")]
    data: Option<PathBuf>,
    /// Round a network that the integers do not hold, too: its cells stop at 16, and its text is another
    #[arg(long)]
    saturate: bool,
    #[command(flatten)]
    tuning: TuningArgs,
    /// Print JSON: how far rounding moved each tensor, and what lies beyond the integers
    #[arg(long, conflicts_with = "qat")]
    json: bool,
    /// Where to write the quantized network (.safetensors); of one that reads values, the model (.lstm)
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
}

/// The formats that need quantization.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum QuantizedFormat {
    /// 8-bit weights, table and hidden state, 16-bit cell.
    Int8,
    /// As int8, with 4-bit weights in the recurrent layers.
    Int4,
}

impl From<QuantizedFormat> for Format {
    fn from(format: QuantizedFormat) -> Self {
        match format {
            QuantizedFormat::Int8 => Format::Int8,
            QuantizedFormat::Int4 => Format::Int4,
        }
    }
}

/// Refuses to round a network that the integers do not hold.
pub(crate) fn refuse_beyond(path: &Path, network: &Network, beyond: &[Beyond]) -> Result<()> {
    refuse(path, refusal(network, beyond))
}

fn refuse(path: &Path, reason: Option<String>) -> Result<()> {
    match reason {
        None => Ok(()),
        Some(reason) => Err(Error::bad_input(format!(
            "{}: {reason}; expected a network that stays in their range, or f32, or --saturate, which rounds it \
             all the same",
            path.display()
        ))),
    }
}

/// What saturates, a line for each kind of numbers of a layer.
pub(crate) fn told_lines(beyond: &[Beyond]) -> Vec<String> {
    let told = beyond.iter().filter(|beyond| beyond.is_told());
    told.map(Beyond::to_string).collect()
}

/// Tells what saturates, layer by layer.
pub(crate) fn tell_beyond(beyond: &[Beyond]) {
    for line in told_lines(beyond) {
        tell!("note: {line}");
    }
}

/// Runs the subcommand.
///
/// # Errors
///
/// The network cannot be read or quantized, or the disk refuses.
pub fn run(args: &Args) -> Result<()> {
    if let (QuantizedFormat::Int8, Some(zone)) = (args.format, args.dead_zone) {
        return Err(Error::bad_input(format!(
            "found --dead-zone {zone} with int8, expected it with --format int4 alone"
        )));
    }
    if let Some(network) = SensorNetwork::load(&args.network)? {
        return quantize_values(args, network);
    }
    let network = Network::load(&args.network)?;
    if let Some(data) = &args.data {
        return Err(Error::bad_input(format!(
            "found --data {} for a network that reads text, expected it for one that reads values",
            data.display()
        )));
    }
    let files = args.tuning.files(network.config.corpus.as_ref());
    let inputs = std::iter::once(args.network.as_path()).chain(files);
    refuse_input_as_output("out", &args.out, inputs)?;
    let dead_zone = args.dead_zone.unwrap_or(DEAD_ZONE);
    let beyond = beyond_integers(&network);
    // Fine-tuning learns with what is cut off, and says how well.
    if !args.saturate && !args.tuning.is_wanted() {
        refuse_beyond(&args.network, &network, &beyond)?;
    }
    let (quantized, errors) = quantize(&network, args.format.into(), dead_zone)?;
    if args.tuning.is_wanted() {
        let network = (args.network.as_path(), &network);
        args.tuning.tune(network, &quantized, &args.out)?;
        tell_beyond(&beyond);
    } else {
        if !args.json {
            tell_beyond(&beyond);
        }
        quantized.save(&args.out)?;
        if args.json {
            say!(
                "{}",
                serde_json::json!({ "out": args.out, "tensors": errors, "beyond": beyond, "saturation": told_lines(&beyond) })
            );
            return Ok(());
        }
        tell!("{}", error_table(&errors).trim_end());
    }
    tell!("wrote {}", args.out.display());
    Ok(())
}

/// Rounds a network that reads values, by data, to the `.lstm` itself.
fn quantize_values(args: &Args, mut network: SensorNetwork) -> Result<()> {
    let Some(data) = &args.data else {
        return Err(Error::bad_input(format!(
            "{}: found a network that reads values, expected --data FILE (.npz or .csv), whose ranges decide its integers",
            args.network.display()
        )));
    };
    refuse_input_as_output("out", &args.out, [args.network.as_path(), data])?;
    check_model_name(&args.out, &[&args.network, data])?;
    let sequences = Sequences::read(data)?;
    check_channels(&network.config, &sequences, data)?;
    sequences.name(&mut network.config);
    let network = &network;
    let observed = observe(network, &sequences);
    let zone = args.dead_zone.unwrap_or(SENSOR_DEAD_ZONE);
    let format = SensorFormat::new(network, &observed, args.format.into(), zone)?;
    let beyond = observed.beyond_integers(format.input_units());
    if !args.saturate && !args.tuning.is_wanted() {
        refuse(&args.network, beyond::refusal(&beyond))?;
    }
    if !args.json {
        tell_beyond(&beyond);
    }
    if args.tuning.is_wanted() {
        let name = stem(&args.out);
        let format = (args.format.into(), zone);
        return args
            .tuning
            .tune_values((network, &sequences), format, (&args.out, &name));
    }
    let (integers, errors) = quantize_sensor(network, &observed, &format)?;
    let file = encode_integers(network, &integers, &stem(&args.out))?;
    write_model(&args.out, &file, None, &errors, &[])?;
    if args.json {
        say!(
            "{}",
            serde_json::json!({ "out": args.out, "tensors": errors, "beyond": beyond, "saturation": told_lines(&beyond) })
        );
        return Ok(());
    }
    tell!("{}", error_table(&errors).trim_end());
    tell!("wrote {} ({} bytes)", args.out.display(), file.len());
    Ok(())
}

/// Refuses data of another number of channels.
fn check_channels(config: &SensorConfig, data: &Sequences, path: &Path) -> Result<()> {
    match (data.channels.len(), config.channels.len()) {
        (found, expected) if found == expected => Ok(()),
        (found, expected) => Err(Error::bad_input(format!(
            "{}: found {found} channels, expected {expected} for this network",
            path.display()
        ))),
    }
}
