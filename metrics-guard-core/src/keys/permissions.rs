//! Finds out whether other users of the machine can read or change a key file, on Unix.

use std::{
    fs::{self, Metadata},
    os::unix::fs::MetadataExt,
    path::{Component, Path, PathBuf},
};

use crate::keys::reserve::{self, Reserve};

/// The right to write, for the group and for everyone.
const WRITE: u32 = 0o022;
/// The sticky bit. In such a folder, only the owner of a file can rename or delete it.
const STICKY: u32 = 0o1000;

pub(crate) fn is_readable_by_all(file: &Metadata) -> bool {
    file.mode() & 0o004 != 0
}

/// Returns the file if other users can write it, or else the nearest folder or link by which they can replace it. An owner
/// always can, because an owner can change the mode. If the user of the process is unknown, every owner is trusted.
pub(crate) fn writable_by_others(path: &Path, file: &Metadata, reserve: &mut Reserve) -> Option<PathBuf> {
    // In a user namespace without the system's root, as in rootless containers, root looks like any other user of the host
    // (65534). Owner 65534 is then trusted, because a warning about all of the host's files would be a false alarm.
    let root = fs::metadata("/proc/sys").map_or(0, |owned| owned.uid());
    let user = user(reserve);
    let is_trusted = |owner| owner == 0 || owner == root || user.is_none_or(|user| owner == user);
    let others_can_change = |place: &Metadata| {
        // A link has no mode.
        let is_kept = place.is_symlink() || place.is_dir() && place.mode() & STICKY != 0;
        !is_trusted(place.uid()) || place.mode() & WRITE != 0 && !is_kept
    };
    if others_can_change(file) {
        return Some(path.to_owned());
    }
    places(path)
        .into_iter()
        .rev()
        .find(|place| fs::symlink_metadata(place).is_ok_and(|place| others_can_change(&place)))
}

/// Returns the folders in which the system looks up a part of `path`, and the links that it follows, in its order. Symbolic
/// links are followed one by one, because a user who can replace one of them can replace the file.
fn places(path: &Path) -> Vec<PathBuf> {
    const MAX_LINKS: usize = 40; // as Linux
    let Ok(path) = std::path::absolute(path) else { return Vec::new() };
    let (mut places, mut at, mut links) = (Vec::new(), PathBuf::new(), 0);
    let parts = |path: &Path| path.components().rev().map(|part| PathBuf::from(part.as_os_str())).collect::<Vec<_>>();
    let mut rest = parts(&path);
    while let Some(part) = rest.pop() {
        match part.components().next() {
            Some(Component::ParentDir) => drop(at.pop()),
            Some(Component::Normal(_)) => {
                places.push(at.clone());
                match fs::read_link(at.join(&part)) {
                    Ok(target) if links < MAX_LINKS => {
                        links += 1;
                        places.push(at.join(&part));
                        rest.extend(parts(&target));
                    }
                    _ => at.push(part),
                }
            }
            Some(Component::RootDir) => at.push(part),
            _ => {}
        }
    }
    places
}

/// Returns the effective user of the process. A socket belongs to the user that makes it. Reading its owner needs neither
/// `unsafe` nor another crate, as `geteuid` would. A sandbox can forbid sockets.
fn user(reserve: &mut Reserve) -> Option<u32> {
    let socket = reserve.with(reserve::socket).and_then(|socket| socket.metadata());
    socket.or_else(|_| fs::metadata("/proc/self")).ok().map(|owned| owned.uid())
}

#[cfg(test)]
mod tests {
    use std::{
        fs::{self, File, Permissions},
        os::unix::fs::{MetadataExt, PermissionsExt, lchown, symlink},
        path::Path,
    };

    use super::{places, user, writable_by_others};
    use crate::keys::reserve::Reserve;

    fn set_mode(path: &Path, mode: u32) {
        fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
    }

    #[test]
    fn finds_the_user_of_the_process() {
        let file = tempfile::tempfile().unwrap();
        assert_eq!(user(&mut Reserve::default()), Some(file.metadata().unwrap().uid()));
    }

