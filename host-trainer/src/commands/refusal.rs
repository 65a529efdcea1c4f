//! What clap refuses, as one line.

/// What clap says, without usage and tips, as one line.
pub(crate) fn one_line(error: &clap::Error) -> String {
    let text = error.to_string();
    let is_part = |line: &&str| !line.is_empty() && !line.starts_with("Usage:");
    let lines = text.lines().map(str::trim).take_while(is_part);
    let line = lines.collect::<Vec<_>>().join(" ");
    line.strip_prefix("error: ").unwrap_or(&line).to_owned()
}
