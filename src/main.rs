//! The hapax command: the one place that prints, and that chooses exit codes.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "see above")]

use std::io::{IsTerminal as _, Write as _};
use std::process::ExitCode;

use hapax::boot::door::{self, Question};
use hapax::boot::{self, Event, OldProcesses, environment};
use hapax::command_line::{
    self, Check, Command, CommandLine, Explain, ExplainRequest, Format, KeywordFormat, Keywords,
    Process, Reload, Run,
};
use hapax::configuration::{Configuration, Origin, Overrides};
use hapax::plan::Plan;
use hapax::{change, demo, explain, keyword_list, report, resolve};
use haproxy_cfg_grammar::{Code, Dialect, Severity};

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args_os()
        .skip(1)
        .map(|w| w.to_string_lossy().into_owned())
        .collect();
    let compat = std::env::var("HAPAX_COMPAT").ok();
    let line = command_line::parse(&words, compat.as_deref());
    let dialect = line.dialect;
    match line.command.clone() {
        Command::Usage { mistake } => usage(mistake.as_deref()),
        Command::Help => {
            print!("{}{}", command_line::banner(), command_line::USAGE);
            ExitCode::SUCCESS
        }
        Command::Version { details } => version(details, dialect),
        Command::Run(run) => start(&line, &run),
        Command::Check(check) => self::check(&check, dialect),
        Command::Explain(explain) => self::explain(&explain, dialect),
        Command::Diff { old, new } => diff(&old, &new, dialect),
        Command::Reload(reload) => ask_for_reload(&reload),
        Command::ExplainRequest(explain) => explain_request(&explain, dialect),
        Command::Demo => demo(),
        Command::Keywords(keywords) => self::keywords(&keywords),
    }
}

fn usage(mistake: Option<&str>) -> ExitCode {
    print!("{}", command_line::banner());
    if let Some(mistake) = mistake {
        eprintln!("hapax: {mistake}");
    }
    eprint!("{}", command_line::USAGE);
    ExitCode::FAILURE
}

fn version(details: bool, dialect: Dialect) -> ExitCode {
    print!("{}", command_line::banner());
    if details {
        println!("dialect: {} (--compat, HAPAX_COMPAT)", dialect.name());
    }
    ExitCode::SUCCESS
}

/// Reads the files, or says which one cannot be read.
fn load(origin: &Origin) -> Option<Configuration> {
    match origin.read() {
        Ok(configuration) => Some(configuration),
        Err(error) => {
            let message = report::unreadable(&error);
            eprint!("{}", report::stamp().line(Severity::Error, &message));
            None
        }
    }
}

/// Files that are read for people, without HAProxy's flags.
fn plain(files: &[String], dialect: Dialect) -> Origin {
    Origin {
        files: files.to_vec(),
        dialect,
        overrides: Overrides::default(),
    }
}

/// HAProxy's own way: `-c` checks, anything else runs.
fn start(line: &CommandLine, run: &Run) -> ExitCode {
    if let Some(folder) = &run.folder
        && let Err(error) = std::env::set_current_dir(folder)
    {
        let message = format!("cannot change to {folder}: {error}");
        eprint!("{}", report::stamp().line(Severity::Error, &message));
        return ExitCode::FAILURE;
    }
    let origin = Origin {
        files: run.files.clone(),
        dialect: line.dialect,
        overrides: run.overrides(),
    };
    if environment::expand(&origin.files, origin.dialect).is_ok_and(|files| files.is_empty()) {
        return usage(Some("no configuration file in that folder"));
    }
    let Some(configuration) = load(&origin) else {
        return ExitCode::FAILURE;
    };
    let sources = &configuration.document.sources;
    let quiet = run.quiet && !run.verbose;
    let shown: Vec<_> = configuration
        .diagnostics
        .iter()
        .filter(|d| !quiet || d.severity >= Severity::Alert)
        // A check is about the file: what hapax does not do yet is told at the start, by `check`,
        // and by `-c -V`.
        .filter(|d| !run.check || run.verbose || d.code != Code::NotBuilt)
        .filter(|d| !run.check || run.verbose || d.severity > Severity::Notice)
        .cloned()
        .collect();
    eprint!("{}", report::haproxy_lines(&shown, sources));
    if configuration.plan.is_none() {
        return ExitCode::FAILURE;
    }
    if run.check {
        let active = |p: &hapax::plan::Proxy| !p.disabled && !p.listeners.is_empty();
        let idle = configuration
            .plan
            .as_ref()
            .is_some_and(|plan| !plan.proxies.iter().any(active));
        if line.dialect == Dialect::V1_8 && idle {
            // 1.5 to 1.8 tell a file without listeners from a valid one by this code.
            if !quiet {
                println!("The configuration has no error, and nothing to listen on: exit code 2.");
            }
            return ExitCode::from(2);
        }
        if !quiet {
            println!("Configuration file is valid");
        }
        return ExitCode::SUCCESS;
    }
    serve(origin, run, configuration)
}

