"""The core: one pure reducer over events; imports nothing of the other packages and never touches the world."""
