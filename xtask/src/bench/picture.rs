//! Points over a logarithmic axis as a picture, for the README.

use svg::{
    Document,
    node::element::{Circle, Line, Style, Text},
};

/// Colors of the text, the background and the series, in light and dark.
const STYLE: &str = "
:root { --ink: #1c1d21; --paper: #ffffff; --grid: #d9dbe0; --series-1: #85898f; --series-2: #1f6feb; --series-3: #0f8a5f; --series-4: #c2410c; }
@media (prefers-color-scheme: dark) {
  :root { --ink: #e6e6ea; --paper: #16171b; --grid: #34363d; --series-1: #9a9ea8; --series-2: #6ea8fe; --series-3: #4cc38a; --series-4: #fb923c; }
}
svg { background: var(--paper); }
text { fill: var(--ink); font: 13px sans-serif; dominant-baseline: central; }
line { stroke: var(--grid); }
.title { font-weight: bold; font-size: 14px; }
.middle { text-anchor: middle; }
.end { text-anchor: end; }
";
const SIZE: [f64; 2] = [760.0, 480.0];
/// Where the axes are: left, right, top, bottom.
const PLOT: [f64; 4] = [60.0, 700.0, 80.0, 430.0];
const RADIUS: f64 = 5.0;

/// Points of one kind.
pub(super) struct Series {
    pub(super) name: String,
    pub(super) points: Vec<Point>,
    /// Whether the names stand to the left of the points.
    pub(super) is_left: bool,
}

/// A point with its name.
pub(super) struct Point {
    pub(super) name: String,
    /// On the logarithmic axis.
    pub(super) x: f64,
    pub(super) y: f64,
}

/// The points of each series; lower and further left is better.
pub(super) fn scatter(title: &str, axes: [&str; 2], series: &[Series]) -> String {
    let points = || series.iter().flat_map(|series| &series.points);
    let range = |of: fn(&Point) -> f64| {
        points()
            .map(of)
            .fold([f64::MAX, f64::MIN], |[low, high], v| {
                [low.min(v), high.max(v)]
            })
    };
    let [left, right, top, bottom] = PLOT;
    let [x_low, x_high] = range(|point| point.x.log10());
    let [x_low, x_high] = [x_low.floor(), x_high.ceil()];
    let [y_low, y_high] = range(|point| 10.0 * point.y);
    let [y_low, y_high] = [y_low.floor() / 10.0, y_high.ceil() / 10.0];
    let at_x = |x: f64| left + (right - left) * (x.log10() - x_low) / (x_high - x_low);
    let at_y = |y: f64| bottom - (bottom - top) * (y - y_low) / (y_high - y_low);

    let mut document = Document::new()
        .set("viewBox", (0, 0, SIZE[0], SIZE[1]))
        .add(Style::new(STYLE))
        .add(text(16.0, 24.0, title).set("class", "title"));
    for power in x_low as i32..x_high as i32 {
        for step in [1.0, 2.0, 5.0] {
            let x = step * 10f64.powi(power);
            document = document
                .add(line([at_x(x), at_x(x)], [top, bottom]))
                .add(text(at_x(x), bottom + 14.0, &thousands(x)).set("class", "middle"));
        }
    }
    for tenth in (10.0 * y_low).round() as i32..=(10.0 * y_high).round() as i32 {
        let y = f64::from(tenth) / 10.0;
        document = document
            .add(line([left, right], [at_y(y), at_y(y)]))
            .add(text(left - 8.0, at_y(y), &format!("{y:.1}")).set("class", "end"));
    }
    document = document
        .add(text((left + right) / 2.0, bottom + 36.0, axes[0]).set("class", "middle"))
        .add(text(16.0, top - 14.0, axes[1]));
    for (index, series) in series.iter().enumerate() {
        let x = 16.0 + index as f64 * (SIZE[0] - 32.0) / 4.0;
        document = document.add(circle(index, x + RADIUS, 48.0)).add(text(
            x + 4.0 * RADIUS,
            48.0,
            &series.name,
        ));
        for point in &series.points {
            let (x, y) = (at_x(point.x), at_y(point.y));
            let (beside, class) = match series.is_left {
                true => (x - 2.0 * RADIUS, "end"),
                false => (x + 2.0 * RADIUS, "start"),
            };
            document = document
                .add(circle(index, x, y))
                .add(text(beside, y, &point.name).set("class", class));
        }
    }
    document.to_string() + "\n"
}

/// `20k` or `1M`.
fn thousands(x: f64) -> String {
    match x >= 1e6 {
        true => format!("{:.0}M", x / 1e6),
        false => format!("{:.0}k", x / 1e3),
    }
}

fn circle(color: usize, x: f64, y: f64) -> Circle {
    Circle::new()
        .set("cx", tenths(x))
        .set("cy", tenths(y))
        .set("r", RADIUS)
        .set("style", format!("fill: var(--series-{})", color + 1))
}

fn line(x: [f64; 2], y: [f64; 2]) -> Line {
    let [x, y] = [x.map(tenths), y.map(tenths)];
    Line::new()
        .set("x1", x[0])
        .set("x2", x[1])
        .set("y1", y[0])
        .set("y2", y[1])
}

fn text(x: f64, y: f64, content: &str) -> Text {
    Text::new(content).set("x", tenths(x)).set("y", tenths(y))
}

fn tenths(x: f64) -> f64 {
    (10.0 * x).round() / 10.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_point_lies_where_its_values_are() {
        let point = |name: &str, x, y| Point {
            name: name.into(),
            x,
            y,
        };
        let series = [
            Series {
                name: "ours".into(),
                points: vec![point("small", 1e4, 2.0), point("middle", 1e5, 1.9)],
                is_left: false,
            },
            Series {
                name: "theirs".into(),
                points: vec![point("large", 1e6, 1.8)],
                is_left: true,
            },
        ];
        let picture = scatter("title", ["cycles", "bits"], &series);
        for part in [
            // The corners of the plot, and its middle.
            "cx=\"60\" cy=\"80\"",
            "cx=\"380\" cy=\"255\"",
            "cx=\"700\" cy=\"430\"",
            "\n100k\n",
            "\n1.9\n",
            "\nlarge\n",
        ] {
            assert!(picture.contains(part), "{part} in {picture}");
        }
    }
}
