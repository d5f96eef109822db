"""A Bybit v5 venue in one process: the real protocol in front of the simulated venue, for tests and rehearsals."""
