//! What must not be written where: the absences of ARCHITECTURE.md, unfinished code, paths of one machine.

use std::fs;
use std::path::PathBuf;

use anyhow::{Context, Result};

/// Lines of: folder or `*`, what must not appear in its files, why.
const RULES: &str = "xtask/forbidden.txt";
/// What a line says, with the reason behind it, that may do what is forbidden elsewhere.
const ALLOWED: &str = "// allowed: ";

/// Every place where something forbidden is written.
pub(super) fn check(files: &[PathBuf]) -> Result<Vec<String>> {
    let rules = fs::read_to_string(RULES).with_context(|| format!("cannot read {RULES}"))?;
    let rules: Vec<Rule<'_>> = rules.lines().filter_map(Rule::parse).collect();
    let mut complaints = Vec::new();
    for path in files {
        let name = path.display().to_string();
        // Binary files have no text rules.
        if name == RULES {
            continue;
        }
        if let Ok(text) = fs::read_to_string(path) {
            complaints.extend(search(&name, &text, &rules));
        }
    }
    Ok(complaints)
}

struct Rule<'a> {
    place: &'a str,
    forbidden: &'a str,
    why: &'a str,
}

impl<'a> Rule<'a> {
    fn parse(line: &'a str) -> Option<Self> {
        let mut fields = line.split(" | ");
        let rule = Self { place: fields.next()?, forbidden: fields.next()?, why: fields.next()? };
        (!rule.place.starts_with('#')).then_some(rule)
    }

    fn covers(&self, name: &str) -> bool {
        match self.place.strip_prefix('*') {
            Some(ending) => name.ends_with(ending),
            None => name.starts_with(self.place),
        }
    }
}

fn search(name: &str, text: &str, rules: &[Rule<'_>]) -> Vec<String> {
    let rules: Vec<_> = rules.iter().filter(|rule| rule.covers(name)).collect();
    let lines = text.lines().enumerate();
    lines
        .flat_map(|(number, line)| {
            let comment = line.trim_start().starts_with("//");
            let broken = rules.iter().filter(move |rule| {
                // What a comment speaks of is not done; a path of one machine is out of place even there.
                line.contains(rule.forbidden)
                    && !line.contains(ALLOWED)
                    && (!comment || rule.forbidden.starts_with('/'))
            });
            broken.map(move |rule| format!("{name}:{}: '{}': {}", number + 1, rule.forbidden, rule.why))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_apply_to_their_place_alone() {
        let rules: Vec<_> =
            ["# comment", "core/src/ | Clock::now | time is an input", "*.rs | later!( | finish it"]
                .iter()
                .filter_map(|line| Rule::parse(line))
                .collect();
        assert_eq!(search("core/src/a.rs", "x\nClock::now()\nlater!()", &rules).len(), 2);
        assert_eq!(search("core/src/a.rs", "/// not Clock::now()", &rules).len(), 0);
        assert_eq!(search("daemon/src/a.rs", "Clock::now()", &rules).len(), 0);
        assert_eq!(search("README.md", "later!()", &rules).len(), 0);
    }
}
