"""When the device may decode on its own: every ready command is a generation that feeds one token.

Nothing then has to come back to the loop between two steps. The loop hands results out while the
device is at the next step, and ends the run as soon as there is anything else to do.
"""

from __future__ import annotations

from collections.abc import Sequence

from pie_server.engine.batch import DecodeRun
from pie_server.engine.commands import Command, GenerateCommand
from pie_server.kv import PagePool, PrefixTree

# Slots are reserved for a whole run; rows of other lengths than a page's would gain nothing more.
MOST_STEPS = 32


def plan_run(pool: PagePool, prefixes: PrefixTree, commands: Sequence[Command]) -> DecodeRun | None:
    """Reserves slots for a run of these commands, whose next token has one already.

    Returns:
        None if they cannot go on by themselves, or if there are too few pages: only cached
        prefixes that nobody uses are evicted for a run.
    """
    generations = [command for command in commands if isinstance(command, GenerateCommand)]
    if len(generations) < len(commands):
        return None
    steps = min(MOST_STEPS, *(command.remaining_tokens for command in generations))
    tables = [command.context.table for command in generations]
    needed = sum(table.pages_needed(steps) for table in tables)
    if steps < 2:
        return None
    if needed > pool.free_pages:
        prefixes.evict(needed - pool.free_pages)
    if needed > pool.free_pages:
        return None
    for table in tables:
        # The page that is written next is nobody else's any more, so there is nothing to copy.
        if not table.has_room(steps):
            table.try_extend(steps)
    return DecodeRun(
        steps,
        [command.stop_tokens for command in generations],
        [command.context.recipe for command in generations],
    )
