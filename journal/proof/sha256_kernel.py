"""SHA-256 of many messages of one size at once, compiled; must never be used where the interpreter would run it.

A message is one prefix byte, then whole rows of 64 bytes, so its last block holds one byte of them. LANE_COUNT
messages go through each round together, which the compiler makes vector instructions of.
Source: FIPS 180-4, sections 4.2.2, 5.3.3 and 6.2.
"""

import numpy as np

from mmfold.engine.jit import entry, kernel

LANE_COUNT = 64
ROUND_COUNT = 64
BLOCK_WORD_COUNT = 16
HASH_WORD_COUNT = 8
SCRATCH_WORD_COUNT = ROUND_COUNT + 2 * HASH_WORD_COUNT + 1


def fraction_bits(number: int, root: int) -> int:
    """Return the first 32 bits of the fractional part of a prime's square or cube root, in whole numbers."""
    low, high = 0, number << 32
    wanted = number << (32 * root)
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if middle**root <= wanted else (low, middle - 1)
    return low & 0xFFFFFFFF


PRIMES = [number for number in range(2, 312) if all(number % divisor for divisor in range(2, number))]
ROUND_WORDS = np.array([fraction_bits(prime, 3) for prime in PRIMES], np.uint32)
START_WORDS = np.array([fraction_bits(prime, 2) for prime in PRIMES[:HASH_WORD_COUNT]], np.uint32)
assert len(ROUND_WORDS) == ROUND_COUNT


@kernel
def turned(word, count):
    """Return a word rotated to the right."""
    return np.uint32((word >> np.uint32(count)) | (word << np.uint32(32 - count)))


@kernel
def swapped(word):
    """Return a word with its bytes in the other order."""
    outer = np.uint32((word << np.uint32(24)) | (word >> np.uint32(24)))
    return np.uint32(
        outer | ((word << np.uint32(8)) & np.uint32(0xFF0000)) | ((word >> np.uint32(8)) & np.uint32(0xFF00))
    )


@kernel
def extend(words):
    """Make the words of rounds 16 to 63 from the block's own."""
    for step in range(BLOCK_WORD_COUNT, ROUND_COUNT):
        for lane in range(LANE_COUNT):
            near, far = words[step - 2, lane], words[step - 15, lane]
            small = turned(far, 7) ^ turned(far, 18) ^ (far >> np.uint32(3))
            large = turned(near, 17) ^ turned(near, 19) ^ (near >> np.uint32(10))
            words[step, lane] = np.uint32(words[step - 16, lane] + small + words[step - 7, lane] + large)


@kernel
def compress(state, work, words):
    """Take one block of each lane into the state."""
    extend(words)
    for place in range(HASH_WORD_COUNT):
        for lane in range(LANE_COUNT):
            work[place, lane] = state[place, lane]
    for step in range(ROUND_COUNT):
        # The eight words move one place a round: their names move instead.
        a, b, c, d = work[(-step) % 8], work[(1 - step) % 8], work[(2 - step) % 8], work[(3 - step) % 8]
        e, f, g, h = work[(4 - step) % 8], work[(5 - step) % 8], work[(6 - step) % 8], work[(7 - step) % 8]
        round_word, message = ROUND_WORDS[step], words[step]
        for lane in range(LANE_COUNT):
            low, high = e[lane], a[lane]
            choice = (low & f[lane]) ^ (~low & g[lane])
            stirred = turned(low, 6) ^ turned(low, 11) ^ turned(low, 25)
            first = np.uint32(h[lane] + stirred + choice + round_word + message[lane])
            majority = (high & b[lane]) ^ (high & c[lane]) ^ (b[lane] & c[lane])
            d[lane] = d[lane] + first
            h[lane] = np.uint32(first + (turned(high, 2) ^ turned(high, 13) ^ turned(high, 22)) + majority)
    for place in range(HASH_WORD_COUNT):
        for lane in range(LANE_COUNT):
            state[place, lane] = state[place, lane] + work[place, lane]


@entry
def hash_messages(source, starts, block_count, prefix, out, scratch):
    """Hash prefix || 64 x `block_count` bytes from each start on.

    Shape:  source u4 words little-endian; starts i8, in words; out u4 (len(starts), 8), bytes as a digest has them;
            scratch u4 (SCRATCH_WORD_COUNT, LANE_COUNT), whatever is in it.
    """
    words, state = scratch[:ROUND_COUNT], scratch[ROUND_COUNT : ROUND_COUNT + HASH_WORD_COUNT]
    work = scratch[ROUND_COUNT + HASH_WORD_COUNT : ROUND_COUNT + 2 * HASH_WORD_COUNT]
    last_words = scratch[SCRATCH_WORD_COUNT - 1]  # the word before, whose last byte begins the next
    bit_count = np.uint32((block_count * BLOCK_WORD_COUNT * 4 + 1) * 8)
    for first in range(0, starts.size, LANE_COUNT):
        count = min(LANE_COUNT, starts.size - first)
        for place in range(HASH_WORD_COUNT):
            state[place, :] = START_WORDS[place]
        last_words[:] = np.uint32(prefix)
        for block in range(block_count):
            for lane in range(LANE_COUNT):
                start = starts[first + min(lane, count - 1)] + block * BLOCK_WORD_COUNT
                before = last_words[lane]
                for step in range(BLOCK_WORD_COUNT):
                    word = swapped(source[start + step])
                    words[step, lane] = (before << np.uint32(24)) | (word >> np.uint32(8))
                    before = word
                last_words[lane] = before
            compress(state, work, words)
        words[:BLOCK_WORD_COUNT, :] = 0
        words[BLOCK_WORD_COUNT - 1, :] = bit_count
        for lane in range(LANE_COUNT):
            words[0, lane] = (last_words[lane] << np.uint32(24)) | np.uint32(0x800000)
        compress(state, work, words)
        for lane in range(count):
            for place in range(HASH_WORD_COUNT):
                out[first + lane, place] = swapped(state[place, lane])
