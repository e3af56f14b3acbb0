"""KV pages: who owns them, how contexts share them. Imports nothing else of this system."""

from __future__ import annotations

from pie_server.kv.context import Context as Context
from pie_server.kv.context import ContextState as ContextState
from pie_server.kv.exports import Exports as Exports
from pie_server.kv.page_pool import IntegrityError as IntegrityError
from pie_server.kv.page_pool import PagePool as PagePool
from pie_server.kv.page_pool import PoolStatistics as PoolStatistics
from pie_server.kv.page_table import HOLE as HOLE
from pie_server.kv.page_table import PageCopy as PageCopy
from pie_server.kv.page_table import PageTable as PageTable
from pie_server.kv.prefix_tree import PrefixTree as PrefixTree
from pie_server.kv.recipe import PLAIN as PLAIN
from pie_server.kv.recipe import Ranges as Ranges
from pie_server.kv.recipe import Recipe as Recipe
