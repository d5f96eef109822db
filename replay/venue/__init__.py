"""The simulated venue: what *is*, at exchange time; pure, integers, compiled into one loop with the core. Never
decides.
"""
