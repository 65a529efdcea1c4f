//! The drive as which a board takes an image: finding it, and writing to it.

use std::{
    fs::{self, File},
    io::{self, Write},
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, bail};
use board_list::Drive as Description;
use sysinfo::{DiskRefreshKind, Disks};

use crate::boards::Board;

/// What the interface chip of a micro:bit and of a Nucleo leaves on its drive if it has refused an image.
const REFUSAL: &str = "FAIL.TXT";

/// A drive of this computer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Drive {
    /// What the system calls it: on Windows its label, elsewhere the device.
    pub name: String,
    /// Where its files are. On Linux and macOS the last part of it is the label.
    pub folder: PathBuf,
}

impl Drive {
    /// Those that are there now.
    pub fn all() -> Vec<Self> {
        let disks = Disks::new_with_refreshed_list_specifics(DiskRefreshKind::nothing());
        let drive = |disk: &sysinfo::Disk| Drive {
            name: disk.name().to_string_lossy().into_owned(),
            folder: disk.mount_point().to_owned(),
        };
        disks.iter().map(drive).collect()
    }

    /// Whether its label is one of the board's. Where two are called alike, systems add a number.
    fn is_called_as(&self, description: &Description) -> bool {
        let last = self.folder.file_name().unwrap_or_default();
        let names = [&*self.name, &*last.to_string_lossy()];
        description.labels.iter().any(|label| {
            let is_label = |name: &str| {
                let number = name.strip_prefix(&**label).map(str::trim);
                number.is_some_and(|number| number.chars().all(|c| c.is_ascii_digit()))
            };
            names.into_iter().any(is_label)
        })
    }

    /// Whether the file that tells the board from others says that it is this one.
    fn is_of(&self, description: &Description) -> bool {
        let Some(file) = &description.file else {
            return true;
        };
        let text = fs::read_to_string(self.folder.join(file)).unwrap_or_default();
        description.contains.iter().any(|part| text.contains(part))
    }
}

/// The folder of a board's drive among these; `None` if there is none.
///
/// # Errors
///
/// It is that of another board, or there are several.
pub(super) fn find(board: &Board, drives: &[Drive]) -> Result<Option<PathBuf>> {
    let flashing = board.flashing.as_ref();
    let Some(description) = flashing.and_then(|flashing| flashing.drive.as_ref()) else {
        return Ok(None);
    };
    let called = drives.iter().filter(|d| d.is_called_as(description));
    let (ours, others): (Vec<_>, Vec<_>) = called.partition(|drive| drive.is_of(description));
    match (&ours[..], &others[..]) {
        ([], []) => Ok(None),
        ([drive], _) => Ok(Some(drive.folder.clone())),
        ([], [other, ..]) => bail!(
            "found the drive {}, but its {} has no {:?}, expected that of {}",
            other.folder.display(),
            description.file.as_deref().unwrap_or_default(),
            description.contains.join("\" or \""),
            board.title,
        ),
        ([one, two, ..], _) => bail!(
            "found two drives of {}, {} and {}, expected one; unplug the other, or choose with --drive",
            board.title,
            one.folder.display(),
            two.folder.display(),
        ),
    }
}

/// Writes an image to a board's drive, to the last byte.
///
/// # Errors
///
/// It cannot be written, or the board has refused it.
pub(super) fn write(folder: &Path, name: &str, image: &[u8]) -> Result<()> {
    let path = folder.join(name);
    let context = || path.display().to_string();
    // One from before says nothing of this image. Where it stays, it is told once more.
    let _ = fs::remove_file(folder.join(REFUSAL));
    let mut file = File::create(&path).with_context(context)?;
    file.write_all(image).with_context(context)?;
    // A board starts its program as soon as it has the last byte, and takes its drive away, maybe before
    // the system has seen that it has it.
    match file.sync_all() {
        Err(error) if is_there(folder) => Err(error).with_context(context),
        _ => check_refusal(folder),
    }
}

fn is_there(folder: &Path) -> bool {
    folder
        .read_dir()
        .is_ok_and(|mut files| files.next().is_some())
}

