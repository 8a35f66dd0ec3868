"""`python -m facelib train`: on one host here, on two as processes of their own."""

import json
import os
import shutil
import socket
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from conftest import write_image

from facelib.checkpoint import read_checkpoint
from facelib.config import PAIRS_FILE, ROOT, TEST_FOLDER, TRAINING_FOLDER, load_config
from facelib.learn import build, engine
from facelib.use import train
from facelib.use.commands import main

SETTINGS = "align=False identities_per_batch=4 images_per_identity=2 epochs=2 steps_per_epoch=3 validation_share=0.3"


# one host


@pytest.fixture
def run(small_training, monkeypatch, capfd):
    """Function from settings to exit code, standard output and standard error."""
    for name in ("TF_CONFIG", "SLURM_STEP_NUM_TASKS"):
        monkeypatch.delenv(name, raising=False)

    def command(settings=SETTINGS):
        code = main(["train", "--profile", "smoke", "--data", str(small_training), "--set", settings])
        out, err = capfd.readouterr()
        assert "Traceback" not in out + err
        return code, out, err

    return command


def test_it_trains_the_run_that_notebook_06_looks_for(run, small_training):
    code, out, _ = run()
    config = load_config("smoke", str(small_training), SETTINGS)
    folder = build.training_folder(config, build.load_split(config).faces.digest)
    assert code == 0 and out.startswith(f"devices: 1, hosts: 1; the run is in {folder}\nepoch ")
    state, _ = read_checkpoint(folder / "last.npz")
    assert [record["epoch"] for record in state["history"]] == [1, 2] and len(out.splitlines()) == 4
    before = (folder / "last.npz").stat().st_mtime_ns
    code, again, _ = run()
    assert code == 0 and again == out and (folder / "last.npz").stat().st_mtime_ns == before


@pytest.mark.parametrize(
    "settings, message",
    [
        ("epochs=0", "epochs=0"),
        ("epoch=2", "unknown configuration key 'epoch'"),
        (f"{SETTINGS} chunk_size=3", "chunk_size=3: chunks of it do not fill 8 images; choose 2"),
        (f"{SETTINGS} identities_per_batch=40", "40"),
    ],
)
def test_what_cannot_be_trained_is_one_message(run, settings, message):
    code, out, err = run(settings)
    last = err.splitlines()[-1]
    assert code == 1 and out == "" and last.startswith("error: ") and message in last


def test_hosts_that_cannot_be_are_one_message(run, monkeypatch):
    monkeypatch.setenv("TF_CONFIG", "{")
    code, out, err = run()
    assert code == 1 and out == "" and err.startswith("error: TF_CONFIG is not as below") and err.count("\n") == 1


@pytest.mark.parametrize("hosts, kind", [(1, tf.errors.UnavailableError), (2, engine.HostError)])
def test_only_where_there_are_others_one_can_be_lost(monkeypatch, hosts, kind):
    def lose(config):
        raise tf.errors.UnavailableError(None, None, "Ops aborted by: recvmsg:Connection reset by peer\nmore")

    monkeypatch.setattr(train, "_train", lose)
    monkeypatch.setattr(engine, "host", lambda strategy: (0, hosts))
    with pytest.raises(kind, match="Connection reset by peer") as caught:
        train.train_run(None)
    if hosts == 2:
        assert str(caught.value).startswith("another host ended or was lost (recvmsg:Connection reset by peer): if")


# several


