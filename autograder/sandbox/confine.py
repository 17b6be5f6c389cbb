"""What a worker may do, and the order in which it gives up the rest.

The order matters: rules that name paths are built while still root, the parent-death signal is set after the uid
changes (changing it clears the signal), and the system call filter comes last. Measured in the design notes: about 1
ms.
"""

import functools
import glob
import os
import resource
import signal
import struct
import sys
import tempfile
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from autograder.sandbox import linux

READ = linux.READ_FILE | linux.READ_DIR | linux.EXECUTE
WRITE = (1 << 16) - 1
SYSTEM_PATHS = ("/usr", "/lib", "/lib64", "/bin", "/etc/ld.so.cache", "/etc/localtime", "/etc/fonts", "/opt/conda")
PROCESSOR = ("/proc/cpuinfo", "/sys/devices/system/cpu")  # some of torch's kernels ask what the processor can do
SHARED_MEMORY = "/dev/shm"  # of multiprocessing and its tensors
# Where NVIDIA's driver looks for its version, its devices, their places and this process's memory.
CUDA_PATHS = (
    "/proc/driver/nvidia",
    "/proc/devices",
    "/proc/modules",
    "/proc/meminfo",
    "/proc/self",
    "/proc/stat",
    "/sys",
)
DEVICES = ("/dev/null", "/dev/zero", "/dev/urandom", "/dev/random")

# What CPU torch, numpy and the interpreter were seen to need, with a margin; about 50 are used in practice.
ALLOWED_CALLS = """
access arch_prctl brk clock_nanosleep clock_gettime clock_getres close close_range dup dup2 dup3 epoll_create
epoll_create1 epoll_ctl epoll_wait epoll_pwait eventfd2 exit exit_group faccessat faccessat2 fadvise64 fallocate
fchdir chdir fdatasync flock fstat fstatfs fsync ftruncate futex futex_waitv get_mempolicy get_robust_list
getcpu getcwd getdents64 getegid geteuid getgid getgroups getitimer getpgid getpgrp getpid getppid getpriority
getrandom getresgid getresuid getrlimit getrusage getsid gettid gettimeofday getuid getxattr lgetxattr fgetxattr lseek
lstat madvise mbind membarrier mincore mkdir mkdirat mlock mmap mprotect mremap munmap msync nanosleep newfstatat open
openat openat2 alarm pause pipe pipe2 poll ppoll pread64 preadv pwrite64 pwritev capget copy_file_range sendfile read
readv readlink readlinkat rename renameat renameat2 restart_syscall rmdir rseq rt_sigaction rt_sigpending
rt_sigprocmask rt_sigreturn rt_sigsuspend rt_sigtimedwait sched_getaffinity sched_getparam sched_getscheduler
sched_get_priority_max sched_get_priority_min sched_yield select pselect6 set_mempolicy
set_robust_list set_tid_address setitimer sigaltstack stat statfs statx symlink symlinkat sysinfo time timer_create
timer_delete timer_getoverrun timer_gettime timer_settime times truncate umask uname unlink unlinkat write writev
""".split()  # noqa: SIM905
# Further ones, where an assignment lets its submissions start processes (DataLoader's workers, torch.compile).
PROCESS_CALLS = """
accept accept4 bind chmod connect execve execveat fchmod fchmodat fork getpeername getsockname getsockopt kill link
linkat listen recvfrom recvmsg sendmsg sendto setpgid setsid setsockopt shutdown tgkill tkill utimensat vfork wait4
waitid
""".split()  # noqa: SIM905
NAMESPACES = 0x7E020000  # CLONE_NEWNS and its kin
AF_UNIX = 1
SELF = 0x5E1F5E1F  # no process has this number
# Duplicate, flags, locks, pipe size. Not F_SETOWN and F_SETSIG (a signal to any process of the same user), nor leases.
SAFE_FCNTLS = (0, 1, 2, 3, 4, 5, 6, 7, 36, 37, 38, 1030, 1032)
SAFE_PRCTLS = (3, 15, 16, 0x53564D41)  # get dumpable, set name, get name, name a memory area
SAFE_IOCTLS = (
    0x5401,
    0x5413,
    0x541B,
    0x5421,
    0x5450,
    0x5451,
)  # TCGETS, window size, FIONREAD, FIONBIO, FIONCLEX, FIOCLEX


LEVELS = ("any", "contained", "full")  # whatever is not refused; Landlock and seccomp; these and a user of its own


