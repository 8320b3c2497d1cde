//! `chroot`, `gid`, `uid`: given up in this order, before any thread starts.

use nix::unistd::{Gid, Uid, chroot, getgid, getuid, setgid, setgroups, setuid};

use super::StartError;
use crate::plan::Global;

/// Whether something is given up that a reload would miss.
pub(super) fn are_given_up(global: &Global) -> bool {
    let changes = |id: Option<u32>, now: u32| id.is_some_and(|id| id != 0 && id != now);
    global.chroot.is_some()
        || changes(global.uid, getuid().as_raw())
        || changes(global.gid, getgid().as_raw())
}

/// Gives up what the configuration says.
pub(super) fn drop(global: &Global) -> Result<(), StartError> {
    if let Some(root) = &global.chroot {
        keep_time_zone();
        let step = || format!("chroot to {}", root.display());
        chroot(root).map_err(|cause| StartError::step(step(), cause))?;
        std::env::set_current_dir("/").map_err(|cause| StartError::step(step(), cause))?;
    }
    if let Some(gid) = global.gid.filter(|gid| *gid != 0) {
        if getuid().is_root() {
            setgroups(&[]).map_err(|cause| StartError::step("drop groups", cause))?;
        }
        setgid(Gid::from_raw(gid))
            .map_err(|cause| StartError::step(format!("set the group id to {gid}"), cause))?;
    }
    if let Some(uid) = global.uid.filter(|uid| *uid != 0) {
        setuid(Uid::from_raw(uid))
            .map_err(|cause| StartError::step(format!("set the user id to {uid}"), cause))?;
    }
    Ok(())
}

/// Log lines have local time, and what that is stands in a file that `chroot` hides. Its last line
/// says the same for all times to come in a way that needs no file; the time zone becomes that.
#[allow(
    unsafe_code,
    clippy::disallowed_methods,
    reason = "the one variable that is for libraries, not for the configuration"
)]
fn keep_time_zone() {
    let zone = std::env::var("TZ").unwrap_or_default();
    let zone = zone.strip_prefix(':').unwrap_or(&zone);
    let file = match zone {
        "" => "/etc/localtime".to_owned(),
        absolute if absolute.starts_with('/') => absolute.to_owned(),
        name => format!("/usr/share/zoneinfo/{name}"),
    };
    // What is no file is such a line already.
    let Some(rule) = std::fs::read(file).ok().as_deref().and_then(rule) else {
        return;
    };
    // SAFETY: the process has a single thread here; nobody reads the environment meanwhile.
    unsafe { std::env::set_var("TZ", rule) };
}

/// The last line of a file of time zones, from the second version of the format on.
fn rule(file: &[u8]) -> Option<String> {
    let line = file.strip_suffix(b"\n")?;
    let start = line.iter().rposition(|byte| *byte == b'\n')? + 1;
    let rule = String::from_utf8(line[start..].to_vec()).ok()?;
    (file.starts_with(b"TZif") && !rule.is_empty()).then_some(rule)
}

#[cfg(test)]
mod tests {
    use super::rule;

    #[test]
    fn the_rule_of_a_time_zone() {
        let file = b"TZif2...\nbinary\nCET-1CEST,M3.5.0,M10.5.0/3\n";
        assert_eq!(rule(file).as_deref(), Some("CET-1CEST,M3.5.0,M10.5.0/3"));
        assert_eq!(rule(b"TZif2\n\n"), None);
        assert_eq!(rule(b"root:x:0\nlast\n"), None);
        assert_eq!(rule(b""), None);
    }
}
