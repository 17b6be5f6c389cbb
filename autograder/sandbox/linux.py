"""The few Linux calls that Python does not wrap: prctl, Landlock, libseccomp, mount. Bindings only; decisions are in
`confine`.

Sources: prctl(2), madvise(2), landlock(7), seccomp(2), seccomp_init(3), seccomp_rule_add(3), seccomp_export_bpf(3),
mount_namespaces(7).
"""

import ctypes
import ctypes.util
import errno
import os
import struct
import tempfile
from collections.abc import Iterable
from functools import cache
from pathlib import Path

libc = ctypes.CDLL(None, use_errno=True)

PR_SET_PDEATHSIG, PR_SET_DUMPABLE, PR_SET_SECCOMP, PR_SET_CHILD_SUBREAPER, PR_SET_NO_NEW_PRIVS = 1, 4, 22, 36, 38
CLONE_NEWNS, MS_BIND, MS_REC, MS_PRIVATE = 0x20000, 0x1000, 0x4000, 0x40000
CLONE_THREAD = 0x10000
MADV_COLLAPSE, HUGE = 25, 2 << 20

LANDLOCK_CREATE, LANDLOCK_ADD, LANDLOCK_RESTRICT = 444, 445, 446
READ_FILE, READ_DIR, EXECUTE, WRITE_FILE, IOCTL_DEVICE = 1 << 2, 1 << 3, 1 << 0, 1 << 1, 1 << 15
ALL_BY_ABI = {1: (1 << 13) - 1, 2: (1 << 14) - 1, 3: (1 << 15) - 1, 4: (1 << 15) - 1, 5: (1 << 16) - 1}
FILE_RIGHTS = EXECUTE | WRITE_FILE | READ_FILE | 1 << 14 | 1 << 15  # what may be granted on a plain file


def _checked(result: int, what: str) -> int:
    if result < 0:
        code = ctypes.get_errno()
        raise OSError(code, f"{what}: {os.strerror(code)}")
    return result


def prctl(option: int, value: int) -> None:
    """prctl(2).

    Raises:
        OSError: the kernel refused.
    """
    _checked(libc.prctl(option, ctypes.c_ulong(value), 0, 0, 0), f"prctl {option}")


# Memory --------------------------------------------------------------------------------------------------------


