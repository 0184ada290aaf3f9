from .embeddings import (
    Embedder as Embedder,
)
from .embeddings import (
    Embeddings as Embeddings,
)
from .embeddings import (
    Query as Query,
)
from .embeddings import (
    read_embeddings as read_embeddings,
)
from .pipeline import EmbeddingSummary as EmbeddingSummary
from .pipeline import embed_into as embed_into
from .pipeline import embed_pictures as embed_pictures
from .pooling import check_pool as check_pool
from .search import normalise_rows as normalise_rows
from .similarity import (
    Match as Match,
)
from .similarity import (
    SimilarityResult as SimilarityResult,
)
from .similarity import (
    find_near_duplicates as find_near_duplicates,
)
from .similarity import (
    find_similar as find_similar,
)
from .similarity import (
    open_tables as open_tables,
)
from .space import EmbeddingSpace as EmbeddingSpace
from .stream import EmbeddingNetwork as EmbeddingNetwork
from .tables import EmbeddingRow as EmbeddingRow
from .tables import EmbeddingTable as EmbeddingTable
from .tables import open_table as open_table
from .writing import check_suffix as check_suffix
