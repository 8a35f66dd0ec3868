"""The trained model at work: load, verify, evaluate, export, and the command line."""
