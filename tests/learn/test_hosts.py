import json
import os
import socket
from types import SimpleNamespace

import pytest
import tensorflow as tf

from facelib.learn import engine, hosts
from facelib.learn.engine import HostError


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
        return hosts.join_hosts(), joined[0] if joined else None

    monkeypatch.setattr(hosts, "_answers", lambda address: True)
    monkeypatch.setattr(hosts.context, "context", lambda: SimpleNamespace(configure_coordination_service=nothing))
    monkeypatch.setattr(tf.distribute, "MultiWorkerMirroredStrategy", lambda resolver: resolver)
    monkeypatch.setattr(hosts.signal, "signal", lambda *_: None)
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
    with pytest.raises(HostError) as caught:
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
    with pytest.raises(HostError) as caught:
        join(**SLURM | {name: value})
    assert message in str(caught.value) and "\n" not in str(caught.value)


def test_a_port_in_use_is_named(join):
    with socket.create_server(("", 0)) as server:
        port = server.getsockname()[1]
        with pytest.raises(HostError, match=f"cannot use port {port} .Address already in use.: choose another"):
            join(TF_CONFIG=tf_config(f"127.0.0.1:{port}", "127.0.0.1:1"))


def test_hosts_that_do_not_come_are_named(join, monkeypatch, capfd):
    monkeypatch.setattr(hosts, "_answers", lambda address: address == "c:1")
    own = f"127.0.0.1:{free_port()}"
    with pytest.raises(HostError, match=r"waited 1 s \(FACELIB_WAIT\) for b:1: start every host"):
        join(TF_CONFIG=tf_config(own, "b:1", "c:1"), FACELIB_WAIT="1")
    assert f"note: host 0 ({own}) waits for 3 hosts, 1 s at most: {own}, b:1, c:1" in capfd.readouterr().err


def test_a_host_answers_where_it_listens():
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        assert hosts._answers(f"127.0.0.1:{port}")
    assert not hosts._answers(f"127.0.0.1:{port}") and not hosts._answers("nowhere.invalid:1")
