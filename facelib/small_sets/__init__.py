"""For small training sets: handcrafted texture features are projected by LDA and fused with the embedding; scores are
normalised by a cohort."""
