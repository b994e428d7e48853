//! Checks that only the current user and root can change or replace the programs that tickgate starts, as git refuses a
//! repository of "dubious ownership".
//!
//! The check covers the program, the folder that holds it, every folder from there up to the one that holds `.brokers`
//! if the program was found there, and the same for the target of each link. Folders above are not checked.

use std::collections::BTreeSet;
use std::env;
use std::fmt;
use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

/// Maximum number of links that are followed from one path.
const LINKS: usize = 40;
/// Bits of a file's mode.
const STICKY: u32 = 0o1000;
const GROUP_WRITES: u32 = 0o020;
const OTHERS_WRITE: u32 = 0o002;

/// Role of a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::broker) enum Part {
    /// A file that is executed or loaded, or a folder from which every file is.
    Whole,
    /// A folder that holds a file known by name: if it is sticky, others cannot replace this user's files in it.
    Holder,
    /// A link on the way: its mode has no effect.
    Link,
}

/// The attributes that decide who can change a path.
#[derive(Debug, Clone, Copy)]
struct Rights {
    owner: u32,
    group: u32,
    mode: u32,
}

/// A user other than this one and root who could change a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Doubt {
    Owner(u32),
    Group(u32),
    Everybody,
}

/// The users whose programs are trusted.
#[derive(Debug, Clone, Copy)]
struct Us {
    uid: u32,
    /// The user who became root by `sudo`; ignored unless the process runs as root.
    sudo: Option<u32>,
}

impl Us {
    fn of_this_process() -> Self {
        let sudo = env::var("SUDO_UID").ok().and_then(|uid| uid.parse().ok());
        Self { uid: rustix::process::geteuid().as_raw(), sudo }
    }

    fn trusts(self, uid: u32) -> bool {
        uid == 0 || uid == self.uid || (self.uid == 0 && self.sudo == Some(uid))
    }
}

/// Checks one path; `private` returns whether all members of a group are trusted.
fn doubt(us: Us, rights: Rights, part: Part, private: impl FnOnce(u32) -> bool) -> Option<Doubt> {
    if !us.trusts(rights.owner) {
        return Some(Doubt::Owner(rights.owner));
    }
    let sticky = part == Part::Holder && rights.mode & STICKY != 0;
    if part == Part::Link || sticky {
        None
    } else if rights.mode & OTHERS_WRITE != 0 {
        Some(Doubt::Everybody)
    } else if rights.mode & GROUP_WRITES != 0 && !private(rights.group) {
        Some(Doubt::Group(rights.group))
    } else {
        None
    }
}

/// Users and groups of this machine, as listed in `/etc/passwd` and `/etc/group`.
#[derive(Debug, Default)]
struct Accounts {
    passwd: String,
    group: String,
}

impl Accounts {
    fn read() -> Self {
        let text = |path| fs::read_to_string(path).unwrap_or_default();
        Self { passwd: text("/etc/passwd"), group: text("/etc/group") }
    }

    /// Returns name, uid and gid of each user.
    fn users(&self) -> impl Iterator<Item = (&str, u32, u32)> {
        self.passwd.lines().filter_map(|line| {
            let mut fields = line.split(':');
            let name = fields.next()?;
            Some((name, fields.nth(1)?.parse().ok()?, fields.next()?.parse().ok()?))
        })
    }

    /// Returns the uids of all members of a group; `None` if unknown.
    fn members(&self, gid: u32) -> Option<BTreeSet<u32>> {
        let mut lines = self.group.lines().map(|line| line.split(':').collect::<Vec<_>>());
        let line = lines.find(|fields| fields.get(2).is_some_and(|id| id.parse() == Ok(gid)))?;
        let names =
            line.get(3).into_iter().flat_map(|names| names.split(',')).filter(|name| !name.is_empty());
        let uid = |name: &str| self.users().find(|user| user.0 == name).map(|user| user.1);
        let listed: Option<Vec<u32>> = names.map(|name| uid(name.trim())).collect();
        Some(self.users().filter(|user| user.2 == gid).map(|user| user.1).chain(listed?).collect())
    }

    fn user(&self, uid: u32) -> String {
        let name = self.users().find(|user| user.1 == uid).map(|user| user.0);
        name.map_or_else(|| format!("uid {uid}"), |name| format!("{name} (uid {uid})"))
    }

    fn group(&self, gid: u32) -> String {
        let mut lines = self.group.lines().map(|line| line.split(':').collect::<Vec<_>>());
        let line = lines.find(|fields| fields.get(2).is_some_and(|id| id.parse() == Ok(gid)));
        let name = line.and_then(|fields| fields.first().copied());
        name.map_or_else(|| format!("gid {gid}"), |name| format!("{name} (gid {gid})"))
    }
}

/// A path that others can change: the path, the other users, and what to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::broker) struct Distrust {
    path: PathBuf,
    who: String,
    cure: String,
}

impl Distrust {
    /// Returns whether the distrust is about this path.
    pub(in crate::broker) fn concerns(&self, path: &Path) -> bool {
        self.path == path
    }
}

