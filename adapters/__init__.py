"""Everything that touches the world: command line, venues, clock, disks; must never decide what to trade."""