/// Fails if the board has left a file that says why it has refused the image.
///
/// # Errors
///
/// What the file says, in a line.
pub(super) fn check_refusal(folder: &Path) -> Result<()> {
    match fs::read_to_string(folder.join(REFUSAL)) {
        Ok(text) => {
            let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
            bail!("the board has refused the image, {REFUSAL} says: {line}")
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        // The drive is on its way.
        Err(_) => Ok(()),
    }
}

#[cfg(test)]
pub(super) mod tests {
    use tempfile::TempDir;

    use super::*;

    /// A folder in the place of a drive with this label and these files.
    pub(crate) fn stand_in(within: &TempDir, label: &str, files: &[(&str, &str)]) -> Drive {
        let folder = within.path().join(label);
        fs::create_dir(&folder).unwrap();
        for (name, text) in files {
            fs::write(folder.join(name), text).unwrap();
        }
        Drive {
            name: "/dev/sda1".into(),
            folder,
        }
    }

    fn found(board: &str, drives: &[Drive]) -> Result<Option<PathBuf>, String> {
        let board = Board::parse(board).unwrap();
        find(board, drives).map_err(|error| error.to_string())
    }

    #[test]
    fn a_drive_is_found_by_its_label_and_by_what_it_says() {
        let within = TempDir::new().unwrap();
        let details = |id| format!("# DAPLink Firmware\r\nUnique ID: {id}00000031324e45\r\n");
        let v1 = stand_in(&within, "MICROBIT", &[("DETAILS.TXT", &details("9901"))]);
        let v2 = stand_in(&within, "MICROBIT1", &[("DETAILS.TXT", &details("9904"))]);
        let home = stand_in(&within, "MICROBITS", &[]);
        let drives = [home, v1.clone(), v2.clone()];
        assert_eq!(found("microbit", &drives), Ok(Some(v1.folder.clone())));
        assert_eq!(found("microbit-v2", &drives), Ok(Some(v2.folder)));
        assert_eq!(found("pico", &drives), Ok(None));
        assert_eq!(found("bluepill", &drives), Ok(None));
        let error = found("microbit-v2", &[v1]).unwrap_err();
        assert!(
            error.contains("but its DETAILS.TXT has no \"Unique ID: 9903\\\""),
            "{error}"
        );
    }

    #[test]
    fn windows_gives_the_label_itself() {
        let within = TempDir::new().unwrap();
        let mut drive = stand_in(&within, "E", &[("INFO_UF2.TXT", "Board-ID: RP2350\r\n")]);
        assert_eq!(found("pico2", &[drive.clone()]), Ok(None));
        drive.name = "RP2350".into();
        assert_eq!(found("pico2", &[drive.clone()]), Ok(Some(drive.folder)));
    }

    #[test]
    fn two_boards_are_told() {
        let within = TempDir::new().unwrap();
        let info = [("INFO_UF2.TXT", "Board-ID: RPI-RP2\r\n")];
        let drives = ["RPI-RP2", "RPI-RP2 1"].map(|label| stand_in(&within, label, &info));
        let error = found("pico", &drives).unwrap_err();
        assert!(
            error.starts_with("found two drives of Raspberry Pi Pico, "),
            "{error}"
        );
        assert!(error.contains("RPI-RP2 1, expected one; "), "{error}");
    }

    #[test]
    fn an_image_is_written_and_a_refusal_is_told() {
        let within = TempDir::new().unwrap();
        let folder = stand_in(&within, "MICROBIT", &[]).folder;
        write(&folder, "a.hex", b":00000001FF").unwrap();
        assert_eq!(fs::read(folder.join("a.hex")).unwrap(), b":00000001FF");
        fs::write(
            folder.join("FAIL.TXT"),
            "error: in application\r\ntype: user\r\n",
        )
        .unwrap();
        let error = check_refusal(&folder).unwrap_err().to_string();
        assert_eq!(
            error,
            "the board has refused the image, FAIL.TXT says: error: in application type: user"
        );
        let gone = within.path().join("gone");
        let error = write(&gone, "a.hex", b"").unwrap_err().to_string();
        assert_eq!(error, gone.join("a.hex").display().to_string());
    }
}
