from .embeddings import (
    Embedder as Embedder,
    Embeddings as Embeddings,
    Query as Query,
    read_embeddings as read_embeddings,
)
from .pipeline import EmbeddingSummary as EmbeddingSummary, embed_into as embed_into, embed_pictures as embed_pictures
from .pooling import check_pool as check_pool, pooled as pooled
from .search import normalise_rows as normalise_rows
from .similarity import (
    Match as Match,
    SimilarityResult as SimilarityResult,
    find_near_duplicates as find_near_duplicates,
    find_similar as find_similar,
    open_tables as open_tables,
)
from .space import EmbeddingSpace as EmbeddingSpace
from .stream import EmbeddingNetwork as EmbeddingNetwork
from .tables import EmbeddingRow as EmbeddingRow, EmbeddingTable as EmbeddingTable, open_table as open_table
from .writing import check_suffix as check_suffix
