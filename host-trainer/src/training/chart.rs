//! Pictures as SVG, whose colors are the page's: see [`stand_alone`] and the report's style sheet.

use plotters::coord::Shift;
use plotters::prelude::*;

/// Colors of lines.
pub const COLORS: usize = 8;
/// Text and axes.
const INK: RGBColor = RGBColor(1, 1, 1);
/// Lines after the data.
const GRID: RGBColor = RGBColor(1, 1, 2);
/// Plotters has no names for colors: these become what stands beside them.
const NAMES: [(RGBColor, &str); 2 + COLORS] = [
    (INK, "currentColor"),
    (GRID, "var(--grid)"),
    (RGBColor(1, 1, 3), "var(--color-1)"),
    (RGBColor(1, 1, 4), "var(--color-2)"),
    (RGBColor(1, 1, 5), "var(--color-3)"),
    (RGBColor(1, 1, 6), "var(--color-4)"),
    (RGBColor(1, 1, 7), "var(--color-5)"),
    (RGBColor(1, 1, 8), "var(--color-6)"),
    (RGBColor(1, 1, 9), "var(--color-7)"),
    (RGBColor(1, 1, 10), "var(--color-8)"),
];
/// The colors on their own, in light and dark.
const STYLE: &str = include_str!("colors.css");
/// Plotters writes it as so many pixels over 1.24.
const FONT: u32 = 16;

/// A named line.
#[derive(Clone, Debug, PartialEq)]
pub struct Line {
    /// For the legend; one of no name is not in it.
    pub name: String,
    /// Its color, below [`COLORS`].
    pub color: usize,
    /// From left to right.
    pub points: Vec<(f64, f64)>,
}

/// Lines over two axes, in a picture of `size` (width, height) pixels.
pub fn lines(size: (u32, u32), labels: (&str, &str), lines: &[Line]) -> String {
    let points = || lines.iter().flat_map(|line| &line.points);
    let x_max = points().map(|p| p.0).fold(0.0, f64::max);
    let low = points().map(|p| p.1).fold(f64::INFINITY, f64::min);
    let high = points().map(|p| p.1).fold(f64::NEG_INFINITY, f64::max);
    let (low, high) = if low <= high { (low, high) } else { (0.0, 1.0) };
    let margin = (high - low).max(1e-3) * 0.06;
    draw(size, |area| {
        let mut chart =
            builder(area).build_cartesian_2d(0.0..x_max.max(1e-9), low - margin..high + margin)?;
        chart
            .configure_mesh()
            .light_line_style(TRANSPARENT)
            .bold_line_style(GRID)
            .axis_style(GRID)
            .label_style(text())
            .x_labels((size.0 / 90) as usize)
            .x_label_formatter(&|x| format!("{}", (x * 1e9).round() / 1e9))
            .y_labels(6)
            .x_desc(labels.0)
            .y_desc(labels.1)
            .draw()?;
        for line in lines {
            let (color, _) = NAMES[2 + line.color];
            let style = ShapeStyle::from(color).stroke_width(2);
            let series = LineSeries::new(line.points.iter().copied(), style);
            let drawn = chart.draw_series(series)?;
            if !line.name.is_empty() {
                drawn
                    .label(&line.name)
                    .legend(move |(x, y)| PathElement::new([(x, y), (x + 16, y)], style));
            }
        }
        if lines.iter().all(|line| line.name.is_empty()) {
            return Ok(());
        }
        chart
            .configure_series_labels()
            .position(SeriesLabelPosition::UpperRight)
            .label_font(text())
            .draw()
    })
}

/// Shares of values (summing to at most 1) in bins of equal width over `range`, on a logarithmic
/// axis, so that the few far out show.
pub fn histogram(
    size: (u32, u32),
    x_label: &str,
    range: std::ops::Range<f64>,
    shares: &[f64],
    color: usize,
) -> String {
    /// What is rarer does not show.
    const RAREST: f64 = 1e-6;
    let width = (range.end - range.start) / shares.len() as f64;
    draw(size, |area| {
        let shares_axis = (RAREST..1.0).log_scale();
        let mut chart = builder(area).build_cartesian_2d(range.clone(), shares_axis)?;
        chart
            .configure_mesh()
            .disable_x_mesh()
            .light_line_style(TRANSPARENT)
            .bold_line_style(GRID)
            .axis_style(GRID)
            .label_style(text())
            .x_labels(5)
            .y_labels(4)
            .y_label_formatter(&|share| format!("{share:e}"))
            .x_desc(x_label)
            .draw()?;
        let (color, _) = NAMES[2 + color];
        let shown = shares.iter().enumerate().filter(|(_, s)| **s > RAREST);
        chart.draw_series(shown.map(|(bin, &share)| {
            let left = range.start + bin as f64 * width;
            Rectangle::new([(left, RAREST), (left + width, share)], color.filled())
        }))?;
        Ok(())
    })
}

/// The picture as a file of its own: with its colors, and a background.
pub fn stand_alone(svg: &str) -> String {
    let start = svg.find('>').map_or(0, |at| at + 1);
    let (head, rest) = svg.split_at(start);
    let style = "svg { color: var(--ink); background: var(--paper); }";
    format!("{head}\n<style>\n{STYLE}{style}\n</style>{rest}")
}

type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;
type Drawn<'a> = Result<(), DrawingAreaErrorKind<<SVGBackend<'a> as DrawingBackend>::ErrorType>>;

fn draw(size: (u32, u32), draw: impl FnOnce(&Area<'_>) -> Drawn<'static>) -> String {
    let mut svg = String::new();
    {
        let area = SVGBackend::with_string(&mut svg, size).into_drawing_area();
        draw(&area)
            .and_then(|()| area.present())
            .expect("a picture in memory");
    }
    for (color, name) in NAMES {
        let RGBColor(r, g, b) = color;
        svg = svg.replace(
            &format!("\"#{r:02X}{g:02X}{b:02X}\""),
            &format!("\"{name}\""),
        );
    }
    svg
}

fn builder<'a, 'b>(area: &'a Area<'b>) -> ChartBuilder<'a, 'b, SVGBackend<'b>> {
    let mut builder = ChartBuilder::on(area);
    builder
        .margin(8)
        .margin_right(18)
        .x_label_area_size(42)
        .y_label_area_size(54);
    builder
}

fn text() -> TextStyle<'static> {
    ("sans-serif", FONT).into_font().color(&INK)
}