/// Runs a plan until a signal ends it.
fn serve(origin: Origin, run: &Run, configuration: Configuration) -> ExitCode {
    let written = configuration.written();
    let Some(plan) = configuration.plan else {
        return ExitCode::FAILURE;
    };
    let daemon = (run.daemon || plan.global.daemon) && !(run.foreground || plan.global.debug);
    if run.verbose || plan.global.debug {
        let [considered, used] = report::polling();
        eprint!("{considered}");
        print!("{used}");
    }
    let pidfile = run.pidfile.as_ref().map(Into::into);
    let options = boot::Options {
        origin,
        written,
        daemon,
        // As HAProxy: a process that stays in the foreground is known to whoever started it.
        pidfile: pidfile
            .or_else(|| plan.global.pidfile.clone())
            .filter(|_| daemon || run.master),
        old: run.takeover.as_ref().map(|takeover| OldProcesses {
            pids: takeover.pids.clone(),
            terminate: !takeover.finish,
        }),
    };
    match boot::run(plan, options, tell) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprint!(
                "{}",
                report::stamp().line(Severity::Error, &error.to_string())
            );
            ExitCode::FAILURE
        }
    }
}

/// Prints what happens to the process.
fn tell(event: &Event<'_>) {
    let (severity, message) = match event {
        Event::Ready => return,
        Event::Diagnosed(text) => {
            eprint!("{text}");
            return;
        }
        Event::Report(text) => {
            eprint!("{text}");
            return;
        }
        Event::Reloading => (Severity::Warning, "reloading the configuration".to_owned()),
        Event::Reloaded(applied) => (Severity::Warning, applied.to_string()),
        Event::Refused => (
            Severity::Error,
            "the configuration is refused, the running one stays".to_owned(),
        ),
        Event::NotReloaded(error) => (
            Severity::Error,
            format!("{error}; the running configuration stays"),
        ),
        Event::Warning(text) => (Severity::Warning, text.clone()),
    };
    eprint!("{}", report::stamp().line(severity, &message));
}

/// `hapax diff`.
fn diff(old: &str, new: &str, dialect: Dialect) -> ExitCode {
    let read = |file: &str| -> Option<Plan> {
        let configuration = load(&plain(&[file.to_owned()], dialect))?;
        if configuration.plan.is_none() {
            let sources = &configuration.document.sources;
            let colours = std::io::stderr().is_terminal();
            eprint!(
                "{}",
                report::snippets(&configuration.diagnostics, sources, colours)
            );
        }
        configuration.plan
    };
    let (Some(old), Some(new)) = (read(old), read(new)) else {
        return ExitCode::FAILURE;
    };
    say(&change::between(&old, &new).to_string());
    ExitCode::SUCCESS
}

/// `hapax reload`.
fn ask_for_reload(reload: &Reload) -> ExitCode {
    let pid = match &reload.process {
        Process::Pid(pid) => *pid,
        Process::PidFile(name) => {
            let text = std::fs::read_to_string(name).unwrap_or_default();
            let Some(pid) = text
                .lines()
                .next()
                .and_then(|line| line.trim().parse().ok())
            else {
                eprintln!("hapax: {name} does not hold a pid");
                return ExitCode::FAILURE;
            };
            pid
        }
    };
    let question = match reload {
        Reload { list: true, .. } => Question::Generations,
        Reload { dry_run: true, .. } => Question::DryRun,
        _ => Question::Reload,
    };
    match door::ask(pid, question) {
        Ok(answer) => {
            say(&answer.text);
            if answer.done {
                ExitCode::SUCCESS
            } else {
                ExitCode::FAILURE
            }
        }
        Err(error) => {
            eprintln!("hapax: process {pid} does not answer: {error}");
            ExitCode::FAILURE
        }
    }
}

