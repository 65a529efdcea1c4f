//! Several runs beside each other, on one page.

use crate::files::error::{Error, Result};
use crate::files::stdout::grouped;
use crate::network::config::LayerConfig;
use crate::network::parameters::Network;
use crate::network::score::{Extent, network_scores};
use crate::report::content::{name_of, weights_of};
use crate::report::html::{NARROW, WIDE, document, duration, table};
use crate::text::corpus::Split;
use crate::training::chart::COLORS;
use crate::training::curve::validation_curves;
use crate::training::metrics::{Row, best};
use crate::training::run_config::RunConfig;
use crate::training::run_folder::{read_config, read_metrics};
use maud::{Markup, PreEscaped, html};
use std::path::{Path, PathBuf};

/// A run, as far as it is compared.
pub struct Run {
    name: String,
    config: RunConfig,
    /// At least one.
    rows: Vec<Row>,
    /// Bits per character of its network on the test part, or why there are none.
    test: Result<f64>,
}

/// Reads some runs, the text of each, and scores its network on the test part.
///
/// # Errors
/// There are more than can be told apart, or a folder holds no run that has reported.
pub fn gather(folders: &[PathBuf]) -> Result<Vec<Run>> {
    if folders.len() > COLORS {
        return Err(Error::bad_input(format!(
            "found {} runs, expected at most {COLORS}",
            folders.len()
        )));
    }
    let mut runs: Vec<Run> = folders
        .iter()
        .map(|folder| read(folder))
        .collect::<Result<_>>()?;
    let names: Vec<String> = runs.iter().map(|run| run.name.clone()).collect();
    for (run, folder) in runs.iter_mut().zip(folders) {
        if names.iter().filter(|name| **name == run.name).count() > 1 {
            run.name = folder.display().to_string();
        }
    }
    Ok(runs)
}

fn read(folder: &Path) -> Result<Run> {
    let config = read_config(folder)?;
    let rows = read_metrics(folder)?;
    if rows.is_empty() {
        return Err(Error::bad_input(format!(
            "{}: found no report of the training yet, expected at least one",
            folder.display()
        )));
    }
    Ok(Run {
        name: name_of(folder),
        test: test(folder, &config),
        config,
        rows,
    })
}

fn test(folder: &Path, config: &RunConfig) -> Result<f64> {
    let corpus = config.corpus.read(config.network.alphabet())?;
    let network = Network::load(&weights_of(folder, config))?;
    let window = network.config.window;
    let scores = network_scores(&network, window, &corpus, &[Split::Test], Extent::Sample)?;
    Ok(scores[0].bits_per_char)
}

/// The page.
pub fn page(runs: &[Run]) -> Markup {
    let names: Vec<&str> = runs.iter().map(|run| &run.name[..]).collect();
    let parts = html! {
        header {
            p.kind { "Training runs" }
            h1 { (names.join(", ")) }
        }
        (course(runs))
        (figures(runs))
    };
    document(&names.join(", "), &parts)
}

fn course(runs: &[Run]) -> Markup {
    let rows: Vec<&[Row]> = runs.iter().map(|run| &run.rows[..]).collect();
    let picture = |size| PreEscaped(validation_curves(size, &rows));
    html! {
        section {
            h2 { "Course" }
            p {
                "Bits per character on the validation part: of the weights, or of their average where it is better."
                @if !are_comparable(runs) {
                    " The runs have not all the same text and alphabet: a bit of one is not a bit of another."
                }
            }
            ul.legend {
                @for (color, run) in runs.iter().enumerate() {
                    li { (swatch(color)) (run.name) @if !run.config.holds_out() { " (trained on it)" } }
                }
            }
            figure.wide { (picture(WIDE)) }
            figure.narrow { (picture(NARROW)) }
        }
    }
}

/// Whether bits per character mean the same in all.
fn are_comparable(runs: &[Run]) -> bool {
    let text = |run: &Run| (run.config.corpus.clone(), run.config.network.alphabet());
    runs.windows(2).all(|pair| text(&pair[0]) == text(&pair[1]))
}

fn swatch(color: usize) -> Markup {
    html! { span.swatch style=(format!("background: var(--color-{})", color + 1)) {} }
}

fn figures(runs: &[Run]) -> Markup {
    let heads = [
        "run",
        "validation",
        "test",
        "network",
        "parameters",
        "symbols",
        "recipe",
        "seed",
        "characters read",
        "time",
    ];
    let row = |(color, run): (usize, &Run)| {
        let network = &run.config.network;
        let layers: Vec<String> = network.layers.iter().map(LayerConfig::to_string).collect();
        let last = &run.rows[run.rows.len() - 1];
        let lowest = best(&run.rows).map_or(f64::NAN, Row::lowest);
        vec![
            html! { (swatch(color)) (run.name) },
            html! { (format!("{lowest:.4}")) },
            match &run.test {
                Ok(bits) => html! { (format!("{bits:.4}")) },
                Err(error) => html! { span.misfit { (error) } },
            },
            html! { (layers.join(" + ")) },
            html! { (grouped(network.parameter_count())) },
            html! { (network.vocabulary()) },
            html! { (run.config.recipe.name) },
            html! { (run.config.seed) },
            html! { (grouped(last.characters as usize)) },
            html! { (duration(last.seconds)) },
        ]
    };
    html! {
        section {
            h2 { "Figures" }
            p {
                "Bits per character in f32: the best validation, and of those weights the test part, which no choice "
                "has seen; of a recipe that trains on the whole text the last weights."
            }
            (table(&heads, runs.iter().enumerate().map(row)))
        }
    }
}
