"""Data: image files, identities, duplicates, test pairs, alignment, augmentation, batches, drawn faces."""
