//! What a request asks for.

use serde_json::Value;

use crate::kind::Kind;

/// A request of the Kubernetes API, read.
#[derive(Debug)]
pub(crate) struct Request {
    pub(crate) method: String,
    pub(crate) kind: Kind,
    /// Empty: of the cluster, or of all namespaces.
    pub(crate) namespace: String,
    /// Empty for a collection.
    pub(crate) name: String,
    pub(crate) subresource: String,
    pub(crate) query: Vec<(String, String)>,
    pub(crate) content_type: String,
    pub(crate) body: Value,
}

impl Request {
    /// None where nothing is at the path.
    pub(crate) fn read(
        method: &str,
        path: &str,
        query: &str,
        content_type: &str,
        body: &[u8],
    ) -> Option<Self> {
        let parts: Vec<&str> = path.split('/').filter(|part| !part.is_empty()).collect();
        let (group, version, rest) = match parts.as_slice() {
            ["api", version, rest @ ..] => ("", *version, rest),
            ["apis", group, version, rest @ ..] => (*group, *version, rest),
            _ => return None,
        };
        let (namespace, rest) = match rest {
            ["namespaces", namespace, rest @ ..] if !rest.is_empty() => (*namespace, rest),
            _ => ("", rest),
        };
        let plural = rest.first()?;
        let query = query.split('&').filter(|pair| !pair.is_empty()).map(|pair| {
            let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
            (decoded(key), decoded(value))
        });
        Some(Self {
            method: method.into(),
            kind: Kind::find(group, version, plural)?,
            namespace: namespace.into(),
            name: rest.get(1).unwrap_or(&"").to_string(),
            subresource: rest.get(2).unwrap_or(&"").to_string(),
            query: query.collect(),
            content_type: content_type.into(),
            body: serde_json::from_slice(body).unwrap_or_default(),
        })
    }

    pub(crate) fn parameter(&self, name: &str) -> &str {
        self.query.iter().find(|(key, _)| key == name).map_or("", |(_, value)| value)
    }

    pub(crate) fn is_watch(&self) -> bool {
        self.method == "GET" && matches!(self.parameter("watch"), "true" | "1")
    }

    pub(crate) fn is_write(&self) -> bool {
        self.method != "GET"
    }

    /// Whether it can touch a monitor or its store. What only tells others something cannot.
    pub(crate) fn can_harm(&self) -> bool {
        !matches!(self.kind.plural, "events" | "leases" | "configmaps" | "secrets")
            && self.subresource != "status"
    }

    /// For people.
    pub(crate) fn shown(&self) -> String {
        let Self { method, kind, name, subresource, .. } = self;
        let verb = if self.is_watch() { "WATCH" } else { method };
        format!("{verb} {}/{name}/{subresource}", kind.plural)
    }
}

/// `%2C` and `+` of a query.
fn decoded(text: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'+' => b' ',
            b'%' => {
                let digits: String = rest.by_ref().take(2).map(char::from).collect();
                u8::from_str_radix(&digits, 16).unwrap_or(b'%')
            }
            byte => byte,
        });
    }
    String::from_utf8_lossy(&bytes).into_owned()
}
