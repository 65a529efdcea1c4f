//! `report` through the real binary.

mod binary;

use binary::{SMALL, folder, printed, refuses, text};
use host_trainer::kernels::random::Random;
use host_trainer::network::config::{LayerConfig, NetworkConfig};
use host_trainer::network::parameters::Network;
use host_trainer::quantize::quantize;
use host_trainer::text::alphabet::Alphabet;
use lstm_core::Format;
use std::path::Path;

/// A page must need nothing but itself.
fn outside_references(html: &str) -> Vec<&str> {
    let signs = [
        "<script", "<link", "<img", "src=", "href=", "url(", "@import", "http",
    ];
    let html = html.split("xmlns=\"http://www.w3.org/2000/svg\"");
    html.flat_map(|part| signs.into_iter().filter(|sign| part.contains(sign)))
        .collect()
}

/// The cells of the row that begins with `name`.
fn row(html: &str, name: &str) -> Vec<String> {
    let start = format!("<th scope=\"row\">{name}</th>");
    let (_, rest) = html.split_once(&start).expect(name);
    let (row, _) = rest.split_once("</tr>").unwrap();
    let cells = row.split("<td>").skip(1);
    cells.map(|cell| cell.replace("</td>", "")).collect()
}

fn bits(folder: &Path, file: &str, split: &str) -> String {
    let line = format!("evaluate {file} --corpus good.txt --split {split}");
    let table = printed(folder, &line);
    let row = table.lines().last().unwrap();
    row.split_whitespace().nth(2).unwrap().to_owned()
}

#[test]
fn the_page_holds_what_the_commands_say() {
    let folder = folder();
    let path = folder.path();
    let flags = "--epochs 60 --ema 0.9 --cell cifg --projection 5 --layers 2";
    let trained = printed(path, &format!("train {SMALL} {flags} --out r"));
    let told = printed(path, "report r");
    assert_eq!(told, "wrote r/report.html\n");
    let html = std::fs::read_to_string(path.join("r/report.html")).unwrap();
    assert_eq!(outside_references(&html), [""; 0]);
    assert!(!html.contains("trained on, f32") && !html.contains("the whole text"));
    for format in ["f32", "int8", "int4"] {
        let model = format!("{format}.lstm");
        printed(
            path,
            &format!("export r/best.safetensors --format {format} --out {model}"),
        );
        let cells = row(&html, format);
        let expected = ["validation", "test"].map(|split| bits(path, &model, split));
        // Of f32 the page has the trainer's own, which may differ in the last digit.
        let close =
            |a: &str, b: &str| (a.parse::<f64>().unwrap() - b.parse::<f64>().unwrap()).abs();
        assert!(
            close(&cells[1], &expected[0]) < 2e-4,
            "{cells:?} {expected:?}"
        );
        assert!(
            close(&cells[2], &expected[1]) < 2e-4,
            "{cells:?} {expected:?}"
        );
        // The end of the training says the same.
        assert!(trained.contains(&cells[2]), "{cells:?} {trained}");
        let written = printed(path, &format!("generate {model} --length 600"));
        let column = html.split(&format!("<h3>{format}</h3>")).nth(1).unwrap();
        let column = column.split("</article>").next().unwrap();
        let plain = column.replace("<pre>", "").replace("</pre>", "");
        let plain = plain.replace("<mark>", "").replace("</mark>", "");
        assert_eq!(plain, written.trim_end_matches('\n'));
    }
    // Three gates, c, what goes into the projection, and h, of each layer.
    for signal in [
        "cifg.0 i",
        "cifg.0 g",
        "cifg.0 o",
        "cifg.0 c",
        "cifg.1 o·tanh c",
        "cifg.1 h",
    ] {
        assert_eq!(row(&html, signal).len(), 6);
    }
    assert_eq!(row(&html, "microbit").len(), 5);
    let histograms = html.matches("<figcaption>").count();
    // Weights: table, w_hh, projection; w_ih, w_hh, projection; dense. Cells: two layers, thrice.
    assert_eq!(histograms, 7 + 2 * 3);
    let flags = std::fs::read_to_string(path.join("r/config.toml")).unwrap();
    assert!(html.contains(&flags.replace('"', "&quot;")), "{flags}");
}

#[test]
fn a_network_that_was_quantized_elsewhere_is_shown_too() {
    let folder = folder();
    let path = folder.path();
    printed(
        path,
        &format!("train {SMALL} --recipe many-to-one --epochs 1 --out r"),
    );
    printed(
        path,
        "quantize r/final.safetensors --format int4 --out tuned.safetensors",
    );
    printed(
        path,
        "report r --quantized tuned.safetensors --out page.html --seed 2",
    );
    let html = std::fs::read_to_string(path.join("page.html")).unwrap();
    assert_eq!(row(&html, "int4 (tuned)")[1..], row(&html, "int4")[1..]);
    // The recipe is the notebook's, the text is not; and it was all trained on.
    assert!(!html.contains("the notebook's own run"));
    for expected in [
        "bits per character on the last 5 %, which were trained on, f32",
        "The recipe trains on the whole text",
        "validation (trained on)",
    ] {
        assert!(html.contains(expected), "{expected}");
    }
    let config = NetworkConfig::stack(&Alphabet::letters(), 6, LayerConfig::lstm(13), 1);
    let other = Network::new(config, &mut Random::new(1)).unwrap();
    let (other, _) = quantize(&other, Format::Int8, 0).unwrap();
    other.save(&path.join("other.safetensors")).unwrap();
    for file in ["other.safetensors", "r/final.safetensors"] {
        refuses(
            path,
            &format!("report r --quantized {file}"),
            "expected a network in integers, with the layers and the alphabet of the run",
        );
    }
}

