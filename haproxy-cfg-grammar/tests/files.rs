//! Whole files: what is in `valid/` has no error, what is in `invalid/` has the mistakes of its
//! snapshot.

use std::path::PathBuf;

use haproxy_cfg_grammar::render::snippet;
use haproxy_cfg_grammar::{Dialect, Severity, SourceSet, parse};

fn files(folder: &str) -> Vec<(String, Vec<u8>)> {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("tests")
        .join(folder);
    let mut files: Vec<(String, Vec<u8>)> = std::fs::read_dir(path)
        .expect("the folder is there")
        .filter_map(|entry| {
            let path = entry.expect("it can be listed").path();
            let name = path.file_name()?.to_str()?.to_owned();
            name.ends_with(".cfg")
                .then(|| (name, std::fs::read(&path).expect("it can be read")))
        })
        .collect();
    files.sort();
    files
}

#[test]
fn valid_files_have_no_mistake() {
    for (name, text) in files("valid") {
        let sources = SourceSet::from_text(&name, text.clone());
        for dialect in [Dialect::V1_4, Dialect::Hapax] {
            let parsed = parse(&sources, dialect);
            let errors: Vec<_> = parsed
                .diagnostics
                .iter()
                .filter(|d| d.severity == Severity::Error)
                .collect();
            assert!(errors.is_empty(), "{name} as {dialect:?}: {errors:#?}");
            assert_eq!(parsed.document.print(), text, "{name}");
        }
    }
}

#[test]
fn invalid_files_have_these_mistakes() {
    for (name, text) in files("invalid") {
        let sources = SourceSet::from_text(&name, text);
        let parsed = parse(&sources, Dialect::Hapax);
        let rendered: Vec<String> = parsed
            .diagnostics
            .iter()
            .filter(|d| !d.follows)
            .map(|d| snippet::render(d, &sources, false))
            .collect();
        insta::with_settings!({ prepend_module_to_snapshot => false, omit_expression => true }, {
            insta::assert_snapshot!(name.trim_end_matches(".cfg"), rendered.join("\n"));
        });
    }
}
