//! Whether capability text makes sense to the daemons that will judge by it.
//!
//! A monitor stores the capabilities for OSDs, metadata servers and managers and hands them out in tickets;
//! it never applies them. It refuses text that those daemons could not read.
//!
//! ```text
//! osd:  "allow" spec match | "allow" match spec | "profile" eq word ["pool" ..] ["namespace" ..]
//!       spec  = "*" | "all" | [r][w][x] ["class-read"] ["class-write"] | "class" word [word]
//!       match = ["namespace" ..] "tag" word key "=" value | ["pool" ..] ["namespace" ..] ["object_prefix" ..]
//! mds:  "allow" | "allow" spec ["fsname=" ..] ["path=" ..] ["root_squash"] ["uid=" N] ["gids=" N{,N}]
//!       spec  = "*" | "all" | r[w[f][p][s]]
//! mgr:  as mon, and "allow" "module" word ["with" pairs] ACCESS | "profile" word [pairs]
//! each grant may end in "network" ADDRESS "/" BITS
//! ```

use std::str::FromStr;

use super::cursor::Cursor;
use super::{BadCap, Constraint, MonCap};

/// Why text is no capability for a service.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CapError {
    /// No daemon of that type judges by capabilities.
    #[error("unknown cap type '{0}': use mon, osd, mds or mgr")]
    UnknownService(String),
    /// Text that cannot be read.
    #[error(transparent)]
    Bad(#[from] BadCap),
    /// A manager profile that does not exist.
    #[error("mgr capability names an unknown profile '{0}'")]
    UnknownProfile(String),
}

/// Checks the capability text for a service (`mon`, `osd`, `mds` or `mgr`).
///
/// # Errors
/// [`CapError`] when a daemon of that service could not make sense of it.
pub fn check(service: &str, text: &str) -> Result<(), CapError> {
    match service {
        "mon" => MonCap::from_str(text).map(|_| ())?,
        "osd" => Cursor(text).list("osd", osd_grant).map(|_| ())?,
        // What metadata servers got before they had a grammar.
        "mds" if text == "allow" => {}
        "mds" => Cursor(text).list("mds", mds_grant).map(|_| ())?,
        "mgr" => {
            let profiles = Cursor(text).list("mgr", mgr_grant)?;
            let unknown = |profile: &String| !MGR_PROFILES.contains(&profile.as_str());
            if let Some(profile) = profiles.into_iter().flatten().find(unknown) {
                return Err(CapError::UnknownProfile(profile));
            }
        }
        other => return Err(CapError::UnknownService(other.into())),
    }
    Ok(())
}

const MGR_PROFILES: [&str; 8] =
    ["read-only", "read-write", "crash", "osd", "mds", "rbd", "rbd-read-only", "cephfs-mirror"];

fn osd_grant(cursor: &mut Cursor<'_>) -> Option<()> {
    cursor
        .attempt(|cursor| {
            cursor.literal("allow")?;
            osd_spec(cursor)?;
            osd_match(cursor)
        })
        .or_else(|| {
            cursor.attempt(|cursor| {
                cursor.literal("allow")?;
                osd_match(cursor)?;
                osd_spec(cursor)
            })
        })
        .or_else(|| {
            cursor.attempt(|cursor| {
                cursor.named("profile")?;
                osd_option(cursor, "pool");
                osd_namespace(cursor);
                Some(())
            })
        })?;
    cursor.network();
    Some(())
}

fn osd_spec(cursor: &mut Cursor<'_>) -> Option<()> {
    let any = |cursor: &mut Cursor<'_>| {
        cursor.spaces()?;
        cursor.literal("*").or_else(|| cursor.literal("all"))
    };
    if cursor.attempt(any).is_some() {
        return Some(());
    }
    let letters = cursor.attempt(|cursor| {
        cursor.spaces()?;
        cursor.access()
    });
    let class_read = cursor.attempt(|cursor| cursor.after_spaces("class-read"));
    let class_write = cursor.attempt(|cursor| cursor.after_spaces("class-write"));
    if letters.is_some() || class_read.is_some() || class_write.is_some() {
        return Some(());
    }
    cursor.after_spaces("class")?;
    cursor.spaces()?;
    cursor.word()?;
    cursor.attempt(|cursor| {
        cursor.spaces()?;
        cursor.word()
    });
    Some(())
}

/// All parts are optional, so this always succeeds.
fn osd_match(cursor: &mut Cursor<'_>) -> Option<()> {
    let tagged = cursor.attempt(osd_tag).or_else(|| {
        cursor.attempt(|cursor| {
            osd_namespace(cursor)?;
            osd_tag(cursor)
        })
    });
    if tagged.is_none() {
        osd_option(cursor, "pool");
        osd_namespace(cursor);
        cursor.attempt(|cursor| {
            cursor.after_spaces("object_prefix")?;
            cursor.spaces()?;
            cursor.word()
        });
    }
    Some(())
}

fn osd_tag(cursor: &mut Cursor<'_>) -> Option<()> {
    cursor.after_spaces("tag")?;
    cursor.spaces()?;
    cursor.word()?;
    cursor.spaces()?;
    wildcard_or_word(cursor)?;
    cursor.spaces();
    cursor.literal("=")?;
    cursor.spaces();
    wildcard_or_word(cursor)
}

