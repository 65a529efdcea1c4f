//! `cargo xtask image`: one file for a board's flash, with the firmware and a model, or with a model
//! alone.

use std::{
    fs::{self, File},
    io::Write,
    ops::Range,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, bail, ensure};
use flash_image::{Format, Image, Segment};
use lstm_core::{Model, export::Feature};
use object::{
    Endianness,
    elf::PT_LOAD,
    read::elf::{ElfFile32, FileHeader, ProgramHeader},
};

use crate::{aligned::AlignedBytes, boards::Board, models, shell::target};

/// What an image is for.
#[derive(clap::Args)]
pub struct Options {
    /// The name of the board; `cargo xtask boards` shows them
    #[arg(value_parser = Board::parse)]
    pub board: &'static Board,
    /// The model for its flash
    #[arg(long, value_name = "FILE")]
    pub model: PathBuf,
    /// The file to write, ending in .hex, .bin or .uf2 [default: in target/images, in the format that
    /// the board takes]
    #[arg(long, value_name = "FILE")]
    pub out: Option<PathBuf>,
    /// Write the model alone, for a board that has the firmware already
    #[arg(long)]
    pub model_only: bool,
    /// Use this firmware instead of building it
    #[arg(long, value_name = "FILE", conflicts_with = "model_only")]
    pub elf: Option<PathBuf>,
}

/// The format that the end of a file's name stands for.
fn format_of(path: &Path, board: &Board) -> Result<Format> {
    match (
        path.extension().and_then(|e| e.to_str()),
        board.image.format,
    ) {
        (Some("hex"), _) => Ok(Format::Hex),
        (Some("bin"), _) => Ok(Format::Bin),
        (Some("uf2"), uf2 @ Format::Uf2 { .. }) => Ok(uf2),
        (Some("uf2"), _) => bail!("found {}, but {} takes no UF2", path.display(), board.name),
        _ => bail!("found {}, expected .hex, .bin or .uf2", path.display()),
    }
}

/// What an ELF file brings into memory before it starts.
pub fn load_segments(elf: &Path) -> Result<Vec<Segment>> {
    let name = || elf.display().to_string();
    let bytes = fs::read(elf).with_context(name)?;
    let elf = ElfFile32::<Endianness>::parse(&*bytes).with_context(name)?;
    let endian = elf.elf_header().endian()?;
    let mut segments = Vec::new();
    for header in elf.elf_program_headers() {
        let data = header.data(endian, &*bytes).unwrap_or_default();
        if header.p_type(endian) == PT_LOAD && !data.is_empty() {
            segments.push(Segment {
                address: header.p_paddr(endian),
                bytes: data.to_vec(),
            });
        }
    }
    Ok(segments)
}

/// The model as a segment, if it is a model and fits.
fn model_segment(board: &Board, path: &Path) -> Result<Segment> {
    models::check(board, path)?;
    let file = AlignedBytes::read(path)?;
    let model = Model::from_bytes(file.bytes()).with_context(|| path.display().to_string())?;
    if let Some(feature) = models::lacking(board, Feature::of(&model)) {
        bail!(
            "{} needs {feature}, found the firmware of {} without it",
            path.display(),
            board.name
        );
    }
    Ok(Segment {
        address: board.memory.model.start,
        bytes: file.bytes().to_vec(),
    })
}

/// Checks that the file is a model that fits the board.
///
/// # Errors
///
/// It is not.
pub fn check_model(board: &Board, path: &Path) -> Result<()> {
    model_segment(board, path).map(|_| ())
}

/// What goes to the flash of the board: a model, and a firmware unless the board has one.
///
/// # Errors
///
/// The file is no model, it does not fit, or the firmware reaches into the model region.
pub fn build(board: &Board, firmware: Option<&Path>, model: &Path) -> Result<Image> {
    let model = model_segment(board, model)?;
    let mut segments = Vec::new();
    if let Some(elf) = firmware {
        segments = load_segments(elf)?;
        let region = board.memory.model.range();
        let is_in_region = |part: &Range<u64>| part.start < region.end && region.start < part.end;
        if let Some(part) = segments.iter().map(Segment::range).find(is_in_region) {
            bail!(
                "{} overlaps the model region: found bytes from {:#x} to {:#x}, expected none \
                 from {:#x} to {:#x}",
                elf.display(),
                part.start,
                part.end,
                region.start,
                region.end
            );
        }
    }
    segments.push(model);
    Ok(Image::new(segments)?)
}

