//! Whether caps text can mean something to the daemon that will read it.
//!
//! The monitor's own caps are parsed for good. Of those for OSDs, MDSs and mgrs only the shape is checked:
//! grants, separated by comma or semicolon, that start with `allow` or `profile` and are made of the words
//! that the daemon's grammar has. What they grant is the daemon's business.

use mon_types::caps::MonCap;

/// Why caps were refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum BadCaps {
    #[error("caps come in pairs of a service and what it allows")]
    Odd,
    #[error("unknown cap type '{0}': use mon, osd, mds or mgr")]
    Service(String),
    #[error("{service} caps are malformed at '{at}' in '{text}'")]
    Malformed { service: String, at: String, text: String },
}

/// Reads `mon 'allow r' osd 'allow rw'` from a command's arguments.
pub(crate) fn pairs(words: &[&str]) -> Result<Vec<(String, String)>, BadCaps> {
    let mut caps = Vec::new();
    for pair in words.chunks(2) {
        let [service, text] = pair else { return Err(BadCaps::Odd) };
        check(service, text)?;
        caps.push(((*service).to_owned(), (*text).to_owned()));
    }
    Ok(caps)
}

/// Checks one service's caps.
pub(crate) fn check(service: &str, text: &str) -> Result<(), BadCaps> {
    let malformed =
        |at: &str| Err(BadCaps::Malformed { service: service.into(), at: at.into(), text: text.into() });
    let keywords: &[&str] = match service {
        "mon" => {
            return match text.parse::<MonCap>() {
                Ok(_) => Ok(()),
                Err(_) => malformed(text),
            };
        }
        "osd" => &["pool", "namespace", "tag", "object_prefix", "network", "class", "auid"],
        "mds" => &["path", "uid", "gids", "fsname", "network"],
        "mgr" => &["service", "module", "command", "network", "with", "prefix", "regex"],
        other => return Err(BadCaps::Service(other.into())),
    };
    for grant in text.split([',', ';']).map(str::trim) {
        let words = split(grant);
        let mut words = words.iter().map(String::as_str);
        match words.next() {
            // A numeric list of gids continues the grant before it.
            Some(number) if service == "mds" && number.chars().all(|c| c.is_ascii_digit()) => continue,
            Some("allow" | "profile") => {}
            _ => return malformed(grant),
        }
        let mut operand = grant.starts_with("profile");
        let mut granted = false;
        for word in words {
            let (name, value) =
                word.split_once('=').map_or((word, None), |(name, value)| (name, Some(value)));
            if operand {
                operand = value.is_some_and(str::is_empty);
                granted = true;
            } else if keywords.contains(&name) || name == "profile" {
                operand = value.is_none_or(str::is_empty);
                granted = true;
            } else if is_access(word, service) {
                granted = true;
            } else if value.is_none() && !granted {
                return malformed(word);
            }
        }
        if !granted || operand {
            return malformed(grant);
        }
    }
    Ok(())
}

fn is_access(word: &str, service: &str) -> bool {
    let letters = |allowed: &str| !word.is_empty() && word.chars().all(|c| allowed.contains(c));
    match word {
        "*" | "all" => true,
        "class-read" | "class-write" => service == "osd",
        "root_squash" => service == "mds",
        _ => letters(if service == "mds" { "rwpsf" } else { "rwx" }),
    }
}

/// Words, with quoted parts kept together and without their quotes.
fn split(text: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut word = String::new();
    let mut quote = None;
    for c in text.chars() {
        match quote {
            Some(open) if c == open => quote = None,
            Some(_) => word.push(c),
            None if c == '"' || c == '\'' => quote = Some(c),
            None if c.is_whitespace() => {
                if !word.is_empty() {
                    words.push(std::mem::take(&mut word));
                }
            }
            None => word.push(c),
        }
    }
    if !word.is_empty() {
        words.push(word);
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn caps_as_tools_write_them_pass() {
        let good = [
            ("mon", "allow *"),
            ("mon", "profile rbd"),
            ("osd", "allow *"),
            ("osd", "allow rw pool=x"),
            ("osd", "allow rwx tag cephfs data=a, allow r pool = meta namespace=\"n 1\""),
            ("osd", "profile rbd pool=vms, profile rbd-read-only pool=images"),
            ("osd", "allow class-read object_prefix rbd_children, allow rwx pool=p"),
            ("osd", "allow class rbd mirror_image_list"),
            ("mds", "allow *"),
            ("mds", "allow rw fsname=a path=/dir, allow r uid=1 gids=1,2"),
            ("mds", "allow"),
            ("mgr", "allow *"),
            ("mgr", "profile rbd pool=vms"),
            ("mgr", "allow service mds rw, allow module rbd_support with pool=x r"),
            ("mgr", "allow command \"fs volume ls\""),
        ];
        for (service, text) in good {
            let expected = text != "allow";
            assert_eq!(
                check(service, text).is_ok(),
                expected,
                "{service} {text}: {:?}",
                check(service, text)
            );
        }
    }

    #[test]
    fn nonsense_is_refused_with_its_place() {
        for (service, text) in [
            ("mon", "allow bogus"),
            ("osd", "allow bogus"),
            ("mds", "bogus"),
            ("mgr", "bogus"),
            ("osd", ""),
            ("osd", "allow rw,"),
            ("osd", "profile"),
            ("foo", "allow *"),
        ] {
            assert!(check(service, text).is_err(), "{service} {text}");
        }
        assert_eq!(pairs(&["mon"]), Err(BadCaps::Odd));
        let error = check("osd", "allow bogus").unwrap_err().to_string();
        assert_eq!(error, "osd caps are malformed at 'bogus' in 'allow bogus'");
    }
}
