"""Pictures -> vectors, streamed into memory or a file; exact search among them."""

from zoo.embedding.embeddings import Embedder, Embeddings, Query, embed_query, read_embeddings
from zoo.embedding.pooling import POOLS, check_pool
from zoo.embedding.search import Duplicates
from zoo.embedding.similarity import Match, Similar, open_tables, repeated, similar
from zoo.embedding.space import Space
from zoo.embedding.stream import Network
from zoo.embedding.tables import Row, Table, open_table
from zoo.embedding.work import Written, embed_into, embed_pictures

__all__ = [
    "POOLS",
    "Duplicates",
    "Embedder",
    "Embeddings",
    "Match",
    "Network",
    "Query",
    "Row",
    "Similar",
    "Space",
    "Table",
    "Written",
    "check_pool",
    "embed_into",
    "embed_pictures",
    "embed_query",
    "open_table",
    "open_tables",
    "read_embeddings",
    "repeated",
    "similar",
]
