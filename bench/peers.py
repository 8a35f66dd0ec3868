"""Mining and circle loss of pytorch-metric-learning on the same embeddings."""

import torch
from pytorch_metric_learning.distances import CosineSimilarity
from pytorch_metric_learning.losses import CircleLoss
from pytorch_metric_learning.miners import BatchEasyHardMiner, TripletMarginMiner

from bench.embeddings import make_embeddings
from bench.machine import cores

MARGIN, GAMMA, WINDOW = 0.4, 64.0, 0.2  # m; gamma; of semi-hard, in cosine, which is twice ours: s = (cosine + 1) / 2


def _miner(name):
    if name == "BatchEasyHardMiner":
        return BatchEasyHardMiner(pos_strategy="all", neg_strategy="hard", distance=CosineSimilarity())
    return TripletMarginMiner(WINDOW, name.removeprefix("TripletMarginMiner "), distance=CosineSimilarity())


def mine_and_differentiate(identities, images, name):
    """The miner `name`, CircleLoss on what it gives, and its gradient with respect to the embeddings."""
    torch.set_num_threads(cores())
    miner, loss = _miner(name), CircleLoss(MARGIN, GAMMA)

    def batch(identities):
        labels, embeddings = (torch.from_numpy(array) for array in make_embeddings(identities, images))
        return labels, embeddings.requires_grad_()

    def run(labels, embeddings):
        embeddings.grad = None
        loss(embeddings, labels, miner(embeddings, labels)).backward()

    run(*batch(4))
    labels, embeddings = batch(identities)
    return lambda: run(labels, embeddings)
