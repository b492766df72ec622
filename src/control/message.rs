//! The JSON object of both directions of the control socket.
//!
//! The parser is lenient, because any JSON library may have written the object: `args` and
//! `response` may be absent or null, `respond` and `close` are then true, and unknown keys are
//! ignored. An ambiguous object is refused: a key, or an argument, that occurs twice.

use std::fmt;

use serde::de::{Error as _, MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Map, Value};

use super::form;

/// The arguments of a command, by name.
pub type Args = Map<String, Value>;

/// A command; with `response` filled in, its answer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Request {
    /// The name of the command, in any case.
    pub cmd: String,
    /// Its arguments.
    #[serde(default, deserialize_with = "args")]
    pub args: Args,
    /// The answer. Its value in a command is ignored.
    #[serde(default)]
    pub response: Option<Response>,
    /// Whether the client wants an answer.
    #[serde(default = "yes", deserialize_with = "or_yes")]
    pub respond: bool,
    /// Whether this is the last command on this connection.
    #[serde(default = "yes", deserialize_with = "or_yes")]
    pub close: bool,
}

/// The answer to a command.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Response {
    /// Whether the command was carried out.
    #[serde(deserialize_with = "or_default")]
    pub status: Status,
    /// The reason of a failure; empty on success.
    #[serde(deserialize_with = "or_default")]
    pub error: String,
    /// The result, JSON if it is structured; empty on failure.
    #[serde(deserialize_with = "or_default")]
    pub payload: String,
}

/// Whether a command was carried out. Any other word than `success` means failure.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// It was carried out.
    Success,
    /// It failed, and nothing has changed.
    #[default]
    Failure,
}

/// Why bytes are no [`Request`], as text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NoRequest(String);

impl fmt::Display for NoRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for NoRequest {}

/// No command: the base of the answer to malformed input.
impl Default for Request {
    fn default() -> Self {
        Self::new("", Args::new())
    }
}

impl Request {
    /// A command that wants an answer and is the last on its connection.
    pub fn new(cmd: &str, args: Args) -> Self {
        Self {
            cmd: cmd.to_owned(),
            args,
            response: None,
            respond: true,
            close: true,
        }
    }

    /// Reads the JSON of a message.
    ///
    /// # Errors
    ///
    /// When it is no JSON, or not of this form; the text has the fault and its place.
    pub fn read(json: &[u8]) -> Result<Self, NoRequest> {
        let no_request =
            |why: &dyn fmt::Display| NoRequest(format!("the message is no command in JSON: {why}"));
        let request = serde_json::from_slice(json).map_err(|error| no_request(&error))?;
        // serde would also accept a list of the values, without their names.
        match json.iter().find(|byte| !byte.is_ascii_whitespace()) {
            Some(b'{') => Ok(request),
            _ => Err(no_request(&"a list at line 1, expected an object")),
        }
    }

    /// The JSON of a message.
    pub fn to_json(&self) -> Vec<u8> {
        serde_json::to_vec(self).expect("all keys are strings")
    }

    /// The same with the answer filled in.
    pub fn answered(self, response: Response) -> Self {
        Self {
            response: Some(response),
            ..self
        }
    }
}

impl Response {
    /// A successful answer.
    pub fn success(payload: impl Into<String>) -> Self {
        Self {
            status: Status::Success,
            error: String::new(),
            payload: payload.into(),
        }
    }

    /// An answer with the reason of a failure.
    pub fn failure(error: impl Into<String>) -> Self {
        Self {
            status: Status::Failure,
            error: error.into(),
            payload: String::new(),
        }
    }
}

impl<'de> Deserialize<'de> for Status {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(match String::deserialize(deserializer)?.as_str() {
            "success" => Self::Success,
            _ => Self::Failure,
        })
    }
}

/// Reads arguments, each of which may occur once: a map would silently keep the last.
fn args<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Args, D::Error> {
    struct Once(Args);

    struct Reader;

    impl<'de> Visitor<'de> for Reader {
        type Value = Once;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a map")
        }

        fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Once, A::Error> {
            let mut args = Args::new();
            while let Some((name, value)) = map.next_entry::<String, Value>()? {
                if args.contains_key(&name) {
                    return Err(A::Error::custom(format!(
                        "duplicate argument {}",
                        form::quote(&name)
                    )));
                }
                args.insert(name, value);
            }
            Ok(Once(args))
        }
    }

    impl<'de> Deserialize<'de> for Once {
        fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
            deserializer.deserialize_map(Reader)
        }
    }

    let once = Option::<Once>::deserialize(deserializer)?;
    Ok(once.map(|Once(args)| args).unwrap_or_default())
}

