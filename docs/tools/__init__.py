"""What the documentation is made with; not part of the package."""