class Hosts:
    """Processes on the loopback interface that train together on one folder."""

    def __init__(self, folder):
        self.folder, self.started = folder, []
        (folder / "project" / "notebooks").mkdir(parents=True)
        for person in range(12):
            for number in range(4):
                write_image(folder / "faces" / TRAINING_FOLDER / str(person) / f"{number}.png", (person, number))
        (folder / "faces" / TEST_FOLDER).mkdir()
        (folder / "faces" / PAIRS_FILE).write_text("1\t0\n")

    def start(self, count, *settings):
        """Start `count` of them, each with `settings`, or each with its own."""
        addresses = [f"127.0.0.1:{port}" for port in free_ports(count)]
        self.started = []
        for number in range(count):
            task = {"cluster": {"worker": addresses}, "task": {"type": "worker", "index": number}}
            environment = {**os.environ, "TF_CONFIG": json.dumps(task), "PYTHONPATH": str(ROOT), "FACELIB_WAIT": "120"}
            given = [self.folder / "project", self.folder / "faces", settings[number % len(settings)]]
            script = Path(__file__).with_name("one_host.py")
            with open(self.folder / f"{number}.out", "w") as out, open(self.folder / f"{number}.err", "w") as err:
                command = [sys.executable, script, *map(str, given)]
                self.started.append(subprocess.Popen(command, env=environment, cwd=ROOT, stdout=out, stderr=err))

    def said(self, number, stream="out"):
        return (self.folder / f"{number}.{stream}").read_text()

    def codes(self):
        return [process.wait(120) for process in self.started]

    def last(self):
        """The state that was saved, and the values."""
        (path,) = (self.folder / "project").glob("data/interim/smoke/runs/*/last.npz")
        return read_checkpoint(path)

    def forget(self):
        shutil.rmtree(self.folder / "project" / "data" / "interim" / "smoke" / "runs")


@pytest.fixture
def hosts(tmp_path):
    made = Hosts(tmp_path)
    yield made
    for process in made.started:
        process.kill()
        process.wait()


def free_ports(count):
    taken = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [one.getsockname()[1] for one in taken]
    for one in taken:
        one.close()
    return ports


def figures(state):
    return [{name: value for name, value in record.items() if name != "seconds"} for record in state["history"]]


@pytest.mark.slow
def test_two_hosts_come_to_the_run_of_one(hosts):
    hosts.start(1, SETTINGS)
    assert hosts.codes() == [0], hosts.said(0, "err")
    state, arrays = hosts.last()
    hosts.forget()
    hosts.start(2, SETTINGS)
    assert hosts.codes() == [0, 0], hosts.said(0, "err") + hosts.said(1, "err")
    assert hosts.said(0).startswith("devices: 2, hosts: 2; the run is in ") and hosts.said(1) == ""
    shared, values = hosts.last()
    for one, two in zip(figures(state), figures(shared), strict=True):
        assert one.keys() == two.keys() and one["loss"] == pytest.approx(two["loss"], abs=1e-4)
    assert max(float(np.abs(arrays[name] - values[name]).max()) for name in arrays if name.startswith("model/")) < 1e-4


@pytest.mark.slow
def test_a_lost_host_ends_the_others_and_training_goes_on_from_the_last_epoch(hosts):
    """First the second host is lost, then the first; the end is bit for bit that of an unbroken run."""
    settings = f"{SETTINGS} epochs=5 steps_per_epoch=40 later_mining_epoch=9"
    for victim, epochs in ((1, 1), (0, 2)):
        hosts.start(2, settings)
        end = time.monotonic() + 120
        while hosts.said(0).count("\n") < 2 + epochs and time.monotonic() < end:  # a heading of two lines
            time.sleep(0.01)
        hosts.started[victim].kill()
        codes = hosts.codes()
        assert codes[victim] == -9 and codes[1 - victim] == 1
        assert "Traceback" not in hosts.said(1 - victim, "err")
        assert hosts.said(1 - victim, "err").splitlines()[-1].startswith("error: another host ended or was lost")
        assert epochs <= len(hosts.last()[0]["history"]) < 5
    hosts.start(2, settings)
    assert hosts.codes() == [0, 0]
    state, values = hosts.last()
    hosts.forget()
    hosts.start(2, settings)
    assert hosts.codes() == [0, 0]
    unbroken, expected = hosts.last()
    assert figures(state) == figures(unbroken)
    assert all(np.array_equal(values[name], expected[name]) for name in expected)


@pytest.mark.slow
def test_hosts_that_differ_say_in_what(hosts):
    hosts.start(2, SETTINGS, f"{SETTINGS} gamma=7")
    assert hosts.codes() == [1, 1]
    assert "error: the hosts differ: host 1 has gamma=7.0; give all" in hosts.said(1, "err")
