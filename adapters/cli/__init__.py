"""The command line `mm`; must never hold logic that a library call could not give as well."""
