"""From batches to a network: similarity, loss, mining, layers, networks, training; `build` puts them together."""