def collapse_pages() -> None:
    """Gather this process's private memory in huge pages, as far as the kernel can (Linux 6.1 and later)."""
    for line in Path("/proc/self/maps").read_text().splitlines():
        span, rights, _, _, _, *place = line.split()
        if rights == "rw-p" and place in ([], ["[heap]"]):
            first, end = (int(each, 16) for each in span.split("-"))
            first, end = -(-first // HUGE) * HUGE, end // HUGE * HUGE
            if first < end:
                libc.madvise(ctypes.c_void_p(first), ctypes.c_size_t(end - first), MADV_COLLAPSE)


# Landlock ------------------------------------------------------------------------------------------------------


@cache
def landlock_abi() -> int:
    """Version of Landlock that the kernel offers, 0 for none. Old Dockers answer EPERM: any error counts as none."""
    return max(0, int(libc.syscall(LANDLOCK_CREATE, None, ctypes.c_size_t(0), 1)))


def landlock(rules: Iterable[tuple[str, int]]) -> None:
    """Confine this thread to the given paths, with the given rights; everything else, TCP and signals outwards, is
    refused.

    Call after `no_new_privs` or as root. Paths that do not exist are skipped.

    Raises:
        OSError: the ruleset could not be made, or not be enforced.
    """
    abi = landlock_abi()
    handled = ALL_BY_ABI[min(abi, 5)]
    attributes = struct.pack("<QQQ", handled, 3 if abi >= 4 else 0, 3 if abi >= 6 else 0)
    size = 24 if abi >= 6 else 16 if abi >= 4 else 8
    ruleset = _checked(libc.syscall(LANDLOCK_CREATE, attributes, ctypes.c_size_t(size), 0), "landlock_create_ruleset")
    for path, rights in rules:
        _landlock_rule(ruleset, path, rights & handled)
    _checked(libc.syscall(LANDLOCK_RESTRICT, ruleset, 0), "landlock_restrict_self")
    os.close(ruleset)


def _landlock_rule(ruleset: int, path: str, rights: int) -> None:
    try:
        descriptor = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except OSError as error:
        if error.errno in (errno.ENOENT, errno.ENOTDIR, errno.EACCES):
            return
        raise
    try:
        rights = rights if os.path.isdir(path) else rights & FILE_RIGHTS
        rule = struct.pack("<Qi", rights, descriptor)
        _checked(libc.syscall(LANDLOCK_ADD, ruleset, 1, rule, 0), f"landlock_add_rule {path}")
    finally:
        os.close(descriptor)


# seccomp -------------------------------------------------------------------------------------------------------

ALLOW, KILL_PROCESS = 0x7FFF0000, 0x80000000
COMPARE_EQUAL, COMPARE_MASKED = 4, 7
ATTRIBUTE_BAD_ARCH, ATTRIBUTE_NO_NEW_PRIVS = 2, 3


class Comparison(ctypes.Structure):
    """`struct scmp_arg_cmp`: argument number, operator, two operands."""

    _fields_ = (
        ("arg", ctypes.c_uint),
        ("op", ctypes.c_int),
        ("first", ctypes.c_uint64),
        ("second", ctypes.c_uint64),
    )


@cache
def libseccomp() -> ctypes.CDLL | None:
    """The library, or None where it is not installed."""
    for name in ("libseccomp.so.2", ctypes.util.find_library("seccomp")):
        try:
            library = ctypes.CDLL(name) if name else None
        except OSError:
            continue
        if library is not None:
            library.seccomp_init.restype = ctypes.c_void_p
            library.seccomp_init.argtypes = [ctypes.c_uint32]
            library.seccomp_export_bpf.argtypes = [ctypes.c_void_p, ctypes.c_int]
            library.seccomp_release.argtypes = [ctypes.c_void_p]
            library.seccomp_attr_set.argtypes = [ctypes.c_void_p, ctypes.c_int, ctypes.c_uint32]
            return library
    return None


class Filter:
    """A system call filter under construction: what it does not allow gets EPERM; foreign ABIs kill the process."""

    def __init__(self) -> None:
        library = libseccomp()
        if library is None:
            raise OSError(errno.ENOSYS, "libseccomp is not installed")
        self.library = library
        self.context = ctypes.c_void_p(library.seccomp_init(self.errno_action(errno.EPERM)))
        library.seccomp_attr_set(self.context, ATTRIBUTE_BAD_ARCH, KILL_PROCESS)
        library.seccomp_attr_set(self.context, ATTRIBUTE_NO_NEW_PRIVS, 0)

    @staticmethod
    def errno_action(code: int) -> int:
        """The action “fail with this errno”."""
        return 0x00050000 | code

    def add(self, name: str, action: int = ALLOW, *comparisons: Comparison) -> None:
        """A rule for a system call; names that this kernel's headers do not know are skipped."""
        number = self.library.seccomp_syscall_resolve_name(name.encode())
        if number < 0:
            return
        array = (Comparison * len(comparisons))(*comparisons)
        result = self.library.seccomp_rule_add_array(
            self.context, ctypes.c_uint32(action), number, ctypes.c_uint(len(comparisons)), array
        )
        if result < 0:
            raise OSError(-result, f"seccomp rule for {name}: {os.strerror(-result)}")

    def program(self) -> bytes:
        """It as the kernel takes it: an array of `struct sock_filter`. Ends the construction."""
        with tempfile.TemporaryFile() as file:
            result = self.library.seccomp_export_bpf(self.context, file.fileno())
            self.library.seccomp_release(self.context)
            if result < 0:
                raise OSError(-result, f"seccomp_export_bpf: {os.strerror(-result)}")
            file.seek(0)
            return file.read()


class Program(ctypes.Structure):
    """`struct sock_fprog`: how many instructions of eight bytes, and where."""

    _fields_ = (("length", ctypes.c_ushort), ("instructions", ctypes.c_char_p))


def enforce(program: bytes) -> None:
    """Filter the system calls of this thread, for good. Needs `no_new_privs` or root.

    Raises:
        OSError: the kernel refused.
    """
    given = Program(len(program) // 8, program)
    _checked(libc.prctl(PR_SET_SECCOMP, ctypes.c_ulong(2), ctypes.byref(given), 0, 0), "prctl PR_SET_SECCOMP")


# Mounts --------------------------------------------------------------------------------------------------------


def private_mounts() -> None:
    """A mount namespace of this process's own, from which nothing propagates.

    Raises:
        OSError: no CAP_SYS_ADMIN.
    """
    _checked(libc.unshare(CLONE_NEWNS), "unshare")
    _mount(None, "/", None, MS_REC | MS_PRIVATE, None)


def expose_only(cover: Path, targets: Iterable[Path]) -> None:
    """Lay an empty, listable folder over `cover` in which only `targets` (paths below it) can be found, where they
    were.

    Raises:
        OSError: a mount was refused.
    """
    descriptors = {target: os.open(target, os.O_PATH) for target in targets}
    _mount("tmpfs", str(cover), "tmpfs", 0, "mode=0755,size=64k")
    for target, descriptor in descriptors.items():
        target.mkdir(parents=True, exist_ok=True)
        _mount(f"/proc/self/fd/{descriptor}", str(target), None, MS_BIND | MS_REC, None)
        os.close(descriptor)


def _mount(source: str | None, target: str, kind: str | None, flags: int, data: str | None) -> None:
    texts = [text.encode() if text is not None else None for text in (source, target, kind, data)]
    _checked(libc.mount(texts[0], texts[1], texts[2], ctypes.c_ulong(flags), texts[3]), f"mount {target}")
