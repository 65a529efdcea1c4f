//! `cargo xtask web`: the page, one HTML file with the engine and the shipped models in it, that opens
//! without a server.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, bail, ensure};
use base64ct::{Base64, Encoding};

use crate::{
    models,
    shell::{cargo, root, run as run_command, step, target},
};

/// What the module is compiled for.
pub const TARGET: &str = "wasm32-unknown-unknown";
/// The model that writes as the page opens.
const FIRST: &str = "verse-384";

/// Where the page goes.
#[derive(clap::Args)]
pub struct Options {
    /// The file to write [default: target/web/index.html]
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

/// `cargo xtask web`.
///
/// # Errors
///
/// The engine is not built, or a file is not read or written.
pub fn run(options: &Options) -> Result<()> {
    let module = step("building the engine for the browser", build_engine)?;
    let out = options.out.clone();
    let out = out.unwrap_or_else(|| target().join("web/index.html"));
    let bytes = write_page(&module, &out)?;
    let engine = fs::metadata(&module)?.len();
    println!(
        "==> {}: {bytes} bytes, {engine} of them the engine before it is encoded",
        out.display()
    );
    println!("    open it in a browser; it needs no server");
    Ok(())
}

/// Builds the engine and the console as a WebAssembly module, and gives its file.
///
/// # Errors
///
/// It is not built.
pub fn build_engine() -> Result<PathBuf> {
    // Named here, so that the caller's configuration of cargo does not move it.
    let target = target();
    run_command(
        cargo(&root())
            .args(["build", "--quiet", "--profile", "web"])
            .args(["--package", "web-engine", "--target", TARGET])
            .arg("--target-dir")
            .arg(&target),
    )?;
    Ok(target.join(TARGET).join("web/web_engine.wasm"))
}

/// Writes the page with this module, and gives its bytes.
///
/// # Errors
///
/// A file is not read or written.
pub fn write_page(module: &Path, out: &Path) -> Result<usize> {
    let page = page(module)?;
    if let Some(folder) = out.parent() {
        fs::create_dir_all(folder)
            .with_context(|| format!("{} cannot be made", folder.display()))?;
    }
    fs::write(out, &page).with_context(|| out.display().to_string())?;
    Ok(page.len())
}

/// The page, with everything in it.
fn page(module: &Path) -> Result<String> {
    let mut models = models::shipped()?;
    models.sort_by_key(|model| (model.name != FIRST, model.name.clone()));
    let mut scripts = Vec::new();
    for model in &models {
        let name = format!("class=\"model\" data-name=\"{}\"", model.name);
        scripts.push(embedded(&name, &model.path())?);
    }
    ensure!(!scripts.is_empty(), "found no model in models/");
    let others = scripts.split_off(1);
    let engine = embedded("id=\"engine-wasm\"", module)?;
    let parts = [
        ("engine and first model", engine + "\n" + &scripts.concat()),
        ("other models", others.join("\n")),
    ];

    let folder = root().join("web/page");
    let mut page = inline(&read(&folder.join("index.html"))?, &folder)?;
    for (name, part) in parts {
        let mark = format!("<!-- {name} -->");
        ensure!(page.contains(&mark), "web/page/index.html has no {mark}");
        page = page.replace(&mark, &part);
    }
    Ok(page)
}

/// The bytes of a file as a script that is not run.
fn embedded(attributes: &str, path: &Path) -> Result<String> {
    let bytes = fs::read(path).with_context(|| path.display().to_string())?;
    let text = Base64::encode_string(&bytes);
    Ok(format!(
        "<script type=\"text/plain\" {attributes}>{text}</script>"
    ))
}

/// The page with its style and its scripts in the place of their links.
fn inline(page: &str, folder: &Path) -> Result<String> {
    let mut inlined = String::new();
    for line in page.lines() {
        let between = |start: &str, end: &str| line.strip_prefix(start)?.strip_suffix(end);
        if let Some(style) = between("<link rel=\"stylesheet\" href=\"", "\">") {
            let style = read(&folder.join(style))?;
            inlined.push_str(&format!("<style>\n{style}</style>"));
        } else if let Some(name) = between("<script src=\"", "\"></script>") {
            let script = read(&folder.join(name))?;
            if script.contains("</script") {
                bail!("{name} contains </script, which would end it in the page");
            }
            inlined.push_str(&format!("<script>\n{script}</script>"));
        } else {
            inlined.push_str(line);
        }
        inlined.push('\n');
    }
    Ok(inlined)
}

fn read(path: &Path) -> Result<String> {
    fs::read_to_string(path).with_context(|| path.display().to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_needs_no_other_file() {
        let folder = tempfile::tempdir().unwrap();
        let module = folder.path().join("engine.wasm");
        fs::write(&module, b"\0asm").unwrap();
        let page = page(&module).unwrap();
        assert!(page.contains("id=\"engine-wasm\">AGFzbQ==<"));
        let first = page.find("class=\"model\"").unwrap();
        assert!(page[first..].starts_with(&format!("class=\"model\" data-name=\"{FIRST}\"")));
        for model in models::shipped().unwrap() {
            assert!(page.contains(&format!("data-name=\"{}\"", model.name)));
        }
        for link in ["src=\"", "href=\"style", "http:", "https:", "url("] {
            assert!(!page.contains(link), "the page has a {link}");
        }
    }
}
