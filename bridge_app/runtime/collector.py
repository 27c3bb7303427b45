"""The garbage collector of a worker that handles whole batches.

CPython looks for cycles whenever 700 more objects were made than freed. One batch is several thousand objects that are
all alive until its step ends, and free of cycles: each search walks them in vain, then walks them again among the old.
A keyed step spent a third of its time there (measured). With a threshold well above a step a search is rare, and what
it can leave behind until the next is bounded: some ten MB.
"""

import gc

#: Objects made and not freed before the young ones are searched, and how many such searches age a generation.
YOUNG_OBJECTS = 50_000
SEARCHES_PER_GENERATION = 10


def suit_batches() -> None:
    """Search rarely, and never among what exists now: modules and wiring live as long as the process."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(YOUNG_OBJECTS, SEARCHES_PER_GENERATION, SEARCHES_PER_GENERATION)
