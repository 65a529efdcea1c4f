//! The pages for people: each is a chapter of the book, and every link in them leads somewhere.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

use host_trainer::commands::cli::program;
use pulldown_cmark::{CodeBlockKind, Event, HeadingLevel, Options, Parser, Tag, TagEnd};
use xtask::{cli, shell::root};

/// What a page has for other pages.
#[derive(Default)]
struct Page {
    /// Targets of links and pictures.
    links: Vec<String>,
    /// Targets of pictures.
    pictures: Vec<String>,
    /// The anchors of its headings, as the sites that show it name them.
    anchors: BTreeSet<String>,
    title: String,
    /// The lines for a shell.
    commands: Vec<String>,
}

impl Page {
    fn read(path: &Path) -> Self {
        let text = fs::read_to_string(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
        let mut page = Page::default();
        let mut heading: Option<(HeadingLevel, String)> = None;
        let mut is_shell = false;
        for event in Parser::new_ext(&text, Options::ENABLE_TABLES) {
            match event {
                Event::Start(Tag::Link { dest_url, .. }) => {
                    page.links.push(dest_url.into_string());
                }
                Event::Start(Tag::Image { dest_url, .. }) => {
                    page.pictures.push(dest_url.into_string());
                }
                Event::Start(Tag::Heading { level, .. }) => heading = Some((level, String::new())),
                Event::End(TagEnd::Heading(_)) => {
                    let (level, text) = heading.take().unwrap();
                    page.anchors.insert(anchor(&text));
                    if level == HeadingLevel::H1 {
                        page.title = text;
                    }
                }
                Event::Start(Tag::CodeBlock(CodeBlockKind::Fenced(language))) => {
                    is_shell = &*language == "sh";
                }
                Event::End(TagEnd::CodeBlock) => is_shell = false,
                Event::Text(text) if is_shell => {
                    page.commands.extend(text.lines().map(str::to_owned));
                }
                Event::Text(part) | Event::Code(part) => {
                    if let Some((_, text)) = &mut heading {
                        *text += &part;
                    }
                }
                _ => {}
            }
        }
        page
    }
}

fn anchor(heading: &str) -> String {
    let kept = heading
        .chars()
        .filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
    kept.collect::<String>().to_lowercase().replace(' ', "-")
}

/// The pages of `docs` and those beside the README.
fn pages() -> BTreeMap<PathBuf, Page> {
    let mut paths = Vec::new();
    for folder in [root(), root().join("docs")] {
        let entries = fs::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap().path());
        paths.extend(entries.filter(|path| path.extension().is_some_and(|end| end == "md")));
    }
    for folder in ["web", "host-trainer", "lstm-core", "python", "tests/fuzz"] {
        paths.push(root().join(folder).join("README.md"));
    }
    let pages = paths
        .into_iter()
        .map(|path| (path.clone(), Page::read(&path)));
    pages.collect()
}

/// What is wrong with a link of a page.
fn fault(path: &Path, page: &Page, link: &str, pages: &BTreeMap<PathBuf, Page>) -> Option<String> {
    if link.starts_with("https://") {
        return None;
    }
    let (file, place) = link.split_once('#').unwrap_or((link, ""));
    let target = match file {
        "" => path.to_owned(),
        _ => path.parent().unwrap().join(file),
    };
    let Ok(target) = target.canonicalize() else {
        return Some(format!("no file {file}"));
    };
    let target_page = match file {
        "" => Some(page),
        _ => pages.get(&target),
    };
    let has_place = |page: &Page| page.anchors.contains(place);
    let is_right = place.is_empty() || target_page.is_some_and(has_place);
    (!is_right).then(|| format!("no heading #{place}"))
}

#[test]
fn every_link_leads_to_a_file_or_a_heading() {
    let pages = pages();
    let mut links = 0;
    for (path, page) in &pages {
        for link in page.links.iter().chain(&page.pictures) {
            let fault = fault(path, page, link, &pages);
            assert_eq!(fault, None, "{}: {link}", path.display());
            links += 1;
        }
    }
    assert!(links > 100, "{links}");
}

/// That the test above can fail.
#[test]
fn a_link_that_leads_nowhere_is_found() {
    let pages = pages();
    let path = root().join("docs/BOARDS.md");
    let fault = |link: &str| fault(&path, &pages[&path], link, &pages);
    assert_eq!(fault("BOARD.md"), Some("no file BOARD.md".into()));
    assert_eq!(fault("#the-consol"), Some("no heading #the-consol".into()));
    assert_eq!(
        fault("RUNS.md#the-folders"),
        Some("no heading #the-folders".into())
    );
    assert_eq!(
        [fault("#the-console"), fault("RUNS.md#the-folder")],
        [None, None]
    );
}

