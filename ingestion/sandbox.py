"""What a parsing process may do: rlimits everywhere, Landlock and seccomp where the system has them."""

from __future__ import annotations

import ctypes
import sys
import sysconfig
from collections.abc import Iterable
from dataclasses import dataclass
from errno import ENOSYS, EPERM
from pathlib import Path

MEMORY_BYTES = 1536 << 20  # of address space, beside the file that is read
MAX_CPU_S = 3600  # a file, whatever is asked for
OPEN_FILES = 64

CLONE_THREAD = 0x00010000  # linux/sched.h
PR_SET_PDEATHSIG = 1  # linux/prctl.h
SIGKILL = 9

# No network, no other programs or processes, nothing of the kernel that a parser has no use for.
_DENIED = (
    "socket socketpair connect bind listen accept accept4 sendto sendmmsg recvmmsg "
    "execve execveat fork vfork ptrace process_vm_readv process_vm_writev process_madvise pidfd_getfd pidfd_open "
    "kill tkill pidfd_send_signal rt_sigqueueinfo rt_tgsigqueueinfo setpgid setsid "
    "mount umount2 pivot_root chroot move_mount open_tree fsopen fsconfig fsmount fspick mount_setattr "
    "unshare setns bpf perf_event_open userfaultfd io_uring_setup io_uring_enter io_uring_register "
    "keyctl add_key request_key init_module finit_module delete_module kexec_load kexec_file_load reboot "
    "swapon swapoff acct quotactl syslog sethostname setdomainname settimeofday clock_settime adjtimex "
    "open_by_handle_at name_to_handle_at personality modify_ldt ioperm iopl vhangup "
    "setuid setgid setreuid setregid setresuid setresgid setgroups setfsuid setfsgid capset "
    "truncate ftruncate unlink unlinkat rename renameat renameat2 mkdir mkdirat rmdir link linkat symlink symlinkat "
    "mknod mknodat chmod fchmod fchmodat chown fchown lchown fchownat utime utimes utimensat futimesat "
    "setxattr lsetxattr fsetxattr removexattr lremovexattr fremovexattr shmget shmat msgget semget mq_open"
).split()

# Read by numeric libraries when they start; nothing of the user's is in them.
_SYSTEM_FACTS = ("/proc/cpuinfo", "/proc/meminfo", "/sys/devices/system/cpu", "/dev/null", "/dev/urandom")
_LIBRARY_FOLDERS = ("/lib", "/lib64", "/usr/lib", "/usr/lib64", "/usr/local/lib")


@dataclass(frozen=True, slots=True)
class Sandbox:
    """What is in force around every parse. `landlock` is the kernel's ABI version, 0 without."""

    processes: bool
    rlimits: bool
    landlock: int
    seccomp: bool

    @property
    def full(self) -> bool:
        return self.processes and self.rlimits and self.landlock > 0 and self.seccomp

    def __str__(self) -> str:
        """A phrase for people: what there is, and what is missing."""
        if not self.processes:
            return "none: documents are parsed in this process"
        parts = {
            "own process": True,
            "rlimits": self.rlimits,
            f"Landlock ABI {self.landlock}" if self.landlock else "Landlock": self.landlock > 0,
            "seccomp": self.seccomp,
        }
        there = ", ".join(name for name, on in parts.items() if on)
        missing = ", ".join(name for name, on in parts.items() if not on)
        return f"full: {there}" if self.full else f"partial: {there}; missing: {missing}"


NONE = Sandbox(processes=False, rlimits=False, landlock=0, seccomp=False)


def die_with_parent() -> None:
    """Asks Linux to kill this process when its parent ends; elsewhere the closed socket ends it."""
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0)


def lock_down() -> Sandbox:
    """Gives up, for good, what parsing does not need. What the system has not is left out, and told."""
    limited = _limit_resources()
    if sys.platform != "linux":
        return Sandbox(processes=True, rlimits=limited, landlock=0, seccomp=False)
    filtered = _filter_calls()  # first: loading its library opens files
    return Sandbox(processes=True, rlimits=limited, landlock=_restrict_files(_readable()), seccomp=filtered)


