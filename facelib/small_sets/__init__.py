"""Help for small sets, beside the network: texture features projected by LDA, score normalisation, their fusion."""