/// The book has the files of docs alone: `page.yml` makes links to the repository of those that begin so in the text, and a picture
/// elsewhere would not show.
#[test]
fn what_lies_outside_of_the_book_is_linked_so_that_the_repository_is_found() {
    let folder = root().join("docs");
    let workflow = fs::read_to_string(root().join(".github/workflows/page.yml")).unwrap();
    assert!(workflow.contains(r#"sed --in-place "s#](\.\./#]($GITHUB_SERVER_URL"#));
    let mut outside = 0;
    for (path, page) in pages() {
        if path.parent() != Some(&folder) {
            continue;
        }
        let text = fs::read_to_string(&path).unwrap();
        let leaves = |link: &&String| link.starts_with("../");
        let found = page.links.iter().filter(leaves).count();
        assert_eq!(found, text.matches("](../").count(), "{}", path.display());
        assert!(!text.contains("<img"), "{}", path.display());
        let mut pictures = page.pictures.iter();
        assert_eq!(pictures.find(leaves), None, "{}", path.display());
        outside += found;
    }
    assert!(outside > 10, "{outside}");
}

#[test]
fn every_page_of_the_docs_is_a_chapter_under_its_title() {
    let pages = pages();
    let folder = root().join("docs");
    let summary = fs::read_to_string(folder.join("SUMMARY.md")).unwrap();
    let chapters = &pages[&folder.join("SUMMARY.md")].links;
    let unique: BTreeSet<_> = chapters
        .iter()
        .map(|chapter| folder.join(chapter))
        .collect();
    assert_eq!(unique.len(), chapters.len(), "a chapter is there twice");
    let in_docs = pages.keys().filter(|path| path.parent() == Some(&folder));
    let expected: BTreeSet<_> = in_docs
        .filter(|path| !path.ends_with("SUMMARY.md"))
        .cloned()
        .collect();
    assert_eq!(unique, expected);
    for chapter in chapters {
        let title = &pages[&folder.join(chapter)].title;
        // The title without its marks of code.
        let line = format!("[{title}]({chapter})");
        assert!(
            summary.replace('`', "").contains(&line),
            "SUMMARY.md has no {line}"
        );
    }
}

#[test]
fn every_line_with_cargo_xtask_is_one_that_it_takes() {
    let mut lines = 0;
    for (path, page) in pages() {
        for line in &page.commands {
            // What follows a sign is for the reader.
            let command = line.split('#').next().unwrap_or_default().trim();
            let Some(arguments) = command.strip_prefix("cargo xtask") else {
                continue;
            };
            let words = ["xtask"].into_iter().chain(arguments.split_whitespace());
            let outcome = cli::check(words.map(str::to_owned));
            assert!(outcome.is_ok(), "{}: {line}: {outcome:?}", path.display());
            lines += 1;
        }
    }
    assert!(lines >= 10, "{lines}");
    assert!(cli::check(["xtask", "flash", "no-such-board"]).is_err());
    assert!(cli::check(["xtask", "demo", "--pretrain"]).is_err());
}

/// The words after `host-trainer`, with it, of a line that calls the trainer.
fn trainer_words(line: &str) -> Option<Vec<String>> {
    // What follows a sign is for the reader.
    let words = shlex::split(line.split('#').next()?)?;
    let name = "host-trainer".to_owned();
    match &words[..] {
        [first, ..] if *first == name => Some(words),
        [cargo, run, ..] if cargo == "cargo" && run == "run" && words.contains(&name) => {
            let end = words.iter().position(|word| word == "--")?;
            Some([&[name], &words[end + 1..]].concat())
        }
        _ => None,
    }
}

#[test]
fn every_line_that_calls_the_trainer_is_one_that_it_takes() {
    let mut lines: Vec<(PathBuf, String)> = Vec::new();
    for (path, page) in pages() {
        lines.extend(
            page.commands
                .iter()
                .map(|line| (path.clone(), line.clone())),
        );
    }
    // How each model was made.
    for entry in fs::read_dir(root().join("models")).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|end| end == "txt") {
            let text = fs::read_to_string(&path).unwrap();
            let commands = text
                .lines()
                .map(|line| (path.clone(), line.trim().to_owned()));
            lines.extend(commands);
        }
    }
    let mut found = 0;
    for (path, line) in &lines {
        if let Some(words) = trainer_words(line) {
            if let Err(error) = program().try_get_matches_from(words) {
                panic!("{}: {line}: {error}", path.display());
            }
            found += 1;
        }
    }
    assert!(found >= 80, "{found}");
    let refused = trainer_words("host-trainer train --batch 16 # no such flag").unwrap();
    assert!(program().try_get_matches_from(refused).is_err());
}

#[test]
fn the_readme_is_short() {
    let readme = fs::read_to_string(root().join("README.md")).unwrap();
    let lines = readme.lines().count();
    assert!(lines <= 150, "found {lines} lines, expected 150 at most");
}