impl fmt::Display for Distrust {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = self.path.display();
        write!(f, "{path} {}; if you trust it, run `{} {path}`", self.who, self.cure)
    }
}

/// Checks a path, every folder above it up to `top`, and all targets of links among them.
///
/// # Errors
/// The first path that another user can change. A missing path is not an error here; starting the program reports it.
pub(in crate::broker) fn examine(path: &Path, part: Part, top: &Path) -> Result<(), Distrust> {
    let (us, accounts) = (Us::of_this_process(), Accounts::read());
    let private =
        |gid| accounts.members(gid).is_some_and(|members| members.iter().all(|uid| us.trusts(*uid)));
    let mut open = vec![(path.to_owned(), part)];
    open.extend(path.parent().map(|folder| (folder.to_owned(), Part::Holder)));
    let above = path.ancestors().skip(2).take_while(|folder| folder.starts_with(top));
    open.extend(above.map(|folder| (folder.to_owned(), Part::Holder)));
    let mut seen = BTreeSet::new();
    while let Some(next) = open.pop() {
        let Ok(found) = fs::symlink_metadata(&next.0) else { continue };
        if !seen.insert(next.clone()) || seen.len() > LINKS * 4 {
            continue;
        }
        let (path, mut part) = next;
        if found.is_symlink() {
            if let (Ok(target), Some(holder)) = (fs::read_link(&path), path.parent()) {
                let target = holder.join(target);
                open.extend(target.parent().map(|holder| (holder.to_owned(), Part::Holder)));
                open.push((target, part));
            }
            part = Part::Link;
        }
        let rights = Rights { owner: found.uid(), group: found.gid(), mode: found.mode() };
        if let Some(doubt) = doubt(us, rights, part, private) {
            return Err(distrust(path, doubt, us, &accounts));
        }
    }
    Ok(())
}