fn wildcard_or_word(cursor: &mut Cursor<'_>) -> Option<()> {
    cursor.literal("*").or_else(|| cursor.literal("all")).or_else(|| cursor.word().map(|_| ()))
}

fn osd_option(cursor: &mut Cursor<'_>, name: &str) -> Option<()> {
    cursor.attempt(|cursor| {
        cursor.spaces()?;
        cursor.named(name).map(|_| ())
    })
}

fn osd_namespace(cursor: &mut Cursor<'_>) -> Option<()> {
    cursor.attempt(|cursor| {
        cursor.after_spaces("namespace")?;
        cursor.equals_or_spaces()?;
        cursor.quoted().or_else(|| cursor.bare_word())?;
        cursor.literal("*");
        Some(())
    })
}

/// Longest first, because nothing is reconsidered.
const MDS_SPECS: [&str; 11] = ["*", "all", "rwfps", "rwps", "rwfp", "rwfs", "rwp", "rws", "rwf", "rw", "r"];

fn mds_grant(cursor: &mut Cursor<'_>) -> Option<()> {
    cursor.keyword("allow")?;
    MDS_SPECS.iter().find_map(|spec| cursor.literal(spec))?;
    let option = |cursor: &mut Cursor<'_>, name: &str, value: fn(&mut Cursor<'_>) -> Option<()>| {
        cursor.attempt(|cursor| {
            cursor.after_spaces(name)?;
            value(cursor)
        })
    };
    option(cursor, "fsname=", |cursor| cursor.fs_name().map(|_| ()));
    option(cursor, "path=", |cursor| cursor.quoted().or_else(|| cursor.bare_word()).map(|_| ()));
    option(cursor, "root_squash", |_| Some(()));
    option(cursor, "uid=", number);
    option(cursor, "gids=", |cursor| {
        number(cursor)?;
        while cursor.attempt(|cursor| cursor.literal(",").and_then(|()| number(cursor))).is_some() {}
        Some(())
    });
    cursor.network();
    Some(())
}

fn number(cursor: &mut Cursor<'_>) -> Option<()> {
    cursor.run(|c| c.is_ascii_digit())?.parse::<u32>().ok().map(|_| ())
}

/// Gives the profile, when the grant is one.
fn mgr_grant(cursor: &mut Cursor<'_>) -> Option<Option<String>> {
    let blanket = |cursor: &mut Cursor<'_>| {
        cursor.keyword("allow")?;
        cursor.access().map(|_| None)
    };
    let profile = |cursor: &mut Cursor<'_>| {
        cursor.attempt(|cursor| cursor.keyword("allow"));
        let name = cursor.named("profile")?;
        cursor.pairs(mgr_pair);
        Some(Some(name))
    };
    let service = |cursor: &mut Cursor<'_>| {
        cursor.keyword("allow")?;
        cursor.named("service")?;
        cursor.spaces()?;
        cursor.access().map(|_| None)
    };
    let module = |cursor: &mut Cursor<'_>| {
        cursor.keyword("allow")?;
        cursor.named("module")?;
        cursor.arguments(mgr_pair);
        cursor.spaces()?;
        cursor.access().map(|_| None)
    };
    let command = |cursor: &mut Cursor<'_>| {
        cursor.keyword("allow")?;
        cursor.named("command")?;
        cursor.arguments(mgr_pair);
        Some(None)
    };
    let grant = cursor
        .attempt(blanket)
        .or_else(|| cursor.attempt(profile))
        .or_else(|| cursor.attempt(service))
        .or_else(|| cursor.attempt(module))
        .or_else(|| cursor.attempt(command))?;
    cursor.network();
    Some(grant)
}

/// A pair whose equals sign may have spaces around it.
fn mgr_pair(cursor: &mut Cursor<'_>) -> Option<(String, Constraint)> {
    let equal = |cursor: &mut Cursor<'_>| {
        let name = cursor.word()?;
        cursor.spaces();
        cursor.literal("=")?;
        cursor.spaces();
        Some((name, Constraint::Equal(cursor.word()?)))
    };
    cursor.attempt(equal).or_else(|| cursor.pair())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Each was put to the `auth get-or-create` of stock 16.2.15, 18.2.7 and 20.2.4: all three agree.
    const CASES: &str = include_str!("../../testdata/caps.txt");

    #[test]
    fn stock_monitors_judge_alike() {
        for line in CASES.lines().filter(|line| !line.starts_with('#')) {
            let mut parts = line.splitn(3, ' ');
            let (verdict, service, text) =
                (parts.next().unwrap(), parts.next().unwrap(), parts.next().unwrap_or_default());
            assert_eq!(check(service, text).is_ok(), verdict == "good", "{line}");
        }
    }

    #[test]
    fn errors_say_what_is_wrong() {
        let message = |service, text| check(service, text).unwrap_err().to_string();
        assert!(message("nfs", "allow *").starts_with("unknown cap type 'nfs'"));
        assert!(
            message("osd", "allow rw pool").contains("from 'pool' on"),
            "{}",
            message("osd", "allow rw pool")
        );
        assert!(message("mgr", "profile x").contains("unknown profile 'x'"));
    }
}
