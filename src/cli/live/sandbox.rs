//! Gives up what the process may do, once everything is open and before the first packet is read.
//!
//! In this order: no new privileges, the bounding set, groups and user, capabilities, Landlock; once all threads run,
//! seccomp. Each acts on the calling thread and on those that it starts, so the first five come before any other
//! thread. What the kernel does not know is passed over; what it knows and refuses is an error.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::io;
use std::path::PathBuf;

use caps::{CapSet, Capability};
use landlock::{
    ABI, Access, AccessFs, AccessNet, CompatLevel, Compatible, PathBeneath, PathFd, Ruleset, RulesetAttr,
    RulesetCreatedAttr, Scope,
};
use rustix::process::{Gid, Uid, geteuid};
use rustix::thread::{set_no_new_privs, set_thread_groups, set_thread_res_gid, set_thread_res_uid};
use seccompiler::{BpfProgram, SeccompAction, SeccompFilter};

use super::user::User;
use crate::cli::Error;

/// What the process must still be able to do.
#[derive(Clone, Debug, Default)]
pub(super) struct Needs {
    /// User to go on as; none where it is not root anyway.
    pub(super) user: Option<User>,
    /// Files that are opened again.
    pub(super) read: Vec<PathBuf>,
    /// Folders in which files are made, replaced and removed.
    pub(super) write: Vec<PathBuf>,
}

/// True for root.
pub(super) fn is_root() -> bool {
    geteuid().is_root()
}

/// Gives up privileges and the file system. Only one thread may run.
pub(super) fn confine(needs: &Needs) -> Result<(), Error> {
    set_no_new_privs(true).map_err(|error| refused("no_new_privs", error))?;
    drop_bounding_set()?;
    if let Some(user) = needs.user {
        become_user(user).map_err(|error| refused("change of user", error))?;
    }
    for set in [CapSet::Ambient, CapSet::Inheritable, CapSet::Effective, CapSet::Permitted] {
        caps::clear(None, set).map_err(|error| refused("dropping of capabilities", error))?;
    }
    restrict_files(needs).map_err(|error| refused("Landlock", error))
}

/// Forbids every system call that is not needed from here on, to all threads. No thread can be started after it.
pub(super) fn confine_calls() -> Result<(), Error> {
    let rules: BTreeMap<i64, Vec<seccompiler::SeccompRule>> = CALLS.iter().map(|&call| (call, Vec::new())).collect();
    let Ok(architecture) = std::env::consts::ARCH.try_into() else { return Ok(()) };
    let refuse = SeccompAction::Errno(libc::EPERM.cast_unsigned());
    let filter = SeccompFilter::new(rules, refuse, SeccompAction::Allow, architecture)
        .and_then(BpfProgram::try_from)
        .map_err(|error| refused("seccomp", error))?;
    match seccompiler::apply_filter_all_threads(&filter) {
        Ok(()) => Ok(()),
        // A kernel without seccomp.
        Err(seccompiler::Error::Prctl(error) | seccompiler::Error::Seccomp(error))
            if matches!(error.raw_os_error(), Some(libc::EINVAL | libc::ENOSYS)) =>
        {
            Ok(())
        }
        Err(error) => Err(refused("seccomp", error)),
    }
}

/// Takes the capabilities out of reach of whatever could be run. It takes CAP_SETPCAP, which a process that only has
/// CAP_NET_RAW lacks: without new privileges the set is of no use then.
fn drop_bounding_set() -> Result<(), Error> {
    if !caps::has_cap(None, CapSet::Effective, Capability::CAP_SETPCAP).unwrap_or(false) {
        return Ok(());
    }
    let held = caps::read(None, CapSet::Bounding).map_err(|error| refused("dropping of capabilities", error))?;
    for capability in held {
        caps::drop(None, CapSet::Bounding, capability).map_err(|error| refused("dropping of capabilities", error))?;
    }
    Ok(())
}

fn become_user(user: User) -> io::Result<()> {
    let (uid, gid) = (Uid::from_raw(user.uid), Gid::from_raw(user.gid));
    set_thread_groups(&[])?;
    set_thread_res_gid(gid, gid, gid)?;
    set_thread_res_uid(uid, uid, uid)?;
    Ok(())
}

/// Leaves of the file system what is needed, no TCP connection, no signal to others.
fn restrict_files(needs: &Needs) -> Result<(), landlock::RulesetError> {
    let abi = ABI::V6;
    let (all, read) = (AccessFs::from_all(abi), AccessFs::ReadFile | AccessFs::ReadDir);
    let mut ruleset = Ruleset::default()
        .set_compatibility(CompatLevel::BestEffort)
        .handle_access(all)?
        .handle_access(AccessNet::from_all(abi))?
        .scope(Scope::from_all(abi))?
        .create()?;
    for (paths, access) in [(&needs.read, read), (&needs.write, all & !AccessFs::Execute)] {
        for path in paths {
            // What is not there cannot be opened later, either.
            if let Ok(opened) = PathFd::new(path) {
                ruleset = ruleset.add_rule(PathBeneath::new(opened, access))?;
            }
        }
    }
    ruleset.restrict_self().map(drop)
}

