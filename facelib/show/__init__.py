"""What notebooks draw, and the data of the page to explore."""
