"""From scores to figures: metrics, intervals, operating points, the protocol of LFW. NumPy and scikit-learn only."""
