"""`mm bench`: measures this build on this machine beside a peer, prints rates and ratios; never asserts a speed."""