/// Writes a file: all of it or nothing.
///
/// # Errors
///
/// It cannot be written.
pub fn write(path: &Path, bytes: &[u8]) -> Result<()> {
    let name = || path.display().to_string();
    let folder = match path.parent() {
        Some(folder) if folder != Path::new("") => folder,
        _ => Path::new("."),
    };
    fs::create_dir_all(folder).with_context(name)?;
    let temporary = path.with_extension("part");
    let mut file = File::create(&temporary).with_context(name)?;
    let written = file.write_all(bytes).and_then(|()| file.sync_all());
    let written = written.and_then(|()| fs::rename(&temporary, path));
    if written.is_err() {
        // The error of the writing matters more.
        let _ = fs::remove_file(&temporary);
    }
    written.with_context(name)
}

/// What a person does with the image.
fn next_step(board: &Board, model: &Path, image: &Path) -> String {
    let Some(flashing) = &board.flashing else {
        let (name, model) = (&board.name, model.display());
        return format!("next: cargo xtask qemu {name} --model {model}");
    };
    // The page of the boards is in Markdown.
    let how = flashing.how.trim().replace('`', "");
    let end = format!("FILE.{}", board.image.format);
    let how = how.replace(&end, &image.display().to_string());
    format!(
        "next: {how}\nthen: open the serial port at 115200 baud; Enter shows what runs, :help what it can \
         (docs/BOARDS.md)"
    )
}

/// Where the image goes, unless the user says so.
fn default_path(board: &Board, model: &Path, model_only: bool) -> PathBuf {
    let model = model.file_stem().unwrap_or_default().display().to_string();
    let name = match model_only {
        true => format!("{}-{model}-model-only.{}", board.name, board.image.format),
        false => format!("{}-{model}.{}", board.name, board.image.format),
    };
    target().join("images").join(name)
}

/// What the user gave, once it is known to fit.
pub struct Plan {
    image: Image,
    format: Format,
    path: PathBuf,
    /// Of what may go wrong with it.
    warning: Option<String>,
    /// How it comes to the board.
    next: String,
}

impl Options {
    /// Checks what the user gave before anything is built: the model and the name of the file.
    pub fn check(&self) -> Result<()> {
        check_model(self.board, &self.model)?;
        ensure!(
            self.model_only || self.board.image.firmware,
            "no image holds the firmware of {name}: found no --model-only; `cargo xtask flash \
             {name}` writes it",
            name = self.board.name
        );
        if let Some(out) = &self.out {
            format_of(out, self.board)?;
        }
        Ok(())
    }

    /// The image, and the file for it.
    pub fn plan(&self, firmware: Option<&Path>) -> Result<Plan> {
        let image = build(self.board, firmware, &self.model)?;
        let (format, path) = match &self.out {
            Some(path) => (format_of(path, self.board)?, path.clone()),
            None => (
                self.board.image.format,
                default_path(self.board, &self.model, self.model_only),
            ),
        };
        let flashing = self.board.flashing.as_ref();
        let drive = flashing.and_then(|flashing| flashing.drive_without_firmware.as_ref());
        let warning = drive.filter(|_| firmware.is_none()).map(|does| {
            format!(
                "{name}: do not copy it to the board's drive, which {does}; a debug probe writes a \
                 model alone",
                name = self.board.name
            )
        });
        let next = next_step(self.board, &self.model, &path);
        Ok(Plan {
            image,
            format,
            path,
            warning,
            next,
        })
    }
}

impl Plan {
    /// Writes the file: all of it or nothing.
    pub fn write(&self) -> Result<()> {
        let bytes = self.image.encode(self.format);
        write(&self.path, &bytes)?;
        let range = self.image.range();
        println!(
            "{}: {} bytes, for the flash from {:#x} to {:#x}",
            self.path.display(),
            bytes.len(),
            range.start,
            range.end
        );
        println!("{}", self.next);
        if let Some(warning) = &self.warning {
            eprintln!("{warning}");
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_of_the_file_tells_its_format() {
        let board = Board::parse("microbit").unwrap();
        let of = |name: &str| format_of(Path::new(name), board).map_err(|e| e.to_string());
        assert_eq!(of("a.hex"), Ok(Format::Hex));
        assert_eq!(of("a.bin"), Ok(Format::Bin));
        assert_eq!(
            of("a.uf2"),
            Err("found a.uf2, but microbit takes no UF2".into())
        );
        assert_eq!(of("a"), Err("found a, expected .hex, .bin or .uf2".into()));
    }
}
