//! The steps of a case that make something happen.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::Duration;

use tokio::task::spawn_local;
use tokio::time::sleep;

use super::client::await_answer;
use super::script::{Flag, Step, Visit};
use super::server::Server;
use super::stage::Stage;
use crate::connection::PeerEnd;
use crate::recorded::SuiteError;
use crate::text::{from_bytes, to_bytes};

impl Stage {
    /// Plays one step; what it saw goes to the transcript.
    pub(super) async fn play(self: &Rc<Self>, step: &Step) -> Result<(), SuiteError> {
        match step {
            Step::Requests {
                reqs,
                times,
                fe,
                show,
                tally,
                max_ms,
            } => {
                let mut words = Vec::new();
                for text in (0..*times).flat_map(|_| reqs) {
                    let visit = Visit {
                        req: text.clone(),
                        at_ms: 0,
                        max_ms: *max_ms,
                        abort_ms: None,
                        shut_ms: None,
                    };
                    words.push(self.visit(fe, &visit, show).await);
                    // Where the client is the last to close, the session is still to end.
                    sleep(BETWEEN_REQUESTS).await;
                }
                self.tell(format!(
                    "got: {}",
                    if *tally == Flag(true) {
                        counted(words)
                    } else {
                        words
                    }
                    .join(" ")
                ));
            }
            Step::Crowd { crowd, order, sort } => {
                let (mut words, finished) = Rc::clone(self).crowd(crowd.clone()).await;
                if *sort == Flag(true) {
                    words.sort_unstable();
                }
                self.tell(format!("crowd: {}", words.join(" ")));
                if *order == Flag(true) {
                    self.tell(format!("finished: {}", finished.join(" ")));
                }
            }
            Step::Background { bg } => {
                let crowd = spawn_local(Rc::clone(self).crowd(bg.clone()));
                self.background.borrow_mut().push(crowd);
            }
            Step::Join { .. } => {
                let crowds = self.background.take();
                for crowd in crowds {
                    let (words, _) = crowd.await.expect("a crowd does not panic");
                    self.tell(format!("crowd: {}", words.join(" ")));
                }
            }
            Step::Full { full, fe, max_ms } => self.full(full, fe, *max_ms).await,
            Step::Sleep { ms } => sleep(Duration::from_millis(*ms)).await,
            Step::Command { cmd } => {
                let command = from_bytes(&self.places.expand(cmd));
                let answer = self.control.ask(&command).await.unwrap_or_default();
                let answer = match answer.as_str() {
                    "" => "no answer",
                    answer => answer.trim(),
                };
                self.tell(format!("> {cmd}: {}", self.normalised(answer)));
            }
            Step::Set { set } => {
                for (name, scripts) in set {
                    self.server(name)?.set(scripts.clone());
                }
            }
            Step::Stop { stop } => {
                for name in stop {
                    self.server(name)?.stop().await;
                }
            }
            Step::Start { start } => {
                for name in start {
                    self.server(name)?.start()?;
                }
            }
            look => self.look(look).await?,
        }
        Ok(())
    }

    /// The words of all, and their numbers in the order in which they finished.
    async fn crowd(self: Rc<Self>, visits: Vec<Visit>) -> (Vec<String>, Vec<String>) {
        let finished: Rc<RefCell<Vec<String>>> = Rc::default();
        let mut tasks = Vec::new();
        for (number, visit) in (1_usize..).zip(visits) {
            let (stage, finished) = (Rc::clone(&self), Rc::clone(&finished));
            tasks.push(spawn_local(async move {
                sleep(Duration::from_millis(visit.at_ms)).await;
                let word = stage.visit("fe_a", &visit, &[]).await;
                finished.borrow_mut().push(number.to_string());
                word
            }));
        }
        let mut words = Vec::new();
        for task in tasks {
            words.push(task.await.expect("a client does not panic"));
        }
        let finished = finished.take();
        (words, finished)
    }

    async fn full(&self, text: &str, frontend: &str, max_ms: u64) {
        let Some(client) = self.connect(frontend, None).await else {
            self.tell("client got: nothing, refused".to_owned());
            return;
        };
        client.send(&self.request(text)).await;
        await_answer(&client, Duration::from_millis(max_ms)).await;
        {
            let seen = client.seen();
            self.tell(format!(
                "client got: {}",
                self.normalised(&from_bytes(&seen.received))
            ));
            let end = match seen.peer_end {
                Some(PeerEnd::Reset) => "reset",
                Some(PeerEnd::Closed) => "closed",
                None => "open",
            };
            self.tell(format!("client end: {end}"));
        }
        client.close();
    }

    pub(super) fn server(&self, name: &str) -> Result<&Rc<Server>, SuiteError> {
        self.servers
            .get(name)
            .ok_or_else(|| self.senseless(format!("no server {name}")))
    }

    pub(super) fn senseless(&self, what: String) -> SuiteError {
        SuiteError::in_case(&self.case.id, what)
    }

    pub(super) fn normalised(&self, text: &str) -> String {
        self.normaliser.bytes(&to_bytes(text), &self.places)
    }

    pub(super) fn tell(&self, line: String) {
        self.told.borrow_mut().push(line);
    }
}

fn counted(words: Vec<String>) -> Vec<String> {
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    for word in words {
        *counts.entry(word).or_default() += 1;
    }
    counts
        .iter()
        .map(|(word, count)| format!("{word}={count}"))
        .collect()
}

const BETWEEN_REQUESTS: Duration = Duration::from_millis(4);
