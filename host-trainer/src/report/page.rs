//! The page of a report.

use crate::files::stdout::grouped;
use crate::hardware::boards::{BOARDS, ModelBytes};
use crate::hardware::cost::Shape;
use crate::model::compare::Variant;
use crate::network::config::LayerConfig;
use crate::report::columns::parting;
use crate::report::content::Report;
use crate::report::html::{NARROW, WIDE, document, duration, table};
use crate::report::signals::{Histogram, cell_limit};
use crate::training::chart;
use crate::training::curve::loss_curve;
use crate::training::metrics::{Row, best};
use maud::{Markup, PreEscaped, html};

const SMALL: (u32, u32) = (350, 210);

/// The whole page.
pub fn page(report: &Report) -> Markup {
    let parts = html! {
        (head(report))
        (course(report))
        (formats(report))
        (texts(report))
        (signals(report))
        (tensors(report))
        (histograms(report))
        @if let Some(memory) = &report.memory { (memory.section()) }
        (boards(report))
        (settings(report))
    };
    document(&report.name, &parts)
}

fn head(report: &Report) -> Markup {
    let network = &report.network.config;
    let layers: Vec<String> = network.layers.iter().map(LayerConfig::to_string).collect();
    let last = report.rows.last();
    let float = &report.variants[0];
    let smallest = report.variants.iter().filter_map(Variant::bytes).min();
    let test = if report.config.holds_out() {
        "bits per character on the test part, f32"
    } else {
        "bits per character on the last 5 %, which were trained on, f32"
    };
    let figures = [
        (format!("{:.3}", float.test.bits_per_char), test),
        (grouped(network.parameter_count()), "parameters"),
        (
            grouped(smallest.unwrap_or(0)),
            "bytes in the smallest format",
        ),
        (duration(last.map_or(0.0, |row| row.seconds)), "of training"),
    ];
    html! {
        header {
            p.kind { "Training run" }
            h1 { (report.name) }
            p {
                "Recipe " (report.config.recipe.name) ", " (layers.join(" + ")) ", "
                (network.vocabulary()) " symbols, seed " (report.config.seed) ", on "
                code { (report.config.corpus.path.display()) } ". All figures are of "
                code { (report.weights.display()) } "."
            }
            ul.figures {
                @for (figure, what) in figures {
                    li { strong { (figure) } span { (what) } }
                }
            }
        }
    }
}

fn course(report: &Report) -> Markup {
    let picture = |size| PreEscaped(loss_curve(size, &report.config, &report.rows));
    html! {
        section {
            h2 { "Course" }
            @if !report.config.holds_out() {
                p {
                    "The recipe trains on the whole text, the validation and the test part too, as "
                    "the notebook does: what is told of them here does not tell of other text."
                }
            }
            @if let Some(row) = best(&report.rows) {
                p {
                    "Best validation: " (format!("{:.4}", row.lowest()))
                    " bits per character, after update " (grouped(row.update as usize)) " of "
                    (row.phase) ", epoch " (format!("{:.2}", row.epoch)) "."
                }
            }
            figure.wide { (picture(WIDE)) }
            figure.narrow { (picture(NARROW)) }
            @if let Some(losses) = report.config.notebook_losses() {
                @let compared = |row: &Row| {
                    let own = row.notebook_loss(losses)?;
                    Some(vec![
                        html! { (row.epoch_name()) },
                        html! { (format!("{:.4}", row.train_nats)) },
                        html! { (format!("{own:.4}")) },
                        html! { (format!("{:+.1} %", 100.0 * (row.train_nats / own - 1.0))) },
                    ])
                };
                (table(
                    &["epoch", "loss", "the notebook's own run", "difference"],
                    report.rows.iter().filter_map(compared),
                ))
            }
        }
    }
}

