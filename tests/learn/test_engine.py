import json
import os
import socket
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import tensorflow as tf
from conftest import make_once

from facelib.config import ROOT
from facelib.learn import engine


@pytest.fixture(scope="session")
def found(tmp_path_factory):
    """What `several_devices.py` prints."""

    def compare(folder):
        script = Path(__file__).with_name("several_devices.py")
        done = subprocess.run([sys.executable, script], cwd=ROOT, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        folder.mkdir()
        (folder / "found.json").write_text(done.stdout.splitlines()[-1])

    return json.loads((make_once(tmp_path_factory, "devices", compare) / "found.json").read_text())


@pytest.mark.slow
def test_two_devices_come_to_the_weights_of_one(found):
    """With triplets, all pairs, memory and proxies; the run on two devices was interrupted, and resumed."""
    assert found["moved"]["weights"] > 1e-2
    assert max(found["two devices"].values()) < 1e-5, found["two devices"]
    assert found["figures"] < 1e-4


@pytest.mark.slow
def test_what_two_devices_saved_is_read_on_one(found):
    assert set(found["read on one device"].values()) == {0.0}


@pytest.mark.slow
def test_chunks_on_two_devices_are_the_chunks_of_one(found):
    """Where they are not normalised together; the statistics that are kept are then those of the first device."""
    assert all(found["chunks"][name] < 1e-5 for name in ("weights", "proxies", "memory", "optimizer")), found["chunks"]


@pytest.mark.slow
def test_chunks_of_two_devices_are_normalised_together(found):
    together = found["chunks together"]
    assert all(together[name] < 1e-5 for name in ("weights", "statistics", "proxies", "optimizer")), together


@pytest.mark.slow
def test_a_batch_that_is_not_finite_on_one_device_moves_nothing_on_either(found):
    broken, good = found["not finite"]
    assert broken == 0 < good


@pytest.mark.slow
def test_devices_draw_other_numbers_for_dropout(found):
    assert found["dropout"] > 0.01


# one device


def test_one_device_is_no_strategy_and_everything_passes_unchanged():
    assert engine.choose_strategy() is tf.distribute.get_strategy()
    assert engine.host(engine.choose_strategy()) == (0, 1)
    values = tf.constant(np.arange(6.0).reshape(3, 2))
    assert engine.replicas() == 1
    for function in (engine.take_own, engine.take_part, engine.gather):
        assert function(values) is values
    assert engine.add_up([values])[0] is values
    np.testing.assert_array_equal(engine.share(values), values)


# several hosts: what names them


@pytest.fixture
def join(monkeypatch):
    """Function from environment variables to what `join_hosts` returns, and the strategy; no host waits for another."""

    def call(**variables):
        for name in [*os.environ]:
            if name.startswith(("SLURM", "FACELIB_PORT", "TF_CONFIG")):
                monkeypatch.delenv(name)
        for name, value in variables.items():
            monkeypatch.setenv(name, value)
        monkeypatch.setattr(engine, "_joined", joined := [])
        return engine.join_hosts(), joined[0] if joined else None

    monkeypatch.setattr(engine, "_answers", lambda address: True)
    monkeypatch.setattr(engine.context, "context", lambda: SimpleNamespace(configure_coordination_service=nothing))
    monkeypatch.setattr(tf.distribute, "MultiWorkerMirroredStrategy", lambda resolver: resolver)
    monkeypatch.setattr(engine.signal, "signal", lambda *_: None)
    monkeypatch.setattr(tf.config, "list_physical_devices", lambda kind: ["GPU:0", "GPU:1"])
    return call


def nothing(*_, **__):
    """What is configured stays as it is."""


def tf_config(*addresses, index=0, role="worker", **cluster):
    return json.dumps({"cluster": {"worker": addresses, **cluster}, "task": {"type": role, "index": index}})


def free_port():
    with socket.create_server(("", 0)) as server:
        return server.getsockname()[1]


SLURM = {
    "SLURM_STEP_NUM_TASKS": "2", "SLURM_PROCID": "1", "SLURM_STEP_NODELIST": "n[07-08]",
    "SLURM_STEP_TASKS_PER_NODE": "1(x2)", "SLURMD_NODENAME": "n08", "SLURM_LOCALID": "0",
}  # fmt: skip


def test_hosts_are_those_of_tf_config_with_all_gpus_of_this_one(join):
    addresses = ["[::1]:12345", f"second.example-1.org:{free_port()}"]
    found, resolver = join(TF_CONFIG=tf_config(*addresses, index=1))
    assert found == (1, 2) and resolver.cluster_spec().as_dict() == {"worker": addresses}
    assert (resolver.task_type, resolver.task_id, resolver.num_accelerators()) == ("worker", 1, {"GPU": 2})


def test_hosts_are_those_of_a_step_of_slurm(join):
    port = free_port() % 50000 + 1024
    found, resolver = join(**SLURM, FACELIB_PORT=str(port))
    assert found == (1, 2) and resolver.cluster_spec().as_dict() == {"worker": [f"n07:{port}", f"n08:{port}"]}
    two = {"SLURM_STEP_NODELIST": "n1", "SLURM_STEP_TASKS_PER_NODE": "2", "SLURMD_NODENAME": "n1", "SLURM_LOCALID": "1"}
    found, resolver = join(**SLURM | two)
    assert found == (1, 2) and resolver.cluster_spec().as_dict() == {"worker": ["n1:12345", "n1:12346"]}


def test_a_task_of_slurm_is_found_by_its_node_since_names_are_in_another_order_than_numbers(join):
    nodes = {"SLURM_STEP_NUM_TASKS": "4", "SLURM_STEP_NODELIST": "n[8-11]", "SLURM_STEP_TASKS_PER_NODE": "1(x4)"}
    found = [join(**SLURM | nodes | {"SLURM_PROCID": str(i), "SLURMD_NODENAME": f"n{8 + i}"}) for i in range(4)]
    assert found[0][1].cluster_spec().as_dict()["worker"] == [f"n{i}:12345" for i in (10, 11, 8, 9)]
    assert [numbers for numbers, _ in found] == [(2, 4), (3, 4), (0, 4), (1, 4)]


def test_a_host_alone_waits_for_none(join):
    alone = [{}, {"TF_CONFIG": tf_config("here:1")}, SLURM | {"SLURM_STEP_NUM_TASKS": "1"}]
    # a batch script that starts no step
    for variables in [*alone, {"SLURM_NTASKS": "4", "SLURM_PROCID": "0"}]:
        assert join(**variables) == ((0, 1), None)


@pytest.mark.parametrize(
    "text, message",
    [
        ("{", "is not as below (JSONDecodeError"),
        ("[" * 100000, "is not as below (RecursionError"),
        ("[]", "is not as below (TypeError"),
        ('{"cluster": {}}', "is not as below (KeyError: 'worker')"),
        (tf_config(), "holds no list of workers"),
        (tf_config("a:1", "b:1").replace('["a:1", "b:1"]', '"a:1"'), "holds no list of workers"),
        (tf_config("a:1", "b:1", chief=["c:1"]), "names chief; all hosts are workers"),
        (tf_config("a:1", "b:1", role="ps"), "names ps; all hosts are workers"),
        (tf_config("a:1", "b"), "'b' is no address"),
        (tf_config("a:1", "b:99999"), "'b:99999' is no address"),
        (tf_config("a:1", "b:0"), "'b:0' is no address"),
        (tf_config("a:1", ["b:1"]), "['b:1'] is no address"),
        (tf_config("a:1", "a:1"), "'a:1' is no address and port of one host alone"),
        (tf_config("a:1", "b:1", index=2), "index 2 is none of 2 workers"),
        (tf_config("a:1", "b:1", index="0"), "index '0' is none of 2 workers"),
    ],
)
def test_a_tf_config_that_cannot_be_says_why(join, text, message):
    with pytest.raises(engine.HostError) as caught:
        join(TF_CONFIG=text)
    assert str(caught.value).startswith("TF_CONFIG") and message in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "name, value, message",
    [
        ("SLURM_STEP_NUM_TASKS", "two", "SLURM_STEP_NUM_TASKS='two' is no number from 1 to 10000"),
        ("SLURM_STEP_NUM_TASKS", "3", "Requested 3 tasks but only 2"),
        ("SLURMD_NODENAME", "n09", "SLURM names 2 tasks (n07:12345, n08:12345), and n09:12345 is none of them"),
        ("SLURM_LOCALID", "1", "n08:12346 is none of them"),
        ("SLURM_LOCALID", "one", "start it by srun"),
        ("SLURM_PROCID", "b", "'b'); start it by srun"),
        ("SLURM_STEP_NODELIST", "n[07-", "Invalid hostlist"),
        ("SLURM_STEP_NODELIST", "n[1-999999999]", "more than five digits"),
        ("SLURM_STEP_TASKS_PER_NODE", "a", "start it by srun"),
        ("FACELIB_PORT", "80", "FACELIB_PORT='80' is no number from 1024 to 64999"),
        ("FACELIB_WAIT", "soon", "FACELIB_WAIT='soon' is no number from 1 to 86400"),
    ],
)
def test_variables_of_slurm_that_cannot_be_say_why(join, name, value, message):
    with pytest.raises(engine.HostError) as caught:
        join(**SLURM | {name: value})
    assert message in str(caught.value) and "\n" not in str(caught.value)


def test_a_port_in_use_is_named(join):
    with socket.create_server(("", 0)) as server:
        port = server.getsockname()[1]
        with pytest.raises(engine.HostError, match=f"cannot use port {port} .Address already in use.: choose another"):
            join(TF_CONFIG=tf_config(f"127.0.0.1:{port}", "127.0.0.1:1"))


def test_hosts_that_do_not_come_are_named(join, monkeypatch, capfd):
    monkeypatch.setattr(engine, "_answers", lambda address: address == "c:1")
    own = f"127.0.0.1:{free_port()}"
    with pytest.raises(engine.HostError, match=r"waited 1 s \(FACELIB_WAIT\) for b:1: start every host"):
        join(TF_CONFIG=tf_config(own, "b:1", "c:1"), FACELIB_WAIT="1")
    assert f"note: host 0 ({own}) waits for 3 hosts, 1 s at most: {own}, b:1, c:1" in capfd.readouterr().err


def test_a_host_answers_where_it_listens():
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        assert engine._answers(f"127.0.0.1:{port}")
    assert not engine._answers(f"127.0.0.1:{port}") and not engine._answers("nowhere.invalid:1")
