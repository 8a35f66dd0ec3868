"""The optional second stream for small sets: texture features, their projection, score normalisation, fusion."""
