"""death.py: the exit code, the system's counters of kills and limits of memory, and last words among the chatter."""

import signal
import subprocess
import sys

import pytest

from facelib.publish import death
from facelib.publish.death import count_kills, explain, last_words, memory, peak_memory


@pytest.fixture
def system(tmp_path, monkeypatch):
    """Function that writes what /proc and /sys/fs/cgroup hold, all that there is of them for a test."""
    monkeypatch.setattr(death, "PROCESSES", tmp_path / "proc")
    monkeypatch.setattr(death, "CGROUPS", tmp_path / "cgroup")

    def write(**files):
        for name, content in files.items():
            path = tmp_path / name.replace("__", "/").replace("_dot_", ".")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(content)

    return write


V1_EVENTS = "oom_kill_disable 0\nunder_oom 0\noom_kill {}\n"
V2_EVENTS = "low 0\nhigh 0\nmax 5\noom 3\noom_kill {}\noom_group_kill 0\n"


def test_kills_and_limits_of_a_cgroup(system):
    system(proc__self__cgroup="0::/user/job\n", proc__vmstat="oom_kill 9\n")
    assert count_kills() == 9
    machine = memory()
    assert machine > 2**28
    system(cgroup__user__job__memory_dot_events=V2_EVENTS.format(2), cgroup__user__job__memory_dot_max="max\n")
    assert (count_kills(), memory()) == (2, machine)
    system(cgroup__user__memory_dot_max=f"{2**27}\n")
    assert memory() == 2**27


def test_kills_and_limits_of_a_cgroup_of_version_1(system):
    system(proc__self__cgroup="9:name=systemd:/\n4:cpu,memory:/job\n0::/\n", proc__vmstat="oom_kill 9\n")
    system(cgroup__memory__job__memory_dot_oom_control="oom_kill_disable 0\nunder_oom 0\n")  # before Linux 4.13
    assert count_kills() == 9
    system(cgroup__memory__job__memory_dot_oom_control=V1_EVENTS.format(4))
    system(cgroup__memory__job__memory_dot_limit_in_bytes=f"{2**26}\n")
    assert (count_kills(), memory()) == (4, 2**26)


def test_a_container_shows_its_own_cgroup_as_the_outermost(system):
    system(proc__self__cgroup="4:memory:/docker/0a1b\n0::/docker/0a1b\n")
    assert count_kills() is None
    system(cgroup__memory__memory_dot_oom_control=V1_EVENTS.format(3))
    assert count_kills() == 3
    system(cgroup__memory_dot_events=V2_EVENTS.format(2), proc__self__cgroup="0::/docker/0a1b\n")
    assert count_kills() == 2


def test_this_system_counts_kills_where_it_is_linux():
    assert (count_kills() is not None) == sys.platform.startswith("linux")


def test_peak_memory_is_that_of_the_largest_process_that_is_over():
    subprocess.run([sys.executable, "-c", "bytearray(300 << 20)"], check=True)
    assert 300 * 2**20 <= peak_memory() < memory()


@pytest.mark.parametrize(
    ("before", "after", "message"),
    [
        (1, 1, "the kernel was killed from outside (signal 9); {}"),
        (1, 2, "the system killed the kernel because memory ran out (signal 9): {}; close other programs, or take a "
         "machine with more memory"),
        (None, None, "the kernel was killed from outside, or by the system for want of memory (signal 9); {}"),
    ],
)  # fmt: skip
def test_a_kill_for_want_of_memory_is_told_from_one_by_hand(before, after, message, monkeypatch):
    monkeypatch.setattr(death, "count_kills", lambda: after)
    monkeypatch.setattr(death, "peak_memory", lambda: 3 * 2**29)
    monkeypatch.setattr(death, "memory", lambda: 2**31)
    assert explain(-signal.SIGKILL, before) == message.format("it used up to 1.5 GiB of 2.0 GiB")


@pytest.mark.parametrize(
    ("code", "message"),
    [
        (3, "the kernel ended by itself, with exit code 3"),
        (-signal.SIGSEGV, "the kernel died of SIGSEGV (signal 11)"),
        (-signal.SIGRTMIN - 1, f"the kernel died of signal {signal.SIGRTMIN + 1}"),
    ],
)
def test_other_ends(code, message):
    assert explain(code, 0) == message


CHATTER = """\
WARNING: All log messages before absl::InitializeLog() is called are written to STDERR
I0000 00:00:1764300000.123456    4711 cpu_feature_guard.cc:227] This binary is optimized to use AVX2: Killed
W0000 00:00:1764300000.123456    4711 gpu_device.cc:2431] Cannot dlopen some GPU libraries.
E0000 00:00:1764300000.123456    4711 cuda_dnn.cc:8454] Unable to register cuDNN factory: Error: x
2025-11-28 03:33:00.123456: I tensorflow/core/util/port.cc:153] oneDNN custom operations are on.
2025-11-28 03:33:00.123456: E external/local_xla/xla/stream_executor/cuda/cuda_driver.cc:152] Check failed: no
/a/b.py:3: UserWarning: loud
  warnings.warn("loud")
"""
FATAL = """\
Fatal Python error: Bus error

Thread 0x00007f0000000001 (most recent call first):
  File "/usr/lib/python3.11/threading.py", line 331 in wait

Current thread 0x00007f0000000000 (most recent call first):
  File "/tmp/facelib-1-abcdefgh/ipykernel_7/123.py", line 2 in <module>
  File "/usr/lib/python3.11/site-packages/IPython/core/interactiveshell.py", line 3700 in run_code

Extension modules: zmq.backend.cython._zmq (total: 1)
"""


@pytest.mark.parametrize(
    ("log", "words"),
    [
        ("", []),
        (FATAL, ["Fatal Python error: Bus error", "line 2 in <module>"]),
        (FATAL.replace("/ipykernel_7", ""), [
            "Fatal Python error: Bus error", 'File "/tmp/facelib-1-abcdefgh/123.py", line 2 in <module>'
        ]),
        ("terminate called after throwing an instance of 'std::bad_alloc'\n  what():  std::bad_alloc\n", [
            "terminate called after throwing an instance of 'std::bad_alloc'", "what():  std::bad_alloc"
        ]),
        ("Traceback (most recent call last):\n  File ...\na.b.TooLongError: 1\n", ["a.b.TooLongError: 1"]),
        ("F0000 00:00:1764300000.1 4711 threadpool.cc:9] Check failed: ret == 0 (11 vs. 0)\n", [
            "F0000 00:00:1764300000.1 4711 threadpool.cc:9] Check failed: ret == 0 (11 vs. 0)"
        ]),
        ("Killed\n", ["Killed"]),
        ("free(): invalid pointer\n", ["free(): invalid pointer"]),
        ("Killed\n" * 9, ["Killed"] * 5),
    ],
)  # fmt: skip
def test_last_words_are_those_about_the_death(log, words):
    assert last_words(CHATTER + log + CHATTER) == words
