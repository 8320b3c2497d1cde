//! The life of a running process: signals and questions, reloads, and how it ends.

use std::sync::mpsc;
use std::time::Duration;

use haproxy_cfg_grammar::Dialect;
use tokio::time::Instant;

use super::door::{Answer, Question};
use super::notify::Notifier;
use super::reader::Reader;
use super::{Event, Message};
use crate::change;
use crate::configuration::Written;
use crate::engine::control::FrontendOrder;
use crate::engine::signals::Control;
use crate::engine::{Applied, Engine, EngineError};
use crate::explain;
use crate::log::lifecycle::{self, ProxyState};
use crate::pattern_list;
use crate::plan::{Plan, Proxy, ProxyId, Role, Severity};

/// How a life ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ended {
    /// All sessions are finished, or were cut off.
    Finished,
    /// By a signal, that the process is to die of.
    Killed(i32),
}

/// What became of a reload.
enum Outcome {
    Applied(Applied),
    /// The files have errors.
    Refused,
    Failed(EngineError),
}

/// The control thread of a running process.
pub(super) struct Life<'a> {
    engine: Engine,
    reader: Reader,
    /// The files of the configuration in service.
    written: Written,
    notifier: Notifier,
    /// For the workers, to say that they have ended.
    sender: mpsc::Sender<Message>,
    report: &'a mut dyn FnMut(&Event<'_>),
    /// A soft stop has begun; these proxies stop listening then.
    stopping: Option<Vec<(Instant, ProxyId)>>,
    /// When patience with the last sessions ends.
    hard_stop: Option<Instant>,
    /// The last session of the workers has ended.
    drained: bool,
    /// When systemd wants to hear next that all is well.
    watchdog: Option<Instant>,
}

