"""What goes into a bundle for a bug report, and what must not; the file itself is journal/bundle.py."""
