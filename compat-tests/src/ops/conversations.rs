//! Steps that talk to the proxy: connections, requests, commands of the statistics socket.

use socket2::Socket;

use super::client::{Client, to_file, to_port};
use super::normalise::visible;
use super::pause;
use super::stage::Stage;
use super::suite::Step;
use crate::recorded::SuiteError;
use crate::text::from_bytes;

impl Stage<'_> {
    fn open(&self, place: &str) -> Result<Result<Socket, &'static str>, SuiteError> {
        if let Some(file) = place.strip_prefix("unix:") {
            return Ok(to_file(&self.path(file)));
        }
        let port = self.places.port(place);
        let port = port.ok_or_else(|| SuiteError::Script(format!("no port {place}")))?;
        Ok(to_port(port))
    }

    pub(super) fn connect(&mut self, step: &Step, place: &str) -> Result<(), SuiteError> {
        let name = step.label_as.as_deref().unwrap_or("c");
        match self.open(place)? {
            Err(why) => self.say(format!("{name}: connect {why}")),
            Ok(socket) => {
                let client = Client::new(socket, name);
                self.clients.insert(name.to_owned(), client);
                if step.show.is_some() {
                    self.say(format!("{name}: connected"));
                }
                pause(step.settle.unwrap_or(20));
            }
        }
        Ok(())
    }

    /// What happens on a connection that is there.
    pub(super) fn talk(&mut self, step: &Step, name: &str) -> Result<(), SuiteError> {
        let Some(mut client) = self.clients.remove(name) else {
            self.say(format!("{name}: no connection"));
            return Ok(());
        };
        if let Some(text) = &step.send {
            if !client.send(&self.places.expand(text)) {
                self.say(format!("{name}: send failed"));
            }
            pause(step.settle.unwrap_or(20));
        }
        if let Some(patience) = step.response {
            let whole = client.wait(patience, |client| client.response_length().is_some());
            let bytes = client.take_response();
            let how = if whole {
                "response"
            } else {
                client.end.unwrap_or("no answer")
            };
            self.say(format!("{name}: {how}"));
            self.show(&bytes, step.show("status"), step)?;
        }
        if let Some(text) = step.until.as_ref().and_then(|until| until.as_str()) {
            let wanted = self.places.expand(text);
            let seen = client.wait(step.max.unwrap_or(2000), |client| {
                let unseen = client.unseen();
                wanted.is_empty() || unseen.windows(wanted.len()).any(|w| w == wanted)
            });
            let how = if seen {
                "seen"
            } else {
                client.end.unwrap_or("not seen")
            };
            self.say(format!("{name}: {how}"));
            let bytes = client.take();
            if step.show.is_some() {
                self.show(&bytes, step.show("none"), step)?;
            }
        }
        if let Some(patience) = step.end {
            client.wait_for_end(patience);
            let bytes = client.take();
            if step.show.is_some() {
                self.show(&bytes, step.show("none"), step)?;
            }
            self.say(format!("{name}: {}", client.end.unwrap_or("open")));
        }
        if step.close || step.rst {
            client.close(step.rst);
            pause(30);
        }
        if step.shut {
            client.shut();
        }
        self.clients.insert(client.name.clone(), client);
        Ok(())
    }

    /// One connection, one text, what comes until the end.
    pub(super) fn get(&mut self, step: &Step, place: &str) -> Result<(), SuiteError> {
        let socket = match self.open(place)? {
            Ok(socket) => socket,
            Err(why) => {
                self.say(format!("get: connect {why}"));
                return Ok(());
            }
        };
        let mut client = Client::new(socket, "get");
        let text = step.send.as_deref().unwrap_or("GET / HTTP/1.0\r\n\r\n");
        // Who is refused while it still sends reads why.
        client.send(&self.places.expand(text));
        client.wait_for_end(step.max.unwrap_or(3000));
        let (bytes, end) = (client.take(), client.end);
        drop(client);
        let how = step.show("none");
        if how != "none" {
            self.say(format!("get: {}", end.unwrap_or("still open")));
            self.show(&bytes, how, step)?;
        }
        pause(step.gap.unwrap_or(30));
        Ok(())
    }

    /// One command to a statistics socket, and its answer.
    pub(super) fn ask(
        &mut self,
        step: &Step,
        command: &str,
        otherwise: &str,
    ) -> Result<(), SuiteError> {
        let mut text = command.to_owned();
        if step.raw.is_none() {
            text.push('\n');
        }
        let at = step.at.as_deref().unwrap_or("stats");
        let socket = match self.open(&format!("unix:{at}"))? {
            Ok(socket) => socket,
            Err(why) => {
                self.say(format!("cli: connect {why}"));
                return Ok(());
            }
        };
        let mut client = Client::new(socket, "cli");
        if !client.send(&self.places.expand(&text)) {
            self.say("cli: send failed");
        }
        if step.shut {
            client.shut();
        }
        client.wait_for_end(step.max.unwrap_or(1500));
        let (bytes, end) = (client.take(), client.end);
        drop(client);
        let how = step.show(otherwise);
        if how == "none" {
            return Ok(());
        }
        let shown = step.label.clone().unwrap_or_else(|| visible(command));
        let shown = self.norm(&shown);
        self.say(format!("cli {shown}: {}", end.unwrap_or("still open")));
        self.answer(&from_bytes(&bytes), how, step)
    }

    /// All that the statistics socket says to a command.
    pub(super) fn asked(&self, step: &Step, command: &str) -> Result<Option<String>, SuiteError> {
        let at = step.at.as_deref().unwrap_or("stats");
        let Ok(socket) = self.open(&format!("unix:{at}"))? else {
            return Ok(None);
        };
        let mut client = Client::new(socket, "cli");
        client.send(command.as_bytes());
        client.wait_for_end(1500);
        Ok(Some(from_bytes(&client.take())))
    }
}