#[test]
fn a_network_too_large_for_integers_is_trained_all_the_same() {
    let folder = folder();
    let settings =
        "--corpus good.txt --hidden 600 --projection 4 --embedding 6 --batch-size 1 --epochs 0.01";
    let told = printed(folder.path(), &format!("train {settings} --out r"));
    let expected = "a matrix has 600 columns, expected at most 512 in an integer format";
    for format in ["f32 ", "int8 ", "int4 "] {
        let line = told.lines().find(|line| line.starts_with(format)).unwrap();
        assert_eq!(line.contains(expected), format != "f32 ", "{told}");
    }
    printed(folder.path(), "report r");
    let html = std::fs::read_to_string(folder.path().join("r/report.html")).unwrap();
    assert!(html.contains(expected));
}

#[test]
fn signals_are_observed_on_as_much_as_fits_in_memory() {
    let folder = folder();
    let path = folder.path();
    std::fs::write(path.join("good.txt"), text(80_000)).unwrap();
    let line = "train --corpus good.txt --hidden 2 --embedding 2 --epochs 0.01 --out r";
    printed(path, line);
    printed(path, "report r");
    let html = std::fs::read_to_string(path.join("r/report.html")).unwrap();
    let expected = "reads the first 16,384 characters of the validation part";
    assert_eq!(html.matches(expected).count(), 2);
}

#[test]
fn without_a_run_there_is_no_page() {
    let folder = folder();
    let path = folder.path();
    refuses(path, "report missing", "cannot read missing/config.json");
    printed(path, &format!("train {SMALL} --epochs 1 --out r"));
    let rows = std::fs::read(path.join("r/metrics.jsonl")).unwrap();
    std::fs::write(path.join("r/metrics.jsonl"), "").unwrap();
    refuses(path, "report r", "found no report of the training yet");
    std::fs::write(path.join("r/metrics.jsonl"), "{}\n").unwrap();
    refuses(
        path,
        "report r",
        "metrics.jsonl line 1: missing field `phase`",
    );
    std::fs::write(path.join("r/metrics.jsonl"), rows).unwrap();
    std::fs::write(path.join("good.txt"), text(401)).unwrap();
    refuses(
        path,
        "report r",
        "good.txt has changed since r was trained on it",
    );
    assert!(!path.join("r/report.html").exists());
}

#[test]
fn runs_are_compared_on_one_page() {
    let folder = folder();
    let path = folder.path();
    for (name, flags) in [
        ("a", "--ema 0.9"),
        ("sub/a", "--seed 2"),
        ("c", "--alphabet text"),
    ] {
        printed(
            path,
            &format!("train {SMALL} --epochs 3 {flags} --out {name}"),
        );
    }
    let told = printed(path, "report a sub/a");
    assert_eq!(told, "wrote comparison.html\n");
    let page = |name: &str| std::fs::read_to_string(path.join(name)).unwrap();
    let html = page("comparison.html");
    assert_eq!(outside_references(&html), [""; 0]);
    let hint = "have not all the same text and alphabet";
    assert!(!html.contains(hint));
    for run in ["a", "sub/a"] {
        let name = format!("</span>{run}</th>");
        let (_, rest) = html.split_once(&name).expect(&name);
        let cells: Vec<&str> = rest.split("</tr>").next().unwrap().split("<td>").collect();
        let file = format!("{run}/best.safetensors");
        for (cell, split) in [(1, "validation"), (2, "test")] {
            let expected = bits(path, &file, split);
            assert_eq!(cells[cell], format!("{expected}</td>"), "{run} {split}");
        }
        assert!(cells[3].starts_with("LSTM 12</td>"), "{cells:?}");
    }
    // Wide and narrow: a line a run in each picture.
    for color in ["var(--color-1)", "var(--color-2)"] {
        let lines = html.split("<polyline").skip(1);
        let lines = lines.filter(|line| line.split('>').next().unwrap().contains(color));
        assert_eq!(lines.count(), 2, "{color}");
    }
    printed(path, "report a c --out other.html");
    assert!(page("other.html").contains(hint));
    for (line, expected) in [
        ("report a missing", "cannot read missing/config.json"),
        (
            "report a c --seed 3",
            "found --seed with 2 runs, expected it with one",
        ),
        (
            "report a a a a a a a a a",
            "found 9 runs, expected at most 8",
        ),
        (
            "report a c --out c/best.safetensors",
            "which is read, expected another file",
        ),
    ] {
        refuses(path, line, expected);
    }
    // Without its text a run has no score, and the page tells why.
    std::fs::rename(path.join("good.txt"), path.join("moved.txt")).unwrap();
    printed(path, "report a c");
    assert_eq!(
        page("comparison.html")
            .matches("cannot read good.txt")
            .count(),
        2
    );
}

#[test]
fn a_page_that_needs_another_file_would_be_noticed() {
    assert_eq!(
        outside_references("<p><img src=\"a.png\">"),
        ["<img", "src="]
    );
    assert_eq!(
        outside_references("@import url(http://x)"),
        ["url(", "@import", "http"]
    );
}
