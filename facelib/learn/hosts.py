"""How several hosts find each other before they train together: who they are, and whether all can be reached.

TF_CONFIG names them, or SLURM; see docs/clusters.md.
"""

import json
import os
import re
import signal
import socket
import time

import tensorflow as tf
from tensorflow.compiler.xla.tsl.protobuf.coordination_config_pb2 import CoordinatedJob
from tensorflow.python.eager import context

from facelib.learn.engine import HostError, use_strategy
from facelib.progress import say

CONFIGURED = "TF_CONFIG"
SLURM_TASKS = "SLURM_STEP_NUM_TASKS"  # of a step by srun; SLURM_NTASKS a batch script has too, which waits for none
WAIT = "FACELIB_WAIT"  # seconds in which all hosts have to be there
SILENCE = 20  # seconds after which a host that says nothing is lost
EXAMPLE = '{"cluster": {"worker": ["first:12345", "second:12345"]}, "task": {"type": "worker", "index": 0}}'


def join_hosts() -> tuple[int, int]:
    """Join the hosts that TF_CONFIG names, or SLURM's variables of a step, before TensorFlow computes anything.

    Returns:
        As `engine.host`: (0, 1) where neither names more than one.

    Raises:
        HostError: what they say cannot be used, or the others do not answer.
    """
    if CONFIGURED in os.environ:
        addresses, number = _read_tf_config(os.environ[CONFIGURED])
    elif _read_number(SLURM_TASKS, 1, 1, 10000) > 1:
        addresses, number = _read_slurm()
    else:
        return 0, 1
    if len(addresses) == 1:
        return 0, 1
    _meet(addresses, number)
    context.context().configure_coordination_service(
        "standalone",
        service_leader="/job:worker/replica:0/task:0",
        cluster_register_timeout_in_ms=1000 * 10 * SILENCE,
        heartbeat_timeout_in_ms=1000 * SILENCE,
        shutdown_barrier_timeout_in_ms=1000 * SILENCE,
        coordinated_jobs=[CoordinatedJob(name="worker", num_tasks=len(addresses))],
    )
    resolver = tf.distribute.cluster_resolver.SimpleClusterResolver(
        tf.train.ClusterSpec({"worker": addresses}),
        task_type="worker",
        task_id=number,
        # TensorFlow counts the GPUs by itself only where it reads TF_CONFIG by itself
        num_accelerators={"GPU": len(tf.config.list_physical_devices("GPU"))},
        rpc_layer="grpc",
    )
    try:
        use_strategy(tf.distribute.MultiWorkerMirroredStrategy(resolver))
    except (tf.errors.OpError, RuntimeError) as error:
        raise HostError(f"host {number} ({addresses[number]}) cannot join the others: {_first_line(error)}") from None
    signal.signal(signal.SIGTERM, signal.SIG_DFL)  # TensorFlow has set it to be ignored
    return number, len(addresses)


def _meet(addresses, number):
    # wait until all others can be reached: nothing interrupts TensorFlow while it waits, and it does not name them
    port, dual = int(addresses[number].rpartition(":")[2]), socket.has_dualstack_ipv6()
    family, wait = socket.AF_INET6 if dual else socket.AF_INET, _read_number(WAIT, 600, 1, 86400)
    own, missing = f"host {number} ({addresses[number]})", [one for one in addresses if one != addresses[number]]
    try:
        listener = socket.create_server(("", port), family=family, backlog=len(addresses), dualstack_ipv6=dual)
    except OSError as error:
        reason = os.strerror(error.errno or 0)
        raise HostError(f"{own} cannot use port {port} ({reason}): choose another for it") from None
    say(f"{own} waits for {len(addresses)} hosts, {wait} s at most: {', '.join(addresses)}")
    end = time.monotonic() + wait
    with listener:
        while missing := [address for address in missing if not _answers(address)]:
            if time.monotonic() > end:
                raise HostError(
                    f"{own} waited {wait} s ({WAIT}) for {', '.join(missing)}: start every host, and let all of them"
                    " reach these ports"
                )
            time.sleep(0.2)


def _answers(address):
    name, _, port = address.rpartition(":")
    try:
        with socket.create_connection((name.strip("[]"), int(port)), 2) as found:
            return found.getsockname() != found.getpeername()  # a socket can reach itself where nobody listens
    except (OSError, UnicodeError):  # not yet, or no name that is known yet
        return False


def _read_number(name, default, low, high):
    text = os.environ.get(name) or str(default)
    if not re.fullmatch(r"[0-9]{1,9}", text) or not low <= int(text) <= high:
        raise HostError(f"{name}={text!r} is no number from {low} to {high}")
    return int(text)


def _read_tf_config(text):
    try:
        settings = json.loads(text)
        addresses, number = settings["cluster"]["worker"], settings["task"]["index"]
        roles = {str(role) for role in (*settings["cluster"], settings["task"]["type"])}
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise HostError(f"{CONFIGURED} is not as below ({type(error).__name__}: {error}): {EXAMPLE}") from None
    if roles != {"worker"}:
        raise HostError(f"{CONFIGURED} names {', '.join(sorted(roles - {'worker'}))}; all hosts are workers: {EXAMPLE}")
    if not isinstance(addresses, list) or not addresses:
        raise HostError(f"{CONFIGURED} holds no list of workers: {EXAMPLE}")
    for address in addresses:
        if not _is_address(address) or addresses.count(address) > 1:
            raise HostError(f"{CONFIGURED}: {address!r} is no address and port of one host alone: {EXAMPLE}")
    if type(number) is not int or not 0 <= number < len(addresses):
        raise HostError(f"{CONFIGURED}: index {number!r} is none of {len(addresses)} workers, counted from 0")
    return addresses, number


def _is_address(value):
    found = re.fullmatch(r"([\w.-]+|\[[0-9a-fA-F:.]+\]):([0-9]{1,5})", value) if isinstance(value, str) else None
    return found is not None and 0 < int(found[2]) < 65536


def _read_slurm():
    port = _read_number("FACELIB_PORT", 12345, 1024, 64999)
    try:
        if re.search(r"[0-9]{6}", nodes := os.environ["SLURM_STEP_NODELIST"]):
            raise ValueError(f"SLURM_STEP_NODELIST={nodes[:100]!r} has numbers of more than five digits")
        # TensorFlow counts GPUs, which SLURM itself gives to each task: one a task is what it is told
        tasks = max(map(int, re.findall(r"[0-9]{1,5}", os.environ["SLURM_STEP_TASKS_PER_NODE"])))
        options = {"gpus_per_node": tasks, "gpus_per_task": 1, "auto_set_gpu": False}
        resolver = tf.distribute.cluster_resolver.SlurmClusterResolver(port_base=port, **options)
        addresses = resolver.cluster_spec().as_dict()["worker"]  # by the names of nodes, not by SLURM's numbers
        own = f"{os.environ['SLURMD_NODENAME']}:{port + int(os.environ['SLURM_LOCALID'])}"
    except (LookupError, ValueError, RuntimeError, TypeError, AssertionError) as error:
        reason = f"{type(error).__name__}: {_first_line(error)}"
        raise HostError(f"SLURM's variables of a step cannot be read ({reason}); start it by srun") from None
    if own not in addresses:
        raise HostError(f"SLURM names {len(addresses)} tasks ({', '.join(addresses)[:200]}), and {own} is none of them")
    return addresses, addresses.index(own)


def _first_line(error):
    return str(error).strip().partition("\n")[0]
