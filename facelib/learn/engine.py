"""The devices that train together: one, all GPUs of a host, or those of several hosts. No other module knows how many.

Each device holds a replica: the whole network, with the same weights as the others. It embeds its part of a batch. Then
every replica has the embeddings of all parts, in the order of the batch, and mines, loses and remembers as one device
would. What it learns about its own part alone goes through its network; the gradients of the replicas are added up.

TensorFlow's strategies do this: none for one device, `MirroredStrategy` for a host, `MultiWorkerMirroredStrategy` for
several.
"""

import functools
import json
import os
import re

import tensorflow as tf

from facelib.provenance import digest

CONFIGURED = "TF_CONFIG"
EXAMPLE = '{"cluster": {"worker": ["first:12345", "second:12345"]}, "task": {"type": "worker", "index": 0}}'


class HostError(ConnectionError):
    """Hosts that cannot train together; the message says why, and what to do."""


def choose_strategy() -> tf.distribute.Strategy:
    """The strategy of this process: of the hosts it has joined, or of its GPUs; TensorFlow's default for one device."""
    return _joined[0] if _joined else _strategy_of_this_host()


_joined: list[tf.distribute.Strategy] = []


@functools.cache
def _strategy_of_this_host():
    several = len(tf.config.list_logical_devices("GPU")) > 1
    return tf.distribute.MirroredStrategy() if several else tf.distribute.get_strategy()


def join_hosts() -> tuple[int, int]:
    """Join the hosts that TF_CONFIG names, or SLURM's variables of a step, before TensorFlow computes anything.

    Returns:
        As `host`: (0, 1) where neither names more than one.

    Raises:
        HostError: what they say cannot be used, or the others do not answer.
    """
    if CONFIGURED in os.environ:
        addresses, number = _read_tf_config(os.environ[CONFIGURED])
    elif int(os.environ.get("SLURM_STEP_NUM_TASKS") or 1) > 1:
        addresses, number = _read_slurm()
    else:
        return 0, 1
    if len(addresses) == 1:
        return 0, 1
    cluster = tf.train.ClusterSpec({"worker": addresses})
    resolver = tf.distribute.cluster_resolver.SimpleClusterResolver(cluster, "", "worker", number, rpc_layer="grpc")
    try:
        _joined.append(tf.distribute.MultiWorkerMirroredStrategy(resolver))
    except (tf.errors.OpError, RuntimeError) as error:
        raise HostError(f"host {number} ({addresses[number]}) cannot join the others: {_first_line(error)}") from None
    return number, len(addresses)


def _read_tf_config(text):
    try:
        settings = json.loads(text)
        addresses, task = settings["cluster"]["worker"], settings["task"]
        number, others = task["index"], [*settings["cluster"], task["type"]]
    except (ValueError, KeyError, TypeError) as error:
        raise HostError(f"{CONFIGURED} is not as below ({type(error).__name__}: {error}): {EXAMPLE}") from None
    if set(others) != {"worker"}:
        raise HostError(f"{CONFIGURED} names {', '.join(sorted(set(map(str, others)) - {'worker'}))}; all are workers")
    wrong = [one for one in addresses if not isinstance(one, str) or not re.fullmatch(r"[\w.\-\[\]:]+:[0-9]{1,5}", one)]
    if wrong or len(set(addresses)) < len(addresses):
        raise HostError(f"{CONFIGURED}: {wrong[0] if wrong else 'one of them'!r} is no address of its own: {EXAMPLE}")
    if type(number) is not int or not 0 <= number < len(addresses):
        raise HostError(f"{CONFIGURED}: index {number!r} is none of {len(addresses)} workers, counted from 0")
    return addresses, number