@dataclass(frozen=True)
class Confinement:
    """Which protections are in force; recorded in every result.

    Attributes:
        uid: workers run as a user of their own.
        landlock: version of the kernel's Landlock in use, 0 for none.
        seccomp: system calls are filtered.
        mounts: workers see a file system of their own where that was needed to reach the interpreter.
        processes: workers may start processes, because the assignment asks for it.
        cuda: workers may use the machine's NVIDIA devices; their drivers' control calls are not filtered, and address
            space, which CUDA maps by the terabyte, and locked memory are not bounded.
    """

    uid: bool
    landlock: int
    seccomp: bool
    mounts: bool = False
    processes: bool = False
    cuda: bool = False

    @classmethod
    def available(cls) -> "Confinement":
        """What this machine and this user can enforce."""
        if not sys.platform.startswith("linux"):
            return cls(uid=False, landlock=0, seccomp=False)
        return cls(uid=os.geteuid() == 0, landlock=linux.landlock_abi(), seccomp=linux.libseccomp() is not None)

    def without(self, *names: str) -> "Confinement":
        """The same with some protections switched off, by name: for tests of what each of them holds."""
        off = {name: type(getattr(self, name))() for name in names}
        return replace(self, **off)

    def weakness(self) -> str | None:
        """Why grading under this confinement must be refused, or None where it may go ahead."""
        if not self.uid and not (self.landlock and self.seccomp):
            missing = [name for name in ("landlock", "seccomp") if not getattr(self, name)]
            return (
                f"without root, {' and '.join(missing)} is missing here: student code could read the solutions. "
                "Grade as root, or on a Linux kernel with Landlock and with libseccomp installed"
            )
        if self.processes and not self.uid:
            return (
                "this assignment lets submissions start processes ([limits] processes), which takes root: only by a "
                "user of their own can they be told from yours, kept off them, and all be ended. Grade as root"
            )
        return None

    def level(self) -> str:
        """The highest of `LEVELS` that this confinement reaches."""
        if not (self.landlock and self.seccomp):
            return "any"
        return "full" if self.uid and not self.processes else "contained"

    def shortfall(self, required: str) -> str | None:
        """Why a required level is not reached, or None where it is."""
        if LEVELS.index(self.level()) >= LEVELS.index(required):
            return None
        missing = [name for name in ("landlock", "seccomp") if not getattr(self, name)]
        if required == "full":
            missing += ["a user of its own for each worker (root)"] if not self.uid else []
            missing += ["that submissions start no processes"] if self.processes else []
        return (
            f"the confinement “{required}” is required, and what can be had here is “{self.level()}”; "
            f"missing: {', '.join(missing)}. `deepgrade doctor` tells more"
        )

    def to_dict(self) -> dict[str, Any]:
        """Plain, for the results."""
        return asdict(self)


@dataclass(frozen=True)
class Cell:
    """Where and as whom one worker runs.

    Attributes:
        folder: the worker's own temporary folder, the only one that it may write.
        readable: paths that it may read besides the system's and the interpreter's.
        uid: its user and group, None to stay who we are.
        memory_mb: what it may allocate beyond what it has at birth.
    """

    folder: Path
    readable: tuple[Path, ...]
    uid: int | None
    memory_mb: int
    file_mb: int = 64


@functools.cache
def interpreter_paths() -> tuple[Path, ...]:
    """Folders that the interpreter and its packages are read from."""
    prefixes = {sys.prefix, sys.base_prefix, sys.exec_prefix, *package_folders(sys.path)}
    return tuple(sorted({Path(prefix).resolve() for prefix in prefixes}))


def package_folders(paths: Iterable[str]) -> list[str]:
    """Those of these folders, in full, that packages were installed into: pip leaves a record of each. A folder of our
    own, with what is hidden, has none."""
    folders = (Path(path).resolve() for path in paths if path)
    return [str(folder) for folder in folders if next(folder.glob("*.dist-info"), None)]


def confine(cell: Cell, wanted: Confinement, parent: int) -> None:
    """Give up everything that student code must not have. Never returns half-done: any failure raises.

    Raises:
        OSError, PermissionError: a protection that was wanted could not be put in force.
    """
    os.setsid()
    signal.set_wakeup_fd(-1)
    os.umask(0o077)
    _environment(cell.folder)
    _be_the_first_to_go()
    _limits(cell, wanted)
    if wanted.uid and cell.uid is not None:
        _change_user(cell.uid)
    linux.prctl(linux.PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(1)
    linux.prctl(linux.PR_SET_DUMPABLE, 0)
    linux.prctl(linux.PR_SET_NO_NEW_PRIVS, 1)
    if wanted.landlock:
        linux.landlock(_rules(cell, wanted))
    os.chdir(cell.folder)
    if wanted.seccomp:
        linux.enforce(system_calls(wanted.processes, wanted.cuda).replace(_word(SELF), _word(os.getpid())))


def _environment(folder: Path) -> None:
    home = str(folder)
    os.environ.update(HOME=home, TMPDIR=home, MPLCONFIGDIR=home, XDG_CACHE_HOME=home, MPLBACKEND="Agg")
    tempfile.tempdir = None  # cached since before the fork


def _be_the_first_to_go() -> None:
    """Where a machine runs out of memory, it is the worker that the kernel ends, not the grader. As root; another user
    may not say so of a process that cannot be dumped."""
    with suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text("1000")


def _limits(cell: Cell, wanted: Confinement) -> None:
    """Resource limits. Memory counts from what the process already has: torch maps a lot before the first line."""
    page = resource.getpagesize()
    size, _, _, _, _, data, _ = (int(word) * page for word in Path("/proc/self/statm").read_text().split())
    data = data or size  # gVisor tells the size only
    more = cell.memory_mb << 20
    limits = [
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_FSIZE, cell.file_mb << 20),
        (resource.RLIMIT_NOFILE, 1024 if wanted.cuda else 128),
    ]
    if not wanted.cuda:
        limits.append((resource.RLIMIT_MEMLOCK, 0))
        limits += [(resource.RLIMIT_DATA, data + more), (resource.RLIMIT_AS, size + more + (1 << 30))]
    if wanted.uid:
        limits.append((resource.RLIMIT_NPROC, 64))
    for kind, limit in limits:
        _, hard = resource.getrlimit(kind)
        limit = limit if hard == resource.RLIM_INFINITY else min(limit, hard)
        resource.setrlimit(kind, (limit, limit))
    with suppress(ValueError):  # gVisor has no message queues, and no limit of them to set
        resource.setrlimit(resource.RLIMIT_MSGQUEUE, (0, 0))


