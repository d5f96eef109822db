"""Proof for outsiders: a Merkle tree over events, signed checkpoints and proofs in the formats of C2SP (docs/proof.md).

Must never change a journal, nor trust a file of its own that it has not compared with one.
"""
