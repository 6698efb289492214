//! The arguments of a command, read and checked against its signature.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use crate::command::signature::{Kind, Param};
use crate::command::table::CommandDesc;

/// A command's checked arguments.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Arguments {
    values: BTreeMap<String, Argument>,
    format: Format,
}

/// One argument.
#[derive(Debug, Clone, PartialEq)]
pub enum Argument {
    /// An integer.
    Int(i64),
    /// Another number.
    Float(f64),
    /// Yes or no.
    Bool(bool),
    /// A choice or any text.
    Text(String),
    /// Several of one kind.
    List(Vec<Self>),
}

/// How the client wants its output.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Format {
    /// Text for people.
    #[default]
    Plain,
    /// JSON on one line.
    Json,
    /// JSON with indentation.
    JsonPretty,
}

/// Why a command is refused before it is looked at. The result code is EINVAL for almost all.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CommandError {
    /// Not a command at all.
    #[error("command is not a JSON object with a prefix: {0}")]
    Malformed(String),
    /// No command of that name.
    #[error("command not known: '{0}'; see 'ceph --help'")]
    Unknown(String),
    /// A required argument is absent.
    #[error("'{command}' needs the argument '{name}'")]
    Missing {
        /// The command.
        command: String,
        /// What it lacks.
        name: String,
    },
    /// An argument has another type.
    #[error("'{command}': '{name}' must be {wanted}")]
    Type {
        /// The command.
        command: String,
        /// The argument.
        name: String,
        /// What it must be.
        wanted: &'static str,
    },
    /// An argument is not among what is allowed.
    #[error("'{command}': '{name}' cannot be '{value}', it must be {wanted}")]
    Value {
        /// The command.
        command: String,
        /// The argument.
        name: String,
        /// What it is.
        value: String,
        /// What it must be.
        wanted: String,
    },
    /// An output format that is not offered.
    #[error("format '{0}' is not offered; use plain, json or json-pretty")]
    Format(String),
}

impl Arguments {
    /// Checks a command's JSON against its description. Keys that no parameter has are left alone: clients
    /// send some that are not for us (`target`, `width`).
    ///
    /// # Errors
    /// The first argument that does not fit.
    pub fn check(desc: &CommandDesc, object: &Map<String, Value>) -> Result<Self, CommandError> {
        let command = desc.signature.prefix();
        let mut values = BTreeMap::new();
        for param in desc.signature.params.iter().chain(&desc.hidden.params) {
            match object.get(&param.name) {
                Some(Value::Null) | None if param.required => {
                    return Err(CommandError::Missing { command, name: param.name.clone() });
                }
                Some(Value::Null) | None => {}
                Some(value) => {
                    let read = if param.repeated {
                        list(&command, param, value)
                    } else {
                        one(&command, param, value)
                    };
                    values.insert(param.name.clone(), read?);
                }
            }
        }
        // A command may have a parameter of that name with another meaning; the reserved key is the same, and
        // stock reads it as the output format then too.
        let format = match object.get("format") {
            Some(Value::String(name)) => Format::parse(name)?,
            Some(_) | None => Format::Plain,
        };
        Ok(Self { values, format })
    }

    /// How the output is wanted.
    #[must_use]
    pub fn format(&self) -> Format {
        self.format
    }

    /// A text argument.
    #[must_use]
    pub fn text(&self, name: &str) -> Option<&str> {
        match self.values.get(name)? {
            Argument::Text(text) => Some(text),
            Argument::Int(_) | Argument::Float(_) | Argument::Bool(_) | Argument::List(_) => None,
        }
    }

    /// A list of texts; empty when absent.
    #[must_use]
    pub fn texts(&self, name: &str) -> Vec<&str> {
        let Some(Argument::List(all)) = self.values.get(name) else { return Vec::new() };
        all.iter()
            .filter_map(|one| match one {
                Argument::Text(text) => Some(text.as_str()),
                Argument::Int(_) | Argument::Float(_) | Argument::Bool(_) | Argument::List(_) => None,
            })
            .collect()
    }

    /// An integer argument.
    #[must_use]
    pub fn int(&self, name: &str) -> Option<i64> {
        match self.values.get(name)? {
            Argument::Int(number) => Some(*number),
            Argument::Text(_) | Argument::Float(_) | Argument::Bool(_) | Argument::List(_) => None,
        }
    }