fn refused(step: &'static str, error: impl Display) -> Error {
    Error::Sandbox { step, reason: error.to_string() }
}

/// What reading packets, writing files and answering on an open socket take. Nothing here opens a socket, runs a
/// program, changes an identity, or looks into another process.
const CALLS: &[i64] = &[
    // Files, and sockets that are open.
    libc::SYS_read,
    libc::SYS_readv,
    libc::SYS_pread64,
    libc::SYS_write,
    libc::SYS_writev,
    libc::SYS_pwrite64,
    libc::SYS_close,
    libc::SYS_lseek,
    libc::SYS_fstat,
    libc::SYS_newfstatat,
    libc::SYS_statx,
    libc::SYS_openat,
    libc::SYS_ftruncate,
    libc::SYS_fsync,
    libc::SYS_fdatasync,
    libc::SYS_getdents64,
    libc::SYS_unlinkat,
    libc::SYS_renameat2,
    libc::SYS_mkdirat,
    libc::SYS_fchmod,
    libc::SYS_readlinkat,
    libc::SYS_getcwd,
    libc::SYS_fcntl,
    libc::SYS_ioctl,
    libc::SYS_ppoll,
    libc::SYS_accept4,
    libc::SYS_recvfrom,
    libc::SYS_recvmsg,
    libc::SYS_sendto,
    libc::SYS_shutdown,
    libc::SYS_getsockopt,
    libc::SYS_setsockopt,
    libc::SYS_getsockname,
    // Memory, time, threads that run, signals.
    libc::SYS_brk,
    libc::SYS_mmap,
    libc::SYS_munmap,
    libc::SYS_mremap,
    libc::SYS_mprotect,
    libc::SYS_madvise,
    libc::SYS_futex,
    libc::SYS_sched_yield,
    libc::SYS_sched_getaffinity,
    // What a thread that was just started still has to do.
    libc::SYS_rseq,
    libc::SYS_set_robust_list,
    libc::SYS_clock_gettime,
    libc::SYS_clock_nanosleep,
    libc::SYS_nanosleep,
    libc::SYS_getrandom,
    libc::SYS_getpid,
    libc::SYS_gettid,
    libc::SYS_tgkill,
    libc::SYS_rt_sigaction,
    libc::SYS_rt_sigprocmask,
    libc::SYS_rt_sigreturn,
    libc::SYS_sigaltstack,
    libc::SYS_restart_syscall,
    libc::SYS_exit,
    libc::SYS_exit_group,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_poll,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_open,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_stat,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_lstat,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_unlink,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_rename,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_mkdir,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_readlink,
];

#[cfg(test)]
mod tests {
    use std::fs;
    use std::net::{TcpListener, UdpSocket};
    use std::path::Path;
    use std::process::Command;

    use super::*;

    /// Names the folder that the confined process may write to; only that process has it.
    const FOLDER: &str = "PCAP520_TEST_SANDBOX";

    /// Runs this very test once more, as a process that confines itself.
    #[test]
    fn what_was_given_up_cannot_be_done_any_more() {
        if let Some(folder) = std::env::var_os(FOLDER) {
            return try_everything(Path::new(&folder));
        }
        if !is_root() {
            eprintln!("skipped: only root has privileges to give up");
            return;
        }
        let folder = tempfile::tempdir().unwrap();
        std::os::unix::fs::chown(folder.path(), Some(65_534), Some(65_534)).unwrap();
        let name = "cli::live::sandbox::tests::what_was_given_up_cannot_be_done_any_more";
        let run = Command::new(std::env::current_exe().unwrap())
            .args([name, "--exact", "--nocapture"])
            .env(FOLDER, folder.path())
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&run.stdout);
        assert!(run.status.success() && said.contains("1 passed"), "{said}{}", String::from_utf8_lossy(&run.stderr));
    }

    fn try_everything(folder: &Path) {
        let user = Some(User { uid: 65_534, gid: 65_534 });
        confine(&Needs { user, read: Vec::new(), write: vec![folder.to_owned()] }).unwrap();
        fs::write(folder.join("file"), "still possible").unwrap();
        fs::rename(folder.join("file"), folder.join("other")).unwrap();
        assert!(fs::read("/etc/passwd").is_err(), "what everybody may read is out of reach, too");
        assert!(fs::write(std::env::temp_dir().join("pcap520-test-outside"), "").is_err());
        assert!(set_thread_res_uid(Uid::ROOT, Uid::ROOT, Uid::ROOT).is_err());
        assert!(set_thread_groups(&[Gid::ROOT]).is_err());
        assert!(crate::capture::Live::open("lo", "tcp", OPTIONS).is_err(), "no interface can be opened");
        confine_calls().unwrap();
        assert!(UdpSocket::bind("127.0.0.1:0").is_err(), "no socket can be opened");
        assert!(TcpListener::bind("127.0.0.1:0").is_err());
        assert!(Command::new("/bin/true").status().is_err(), "no program can be run");
        assert_eq!(fs::read(folder.join("other")).unwrap(), b"still possible");
        fs::remove_file(folder.join("other")).unwrap();
    }

    const OPTIONS: crate::capture::LiveOptions =
        crate::capture::LiveOptions { snap_len: 96, buffer_bytes: 1 << 20, promiscuous: false };
}