fn yes() -> bool {
    true
}

fn or_yes<'de, D: Deserializer<'de>>(deserializer: D) -> Result<bool, D::Error> {
    Ok(Option::deserialize(deserializer)?.unwrap_or(true))
}

/// Treats null as an absent value.
fn or_default<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: Default + Deserialize<'de>,
{
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_may_be_absent_null_or_unknown() {
        for json in [
            r#"{"cmd":"ping"}"#,
            r#"{"cmd":"ping","args":null,"response":null,"respond":null,"close":null}"#,
            r#" {"close":true,"args":{},"new":[1,{"x":2}],"cmd":"ping","respond":true} "#,
        ] {
            let request = Request::read(json.as_bytes()).unwrap();
            assert_eq!(request, Request::new("ping", Args::new()), "{json}");
        }
        let json = r#"{"cmd":"Ping","respond":false,"close":false,
            "response":{"status":"","error":null,"payload":null}}"#;
        let request = Request::read(json.as_bytes()).unwrap();
        assert!(!request.respond && !request.close);
        assert_eq!(request.response, Some(Response::default()));
    }

    #[test]
    fn the_answer_is_the_request_with_the_response_filled_in() {
        let request = Request::read(br#"{"cmd":"kill","args":{"id":12},"close":false}"#).unwrap();
        let done = request.clone().answered(Response::success("{\"pid\":1}"));
        assert_eq!(
            String::from_utf8(done.to_json()).unwrap(),
            r#"{"cmd":"kill","args":{"id":12},"response":{"status":"success","error":"","#
                .to_owned()
                + r#""payload":"{\"pid\":1}"},"respond":true,"close":false}"#
        );
        assert_eq!(Request::read(&done.to_json()), Ok(done));
        let failed = request.answered(Response::failure("no job 12"));
        assert!(
            String::from_utf8(failed.to_json())
                .unwrap()
                .contains(r#""response":{"status":"failure","error":"no job 12","payload":""}"#)
        );
    }

    #[test]
    fn a_list_of_values_without_names_is_no_command() {
        for json in ["[\"drain\"]", " [\"kill\",{\"id\":1},null,true,true]"] {
            let error = Request::read(json.as_bytes()).unwrap_err().to_string();
            assert!(error.contains("a list at line 1"), "{error}");
        }
    }

    #[test]
    fn what_is_no_command_is_refused_with_the_place() {
        for (json, part) in [
            (&b""[..], "EOF"),
            (b"{}", "missing field `cmd`"),
            (b"[]", "line 1"),
            (b"{\"cmd\":1}", "expected a string"),
            (b"{\"cmd\":\"a\",\"args\":[1]}", "expected a map"),
            (b"{\"cmd\":\"a\"} x", "trailing characters"),
            (b"{\"cmd\":null}", "expected a string"),
            (b"{\"cmd\":\"a\",\"cmd\":\"b\"}", "duplicate field"),
            (
                b"{\"cmd\":\"a\",\"args\":{},\"args\":{}}",
                "duplicate field",
            ),
            (
                b"{\"cmd\":\"kill\",\"args\":{\"id\":1,\"id\":2}}",
                "duplicate argument \"id\" at line 1 column 36",
            ),
            (
                b"{\"cmd\":\"kill\",\"args\":{\"id\":null,\"id\":2}}",
                "duplicate argument",
            ),
            (
                b"{\"cmd\":\"a\",\"response\":1}",
                "expected struct Response",
            ),
            (b"{\"cmd\":\"\xff\"}", "unicode"),
            (&[b'['; 100_000], "line 1"),
        ] {
            let error = Request::read(json).unwrap_err().to_string();
            assert!(error.starts_with("the message is no command in JSON: "));
            assert!(error.contains(part), "{error}");
        }
    }
}