    /// A number.
    #[must_use]
    pub fn float(&self, name: &str) -> Option<f64> {
        match self.values.get(name)? {
            Argument::Float(number) => Some(*number),
            Argument::Text(_) | Argument::Int(_) | Argument::Bool(_) | Argument::List(_) => None,
        }
    }

    /// All but those named as a JSON object, in the order of their names: one text for one request, however the client
    /// ordered or spelled it. The output format is not part of it.
    #[must_use]
    pub fn canonical(&self, without: &[&str]) -> String {
        let kept = self.values.iter().filter(|(name, _)| !without.contains(&name.as_str()));
        Value::Object(kept.map(|(name, value)| (name.clone(), value.to_json())).collect()).to_string()
    }

    /// Whether a switch is on. Older signatures spell a switch as a choice of one (`--force`); that counts.
    #[must_use]
    pub fn switch(&self, name: &str) -> bool {
        match self.values.get(name) {
            Some(Argument::Bool(on)) => *on,
            Some(Argument::Text(text)) => text.starts_with("--"),
            Some(Argument::Int(_) | Argument::Float(_) | Argument::List(_)) | None => false,
        }
    }
}

impl Argument {
    fn to_json(&self) -> Value {
        match self {
            Self::Int(number) => (*number).into(),
            Self::Float(number) => (*number).into(),
            Self::Bool(on) => (*on).into(),
            Self::Text(text) => text.as_str().into(),
            Self::List(all) => all.iter().map(Self::to_json).collect(),
        }
    }
}

impl Format {
    fn parse(name: &str) -> Result<Self, CommandError> {
        match name {
            "" | "plain" => Ok(Self::Plain),
            "json" => Ok(Self::Json),
            "json-pretty" => Ok(Self::JsonPretty),
            other => Err(CommandError::Format(other.to_owned())),
        }
    }
}

fn list(command: &str, param: &Param, value: &Value) -> Result<Argument, CommandError> {
    match value {
        Value::Array(all) => {
            if all.is_empty() && param.required {
                return Err(CommandError::Missing { command: command.to_owned(), name: param.name.clone() });
            }
            all.iter().map(|value| one(command, param, value)).collect::<Result<_, _>>().map(Argument::List)
        }
        single => Ok(Argument::List(vec![one(command, param, single)?])),
    }
}

/// Reads one value. Numbers and switches may come as text, as old clients send them.
fn one(command: &str, param: &Param, value: &Value) -> Result<Argument, CommandError> {
    let wrong = |wanted| CommandError::Type { command: command.to_owned(), name: param.name.clone(), wanted };
    let outside = |value: &dyn ToString, wanted: String| CommandError::Value {
        command: command.to_owned(),
        name: param.name.clone(),
        value: value.to_string(),
        wanted,
    };
    let in_range = |number: f64| match param.range {
        Some(range) if !range.contains(number) => Err(outside(
            &number,
            range.high.map_or_else(
                || format!("at least {}", range.low),
                |high| format!("from {} to {high}", range.low),
            ),
        )),
        Some(_) | None => Ok(()),
    };
    match param.kind {
        Kind::Int => {
            let number = match value {
                Value::Number(number) => number.as_i64(),
                Value::String(text) => text.parse().ok(),
                Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => None,
            };
            let number = number.ok_or_else(|| wrong("a whole number"))?;
            in_range(number as f64)?;
            Ok(Argument::Int(number))
        }
        Kind::Float => {
            let number = match value {
                Value::Number(number) => number.as_f64(),
                Value::String(text) => text.parse().ok(),
                Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => None,
            };
            let number = number.filter(|number| number.is_finite()).ok_or_else(|| wrong("a number"))?;
            in_range(number)?;
            Ok(Argument::Float(number))
        }
        Kind::Bool => match value {
            Value::Bool(on) => Ok(Argument::Bool(*on)),
            Value::String(text) if text == "true" || text.starts_with("--") => Ok(Argument::Bool(true)),
            Value::String(text) if text == "false" => Ok(Argument::Bool(false)),
            _ => Err(wrong("true or false")),
        },
        Kind::Choices => match value {
            Value::String(text) if param.choices.contains(text) => Ok(Argument::Text(text.clone())),
            Value::String(text) => Err(outside(text, format!("one of {}", param.choices.join(", ")))),
            // Newer clients know the switches of old signatures as what they are.
            Value::Bool(on) if param.choices.iter().all(|choice| choice.starts_with("--")) => {
                Ok(Argument::Bool(*on))
            }
            _ => Err(wrong("text")),
        },
        Kind::Text => match value {
            Value::String(text) if param.allows_characters(text) => Ok(Argument::Text(text.clone())),
            Value::String(text) => {
                Err(outside(text, format!("made of {}", param.goodchars.as_deref().unwrap_or_default())))
            }
            _ => Err(wrong("text")),
        },
    }
}

