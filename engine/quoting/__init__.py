"""The quoters: each writes the targets of one instrument from the state, one file each; never touches orders."""