    #[test]
    fn finds_the_nearest_path_that_other_users_can_write() {
        let folder = tempfile::tempdir().unwrap();
        let inner = folder.path().join("inner");
        let path = inner.join("accepted_keys");
        fs::create_dir(&inner).unwrap();
        File::create(&path).unwrap();
        let writable = || writable_by_others(&path, &fs::metadata(&path).unwrap(), &mut Reserve::default());
        let outer = folder.path();
        for (outer_mode, inner_mode, mode, expected) in [
            (0o755, 0o755, 0o600, None),
            (0o755, 0o755, 0o644, None),
            (0o755, 0o755, 0o640, None),
            (0o755, 0o755, 0o622, Some(&*path)),
            (0o755, 0o755, 0o620, Some(&path)),
            (0o755, 0o755, 0o602, Some(&path)),
            (0o755, 0o755, 0o666, Some(&path)),
            (0o755, 0o777, 0o600, Some(&inner)),
            (0o755, 0o775, 0o600, Some(&inner)),
            (0o755, 0o757, 0o600, Some(&inner)),
            (0o777, 0o755, 0o600, Some(outer)),
            (0o777, 0o777, 0o600, Some(&inner)),
            (0o777, 0o777, 0o622, Some(&path)),
            // The folders of this user are sticky, so other users can write a file in them, but cannot replace it.
            (0o1777, 0o1777, 0o600, None),
            (0o755, 0o3777, 0o640, None),
            (0o1777, 0o1777, 0o602, Some(&path)),
        ] {
            set_mode(&path, mode);
            set_mode(&inner, inner_mode);
            set_mode(outer, outer_mode);
            assert_eq!(writable().as_deref(), expected, "{outer_mode:o} {inner_mode:o} {mode:o}");
        }
    }

    #[test]
    fn finds_a_path_that_another_user_owns() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        for name in ["sticky", "keys"] {
            fs::create_dir(at(name)).unwrap();
        }
        set_mode(&at("sticky"), 0o1777);
        File::create(at("keys/file")).unwrap();
        set_mode(&at("keys/file"), 0o600);
        symlink("../keys/file", at("sticky/link")).unwrap();
        let path = at("sticky/link");
        let writable = || writable_by_others(&path, &fs::metadata(&path).unwrap(), &mut Reserve::default());
        assert_eq!(writable(), None);
        let user = fs::metadata(&path).unwrap().uid();
        if lchown(at("keys/file"), Some(65534), None).is_err() {
            println!("skipped: only root can give a file to another user");
            return;
        }
        assert_eq!(writable(), Some(path.clone()));
        lchown(at("keys/file"), Some(user), None).unwrap();
        for name in ["keys", "sticky/link", "sticky"] {
            lchown(at(name), Some(65534), None).unwrap();
            assert_eq!(writable(), Some(at(name)));
            lchown(at(name), Some(user), None).unwrap();
        }
        assert_eq!(writable(), None);
    }

    #[test]
    fn follows_each_symbolic_link() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        // Kubernetes mounts a Secret like this: keys/accepted_keys -> ..data/accepted_keys, ..data -> ..1.
        fs::create_dir_all(at("keys/..1")).unwrap();
        fs::create_dir_all(at("links")).unwrap();
        File::create(at("keys/..1/accepted_keys")).unwrap();
        symlink("..1", at("keys/..data")).unwrap();
        symlink("..data/accepted_keys", at("keys/accepted_keys")).unwrap();
        symlink("../keys/accepted_keys", at("links/first")).unwrap();
        symlink(at("links/first"), at("second")).unwrap();
        let writable =
            || writable_by_others(&at("second"), &fs::metadata(at("second")).unwrap(), &mut Reserve::default());
        assert_eq!(writable(), None);
        for name in ["keys/..1", "keys", "links"] {
            set_mode(&at(name), 0o777);
            assert_eq!(writable(), Some(at(name)));
            set_mode(&at(name), 0o755);
        }
        // A link to itself is not followed for ever.
        symlink("itself", at("itself")).unwrap();
        assert!(!places(&at("itself")).is_empty());
    }

    #[test]
    fn checks_the_folders_of_a_relative_path() {
        let all = places(Path::new("Cargo.toml"));
        assert_eq!(all.last(), Some(&std::env::current_dir().unwrap()));
        assert_eq!(all.first().map(std::path::PathBuf::as_path), Some(Path::new("/")));
    }
}
