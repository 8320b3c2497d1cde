//! A browser without a window, over the pipes of its debugging protocol.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::Duration;

use nix::sys::stat::Mode;
use nix::unistd::mkfifo;
use serde_json::{Value, json};

/// Debian's Chromium, when it is installed. With `HAPAX_REQUIRE_BROWSER` in the environment its
/// absence is a failure.
///
/// # Panics
/// It is required and not there.
pub fn installed() -> Option<PathBuf> {
    let found = ["/usr/bin/chromium", "/usr/bin/chromium-browser"]
        .into_iter()
        .map(PathBuf::from)
        .find(|path| path.exists());
    assert!(
        found.is_some() || std::env::var_os("HAPAX_REQUIRE_BROWSER").is_none(),
        "there is no Chromium, and HAPAX_REQUIRE_BROWSER asks for it"
    );
    found
}

/// How a page is to be shown.
#[derive(Clone, Copy, Debug)]
pub struct View {
    /// Width of the window, in pixels.
    pub width: u32,
    /// Height of it.
    pub height: u32,
    /// The user prefers dark colours.
    pub dark: bool,
    /// Scripts run.
    pub scripts: bool,
}

/// A running browser with one page; killed when dropped.
#[derive(Debug)]
pub struct Browser {
    child: Child,
    input: File,
    messages: Receiver<Value>,
    session: String,
    last: u64,
}

impl Drop for Browser {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Browser {
    /// Starts a browser that keeps its files in `folder`.
    ///
    /// # Errors
    /// It does not start, or says nothing for a long time.
    pub fn start(binary: &Path, folder: &Path) -> io::Result<Self> {
        let (to, from) = (folder.join("to-browser"), folder.join("from-browser"));
        for pipe in [&to, &from] {
            mkfifo(pipe, Mode::S_IRUSR | Mode::S_IWUSR)?;
        }
        // The protocol is spoken over descriptors 3 and 4, which a shell can set without unsafe
        // code. Both ends of a named pipe wait for each other, in this order.
        let child = Command::new("sh")
            .arg("-c")
            .arg("exec \"$0\" \"$@\" 3<to-browser 4>from-browser")
            .arg(binary)
            .args([
                "--headless",
                "--no-sandbox",
                "--disable-gpu",
                "--disable-dev-shm-usage",
                "--hide-scrollbars",
                "--remote-debugging-pipe",
            ])
            .arg(format!(
                "--user-data-dir={}",
                folder.join("profile").display()
            ))
            .arg("about:blank")
            .current_dir(folder)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()?;
        let input = File::options().write(true).open(&to)?;
        let output = File::open(&from)?;
        let (tell, messages) = mpsc::channel();
        thread::spawn(move || {
            for message in BufReader::new(output).split(0) {
                let Ok(message) = message else { return };
                let Ok(message) = serde_json::from_slice(&message) else {
                    continue;
                };
                if tell.send(message).is_err() {
                    return;
                }
            }
        });
        let mut browser = Self {
            child,
            input,
            messages,
            session: String::new(),
            last: 0,
        };
        let target = browser.call("Target.createTarget", json!({"url": "about:blank"}))?;
        let attach = json!({"targetId": target["targetId"], "flatten": true});
        let attached = browser.call("Target.attachToTarget", attach)?;
        browser.session = attached["sessionId"].as_str().unwrap_or("").to_owned();
        browser.call("Page.enable", json!({}))?;
        Ok(browser)
    }

    /// Calls a method of the protocol and waits for its result.
    ///
    /// # Errors
    /// The browser refuses, has ended, or says nothing for a long time.
    pub fn call(&mut self, method: &str, parameters: Value) -> io::Result<Value> {
        self.last += 1;
        let mut request = json!({"id": self.last, "method": method, "params": parameters});
        if !self.session.is_empty() {
            request["sessionId"] = self.session.clone().into();
        }
        let mut bytes = request.to_string().into_bytes();
        bytes.push(0);
        self.input.write_all(&bytes)?;
        let id = self.last;
        let answer = self.wait(|message| message["id"] == id)?;
        match answer.get("error") {
            Some(error) => Err(io::Error::other(format!("{method}: {error}"))),
            None => Ok(answer["result"].clone()),
        }
    }

    fn wait(&self, wanted: impl Fn(&Value) -> bool) -> io::Result<Value> {
        loop {
            let message = self
                .messages
                .recv_timeout(PATIENCE)
                .map_err(|error| io::Error::other(format!("the browser is silent: {error}")))?;
            if wanted(&message) {
                return Ok(message);
            }
        }
    }

    /// Loads a page and waits until it is there.
    ///
    /// # Errors
    /// As [`call`](Self::call).
    pub fn open(&mut self, address: &str, view: View) -> io::Result<()> {
        self.call(
            "Emulation.setDeviceMetricsOverride",
            json!({"width": view.width, "height": view.height, "deviceScaleFactor": 1,
                "mobile": view.width < 600}),
        )?;
        let scheme = if view.dark { "dark" } else { "light" };
        self.call(
            "Emulation.setEmulatedMedia",
            json!({"features": [{"name": "prefers-color-scheme", "value": scheme}]}),
        )?;
        self.call(
            "Emulation.setScriptExecutionDisabled",
            json!({"value": !view.scripts}),
        )?;
        self.load(|browser| browser.call("Page.navigate", json!({"url": address})))
    }

    /// Does something that loads a page, and waits until that is there.
    ///
    /// # Errors
    /// As [`call`](Self::call).
    pub fn load(&mut self, act: impl FnOnce(&mut Self) -> io::Result<Value>) -> io::Result<()> {
        while self.messages.try_recv().is_ok() {}
        act(self)?;
        self.wait(|message| message["method"] == "Page.loadEventFired")?;
        Ok(())
    }

    /// The value of an expression of JavaScript in the page, even when the page itself may not run
    /// any.
    ///
    /// # Errors
    /// As [`call`](Self::call), and when it throws.
    pub fn evaluate(&mut self, expression: &str) -> io::Result<Value> {
        let asked = json!({"expression": expression, "returnByValue": true, "awaitPromise": true});
        let answer = self.call("Runtime.evaluate", asked)?;
        match answer.get("exceptionDetails") {
            Some(error) => Err(io::Error::other(format!("{expression}: {error}"))),
            None => Ok(answer["result"]["value"].clone()),
        }
    }

    /// Clicks in the middle of an element.
    ///
    /// # Errors
    /// As [`evaluate`](Self::evaluate).
    pub fn click(&mut self, selector: &str) -> io::Result<Value> {
        let place = self.evaluate(&format!(
            "(()=>{{const e=document.querySelector({selector:?});e.scrollIntoView({{block:'center'}});\
             const r=e.getBoundingClientRect();return [r.x+r.width/2,r.y+r.height/2]}})()"
        ))?;
        let mut result = Value::Null;
        for kind in ["mousePressed", "mouseReleased"] {
            result = self.call(
                "Input.dispatchMouseEvent",
                json!({"type": kind, "x": place[0], "y": place[1], "button": "left",
                    "clickCount": 1}),
            )?;
        }
        Ok(result)
    }

    /// The window as a PNG, in base64.
    ///
    /// # Errors
    /// As [`call`](Self::call).
    pub fn picture(&mut self) -> io::Result<String> {
        let answer = self.call("Page.captureScreenshot", json!({"format": "png"}))?;
        Ok(answer["data"].as_str().unwrap_or("").to_owned())
    }
}

/// How long it may say nothing: it starts slowly on a busy machine.
const PATIENCE: Duration = Duration::from_secs(90);
