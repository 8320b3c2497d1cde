//! `chroot`, `gid`, `uid`: given up in this order, before any thread starts.

use nix::unistd::{Gid, Uid, chroot, getuid, setgid, setgroups, setuid};

use super::StartError;
use crate::plan::Global;

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
