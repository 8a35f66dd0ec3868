"""The devices that train together: one, all GPUs of a host, or those of several hosts. No other module knows how many.

Each device holds a replica: the whole network, with the same weights as the others. It embeds its part of a batch. Then
every replica has the embeddings of all parts, in the order of the batch, and mines, computes the loss and remembers as
one device would. The gradient of its own part goes through its network; the gradients of the replicas are added up.

TensorFlow's strategies do this: none for one device, `MirroredStrategy` for a host, `MultiWorkerMirroredStrategy` for
several.
"""

import functools

import tensorflow as tf

from facelib.provenance import digest


class HostError(ConnectionError):
    """Hosts that cannot train together; the message says why, and what to do."""


def choose_strategy() -> tf.distribute.Strategy:
    """The strategy of this process: of the hosts it has joined, or of its GPUs; TensorFlow's default for one device."""
    return _joined[0] if _joined else _strategy_of_this_host()


def use_strategy(strategy: tf.distribute.Strategy) -> None:
    """Let `choose_strategy` give this one from now on."""
    _joined[:] = [strategy]


_joined: list[tf.distribute.Strategy] = []  # by `hosts.join_hosts`


@functools.cache
def _strategy_of_this_host():
    several = len(tf.config.list_logical_devices("GPU")) > 1
    return tf.distribute.MirroredStrategy() if several else tf.distribute.get_strategy()


def has_one_gpu() -> bool:
    """Whether one GPU computes, and nothing else."""
    return len(tf.config.list_logical_devices("GPU")) == choose_strategy().num_replicas_in_sync == 1


def host(strategy: tf.distribute.Strategy) -> tuple[int, int]:
    """The number of this host, from 0, and how many take part. The first, number 0, is the only one that writes."""
    if not isinstance(strategy, tf.distribute.MultiWorkerMirroredStrategy):
        return 0, 1
    resolver = strategy.cluster_resolver
    return resolver.task_id, resolver.cluster_spec().num_tasks("worker")


def agree(strategy: tf.distribute.Strategy, values: dict) -> None:
    """Wait for all hosts, and raise where they do not have the same `values`, of the same names.

    Raises:
        HostError: it names those that differ, and says what this host has.
    """
    number, hosts = host(strategy)
    if hosts == 1:
        return
    own = tf.constant([[int(digest(value)[:12], 16) for value in values.values()]], tf.int64)
    all_hosts = tf.function(lambda: first(strategy, strategy.run(gather, (own,))), autograph=False)().numpy()
    differ = [name for name, column in zip(values, all_hosts.T, strict=True) if len(set(column.tolist())) > 1]
    if differ:
        shown = ", ".join(f"{name}={str(values[name])[:200]}" for name in differ)
        raise HostError(f"the hosts differ: host {number} has {shown}; give all the same command, code and folder")


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
    # as a sum, since TensorFlow's own gathering has another order than the ranks where hosts are many: it sorts names
    placed = tf.scatter_nd([[rank()]], values[None], (replicas(), *values.shape))
    together = tf.distribute.get_replica_context().all_reduce(tf.distribute.ReduceOp.SUM, placed)
    return tf.reshape(together, (replicas() * values.shape[0], *values.shape[1:]))


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
    if not hasattr(optimizer, "_all_reduce_sum_gradients"):
        raise TypeError("this version of Keras adds up the gradients of several devices in another way")
    optimizer._all_reduce_sum_gradients = lambda gradients_and_variables: gradients_and_variables
