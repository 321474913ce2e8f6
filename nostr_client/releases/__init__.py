"""Releases of this program: one file that installs it, who signed it, and how it is taken."""