def allow(file_bytes: int, cpu_s: float) -> None:
    """Sets what the next file may use: memory beside its own bytes, and seconds of CPU from now."""
    import resource  # not on Windows, where nothing is forked

    _limit(resource.RLIMIT_AS, MEMORY_BYTES + file_bytes)
    _limit(resource.RLIMIT_CPU, int(_used_cpu_s() + min(cpu_s, MAX_CPU_S)) + 1)


def extend(cpu_s: float) -> None:
    """Allows the file at hand so many more seconds of CPU."""
    import resource

    soft, _ = resource.getrlimit(resource.RLIMIT_CPU)
    _limit(resource.RLIMIT_CPU, int(min(soft + cpu_s, _used_cpu_s() + MAX_CPU_S)) + 1)


def _used_cpu_s() -> float:
    """By this process in all its life; a worker has read other files before."""
    import resource

    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def _limit_resources() -> bool:
    import resource

    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    _limit(resource.RLIMIT_NOFILE, OPEN_FILES)
    return _limit(resource.RLIMIT_AS, MEMORY_BYTES)


def _limit(kind: int, value: int) -> bool:
    """Sets the soft limit, under the hard one; False where the system knows no such limit."""
    import resource

    _, hard = resource.getrlimit(kind)
    try:
        resource.setrlimit(kind, (value if hard == resource.RLIM_INFINITY else min(value, hard), hard))
    except (ValueError, OSError):  # macOS has no limit of the address space
        return False
    return True


def _readable() -> set[str]:
    """Where the code of this interpreter and of what it has loaded lies; no folder of the user's."""
    paths = sysconfig.get_paths()
    found = {paths[name] for name in ("stdlib", "platstdlib", "purelib", "platlib")}
    found |= {*_LIBRARY_FOLDERS, *_SYSTEM_FACTS, str(Path(sys.base_prefix, "lib"))}
    for name, module in list(sys.modules.items()):
        file = getattr(module, "__file__", None)
        if file and "." not in name and hasattr(module, "__path__"):
            found.add(str(Path(file).parent))
    return {path for path in found if Path(path).exists()}


def _restrict_files(readable: Iterable[str]) -> int:
    """Landlock: nothing but reading the given paths. The ABI version, 0 where there is none."""
    try:
        from landlock import FSAccess, Ruleset, landlock_abi_version

        abi = int(landlock_abi_version())
        rules = Ruleset()
        folders = [path for path in readable if Path(path).is_dir()]
        rules.allow(*folders, rules=FSAccess.READ_FILE | FSAccess.READ_DIR | FSAccess.EXECUTE)
        rules.allow(*(path for path in readable if path not in folders), rules=FSAccess.READ_FILE)
        rules.apply()
    except (ImportError, OSError, ValueError, RuntimeError):
        return 0
    return abi


def _filter_calls() -> bool:
    """seccomp: the denied calls fail as if they were forbidden or unknown."""
    try:
        import pyseccomp as seccomp

        calls = seccomp.SyscallFilter(seccomp.ALLOW)
        for name in _DENIED:
            _deny(calls, seccomp, name)
        not_a_thread = seccomp.Arg(0, seccomp.MASKED_EQ, CLONE_THREAD, 0)
        calls.add_rule(seccomp.ERRNO(EPERM), "clone", not_a_thread)
        calls.add_rule(seccomp.ERRNO(ENOSYS), "clone3")  # the C library then takes clone, whose flags can be seen
        calls.load()
    except (ImportError, OSError, RuntimeError, AttributeError):
        return False
    return True


def _deny(calls: object, seccomp: object, name: str) -> None:
    try:
        calls.add_rule(seccomp.ERRNO(EPERM), name)  # type: ignore[attr-defined] # untyped package
    except OSError:
        return  # this processor's kernel has no such call
