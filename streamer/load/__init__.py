"""What is taken on: from whom how much, and what is left undone when it is too much."""
