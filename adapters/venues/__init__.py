"""Venues behind one port: what each speaks is its own folder's; the rest of the product knows port and registry."""