impl<'a> Life<'a> {
    /// Begins.
    pub(super) fn new(
        engine: Engine,
        reader: Reader,
        written: Written,
        notifier: Notifier,
        sender: mpsc::Sender<Message>,
        report: &'a mut dyn FnMut(&Event<'_>),
    ) -> Self {
        notifier.ready("configuration 1 is in service");
        Self {
            engine,
            reader,
            written,
            watchdog: notifier.interval().map(|_| Instant::now()),
            notifier,
            sender,
            report,
            stopping: None,
            hard_stop: None,
            drained: false,
        }
    }

    /// Lives on.
    pub(super) fn run(mut self, messages: &mpsc::Receiver<Message>) -> Ended {
        self.announce_start();
        loop {
            if let Some(ended) = self.on_time() {
                return self.end(ended);
            }
            let message = match self.patience() {
                Some(time) => match messages.recv_timeout(time) {
                    Err(mpsc::RecvTimeoutError::Timeout) => continue,
                    other => other.ok(),
                },
                None => messages.recv().ok(),
            };
            let ended = match message {
                Some(Message::Control(control)) => self.obey(control),
                Some(Message::Question(question, reply)) => {
                    reply(self.answer(question));
                    None
                }
                Some(Message::Drained) => {
                    self.drained = true;
                    self.engine.close_sockets();
                    None
                }
                // Whoever could say more holds a sender, and so does this.
                None => Some(Ended::Finished),
            };
            if let Some(ended) = ended {
                return self.end(ended);
            }
        }
    }

    fn end(mut self, ended: Ended) -> Ended {
        self.notifier.stopping("ending");
        if ended == Ended::Finished {
            self.engine.close_sockets();
        }
        self.engine.stop();
        ended
    }

    fn obey(&mut self, control: Control) -> Option<Ended> {
        match control {
            Control::Stop(signal) => return Some(Ended::Killed(signal)),
            Control::SoftStop => self.stop_softly(),
            Control::Reload { dump } => {
                if dump {
                    self.dump_states();
                }
                if self.stopping.is_none() {
                    self.reload();
                }
            }
            Control::Pause => self.pause(),
            Control::Resume => self.resume(),
            Control::Report => {
                let pools = self.engine.memory();
                (self.report)(&Event::Report(pools.to_string()));
            }
        }
        None
    }

    fn answer(&mut self, question: Question) -> Answer {
        match question {
            Question::Sockets => Answer {
                done: true,
                sockets: self.engine.listening().clone(),
                ..Answer::default()
            },
            _ if self.stopping.is_some() => Answer {
                text: "this process is stopping\n".to_owned(),
                ..Answer::default()
            },
            Question::Reload => {
                let (outcome, mut text) = self.reload();
                let done = matches!(outcome, Outcome::Applied(_));
                match outcome {
                    Outcome::Applied(applied) => text.push_str(&format!("{applied}\n")),
                    Outcome::Refused => text.push_str("the running configuration stays\n"),
                    Outcome::Failed(error) => {
                        text.push_str(&format!("{error}; the running configuration stays\n"));
                    }
                }
                Answer {
                    done,
                    text,
                    ..Answer::default()
                }
            }
            Question::DryRun => {
                let reading = self.reader.read();
                let mut text = reading.messages;
                if let Some(next) = &reading.plan {
                    text.push_str(&change::between(&self.engine.plan(), next).to_string());
                }
                Answer {
                    done: reading.plan.is_some(),
                    text,
                    ..Answer::default()
                }
            }
            Question::Memory => Answer {
                done: true,
                text: self.engine.memory().to_string(),
                ..Answer::default()
            },
            Question::Messages => Answer {
                done: true,
                text: self.written.messages.clone(),
                ..Answer::default()
            },
            Question::Configuration => Answer {
                done: true,
                text: self.configuration(),
                ..Answer::default()
            },
            Question::PatternLists(kind) => Answer {
                done: true,
                text: self.pattern_lists(kind),
                ..Answer::default()
            },
            Question::Frontend {
                generation,
                proxy,
                order,
            } => self.order_frontend(generation, ProxyId(proxy), order),
            Question::Generations => Answer {
                done: true,
                text: self.engine.generations().to_string(),
                ..Answer::default()
            },
        }
    }

    /// The plan in service in words, each value with its line.
    fn configuration(&self) -> String {
        let Written {
            sources,
            provenance,
            ..
        } = &self.written;
        explain::text(&self.engine.plan(), provenance, sources, &[])
    }

    fn pattern_lists(&self, kind: pattern_list::Kind) -> String {
        let Written {
            sources,
            provenance,
            ..
        } = &self.written;
        explain::pattern_lists(&self.engine.plan(), provenance, sources, kind)
    }

    /// Closes a frontend or opens it again, and tells the log.
    fn order_frontend(&mut self, generation: u64, id: ProxyId, order: FrontendOrder) -> Answer {
        if self.engine.number() != generation {
            return Answer {
                text: "the configuration has changed meanwhile\n".to_owned(),
                ..Answer::default()
            };
        }
        let plan = self.engine.plan();
        let proxy = plan.proxy(id);
        if let Err(error) = self.engine.order_frontend(id, order) {
            return Answer {
                text: format!("{error}\n"),
                ..Answer::default()
            };
        }
        let text = match order {
            FrontendOrder::Disable => lifecycle::pausing(proxy),
            FrontendOrder::Enable => lifecycle::enabling(proxy),
            FrontendOrder::Shutdown => {
                let (front, back) = self.engine.sessions_so_far(id);
                lifecycle::stopped(proxy, front, back)
            }
        };
        self.tell(proxy, Severity(4), &text);
        Answer {
            done: true,
            ..Answer::default()
        }
    }

    /// Reads the files and changes over. Also answers with what is to be said about the files.
    fn reload(&mut self) -> (Outcome, String) {
        (self.report)(&Event::Reloading);
        self.notifier.reloading();
        let reading = self.reader.read();
        (self.report)(&Event::Diagnosed(&reading.messages));
        let outcome = match reading.plan {
            None => Outcome::Refused,
            Some(plan) => match self.apply(plan) {
                Ok(applied) => {
                    self.written = reading.written;
                    Outcome::Applied(applied)
                }
                Err(error) => Outcome::Failed(error),
            },
        };
        let said = match &outcome {
            Outcome::Applied(applied) => {
                (self.report)(&Event::Reloaded(*applied));
                applied.to_string()
            }
            Outcome::Refused => {
                (self.report)(&Event::Refused);
                self.engine
                    .log("reload refused, the running configuration stays:");
                for line in reading.messages.lines() {
                    self.engine.log(line);
                }
                "the last reload was refused, the configuration before it stays".to_owned()
            }
            Outcome::Failed(error) => {
                (self.report)(&Event::NotReloaded(error));
                format!("reload failed: {error}")
            }
        };
        if !matches!(outcome, Outcome::Applied(_)) {
            self.engine.not_reloaded();
        }
        if !matches!(outcome, Outcome::Refused) {
            self.engine.log(&said);
        }
        self.notifier.ready(&said);
        (outcome, reading.messages)
    }

    fn apply(&mut self, plan: Plan) -> Result<Applied, EngineError> {
        for setting in change::needs_restart(&self.engine.plan(), &plan) {
            let text = format!("'{setting}' has changed: it takes effect at the next start");
            (self.report)(&Event::Warning(text));
        }
        self.engine.apply(plan)
    }

    fn stop_softly(&mut self) {
        if self.stopping.is_some() {
            return;
        }
        let plan = self.engine.plan();
        let now = Instant::now();
        let mut stopping = Vec::new();
        if let Some(sockets) = sockets(&plan) {
            let text = lifecycle::stopping(&sockets, Duration::ZERO);
            (self.report)(&Event::Warning(text));
        }
        for (id, proxy) in active(&plan) {
            let grace = proxy.grace.unwrap_or_default();
            self.tell(proxy, Severity(4), &lifecycle::stopping(proxy, grace));
            stopping.push((now + grace, id));
        }
        self.hard_stop = plan.global.hard_stop_after.map(|time| now + time);
        let status = format!("stopping, {} connections left", self.engine.connections());
        self.notifier.stopping(&status);
        self.stopping = Some(stopping);
    }

    /// What has to be done by now.
    fn on_time(&mut self) -> Option<Ended> {
        let now = Instant::now();
        if self.hard_stop.is_some_and(|time| time <= now) {
            let left = self.engine.connections();
            let text = format!("hard-stop-after has passed, {left} connections are cut off");
            self.engine.log(&text);
            (self.report)(&Event::Warning(text));
            return Some(Ended::Finished);
        }
        if let Some(stopping) = &mut self.stopping
            && !self.engine.is_draining()
        {
            let (due, rest): (Vec<_>, Vec<_>) = stopping.drain(..).partition(|(t, _)| *t <= now);
            let last = rest.is_empty();
            *stopping = rest;
            let plan = self.engine.plan();
            for (_, id) in due {
                let proxy = plan.proxy(id);
                self.engine.stop_listening(id);
                let (front, back) = self.engine.sessions_so_far(id);
                self.tell(proxy, Severity(4), &lifecycle::stopped(proxy, front, back));
            }
            if last {
                let done = self.sender.clone();
                self.engine.drain(move || {
                    // Nobody listens any more when the process is ending anyway.
                    let _ = done.send(Message::Drained);
                });
            }
        }
        // Clients of the statistics socket are served to their end, too.
        if self.drained && self.engine.socket_clients() == 0 {
            return Some(Ended::Finished);
        }
        if self.watchdog.is_some_and(|time| time <= now) {
            if self.engine.is_well() {
                self.notifier.well();
            }
            self.watchdog = self.notifier.interval().map(|time| now + time);
        }
        self.engine.bound_generations(now);
        None
    }

    /// How long there is nothing to do by oneself.
    fn patience(&self) -> Option<Duration> {
        let graces = self.stopping.iter().flatten().map(|(time, _)| *time);
        graces
            .chain(self.hard_stop)
            .chain(self.watchdog)
            .chain(self.engine.next_bound())
            .chain(self.drained.then(|| Instant::now() + LOOK))
            .min()
            .map(|time| time.saturating_duration_since(Instant::now()))
    }

    fn announce_start(&mut self) {
        let plan = self.engine.plan();
        for (_, proxy) in active(&plan) {
            self.engine
                .log_proxy(proxy, Severity(5), &lifecycle::started(proxy));
        }
    }

    fn pause(&mut self) {
        let plan = self.engine.plan();
        if let Some(sockets) = sockets(&plan) {
            (self.report)(&Event::Warning(lifecycle::pausing(&sockets)));
        }
        for (_, proxy) in active(&plan).filter(|(_, proxy)| !proxy.listeners.is_empty()) {
            self.tell(proxy, Severity(4), &lifecycle::pausing(proxy));
        }
        self.engine.pause();
    }

    fn resume(&mut self) {
        let plan = self.engine.plan();
        if self.engine.is_paused() {
            if let Some(sockets) = sockets(&plan) {
                (self.report)(&Event::Warning(lifecycle::enabling(&sockets)));
            }
            for (_, proxy) in active(&plan).filter(|(_, proxy)| !proxy.listeners.is_empty()) {
                self.tell(proxy, Severity(4), &lifecycle::enabling(proxy));
            }
        }
        if let Err(error) = self.engine.resume() {
            (self.report)(&Event::NotReloaded(&error));
        }
    }

    /// The state of every server, in the words of HAProxy 1.4.
    fn dump_states(&mut self) {
        let plan = self.engine.plan();
        (self.report)(&Event::Warning(lifecycle::DUMP.to_owned()));
        if let Some(sockets) = sockets(&plan) {
            for line in lifecycle::states(&sockets, &ProxyState::default()) {
                (self.report)(&Event::Warning(line));
            }
        }
        for (index, proxy) in plan.proxies.iter().enumerate() {
            let id = ProxyId(index as u32);
            self.engine
                .log_proxy(proxy, Severity(5), &lifecycle::dumping(proxy));
            for line in lifecycle::states(proxy, &self.engine.proxy_state(id)) {
                self.tell(proxy, Severity(5), &line);
            }
        }
    }

    /// Tells terminal and log.
    fn tell(&mut self, proxy: &Proxy, severity: Severity, text: &str) {
        (self.report)(&Event::Warning(text.to_owned()));
        self.engine.log_proxy(proxy, severity, text);
    }
}

/// How often the last clients of the statistics socket are looked at.
const LOOK: Duration = Duration::from_millis(20);

/// The frontend that HAProxy has statistics sockets in, since 1.5. It has no log.
fn sockets(plan: &Plan) -> Option<Proxy> {
    let exists = plan.dialect != Dialect::V1_4 && !plan.global.stats_sockets.is_empty();
    exists.then(|| Proxy::new("GLOBAL", Role::Frontend))
}

/// The proxies that are not disabled.
fn active(plan: &Plan) -> impl Iterator<Item = (ProxyId, &Proxy)> {
    let numbered = plan.proxies.iter().enumerate();
    numbered
        .filter(|(_, proxy)| !proxy.disabled)
        .map(|(index, proxy)| (ProxyId(index as u32), proxy))
}
