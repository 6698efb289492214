//! Output in the forms that `--format` names.

use bytes::Bytes;
use serde::Serialize;
use serde_json::Value;
use serde_json::ser::{PrettyFormatter, Serializer};

use super::arguments::Format;

/// JSON whatever was asked for; people get it indented.
pub(crate) fn json(format: Format, value: &Value) -> Bytes {
    match format {
        Format::Json => format!("{value}\n").into(),
        Format::JsonPretty | Format::Plain => pretty(value).into(),
    }
}

/// JSON when it was asked for, and the text otherwise.
pub(crate) fn text_or_json(
    format: Format,
    text: impl FnOnce() -> String,
    value: impl FnOnce() -> Value,
) -> Bytes {
    match format {
        Format::Plain => text().into(),
        Format::Json | Format::JsonPretty => json(format, &value()),
    }
}

/// Indented by four, as Ceph does, with a line end.
pub(crate) fn pretty(value: &Value) -> String {
    let mut out = Vec::new();
    let mut serializer = Serializer::with_formatter(&mut out, PrettyFormatter::with_indent(b"    "));
    // Values of JSON always serialize, and to text.
    let _ = value.serialize(&mut serializer);
    out.push(b'\n');
    String::from_utf8(out).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn people_get_indented_json_unless_they_asked_otherwise() {
        let value = json!({"a": [], "b": [1]});
        assert_eq!(json(Format::Json, &value), "{\"a\":[],\"b\":[1]}\n");
        let indented = "{\n    \"a\": [],\n    \"b\": [\n        1\n    ]\n}\n";
        assert_eq!(json(Format::Plain, &value), indented);
        assert_eq!(text_or_json(Format::Plain, || "x".into(), || value.clone()), "x");
    }
}
