//! The architecture's promises that can be read off the source files.

use std::path::{Component, Path, PathBuf};

use regex::Regex;

/// What decides without I/O. A folder stands for everything below it.
const PURE: &[&str] = &[
    "haproxy-cfg-grammar/src",
    "src/acl.rs",
    "src/acl",
    "src/app_session.rs",
    "src/stick_table.rs",
    "src/stick_table",
    "src/balance.rs",
    "src/balance",
    "src/explain.rs",
    "src/format.rs",
    "src/format",
    "src/http1.rs",
    "src/http1",
    "src/log.rs",
    "src/log",
    "src/map.rs",
    "src/map",
    "src/pattern_list.rs",
    "src/pattern_list",
    "src/plan.rs",
    "src/plan",
    "src/resolve.rs",
    "src/resolve",
    "src/rewrite.rs",
    "src/rewrite",
    "src/rule.rs",
    "src/rule",
    "src/sample.rs",
    "src/sample",
    "src/stats.rs",
    "src/stats",
];

/// What pure modules do not touch: runtimes, sockets, files, processes.
const IMPURE: &[&str] = &[
    "tokio::",
    "hyper::",
    "socket2::",
    "nix::",
    "std::fs",
    "std::process",
    "std::thread",
];

#[test]
fn pure_modules_do_no_io() {
    let mut found = Vec::new();
    let mut seen = 0;
    for place in PURE {
        for file in rust_files(&root().join(place)) {
            seen += 1;
            for (number, line) in (1..).zip(production_lines(&file)) {
                if let Some(word) = IMPURE.iter().find(|word| line.contains(*word)) {
                    found.push(format!("{}:{number}: {word}", file.display()));
                }
            }
        }
    }
    assert!(seen > 20, "only {seen} pure files: the list is out of date");
    assert!(found.is_empty(), "{}", found.join("\n"));
}

#[test]
fn runtimes_are_built_in_one_place() {
    let mut builders: Vec<PathBuf> = rust_files(&root().join("src"))
        .into_iter()
        .filter(|file| {
            production_lines(file).iter().any(|line| {
                line.contains("Builder::new_current_thread") || line.contains("Builder::new_multi")
            })
        })
        .filter_map(|file| Some(file.strip_prefix(root()).ok()?.to_owned()))
        .collect();
    builders.sort();
    // The demo's servers and client are no part of the engine.
    assert_eq!(
        builders,
        [Path::new("src/demo.rs"), Path::new("src/engine/worker.rs")]
    );
}

#[test]
fn nothing_points_outside_the_project() {
    let relative = Regex::new(r"(?:\.\./)+[A-Za-z0-9_./-]*").expect("a constant pattern");
    let checkout = root().display().to_string();
    let mut found = Vec::new();
    let mut files = Vec::new();
    walk(&root(), &mut files);
    for file in files {
        // What is not text cannot mislead a reader.
        let Ok(text) = std::fs::read_to_string(&file) else {
            continue;
        };
        let folder = file.parent().expect("a file is in a folder");
        for (number, line) in (1..).zip(text.lines()) {
            let outside = relative
                .find_iter(line)
                .any(|path| !normal(&folder.join(path.as_str())).starts_with(root()));
            if outside || line.contains(&checkout) {
                found.push(format!("{}:{number}: {line}", file.display()));
            }
        }
    }
    assert!(found.is_empty(), "{}", found.join("\n"));
}

/// The lines of a file up to its tests, without remarks.
fn production_lines(file: &Path) -> Vec<String> {
    let text = std::fs::read_to_string(file).expect("source files are UTF-8");
    text.lines()
        .take_while(|line| line.trim() != "#[cfg(test)]")
        .map(|line| line.split("//").next().unwrap_or_default().to_owned())
        .collect()
}

fn rust_files(place: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    if place.is_file() {
        files.push(place.to_owned());
    } else if place.is_dir() {
        walk(place, &mut files);
        files.retain(|file| file.extension().is_some_and(|extension| extension == "rs"));
    }
    files
}

/// All files below a folder, but for what is built, versioned or recorded.
fn walk(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).expect("a readable folder") {
        let entry = entry.expect("a readable folder");
        let path = entry.path();
        let name = entry.file_name();
        let skipped = ["target", ".git", "corpus", "ratchet", "Cargo.lock"];
        if skipped.iter().any(|skipped| name == *skipped) {
            continue;
        }
        if entry.file_type().expect("a known type").is_dir() {
            walk(&path, files);
        } else {
            files.push(path);
        }
    }
}

/// The path without `.` and `..`.
fn normal(path: &Path) -> PathBuf {
    let mut out = PathBuf::new();
    for component in path.components() {
        match component {
            Component::ParentDir => {
                out.pop();
            }
            Component::CurDir => {}
            other => out.push(other),
        }
    }
    out
}

fn root() -> PathBuf {
    normal(&Path::new(env!("CARGO_MANIFEST_DIR")).join(".."))
}
