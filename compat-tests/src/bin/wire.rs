//! Plays the wire suites against a binary and compares with a recorded version of HAProxy.

use std::process::ExitCode;

use compat_tests::arguments::Flag;
use compat_tests::corpus;
use compat_tests::recorded::SuiteReport;
use compat_tests::recorded::program::{Program, SUITES, print_report};
use compat_tests::wire::{Leniency, WireRun};
use parking_lot::Mutex;

const PROGRAM: Program = Program {
    name: "wire",
    about: "plays the wire suites against a haproxy-compatible binary",
    list: "wire",
    flags: &[SUITES, OWN],
};
const OWN: &[Flag] = &[
    Flag::with_value("--parallel", "N", "suites at once (1)"),
    Flag::with_value("--json", "FILE", "write a report there"),
    Flag::switch("--no-logs", "do not compare log lines"),
    Flag::switch("--client-only", "compare only what the client saw"),
    Flag::switch("--loose-reset", "a reset counts as a close"),
];

fn main() -> ExitCode {
    PROGRAM.main(|asked| {
        let arguments = &asked.arguments;
        let run = WireRun {
            run: asked.run(corpus::wire, 40, 1)?,
            parallel: arguments.parsed("--parallel", 1)?,
            leniency: Leniency {
                no_logs: arguments.has("--no-logs"),
                client_only: arguments.has("--client-only"),
                loose_reset: arguments.has("--loose-reset"),
            },
        };
        let to_show = Mutex::new(arguments.parsed("--show", 3)?);
        let reports = run.run(|report| print_report(report, &asked.golden, &mut to_show.lock()))?;
        if let Some(path) = arguments.last("--json") {
            std::fs::write(path, json(&reports, &asked.golden))?;
        }
        asked.conclude(&reports)
    })
}

fn json(reports: &[SuiteReport], golden: &str) -> String {
    let suites: serde_json::Map<String, serde_json::Value> = reports
        .iter()
        .map(|report| {
            let failed: Vec<&str> = report.failed.iter().map(|f| f.id.as_str()).collect();
            let value = serde_json::json!({
                "passed": report.passed.len(),
                "total": report.passed.len() + failed.len(),
                "note": report.note,
                "failed": failed,
            });
            (report.name.clone(), value)
        })
        .collect();
    format!(
        "{:#}\n",
        serde_json::json!({ "golden": golden, "suites": suites })
    )
}
