"""`make experiments`: a declared study of short trainings, its queue, and the table of what came out."""
