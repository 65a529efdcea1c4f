//! What all pages are made of.

use maud::{DOCTYPE, Markup, PreEscaped, html};

const COLORS: &str = include_str!("../training/colors.css");
const STYLE: &str = include_str!("style.css");
/// Pictures come in two sizes, of which the style sheet shows one.
pub(crate) const WIDE: (u32, u32) = (960, 400);
pub(crate) const NARROW: (u32, u32) = (350, 330);

/// A page that needs nothing but itself.
pub(crate) fn document(title: &str, parts: &Markup) -> Markup {
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                title { (title) }
                style { (PreEscaped(COLORS)) (PreEscaped(STYLE)) }
            }
            body { main { (parts) } }
        }
    }
}

/// A table whose first column names, and whose others hold figures.
pub(crate) fn table(heads: &[&str], rows: impl Iterator<Item = Vec<Markup>>) -> Markup {
    html! {
        div.table {
            table {
                thead { tr { @for head in heads { th scope="col" { (head) } } } }
                tbody {
                    @for row in rows {
                        tr {
                            @for (index, cell) in row.into_iter().enumerate() {
                                @if index == 0 { th scope="row" { (cell) } } @else { td { (cell) } }
                            }
                        }
                    }
                }
            }
        }
    }
}

/// For people.
pub(crate) fn duration(seconds: f64) -> String {
    let minutes = (seconds / 60.0) as u64;
    match minutes {
        0 => format!("{seconds:.1} s"),
        1..60 => format!("{minutes} min {:02.0} s", seconds % 60.0),
        _ => format!("{} h {:02} min", minutes / 60, minutes % 60),
    }
}