def _change_user(uid: int) -> None:
    os.setgroups([])
    os.setresgid(uid, uid, uid)
    os.setresuid(uid, uid, uid)
    try:
        os.setresuid(0, 0, 0)
    except PermissionError:
        return
    raise PermissionError("the worker could become root again")


def _rules(cell: Cell, wanted: Confinement) -> list[tuple[str, int]]:
    readable = [*SYSTEM_PATHS, *PROCESSOR, *map(str, interpreter_paths()), *map(str, cell.readable)]
    readable += CUDA_PATHS if wanted.cuda else ()
    accelerators = glob.glob("/dev/nvidia*") if wanted.cuda else []
    devices = [(path, linux.READ_FILE | linux.WRITE_FILE) for path in DEVICES]
    devices += [(path, linux.READ_FILE | linux.WRITE_FILE | linux.IOCTL_DEVICE) for path in accelerators]
    writable = (str(cell.folder), SHARED_MEMORY) if wanted.processes else (str(cell.folder),)
    return [*((path, READ) for path in readable), *devices, *((path, WRITE & ~linux.EXECUTE) for path in writable)]


def _word(number: int) -> bytes:
    return struct.pack("=I", number)


@functools.cache
def system_calls(processes: bool, cuda: bool) -> bytes:
    """The allow-list, as a program in which SELF stands for the worker's own process. Made once, before the fork: it
    takes a fifth of what a worker takes.

    Signals go to oneself only, clone makes threads only, prctl and ioctl know a few harmless commands.
    """
    calls = linux.Filter()
    for name in ALLOWED_CALLS:
        calls.add(name)
    calls.add("clone3", linux.Filter.errno_action(38))  # ENOSYS: libc falls back to clone
    if processes:
        _allow_processes(calls)
    else:
        thread = linux.Comparison(0, linux.COMPARE_MASKED, linux.CLONE_THREAD, linux.CLONE_THREAD)
        calls.add("clone", linux.ALLOW, thread)
        for name in ("kill", "tgkill"):
            calls.add(name, linux.ALLOW, linux.Comparison(0, linux.COMPARE_EQUAL, SELF, 0))
    for command in SAFE_PRCTLS:
        calls.add("prctl", linux.ALLOW, linux.Comparison(0, linux.COMPARE_EQUAL, command, 0))
    for command in SAFE_FCNTLS:
        calls.add("fcntl", linux.ALLOW, linux.Comparison(1, linux.COMPARE_EQUAL, command, 0))
    if cuda:
        calls.add("ioctl")
    for command in () if cuda else SAFE_IOCTLS:
        calls.add("ioctl", linux.ALLOW, linux.Comparison(1, linux.COMPARE_EQUAL, command, 0))
    # prlimit64 may read one's own limits, never another process's, and never set any.
    reading = linux.Comparison(2, linux.COMPARE_EQUAL, 0, 0)
    calls.add("prlimit64", linux.ALLOW, linux.Comparison(0, linux.COMPARE_EQUAL, 0, 0), reading)
    return calls.program()


def _allow_processes(calls: linux.Filter) -> None:
    """Processes, signals among those of the same user, sockets on this machine; no namespaces, still no network."""
    for name in PROCESS_CALLS:
        calls.add(name)
    calls.add("clone", linux.ALLOW, linux.Comparison(0, linux.COMPARE_MASKED, NAMESPACES, 0))
    for name in ("socket", "socketpair"):
        calls.add(name, linux.ALLOW, linux.Comparison(0, linux.COMPARE_EQUAL, AF_UNIX, 0))
    calls.add("prctl", linux.ALLOW, linux.Comparison(0, linux.COMPARE_EQUAL, linux.PR_SET_PDEATHSIG, 0))
