"""A container as Docker makes one by default, with the distribution's own runtime (runc or crun): an OCI bundle.

Capabilities: the 14 that Docker leaves. System calls: those that its default profile refuses to a container without
CAP_SYS_ADMIN, as listed in https://github.com/moby/profiles, seccomp/default.json; kernels that knew no Landlock rules
in that profile (Docker before v23) are imitated by refusing its three calls too. The file system is the host's, as far
as Python needs it, read-only; what is writable is the container's own.
"""

import json
import os
import shutil
import sys
from pathlib import Path
from typing import Any

KEPT = (
    "AUDIT_WRITE CHOWN DAC_OVERRIDE FOWNER FSETID KILL MKNOD NET_BIND_SERVICE NET_RAW SETFCAP SETGID SETPCAP SETUID"
    " SYS_CHROOT"
)
CAPABILITIES = [f"CAP_{name}" for name in KEPT.split()]
REFUSED = """
_sysctl acct add_key afs_syscall bpf clock_settime create_module delete_module fanotify_init finit_module fsconfig
fsmount fsopen fspick get_kernel_syms get_mempolicy getpmsg init_module io_uring_enter io_uring_register io_uring_setup
ioperm iopl kcmp kexec_file_load kexec_load keyctl lookup_dcookie mbind migrate_pages mount mount_setattr move_mount
move_pages nfsservctl open_by_handle_at open_tree perf_event_open pidfd_getfd pivot_root process_madvise putpmsg
query_module quotactl quotactl_fd reboot request_key security set_mempolicy set_mempolicy_home_node setdomainname
sethostname setns settimeofday swapoff swapon sysfs syslog tuxcall umount2 unshare uselib userfaultfd ustat vhangup
vserver
""".split()  # noqa: SIM905
LANDLOCK = ["landlock_create_ruleset", "landlock_add_rule", "landlock_restrict_self"]
NAMESPACE_FLAGS = (0x20000, 0x2000000, 0x4000000, 0x8000000, 0x10000000, 0x20000000, 0x40000000)
AF_ALG, AF_VSOCK, ENOSYS = 38, 40, 38
MASKED = ["/proc/kcore", "/proc/keys", "/proc/timer_list", "/sys/firmware"]
READ_ONLY = ["/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"]
SYSTEM = ("/usr", "/lib", "/lib64", "/bin", "/sbin", "/etc")


def runtime() -> str | None:
    """The program that starts containers, if there is one."""
    return shutil.which("runc") or shutil.which("crun")


def bundle(folder: Path, home: Path, command: list[str], *, landlock: bool) -> list[str]:
    """Write a container's files into a folder; returns the command that runs it."""
    root = folder / "rootfs"
    for name in ("proc", "sys", "dev", "tmp", "var/tmp", "run"):
        (root / name).mkdir(parents=True)
    read_only = [Path(path) for path in (*SYSTEM, sys.prefix, sys.base_prefix) if not Path(path).is_symlink()]
    for link in (Path(path) for path in SYSTEM if Path(path).is_symlink()):
        (root / link.name).symlink_to(os.readlink(link))
    mounts = [*_system_mounts(), *(_bound(path, "ro") for path in read_only if path.exists()), _bound(home, "rw")]
    config = {
        "ociVersion": "1.0.0",
        "process": {
            "user": {"uid": 0, "gid": 0},
            "args": command,
            "env": ["PATH=/usr/bin:/bin", "LANG=C.UTF-8", "OMP_NUM_THREADS=1"],
            "cwd": "/",
            "capabilities": dict.fromkeys(("bounding", "effective", "permitted"), CAPABILITIES),
        },
        "root": {"path": "rootfs"},
        "mounts": mounts,
        "linux": {
            "namespaces": [{"type": kind} for kind in ("pid", "network", "ipc", "uts", "mount")],
            "maskedPaths": MASKED,
            "readonlyPaths": READ_ONLY,
            "seccomp": {"defaultAction": "SCMP_ACT_ALLOW", "syscalls": list(_refusals(landlock))},
        },
    }
    (folder / "config.json").write_text(json.dumps(config))
    program = runtime()
    assert program is not None
    return [program, "--root", str(folder / "state"), "run", "--bundle", str(folder), f"deepgrade-{os.getpid()}"]


def _system_mounts() -> list[dict[str, Any]]:
    own = ["nosuid", "nodev", "mode=1777"]
    return [
        {"destination": "/proc", "type": "proc", "source": "proc"},
        {"destination": "/dev", "type": "tmpfs", "source": "tmpfs", "options": ["nosuid", "mode=755"]},
        {"destination": "/dev/shm", "type": "tmpfs", "source": "shm", "options": [*own, "size=64m"]},
        {"destination": "/sys", "type": "sysfs", "source": "sysfs", "options": ["nosuid", "noexec", "nodev", "ro"]},
        {"destination": "/tmp", "type": "tmpfs", "source": "tmpfs", "options": own},
        {"destination": "/var/tmp", "type": "tmpfs", "source": "tmpfs", "options": own},
    ]


def _bound(path: Path, mode: str) -> dict[str, Any]:
    return {"destination": str(path), "type": "bind", "source": str(path), "options": ["rbind", mode]}


def _refusals(landlock: bool) -> list[dict[str, Any]]:
    def rule(names: list[str], code: int = 1, *arguments: dict[str, Any]) -> dict[str, Any]:
        return {"names": names, "action": "SCMP_ACT_ERRNO", "errnoRet": code, "args": list(arguments)}

    def masked(flag: int) -> dict[str, Any]:
        return {"index": 0, "value": flag, "valueTwo": flag, "op": "SCMP_CMP_MASKED_EQ"}

    rules = [rule(REFUSED if landlock else [*REFUSED, *LANDLOCK]), rule(["clone3"], ENOSYS)]
    rules += [rule(["clone"], 1, masked(flag)) for flag in NAMESPACE_FLAGS]
    rules += [rule(["socket"], 1, {"index": 0, "value": family, "op": "SCMP_CMP_EQ"}) for family in (AF_ALG, AF_VSOCK)]
    return rules
