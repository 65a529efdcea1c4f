//! `cargo xtask web`: the page, one HTML file with the engine and the shipped models in it, that opens
//! without a server.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, bail, ensure};
use base64ct::{Base64, Encoding};
use flash_image::Format;

use crate::{
    boards::{self, Board},
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
    let modules = step("building the engine for the browser", Modules::build)?;
    let out = options.out.clone();
    let out = out.unwrap_or_else(|| target().join("web/index.html"));
    let bytes = write_page(&modules, &out)?;
    let engine = fs::metadata(&modules.engine)?.len();
    println!(
        "==> {}: {bytes} bytes, {engine} of them the engine before it is encoded",
        out.display()
    );
    println!("    open it in a browser; it needs no server");
    Ok(())
}

/// The files of the page's WebAssembly modules.
#[derive(Clone, Debug)]
pub struct Modules {
    /// The engine and the console.
    pub engine: PathBuf,
    /// What puts a model into the image of a board.
    pub image: PathBuf,
}

impl Modules {
    /// Builds them.
    ///
    /// # Errors
    ///
    /// They are not built.
    pub fn build() -> Result<Self> {
        // Named here, so that the caller's configuration of cargo does not move it.
        let target = target();
        run_command(
            cargo(&root())
                .args(["build", "--quiet", "--profile", "web"])
                .args(["--package", "web-engine", "--package", "web-image"])
                .args(["--target", TARGET, "--target-dir"])
                .arg(&target),
        )?;
        let folder = target.join(TARGET).join("web");
        Ok(Modules {
            engine: folder.join("web_engine.wasm"),
            image: folder.join("web_image.wasm"),
        })
    }
}

/// Writes the page with these modules, and gives its bytes.
///
/// # Errors
///
/// A file is not read or written.
pub fn write_page(modules: &Modules, out: &Path) -> Result<usize> {
    let page = page(modules)?;
    if let Some(folder) = out.parent() {
        fs::create_dir_all(folder)
            .with_context(|| format!("{} cannot be made", folder.display()))?;
    }
    fs::write(out, &page).with_context(|| out.display().to_string())?;
    Ok(page.len())
}

/// The page, with everything in it.
fn page(modules: &Modules) -> Result<String> {
    let mut models = models::shipped()?;
    models.sort_by_key(|model| (model.name != FIRST, model.name.clone()));
    let mut scripts = Vec::new();
    for model in &models {
        let name = format!("class=\"model\" data-name=\"{}\"", model.name);
        scripts.push(embedded(&name, &model.path())?);
    }
    ensure!(!scripts.is_empty(), "found no model in models/");
    let others = scripts.split_off(1);
    let engine = embedded("id=\"engine-wasm\"", &modules.engine)?;
    let image = embedded("id=\"image-wasm\"", &modules.image)?;
    let parts = [
        ("boards", boards::all().iter().filter_map(choice).collect()),
        ("engine and first model", engine + "\n" + &scripts.concat()),
        ("image and other models", image + "\n" + &others.join("\n")),
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

/// A board to choose, and what the page must know to put a model into its image; `None` for one whose image has no firmware.
fn choice(board: &Board) -> Option<String> {
    let flashing = board.flashing.as_ref().filter(|_| board.image.firmware)?;
    let (format, family) = match board.image.format {
        Format::Hex => (0, 0),
        Format::Bin => (1, 0),
        Format::Uf2 { family } => (2, family),
    };
    let (end, memory) = (board.image.format, &board.memory);
    let (start, model, room) = (memory.code.start, memory.model.start, memory.model.size.0);
    let features = board.features.join(" ");
    let attribute = |text: &str| text.replace('&', "&amp;").replace('"', "&quot;");
    let (name, title) = (attribute(&board.name), attribute(&board.title));
    let how = attribute(&flashing.how.trim().replace('`', ""));
    Some(format!(
        "<option value=\"{name}\" data-end=\"{end}\" data-format=\"{format}\" data-family=\"{family}\" \
         data-start=\"{start}\" data-model=\"{model}\" data-room=\"{room}\" data-features=\"{features}\" \
         data-how=\"{how}\">{title}</option>\n"
    ))
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
        let [engine, image] = ["engine.wasm", "image.wasm"].map(|name| folder.path().join(name));
        fs::write(&engine, b"\0asm").unwrap();
        fs::write(&image, b"\0asm\x01").unwrap();
        let page = page(&Modules { engine, image }).unwrap();
        assert!(page.contains("id=\"engine-wasm\">AGFzbQ==<"));
        assert!(page.contains("id=\"image-wasm\">AGFzbQE=<"));
        assert!(page.contains("<option value=\"pico\" data-end=\"uf2\" data-format=\"2\""));
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
