//! The client's side of the control protocol, made of bytes so that it can do everything
//! wrong, too.

use super::{Client, Daemon, Setup};
use serde_json::{Value, json};
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};

/// A message of this JSON.
pub fn framed(json: impl AsRef<[u8]>) -> Vec<u8> {
    let json = json.as_ref();
    let length = u32::try_from(json.len()).unwrap().to_be_bytes();
    [&length[..], b":", json].concat()
}

/// A command as the protocol shows it, with all its keys.
pub fn command(cmd: &str, args: &Value, respond: bool, close: bool) -> Vec<u8> {
    let response = json!({"status": "success", "error": "", "payload": ""});
    let all = json!({"cmd": cmd, "args": args, "response": response, "respond": respond,
        "close": close});
    framed(all.to_string())
}

/// One connection. No wait on it is longer than [`super::PATIENCE`].
#[derive(Debug)]
pub struct Control {
    stream: UnixStream,
    received: Vec<u8>,
}

impl Control {
    #[track_caller]
    pub fn connect(path: &Path) -> Self {
        let stream = Client::connect(path).stream().try_clone().unwrap();
        Self {
            stream,
            received: Vec::new(),
        }
    }

    pub fn stream(&self) -> &UnixStream {
        &self.stream
    }

    #[track_caller]
    pub fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.stream.write_all(bytes.as_ref()).unwrap();
    }

    /// Shuts down the writing side.
    pub fn end(&self) {
        self.stream.shutdown(std::net::Shutdown::Write).unwrap();
    }

    /// The next message, `None` when the server has closed instead.
    #[track_caller]
    pub fn next(&mut self) -> Option<Value> {
        loop {
            if let Some((head, rest)) = self.received.split_at_checked(5) {
                assert_eq!(head[4], b':', "{}", self.received.escape_ascii());
                let length = u32::from_be_bytes([head[0], head[1], head[2], head[3]]) as usize;
                if let Some((json, rest)) = rest.split_at_checked(length) {
                    let answer = serde_json::from_slice(json).unwrap();
                    self.received = rest.to_vec();
                    return Some(answer);
                }
            }
            let mut bytes = [0; 65536];
            match self.stream.read(&mut bytes).expect("an answer") {
                0 => {
                    let left = self.received.escape_ascii();
                    assert!(self.received.is_empty(), "half an answer: {left}");
                    return None;
                }
                count => self.received.extend_from_slice(&bytes[..count]),
            }
        }
    }

    /// The response of the next message: its payload, or its error.
    #[track_caller]
    pub fn response(&mut self) -> Result<String, String> {
        let answer = self.next().expect("an answer and not the end");
        let text = |key: &str| answer["response"][key].as_str().unwrap().to_owned();
        let (status, error, payload) = (text("status"), text("error"), text("payload"));
        match &status[..] {
            "success" if error.is_empty() => Ok(payload),
            "failure" if !error.is_empty() && payload.is_empty() => Err(error),
            _ => panic!("{answer}"),
        }
    }

    /// Sends a command, waits for its answer, and keeps the connection.
    #[track_caller]
    pub fn ask(&mut self, cmd: &str, args: &Value) -> Result<String, String> {
        self.send(command(cmd, args, true, false));
        self.response()
    }

    /// Checks that the server closes and sends nothing more.
    #[track_caller]
    pub fn closed(&mut self) {
        assert_eq!(self.next(), None);
    }
}

impl Setup {
    /// Listens for the control protocol too.
    pub fn control(self) -> Self {
        let path = self.directory.join("control");
        self.arguments(["--control".into(), path])
    }
}

impl Daemon {
    pub fn control_path(&self) -> PathBuf {
        self.directory.join("control")
    }

    #[track_caller]
    pub fn control(&self) -> Control {
        Control::connect(&self.control_path())
    }

    /// The payload of a command that must succeed.
    #[track_caller]
    pub fn ask(&self, cmd: &str, args: Value) -> Value {
        let payload = self.control().ask(cmd, &args).expect(cmd);
        serde_json::from_str(&payload).unwrap_or(Value::String(payload))
    }

    /// The error of a command that must fail.
    #[track_caller]
    pub fn fails(&self, cmd: &str, args: Value) -> String {
        self.control().ask(cmd, &args).expect_err(cmd)
    }

    #[track_caller]
    pub fn status(&self) -> Value {
        self.ask("status", json!({}))
    }

    /// The jobs, in their order.
    #[track_caller]
    pub fn jobs(&self) -> Vec<Value> {
        self.ask("jobs", json!({})).as_array().unwrap().clone()
    }

    /// Waits until this number of jobs is in this state.
    #[track_caller]
    pub fn wait_jobs(&self, state: &str, count: usize) {
        let mut control = self.control();
        super::process::eventually(&format!("{count} jobs {state}"), || {
            let jobs = control.ask("jobs", &json!({})).unwrap();
            let jobs: Vec<Value> = serde_json::from_str(&jobs).unwrap();
            jobs.iter().filter(|job| job["state"] == state).count() == count
        });
    }
}