fn formats(report: &Report) -> Markup {
    let float = report.variants[0].test.bits_per_char;
    html! {
        section {
            h2 { "Number formats" }
            p {
                "Bits per character on the validation and the test part, with the context that the "
                "network was trained on; the integers by the engine of the chip. Perplexity and "
                "difference are of the test part."
            }
            (table(
                &["format", "bytes", "validation", "test", "difference", "perplexity"],
                report.variants.iter().enumerate().map(|(index, variant)| vec![
                    html! { (variant.name) },
                    html! { (variant.bytes().map_or_else(|| "–".into(), grouped)) },
                    html! { (format!("{:.4}", variant.validation.bits_per_char)) },
                    html! { (format!("{:.4}", variant.test.bits_per_char)) },
                    html! {
                        @if index > 0 {
                            (format!("{:+.4}", variant.test.bits_per_char - float))
                        }
                    },
                    html! { (format!("{:.3}", variant.test.perplexity())) },
                ]),
            ))
            @for line in &report.refused { p.refused { (line) } }
        }
    }
}

fn texts(report: &Report) -> Markup {
    let first = &report.texts[0];
    html! {
        section {
            h2 { "The same seed's text" }
            p {
                "Seed " (report.seed) ", temperature 0.8. What differs from f32 is marked from its "
                "first character on."
            }
            div.texts {
                @for (variant, text) in report.variants.iter().zip(&report.texts) {
                    @let at = parting(first, text).unwrap_or(text.chars().count());
                    @let split = text.char_indices().nth(at).map_or(text.len(), |(byte, _)| byte);
                    article {
                        h3 { (variant.name) }
                        pre { (text[..split]) @if split < text.len() { mark { (text[split..]) } } }
                    }
                }
            }
        }
    }
}

fn signals(report: &Report) -> Markup {
    let names = || report.variants.iter().skip(1).map(|v| &v.name);
    let mut heads = vec!["signal".to_owned(), "rms".into(), "f32 at limit".into()];
    for name in names() {
        heads.extend([format!("{name} error"), format!("{name} at limit")]);
    }
    let heads: Vec<&str> = heads.iter().map(String::as_str).collect();
    let count = report.observed.first().map_or(0, |o| o.signals.len());
    html! {
        section {
            h2 { "Gates, cells, outputs" }
            p {
                "While the network reads " (report.observed_part) ": the root mean square of each signal, "
                "that of the integers' difference from f32, and the share of values at the end of "
                "the integers' range. A gate is at its limit when its argument is beyond ±8 (g: "
                "±4), a cell c at ±16, an output h at its largest."
            }
            (table(&heads, (0..count).map(|at| {
                let reference = &report.observed[0].signals[at];
                let mut cells = vec![
                    html! { (reference.name) },
                    html! { (format!("{:.3}", reference.rms)) },
                    html! { (percent(reference.float_at_limit)) },
                ];
                for observed in &report.observed {
                    let signal = &observed.signals[at];
                    cells.push(html! { (format!("{:.4}", signal.error_rms)) });
                    cells.push(html! { (percent(signal.at_limit)) });
                }
                cells
            })))
        }
    }
}

fn tensors(report: &Report) -> Markup {
    let rounded: Vec<_> = report
        .variants
        .iter()
        .filter(|v| !v.errors.is_empty())
        .collect();
    let mut heads = vec!["tensor", "largest", "rms"];
    heads.extend(rounded.iter().map(|v| &v.name[..]));
    let count = rounded.first().map_or(0, |v| v.errors.len());
    html! {
        section {
            h2 { "Rounding" }
            p { "How far rounding moved each tensor: its error over its own root mean square." }
            (table(&heads, (0..count).map(|at| {
                let tensor = &rounded[0].errors[at];
                let mut cells = vec![
                    html! { (tensor.name) },
                    html! { (format!("{:.3}", tensor.max)) },
                    html! { (format!("{:.3}", tensor.rms)) },
                ];
                cells.extend(rounded.iter().map(|variant| {
                    let tensor = &variant.errors[at];
                    html! { (percent(tensor.error_rms / tensor.rms.max(f64::MIN_POSITIVE))) }
                }));
                cells
            })))
        }
    }
}