/// `hapax demo`.
fn demo() -> ExitCode {
    match demo::run(&mut std::io::stdout()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("hapax demo: {error}");
            ExitCode::FAILURE
        }
    }
}

/// `hapax check`.
fn check(check: &Check, dialect: Dialect) -> ExitCode {
    let Some(configuration) = load(&plain(&check.files, dialect)) else {
        return ExitCode::FAILURE;
    };
    let sources = &configuration.document.sources;
    let diagnostics = report::filter(configuration.diagnostics, &check.deny, &check.allow);
    match check.format {
        Format::Json => say(&report::as_json(&diagnostics, sources)),
        Format::Text => {
            let colours = std::io::stderr().is_terminal();
            eprint!("{}", report::snippets(&diagnostics, sources, colours));
            println!(
                "{}: {}",
                check.files.join(" "),
                report::summary(&diagnostics)
            );
        }
    }
    if resolve::has_errors(&diagnostics) {
        ExitCode::FAILURE
    } else {
        ExitCode::SUCCESS
    }
}

/// `hapax keywords`.
fn keywords(keywords: &Keywords) -> ExitCode {
    let entries = keyword_list::with_status(keywords.status.as_deref());
    match keywords.format {
        KeywordFormat::Text => say(&keyword_list::text(&entries)),
        KeywordFormat::Markdown => say(&keyword_list::markdown()),
        KeywordFormat::Json => say(&format!("{}\n", keyword_list::json(&entries))),
    }
    ExitCode::SUCCESS
}

/// `hapax explain`.
fn explain(explain: &Explain, dialect: Dialect) -> ExitCode {
    let Some(configuration) = load(&plain(&explain.files, dialect)) else {
        return ExitCode::FAILURE;
    };
    let sources = &configuration.document.sources;
    let Some(plan) = &configuration.plan else {
        let colours = std::io::stderr().is_terminal();
        eprint!(
            "{}",
            report::snippets(&configuration.diagnostics, sources, colours)
        );
        return ExitCode::FAILURE;
    };
    let (provenance, only) = (&configuration.provenance, &explain.proxies);
    let named = |name: &str| plan.proxies.iter().any(|proxy| proxy.name == name);
    if let Some(unknown) = only.iter().find(|name| !named(name)) {
        let names = plan.proxies.iter().map(|proxy| proxy.name.as_str());
        match haproxy_cfg_grammar::keyword::nearest(unknown, names) {
            Some(near) => eprintln!("hapax: no proxy is named '{unknown}': did you mean '{near}'?"),
            None => eprintln!("hapax: no proxy is named '{unknown}'"),
        }
        return ExitCode::FAILURE;
    }
    match explain.format {
        Format::Text => say(&explain::text(plan, provenance, sources, only)),
        Format::Json => say(&format!(
            "{}\n",
            explain::json(plan, provenance, sources, only)
        )),
    }
    ExitCode::SUCCESS
}

/// `hapax explain request`.
fn explain_request(explain: &ExplainRequest, dialect: Dialect) -> ExitCode {
    let Some(configuration) = load(&plain(&explain.files, dialect)) else {
        return ExitCode::FAILURE;
    };
    let sources = &configuration.document.sources;
    let Some(plan) = &configuration.plan else {
        let colours = std::io::stderr().is_terminal();
        eprint!(
            "{}",
            report::snippets(&configuration.diagnostics, sources, colours)
        );
        return ExitCode::FAILURE;
    };
    match explain::request::explain(plan, &explain.question) {
        Ok(explanation) => match explain.format {
            Format::Text => say(&explain::request::text(&explanation)),
            Format::Json => say(&format!(
                "{}\n",
                serde_json::to_string_pretty(&explanation).unwrap_or_default()
            )),
        },
        Err(mistake) => {
            eprintln!("hapax: {mistake}");
            return ExitCode::FAILURE;
        }
    }
    ExitCode::SUCCESS
}

/// Prints a long text. A reader that has seen enough (`| head`) ends it, which is no mistake.
fn say(text: &str) {
    let _ = std::io::stdout().write_all(text.as_bytes());
}
