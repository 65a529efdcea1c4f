//! The crates that can be published are whole: in a folder of their own they build, and their tests pass.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Output},
};

use xtask::shell::root;

const CRATES: [&str; 3] = ["lstm-core", "lstm-flash-image", "host-trainer"];

fn success(command: &mut Command) -> Output {
    let output = command.output().unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {stderr}");
    output
}

/// Packages the crates, and unpacks them side by side in a folder outside the repository. Gives theirs.
fn unpack(folder: &Path) -> [PathBuf; 3] {
    let mut package = Command::new(env!("CARGO"));
    package.args(["package", "--quiet", "--no-verify", "--allow-dirty"]);
    package.args(CRATES.iter().flat_map(|name| ["--package", name]));
    package.arg("--target-dir").arg(folder).current_dir(root());
    success(&mut package);
    CRATES.map(|name| {
        let named = format!("{name}-{}", env!("CARGO_PKG_VERSION"));
        let archive = folder.join("package").join(format!("{named}.crate"));
        success(
            Command::new("tar")
                .arg("-xzf")
                .arg(archive)
                .current_dir(folder),
        );
        folder.join(named)
    })
}

/// Runs the tests in a package.
fn test(package: &Path, features: &[&str]) {
    let mut cargo = Command::new(env!("CARGO"));
    cargo
        .args(["test", "--quiet", "--release", "--tests"])
        .args(features);
    // The other crates are not in the registry yet.
    let manifest = fs::read_to_string(package.join("Cargo.toml")).unwrap();
    let manifest: toml::Table = manifest.parse().unwrap();
    let needed = manifest["dependencies"].as_table().unwrap();
    for name in CRATES.iter().filter(|&&name| needed.contains_key(name)) {
        let path = package.with_file_name(format!("{name}-{}", env!("CARGO_PKG_VERSION")));
        cargo.arg("--config");
        cargo.arg(format!(
            "patch.crates-io.{name}.path={:?}",
            path.display().to_string()
        ));
    }
    cargo.arg("--target-dir").arg(package.join("target"));
    success(cargo.env_remove("CARGO_TARGET_DIR").current_dir(package));
}

#[test]
fn the_packages_have_what_a_registry_shows_and_need_nothing_beside_them() {
    let folder = tempfile::tempdir().unwrap();
    for package in unpack(folder.path()) {
        let manifest = fs::read_to_string(package.join("Cargo.toml")).unwrap();
        let manifest: toml::Table = manifest.parse().unwrap();
        let about = manifest["package"].as_table().unwrap();
        for key in [
            "description",
            "license",
            "readme",
            "keywords",
            "categories",
            "rust-version",
            "documentation",
        ] {
            assert!(about.contains_key(key), "{}: no {key}", package.display());
        }
        for file in ["README.md", "LICENSE-APACHE", "LICENSE-MIT"] {
            assert!(
                package.join(file).is_file(),
                "{}: no {file}",
                package.display()
            );
        }
        // What is published depends on what is published.
        let dependencies = manifest["dependencies"].as_table().unwrap();
        for (name, dependency) in dependencies {
            assert!(dependency.get("path").is_none(), "{name}");
        }
    }
}

/// The files of a package with this end.
fn files(folder: &Path, end: &str) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files.extend(self::files(&path, end));
        } else if path.extension().is_some_and(|extension| extension == end) {
            files.push(path);
        }
    }
    files
}

/// What a source file names by a path that begins or goes on with `..`, as from its own folder, or from that of the
/// package where the path begins with a slash.
fn named_above(source: &Path, package: &Path) -> Vec<PathBuf> {
    let text = fs::read_to_string(source).unwrap();
    let starts = text
        .match_indices("\"../")
        .chain(text.match_indices("\"/../"));
    let above = starts.filter_map(|(at, _)| text[at + 1..].split('"').next());
    let folder = |literal: &str| match literal.starts_with('/') {
        true => package.to_owned(),
        false => source.parent().unwrap().to_owned(),
    };
    let join = |literal: &str| folder(literal).join(literal.trim_start_matches('/'));
    above.map(join).collect()
}

#[test]
fn no_source_of_a_package_names_a_file_outside_of_it() {
    let folder = tempfile::tempdir().unwrap();
    let mut count = 0;
    for package in unpack(folder.path()) {
        for source in files(&package, "rs") {
            for named in named_above(&source, &package) {
                let file = named.canonicalize();
                let is_inside =
                    file.is_ok_and(|file| file.starts_with(package.canonicalize().unwrap()));
                assert!(is_inside, "{} names {}", source.display(), named.display());
                count += 1;
            }
        }
    }
    assert!(count > 0, "no source names a file");
}

#[test]
#[ignore = "builds the crates anew: with --full"]
fn the_tests_of_the_packages_pass_in_a_folder_of_their_own() {
    let folder = tempfile::tempdir().unwrap();
    let [core, image, trainer] = unpack(folder.path());
    test(&core, &["--features", "export"]);
    test(&image, &[]);
    test(&trainer, &[]);
}
