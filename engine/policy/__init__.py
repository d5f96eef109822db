"""The policy lane: pure Python that reads counters on due timers and answers with new PARAMS; never touches orders."""