fn distrust(path: PathBuf, doubt: Doubt, us: Us, accounts: &Accounts) -> Distrust {
    let (who, cure) = match doubt {
        Doubt::Owner(uid) => (format!("belongs to {}", accounts.user(uid)), format!("chown -h {}", us.uid)),
        Doubt::Group(gid) => {
            (format!("can be written by the group {}", accounts.group(gid)), "chmod g-w".into())
        }
        Doubt::Everybody => ("can be written by every user".to_owned(), "chmod go-w".to_owned()),
    };
    Distrust { path, who, cure }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt as _, symlink};

    use super::*;

    #[test]
    fn who_can_change_a_path_is_decided_by_owner_mode_and_group() {
        const ME: u32 = 1000;
        const OTHER: u32 = 1001;
        let me = Us { uid: ME, sudo: None };
        let root = Us { uid: 0, sudo: None };
        let sudo = Us { uid: 0, sudo: Some(ME) };
        let not_root = Us { uid: ME, sudo: Some(OTHER) };
        let (whole, holder, link) = (Part::Whole, Part::Holder, Part::Link);
        let (private, shared) = (7, 8);
        let (owner, group) = (Some(Doubt::Owner(OTHER)), Some(Doubt::Group(shared)));
        for (us, uid, gid, mode, part, expected) in [
            (me, ME, shared, 0o755, whole, None),
            (me, 0, shared, 0o755, whole, None),
            (me, OTHER, shared, 0o755, whole, owner),
            (me, OTHER, shared, 0o500, holder, owner),
            (me, OTHER, shared, 0o777, link, owner),
            // Root trusts itself and the user who became root by sudo.
            (root, 0, shared, 0o755, whole, None),
            (root, ME, shared, 0o755, whole, Some(Doubt::Owner(ME))),
            (sudo, ME, shared, 0o755, holder, None),
            (sudo, OTHER, shared, 0o755, holder, owner),
            (not_root, OTHER, shared, 0o755, whole, owner),
            // Everybody and groups; a private group has no other members.
            (me, ME, shared, 0o777, whole, Some(Doubt::Everybody)),
            (me, ME, private, 0o702, holder, Some(Doubt::Everybody)),
            (me, ME, shared, 0o775, whole, group),
            (me, ME, shared, 0o770, holder, group),
            (me, ME, private, 0o775, whole, None),
            (me, 0, private, 0o2775, holder, None),
            // In a sticky folder others cannot replace this user's files, but they can add files.
            (me, 0, 0, 0o1777, holder, None),
            (me, 0, shared, 0o1775, holder, None),
            (me, 0, 0, 0o1777, whole, Some(Doubt::Everybody)),
            (me, OTHER, 0, 0o1777, holder, owner),
            (me, ME, shared, 0o777, link, None),
        ] {
            let rights = Rights { owner: uid, group: gid, mode };
            let decided = doubt(us, rights, part, |gid| gid == private);
            assert_eq!(decided, expected, "{us:?} {rights:?} {part:?}");
        }
    }

    #[test]
    fn a_group_is_everybody_who_is_in_it_by_either_file() {
        let accounts = Accounts {
            passwd: "root:x:0:0:root:/root:/bin/sh\nme:x:1000:1000::/:/bin/sh\nyou:x:1001:1000::/:/bin/sh\nhe:x:1002:1002::/:"
                .into(),
            group: "root:x:0:\nme:x:1000:\nteam:x:50:me,you\nstaff:x:60:\nhe:x:1002:he\nodd:x:70:nobody-knows\n".into(),
        };
        for (gid, members) in [
            (0, Some(vec![0])),
            (1000, Some(vec![1000, 1001])),
            (50, Some(vec![1000, 1001])),
            (60, Some(vec![])),
            (1002, Some(vec![1002])),
            (70, None),
            (99, None),
        ] {
            assert_eq!(accounts.members(gid).map(Vec::from_iter), members, "{gid}");
        }
        assert_eq!((accounts.user(1001), accounts.user(5)), ("you (uid 1001)".into(), "uid 5".into()));
        assert_eq!((accounts.group(50), accounts.group(5)), ("team (gid 50)".into(), "gid 5".into()));
    }

    /// Creates `project/.brokers/nats-server` that only this user can change.
    fn project() -> (tempfile::TempDir, PathBuf, PathBuf) {
        let root = tempfile::tempdir().unwrap();
        let project = root.path().join("project");
        let program = project.join(".brokers/nats-server");
        fs::create_dir_all(project.join(".brokers")).unwrap();
        fs::write(&program, "").unwrap();
        for path in [&project, &project.join(".brokers"), &program] {
            allow(path, 0o755);
        }
        (root, project, program)
    }

    fn allow(path: &Path, mode: u32) {
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    }

    /// Checks that the message names the path, the fault and the next step.
    #[track_caller]
    fn doubted(done: Result<(), Distrust>, path: &Path, words: &str) {
        let distrust = done.unwrap_err();
        assert_eq!(distrust.path, path, "{distrust}");
        assert!(distrust.to_string().contains(words), "{distrust}");
    }

    #[test]
    fn every_folder_from_the_program_to_the_one_that_holds_brokers_counts() {
        let (root, project, program) = project();
        let look = || examine(&program, Part::Whole, &project);
        assert_eq!(look(), Ok(()));
        for path in [program.clone(), project.join(".brokers"), project.clone()] {
            allow(&path, 0o757);
            doubted(look(), &path, "can be written by every user; if you trust it");
            allow(&path, 0o755);
        }
        // Folders above do not matter, nor does the parent of a named program's folder.
        allow(root.path(), 0o777);
        assert_eq!(look(), Ok(()));
        allow(&project, 0o777);
        assert_eq!(examine(&program, Part::Whole, program.parent().unwrap()), Ok(()));
        // In a sticky folder it is enough that its content belongs to this user.
        allow(&project, 0o1777);
        assert_eq!(look(), Ok(()));
        assert_eq!(examine(&project.join("none"), Part::Whole, &project), Ok(()));
    }

    #[test]
    fn where_links_lead_counts_too() {
        let (root, project, program) = project();
        let at = |name: &str| root.path().join(name);
        fs::create_dir(at("elsewhere")).unwrap();
        fs::rename(&program, at("elsewhere/real")).unwrap();
        symlink(at("elsewhere/real"), at("middle")).unwrap();
        symlink("../../middle", &program).unwrap();
        let look = || examine(&program, Part::Whole, &project);
        assert_eq!(look(), Ok(()));
        for name in ["elsewhere/real", "elsewhere"] {
            allow(&at(name), 0o777);
            doubted(look(), &at(name), "can be written by every user");
            allow(&at(name), 0o755);
        }
        // Two links that point to each other are accepted: they lead nowhere.
        symlink(at("b"), at("a")).unwrap();
        symlink(at("a"), at("b")).unwrap();
        assert_eq!(examine(&at("a"), Part::Whole, root.path()), Ok(()));
    }

    #[test]
    fn what_belongs_to_another_user_is_doubted() {
        if !rustix::process::geteuid().is_root() {
            return;
        }
        let (_root, project, program) = project();
        let look = || examine(&program, Part::Whole, &project);
        for path in [program.clone(), project.join(".brokers"), project.clone()] {
            std::os::unix::fs::chown(&path, Some(54_321), None).unwrap();
            doubted(look(), &path, "belongs to uid 54321; if you trust it, run `chown -h 0 ");
            std::os::unix::fs::chown(&path, Some(0), None).unwrap();
        }
        symlink(&program, project.join("link")).unwrap();
        std::os::unix::fs::lchown(project.join("link"), Some(54_321), None).unwrap();
        doubted(
            examine(&project.join("link"), Part::Whole, &project),
            &project.join("link"),
            "belongs to uid 54321",
        );
        // A group with other members.
        std::os::unix::fs::chown(&program, None, Some(54_321)).unwrap();
        allow(&program, 0o775);
        doubted(look(), &program, "can be written by the group gid 54321; if you trust it, run `chmod g-w");
    }
}
