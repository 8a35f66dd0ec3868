"""From folders to batches: identities, images, pairs of a list, augmentation, aligned faces, drawn faces."""
