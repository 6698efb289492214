//! The chart's README: the table of values comes from the comments of values.yaml.

use anyhow::{Result, ensure};

/// One value.
#[derive(Debug, PartialEq, Eq)]
struct Value {
    path: String,
    default: String,
    meaning: String,
}

/// The whole file.
pub(super) fn readme(values: &str) -> Result<String> {
    let mut text = String::from(include_str!("readme.md"));
    text.push_str("\n## Values\n| value | default | meaning |\n|---|---|---|\n");
    for value in parse(values)? {
        text.push_str(&format!("| `{}` | `{}` | {} |\n", value.path, value.default, value.meaning));
    }
    Ok(text)
}

/// Every line with a comment above it is a value; a mapping without one is a group. Lines further in below a value
/// are its default.
fn parse(text: &str) -> Result<Vec<Value>> {
    let mut found: Vec<Value> = Vec::new();
    let mut groups: Vec<(usize, String)> = Vec::new();
    let mut comment = Vec::new();
    // The indentation of the value whose default goes on over lines.
    let mut open: Option<usize> = None;
    for line in text.lines().filter(|line| !line.trim().is_empty()) {
        let indent = line.len() - line.trim_start().len();
        let line = line.trim();
        if open.is_some_and(|outer| indent > outer) {
            if let Some(value) = found.last_mut() {
                value.default = format!("{} {line}", value.default).trim().to_owned();
            }
            continue;
        }
        open = None;
        groups.retain(|(outer, _)| *outer < indent);
        if let Some(rest) = line.strip_prefix('#') {
            comment.push(rest.trim());
            continue;
        }
        let (name, default) = line.split_once(':').unwrap_or((line, ""));
        let path = groups.iter().map(|(_, name)| name.as_str()).chain([name]).collect::<Vec<_>>().join(".");
        if comment.is_empty() {
            ensure!(default.is_empty(), "values.yaml: {path} has no comment that says what it is for");
            groups.push((indent, name.to_owned()));
        } else {
            found.push(Value { path, default: default.trim().to_owned(), meaning: comment.join(" ") });
            comment.clear();
            open = Some(indent);
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_groups_and_defaults_of_several_lines() {
        let text = "# How many.\nreplicas: 2\nimage:\n  # Where\n  # from.\n  tag: \"\"\n# What.\nresources:\n  limits:\n    cpu: 1\n";
        let found = parse(text).unwrap();
        let value = |path: &str, default: &str, meaning: &str| Value {
            path: path.into(),
            default: default.into(),
            meaning: meaning.into(),
        };
        assert_eq!(
            found,
            [
                value("replicas", "2", "How many."),
                value("image.tag", "\"\"", "Where from."),
                value("resources", "limits: cpu: 1", "What.")
            ]
        );
        assert!(parse("a: 1\n").is_err());
    }
}
