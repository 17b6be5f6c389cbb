"""Small attacks, each one expression that a worker evaluates: raising is how it fails. Tests hold each in the whole
confinement; `deepgrade doctor --attacks` tries them in weaker ones too, and tells which then succeed.

Imports nothing of the project: both sides read it as it lies here.
"""

import platform

TRY = """
import os, sys, ctypes, socket, signal, threading, time
def read(path):
    with open(path, "rb") as file:
        return file.read(64)
def attempt(action):
    try:
        action()
    except BaseException as error:
        return type(error).__name__
    return "succeeded"
"""
libc = "ctypes.CDLL(None, use_errno=True)"
SYSCALL = TRY + (
    "def raw(*numbers):\n"
    f"    libc = {libc}\n"
    "    result = libc.syscall(*numbers)\n"
    "    return result if result >= 0 else -ctypes.get_errno()\n"
    "def must(result):\n"
    "    if result < 0: raise OSError(-result, 'refused')\n"
    "    return result\n"
)


READS = {
    "open": "open(path).read()",
    "os.open": "os.open(path, os.O_RDONLY)",
    "listdir of its folder": "os.listdir(os.path.dirname(path))",
    "scandir of its folder": "list(os.scandir(os.path.dirname(path)))",
    "a symbolic link": "(os.symlink(path, 'link'), open('link').read())",
    "a hard link": "(os.link(path, 'hard'), open('hard').read())",
    "through /proc/self/root": "open('/proc/self/root' + path).read()",
    "through the parent's cwd": "open(f'/proc/{os.getppid()}/cwd' + path).read()",
    "import": "(sys.path.insert(0, os.path.dirname(path)), __import__('reference'))",
    "execute": "os.execv('/bin/cat', ['cat', path])",
    "a subprocess": "__import__('subprocess').check_output(['cat', path])",
    "mmap": "__import__('mmap').mmap(os.open(path, os.O_RDONLY), 0)",
    "sendfile": "os.sendfile(1, os.open(path, os.O_RDONLY), 0, 10)",
    "numpy": "__import__('numpy').fromfile(path, dtype='u1')",
    "torch": "__import__('torch').from_file(path, size=4, dtype=__import__('torch').uint8)",
}

PROC = {
    f"{entry} of {whose}": f"{how}(f'/proc/{{{who}}}/{entry}')"
    for whose, who in (("its parent", "os.getppid()"), ("process 1", "1"))
    for entry, how in (("environ", "read"), ("mem", "read"), ("maps", "read"), ("fd", "os.listdir"))
}

PLACES = ("/", "/tmp/", "/var/tmp/", "/dev/shm/", "/run/lock/")
WRITES = {place: f"open('{place}probe-of-deepgrade', 'w').close()" for place in PLACES}

EFFECTS = {
    "a process": "os.fork() or os._exit(0)",
    "a program": "__import__('subprocess').run(['/bin/true'], check=True)",
    "the network": "socket.socket().close()",
    "a socket of this machine": "socket.socket(socket.AF_UNIX).close()",
    "a signal to its parent": "os.kill(os.getppid(), 0)",
}
if platform.machine() == "x86_64":
    EFFECTS |= {
        "shared memory of System V": "must(raw(29, 0, 4096, 0o1600))",
        "semaphores of System V": "must(raw(64, 0, 1, 0o1600))",
        "a message queue of System V": "must(raw(68, 0, 0o1600))",
        "a key": "must(raw(248, b'user', b'deepgrade', b'x', 1, -4))",
        "memory without a limit": "must(raw(319, b'x', 0))",
        "a namespace": "must(raw(272, 0x10000000))",
        "tracing its parent": "must(raw(101, 0x4206, os.getppid(), 0, 0))",
        "watching a folder": "must(raw(254, must(raw(294, 0)), os.path.dirname(path).encode(), 0xFFF))",
    }

GROUPS = {"reads": READS, "proc": PROC, "writes": WRITES, "effects": EFFECTS}


def source(expression: str) -> str:
    """A module whose `attack(path)` tries an expression and says "succeeded", or which exception came."""
    return f"{SYSCALL}\ndef attack(path):\n    return attempt(lambda: {expression})\n"


SYSCALLS = {
    "ptrace": 101,
    "process_vm_readv": 310,
    "process_vm_writev": 311,
    "pidfd_open": 434,
    "pidfd_getfd": 438,
    "kcmp": 312,
    "mount": 165,
    "unshare": 272,
    "setns": 308,
    "chroot": 161,
    "bpf": 321,
    "perf_event_open": 298,
    "userfaultfd": 323,
    "io_uring_setup": 425,
    "memfd_create": 319,
    "shmget": 29,
    "msgget": 68,
    "semget": 64,
    "add_key": 248,
    "keyctl": 250,
    "inotify_init1": 294,
    "fanotify_init": 300,
    "socket": 41,
    "fork": 57,
    "vfork": 58,
    "execve": 59,
    "init_module": 175,
    "reboot": 169,
    "setuid": 105,
    "name_to_handle_at": 303,
    "open_by_handle_at": 304,
}
