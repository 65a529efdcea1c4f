//! The page of a run on data: its course, how its network answers in each format, and what the integers cut off.

use crate::files::error::{Error, Result};
use crate::files::stdout::grouped;
use crate::model;
use crate::network::sensor::{LayerConfig, SensorNetwork};
use crate::quantize::TensorError;
use crate::quantize::beyond::Beyond;
use crate::quantize::sensor::{SENSOR_DEAD_ZONE, SensorFormat, observe};
use crate::report::content::name_of;
use crate::report::html::{NARROW, WIDE, document, duration, table};
use crate::sequences::SensorScore;
use crate::training::curve::value_curve;
use crate::training::metrics::Row;
use crate::training::run_folder::{self, read_metrics};
use crate::training::sensor::{SensorRunConfig, held_out};
use lstm_core::Format;
use maud::{Markup, PreEscaped, html};
use std::path::Path;

/// A network in one format.
struct Variant {
    name: &'static str,
    bytes: usize,
    train: SensorScore,
    held_out: SensorScore,
    errors: Vec<TensorError>,
}

/// The page of the run in a folder.
///
/// # Errors
/// A file of the run is missing, or its data are not what they were.
pub fn page(folder: &Path, config: &SensorRunConfig) -> Result<Markup> {
    let rows = read_metrics(folder)?;
    let path = run_folder::best(folder);
    let network = SensorNetwork::load(&path)?.ok_or_else(|| {
        Error::bad_input(format!(
            "{}: expected the network of a run on data",
            path.display()
        ))
    })?;
    let (train, validation, task) = held_out(config)?;
    let observed = observe(&network, &train);
    let int8 = SensorFormat::new(&network, &observed, Format::Int8, SENSOR_DEAD_ZONE)?;
    let judge = |variant: model::sensor::Variant| {
        Ok(Variant {
            name: variant.name,
            bytes: variant.file.bytes().len(),
            train: variant.file.answers(&train, &task)?,
            held_out: variant.file.answers(&validation, &task)?,
            errors: variant.errors,
        })
    };
    let variants = model::sensor::variants(&network, &observed)?.into_iter();
    let variants: Vec<Variant> = variants.map(judge).collect::<Result<_>>()?;
    let name = name_of(folder);
    let parts = html! {
        (head(&name, &network, &variants, &rows))
        (course(config, &rows))
        (formats(&variants))
        (answers(&variants))
        (ranges(&observed.beyond_integers(int8.input_units()), &variants))
    };
    Ok(document(&name, &parts))
}

fn head(name: &str, network: &SensorNetwork, variants: &[Variant], rows: &[Row]) -> Markup {
    let layers: Vec<String> = network
        .config
        .layers
        .iter()
        .map(LayerConfig::to_string)
        .collect();
    let seconds = rows.last().map_or(0.0, |row| row.seconds);
    let figures = variants.iter().map(|variant| {
        let what = format!("{} on what was held out", variant.name);
        (variant.held_out.figure(), what)
    });
    let channels = match network.config.channels.len() {
        1 => "one channel".to_owned(),
        count => format!("{count} channels"),
    };
    html! {
        header {
            p.kind { "Training run" }
            h1 { (name) }
            p {
                (layers.join(", ")) " on " (channels) ", "
                (grouped(network.config.parameter_count())) " parameters, trained in " (duration(seconds)) "."
            }
            ul.figures {
                @for (figure, what) in figures { li { strong { (figure) } span { (what) } } }
            }
        }
    }
}

fn course(config: &SensorRunConfig, rows: &[Row]) -> Markup {
    let (unit, train_unit) = config.loss_unit();
    let curve = |size| PreEscaped(value_curve(size, unit, train_unit, rows));
    html! {
        section {
            h2 { "Course" }
            p { "The loss over the epochs, in " (unit) ": of the batches while it learned, and of what was held out." }
            figure.wide { (curve(WIDE)) }
            figure.narrow { (curve(NARROW)) }
        }
    }
}

fn formats(variants: &[Variant]) -> Markup {
    let rows = variants.iter().map(|variant| {
        let cells = [
            variant.name.to_owned(),
            grouped(variant.bytes),
            variant.train.figure(),
            variant.held_out.figure(),
        ];
        cells.into_iter().map(|cell| html! { (cell) }).collect()
    });
    html! {
        section {
            h2 { "Formats" }
            p { "Answers by the engine of the chip; in integers by rounding alone." }
            (table(&["format", "bytes", "learned", "held out"], rows))
        }
    }
}

fn answers(variants: &[Variant]) -> Markup {
    html! {
        section {
            h2 { "Answers" }
            @for variant in variants {
                h3 { (variant.name) ", held out" }
                (answer_table(&variant.held_out))
            }
        }
    }
}

/// What was taken for what, the darker the more often; or the errors of each value.
fn answer_table(score: &SensorScore) -> Markup {
    match score {
        SensorScore::Classes { labels, confusion } => {
            let mut heads = vec!["is \\ told"];
            heads.extend(labels.iter().map(String::as_str));
            let rows = labels.iter().zip(confusion).enumerate();
            let rows = rows.map(|(class, (label, counts))| {
                let all = counts.iter().sum::<usize>().max(1);
                let cell = |(told, &count): (usize, &usize)| {
                    let color = if told == class { 0 } else { 1 };
                    let share = 70 * count / all;
                    let style = format!(
                        "background: color-mix(in srgb, var(--color-{color}) {share}%, transparent)"
                    );
                    html! { span.count style=(style) { (count) } }
                };
                let mut cells = vec![html! { (label) }];
                cells.extend(counts.iter().enumerate().map(cell));
                cells
            });
            table(&heads, rows)
        }
        SensorScore::Values(scores) => {
            let rows = scores.iter().map(|score| {
                let cells = [
                    score.name.clone(),
                    format!("{:.4}", score.mse()),
                    format!("{:.4}", score.mae()),
                    format!("{:.2} %", 100.0 * score.explained()),
                ];
                cells.into_iter().map(|cell| html! { (cell) }).collect()
            });
            table(&["value", "MSE", "MAE", "of the variance told"], rows)
        }
    }
}

fn ranges(beyond: &[Beyond], variants: &[Variant]) -> Markup {
    html! {
        section {
            h2 { "Integers" }
            @if beyond.is_empty() { p { "Nothing goes beyond what the integers hold, and nothing beyond the tables of the activations." } }
            @for line in beyond { p { (line.to_string()) "." } }
            @for variant in variants.iter().filter(|variant| !variant.errors.is_empty()) {
                h3 { (variant.name) ", how far rounding moved each tensor" }
                (table(
                    &["tensor", "largest", "rms", "rms of the error"],
                    variant.errors.iter().map(|error| {
                        let numbers = [error.max, error.rms, error.error_rms];
                        let mut cells = vec![html! { (error.name) }];
                        cells.extend(numbers.map(|x| html! { (format!("{x:.5}")) }));
                        cells
                    }),
                ))
            }
        }
    }
}
