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
