"""What is said about a guest: rows, frames, verdicts, and the protocols that produce them."""