fn histograms(report: &Report) -> Markup {
    let network = &report.network;
    let mut weights: Vec<(String, Vec<f32>)> =
        vec![("folded table".into(), network.folded_table())];
    for (index, layer) in network.layers.iter().enumerate() {
        let name = network.config.layer_name(index);
        if index > 0 {
            weights.push((format!("{name} w_ih"), layer.w_ih.clone()));
        }
        weights.push((format!("{name} w_hh"), layer.w_hh.clone()));
        if let Some(projection) = &layer.projection {
            weights.push((format!("{name} projection"), projection.clone()));
        }
    }
    weights.push(("dense".into(), network.dense_weight.clone()));
    let layers = network.config.layers.iter();
    let mut limits: Vec<String> = layers.map(|l| format!("{:.0}", cell_limit(*l))).collect();
    limits.dedup();
    html! {
        section {
            h2 { "Weights" }
            p { "Shares of the f32 weights, on a logarithmic axis." }
            div.pictures {
                @for (name, values) in &weights {
                    @let histogram = spread(values);
                    figure {
                        figcaption { (name) }
                        (draw(&histogram, "weight", 0))
                    }
                }
            }
        }
        section {
            h2 { "Cells" }
            p {
                "Shares of |c| while the network reads " (report.observed_part) ". The integers end at "
                (limits.join(", ")) "; the last bin holds all that is beyond."
            }
            div.pictures {
                @for (layer, histogram) in report.cells.iter().enumerate() {
                    @let name = network.config.layer_name(layer);
                    figure {
                        figcaption { (name) ", f32" }
                        (draw(histogram, "|c|", 1))
                    }
                    @for (observed, variant) in report.observed.iter().zip(&report.variants[1..]) {
                        figure {
                            figcaption { (name) ", " (variant.name) }
                            (draw(&observed.cells[layer], "|c|", 1))
                        }
                    }
                }
            }
        }
    }
}

/// A histogram around zero.
fn spread(values: &[f32]) -> Histogram {
    let largest = values.iter().fold(1e-9, |max: f32, v| max.max(v.abs()));
    let largest = f64::from(largest);
    Histogram::new(values.iter().map(|&v| v.into()), -largest..largest)
}

fn draw(histogram: &Histogram, label: &str, color: usize) -> Markup {
    let range = histogram.range.clone();
    PreEscaped(chart::histogram(
        SMALL,
        label,
        range,
        &histogram.shares,
        color,
    ))
}

fn boards(report: &Report) -> Markup {
    let mut heads = vec!["board", "core", "MHz"];
    heads.extend(report.variants.iter().map(|v| &v.name[..]));
    html! {
        section {
            h2 { "Boards" }
            p {
                "Characters a second at one instruction a cycle, which no chip quite reaches, or "
                "what is lacking."
            }
            (table(&heads, BOARDS.iter().map(|board| {
                let mut cells = vec![
                    html! { (board.name) },
                    html! { (board.core) },
                    html! { (board.clock / 1e6) },
                ];
                for variant in &report.variants {
                    let Some(Ok(model)) = variant.file.as_ref().map(|f| f.model()) else {
                        cells.push(html! {});
                        continue;
                    };
                    let outcome = board.try_model(&Shape::of(&model), ModelBytes::of(&model), board.clock);
                    cells.push(match outcome.misfit {
                        None => html! { (format!("{:.1}", outcome.characters_per_second)) },
                        Some(misfit) => html! { span.misfit { (misfit) } },
                    });
                }
                cells
            })))
        }
    }
}

fn settings(report: &Report) -> Markup {
    html! {
        section {
            h2 { "Settings" }
            p {
                "All that decides the run. As a file, it can be given back: "
                code { "host-trainer train --config FILE" }
            }
            pre.flags { (report.flags) }
        }
    }
}

/// A share; a dot where it is none at all.
fn percent(share: f64) -> String {
    match share {
        0.0 => "·".into(),
        share if share < 5e-4 => "< 0.1 %".into(),
        share => format!("{:.1} %", 100.0 * share),
    }
}