def _read_slurm():
    port = os.environ.get("FACELIB_PORT") or "12345"
    if not port.isdecimal() or not 1024 <= int(port) < 65000:
        raise HostError(f"FACELIB_PORT={port!r} is no port from 1024 to 64999")
    try:
        # one of each as far as TensorFlow is told: SLURM itself gives each task its GPUs
        tasks = max(map(int, re.findall(r"[0-9]+", os.environ["SLURM_STEP_TASKS_PER_NODE"])))
        options = {"gpus_per_node": tasks, "gpus_per_task": 1, "auto_set_gpu": False}
        resolver = tf.distribute.cluster_resolver.SlurmClusterResolver(port_base=int(port), **options)
        addresses = resolver.cluster_spec().as_dict()["worker"]
        return addresses, resolver.get_task_info()[1]
    except (KeyError, ValueError, RuntimeError, TypeError) as error:
        raise HostError(f"SLURM's variables cannot be read ({_first_line(error)}); start it by srun") from None


def _first_line(error):
    return str(error).strip().partition("\n")[0]


def has_one_gpu() -> bool:
    """Whether one GPU computes, and nothing else."""
    return len(tf.config.list_logical_devices("GPU")) == choose_strategy().num_replicas_in_sync == 1


def host(strategy: tf.distribute.Strategy) -> tuple[int, int]:
    """The number of this host, from 0, and how many take part. The first, number 0, writes what all of them made."""
    if not isinstance(strategy, tf.distribute.MultiWorkerMirroredStrategy):
        return 0, 1
    resolver = strategy.cluster_resolver
    return resolver.task_id, resolver.cluster_spec().num_tasks("worker")


def agree(strategy: tf.distribute.Strategy, what: str, value: str) -> None:
    """Wait for all hosts, and raise where they do not have the same `value`.

    Raises:
        HostError: it says `what` the value is.
    """
    number, hosts = host(strategy)
    if hosts == 1:
        return
    name = tf.constant([int(digest(value)[:12], 16)], tf.int64)
    names = tf.function(lambda: first(strategy, strategy.run(gather, (name,))), autograph=False)().numpy()
    if len(set(names.tolist())) > 1:
        raise HostError(f"the hosts differ in {what}: host {number} has {value}; all need one shared folder")


# In a step, on each replica. With one replica these leave everything as it is.


def replicas() -> int:
    """How many replicas compute this step; 1 outside of a step."""
    context = tf.distribute.get_replica_context()
    return context.num_replicas_in_sync if context else 1


def rank():
    """The place of this replica among all, from 0: the order of their parts in a batch."""
    return tf.distribute.get_replica_context().replica_id_in_sync_group


def take_own(values):
    """The part of this replica, of (n, ...) `values` that are of all replicas of this host."""
    context = tf.distribute.get_replica_context()
    return _part(values, replicas() // host(context.strategy)[1])


def take_part(values):
    """The part of this replica, of (n, ...) `values` that are of all replicas."""
    return _part(values, replicas())


def _part(values, parts):
    if parts == 1:
        return values
    with tf.device("/cpu:0"):  # so that a device gets no more than its part
        cut = tf.reshape(values, (parts, values.shape[0] // parts, *values.shape[1:]))
        return cut[rank() % parts]


def gather(values):
    """The (n, ...) `values` of every replica, in their order: (n times the replicas, ...)."""
    if replicas() == 1:
        return values
    values = tf.identity(values)  # an argument of a function has no device, which all_gather asks for
    together = tf.distribute.get_replica_context().all_gather(values, axis=0)
    return tf.reshape(together, (replicas() * values.shape[0], *values.shape[1:]))  # with its size known


def add_up(gradients: list) -> list:
    """The sums of the replicas' gradients."""
    if replicas() == 1:
        return gradients
    return tf.distribute.get_replica_context().all_reduce(tf.distribute.ReduceOp.SUM, gradients)


def share(gradient):
    """What a replica contributes to a sum, where all of them have the same `gradient`."""
    return gradient / replicas()


# Around a step.


def first(strategy: tf.distribute.Strategy, values):
    """One replica's values of those that each replica has, in any nest of them."""
    return tf.nest.map_structure(lambda value: strategy.experimental_local_results(value)[0], values)


def keep_sums(optimizer) -> None:
    """Let `optimizer` take gradients that are added up already; by itself, Keras would add them up again."""
    optimizer._all_reduce_sum_gradients = lambda gradients_and_variables: gradients_and_variables