#[cfg(test)]
mod tests {
    use mon_types::release::Release;

    use crate::command::arguments::{CommandError, Format};
    use crate::command::table::Table;

    fn refusal(command: &str) -> String {
        Table::for_release(Release::Reef).validate(command).unwrap_err().to_string()
    }

    #[test]
    fn arguments_come_out_with_their_types() {
        let table = Table::for_release(Release::Reef);
        let command =
            r#"{"prefix":"mon set-weight","name":"a","weight":7,"format":"json","target":["mon",""]}"#;
        let (desc, arguments) = table.validate(command).unwrap();
        assert_eq!(desc.module, "mon");
        assert_eq!((arguments.text("name"), arguments.int("weight")), (Some("a"), Some(7)));
        assert_eq!(arguments.format(), Format::Json);
        let (_, arguments) =
            table.validate(r#"{"prefix":"log","logtext":["one","two"],"format":"json-pretty"}"#).unwrap();
        assert_eq!(arguments.texts("logtext"), ["one", "two"]);
        let (_, arguments) = table.validate(r#"{"prefix":"mon feature ls","with_value":true}"#).unwrap();
        assert!(arguments.switch("with_value"));
        let (_, arguments) = Table::for_release(Release::Pacific)
            .validate(r#"{"prefix":"mon feature ls","with_value":"--with-value"}"#)
            .map(|(d, a)| (d.clone(), a))
            .unwrap();
        assert!(arguments.switch("with_value"));
    }

    #[test]
    fn what_does_not_fit_is_refused_with_what_to_do() {
        let cases = [
            ("{", "command is not a JSON object with a prefix: "),
            ("[]", "command is not a JSON object with a prefix: not an object"),
            ("{}", "command is not a JSON object with a prefix: no prefix"),
            (r#"{"prefix":"mon dance"}"#, "command not known: 'mon dance'"),
            (r#"{"prefix":"config-key get"}"#, "'config-key get' needs the argument 'key'"),
            (r#"{"prefix":"config-key get","key":5}"#, "'config-key get': 'key' must be text"),
            (r#"{"prefix":"log","logtext":[]}"#, "'log' needs the argument 'logtext'"),
            (r#"{"prefix":"mon set-weight","name":"a","weight":70000}"#, "it must be from 0 to 65535"),
            (r#"{"prefix":"mon set-weight","name":"a","weight":"x"}"#, "'weight' must be a whole number"),
            (r#"{"prefix":"log last","level":"loud"}"#, "it must be one of debug, info, sec, warn, error"),
            (r#"{"prefix":"status","format":"xml"}"#, "format 'xml' is not offered"),
        ];
        for (command, text) in cases {
            let said = refusal(command);
            assert!(said.contains(text), "{command}: {said}");
        }
    }

    #[test]
    fn stock_commands_take_our_extra_arguments_without_showing_them() {
        let table = Table::for_release(Release::Tentacle);
        let command = r#"{"prefix":"mon rm","name":"c","expected_epoch":4,"operation_id":"x1"}"#;
        let (desc, arguments) = table.validate(command).unwrap();
        assert_eq!((arguments.int("expected_epoch"), arguments.text("operation_id")), (Some(4), Some("x1")));
        assert!(!desc.signature.text.contains("operation_id"));
        let bad = table.validate(r#"{"prefix":"mon rm","name":"c","expected_epoch":"soon"}"#).unwrap_err();
        assert!(matches!(bad, CommandError::Type { .. }), "{bad}");
    }

    proptest::proptest! {
        #[test]
        fn any_text_gives_a_command_or_an_error(text in ".{0,64}", key in "[a-z]{1,6}") {
            let table = Table::for_release(Release::Pacific);
            let _ = table.validate(&text);
            let _ = table.validate(&serde_json::json!({"prefix": "mon add", key: text}).to_string());
        }
    }
}
