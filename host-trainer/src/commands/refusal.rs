//! What clap refuses, as one line.

/// What clap says, with its tips and without the usage, as one line.
pub(crate) fn one_line(error: &clap::Error) -> String {
    let text = error.to_string();
    let lines = text.lines().map(str::trim);
    let lines = lines.take_while(|line| !line.starts_with("Usage:"));
    let is_told = |line: &&str| !line.is_empty() && !line.starts_with("For more information");
    let line = lines.filter(is_told).collect::<Vec<_>>().join(" ");
    line.strip_prefix("error: ").unwrap_or(&line).to_owned()
}
