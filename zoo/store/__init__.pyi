from .artifact import (
    Artifact as Artifact,
)
from .artifact import (
    entry_of as entry_of,
)
from .artifact import (
    open_artifact as open_artifact,
)
from .artifact import (
    open_artifact_at as open_artifact_at,
)
from .artifact import (
    read_backbone_tensors as read_backbone_tensors,
)
from .artifact import (
    read_head_tensors as read_head_tensors,
)
from .artifact import (
    read_published_header as read_published_header,
)
from .artifact import (
    try_sources as try_sources,
)
from .cache.contents import (
    CacheContents as CacheContents,
)
from .cache.contents import (
    CachedWeights as CachedWeights,
)
from .cache.contents import (
    DerivedFolder as DerivedFolder,
)
from .cache.contents import (
    is_zoo_manifest as is_zoo_manifest,
)
from .cache.contents import (
    list_caches as list_caches,
)
from .cache.removal import (
    plan_downloads as plan_downloads,
)
from .cache.removal import (
    plan_filters as plan_filters,
)
from .cache.removal import (
    plan_folders as plan_folders,
)
from .cache.removal import (
    plan_named as plan_named,
)
from .cache.removal import (
    plan_partial_files as plan_partial_files,
)
from .cache.selectors import parse_selector as parse_selector
from .cache.verification import (
    suggest_repair as suggest_repair,
)
from .cache.verification import (
    verify_cached_weights as verify_cached_weights,
)
from .cache.verification import (
    verify_partial_file as verify_partial_file,
)
from .local_source import FolderSource as FolderSource
from .manifest import (
    CARD_FILE as CARD_FILE,
)
from .manifest import (
    HEADS_FILE as HEADS_FILE,
)
from .manifest import (
    MANIFEST_FILE as MANIFEST_FILE,
)
from .manifest import (
    MANIFEST_LIMIT as MANIFEST_LIMIT,
)
from .manifest import (
    MODEL_FILE as MODEL_FILE,
)
from .manifest import (
    CropEntry as CropEntry,
)
from .manifest import (
    FileEntry as FileEntry,
)
from .manifest import (
    HeadEntry as HeadEntry,
)
from .manifest import (
    Lineage as Lineage,
)
from .manifest import (
    Manifest as Manifest,
)
from .manifest import (
    manifest_to_bytes as manifest_to_bytes,
)
from .manifest import (
    read_manifest as read_manifest,
)
from .registry import all_entries as all_entries
from .registry import find as find
from .registry import user_registry as user_registry
from .registry_editing import add_entry as add_entry
from .registry_editing import format_entry as format_entry
from .registry_editing import remove_entry as remove_entry
from .registry_file import NAME_PATTERN as NAME_PATTERN
from .registry_file import RegistryEntry as RegistryEntry
from .registry_file import read_registry as read_registry
from .safetensors import (
    digest_of as digest_of,
)
from .safetensors import (
    read_tensors as read_tensors,
)
from .safetensors import (
    warn_if_not_finite as warn_if_not_finite,
)
from .safetensors import (
    write_tensors as write_tensors,
)
from .safetensors_header import Header as Header
from .safetensors_header import TensorEntry as TensorEntry
from .safetensors_header import read_header as read_header
from .source import Source as Source
from .source import check_file_name as check_file_name
from .source_parsing import parse_source as parse_source
from .verification import download as download
from .verification import download_tensors as download_tensors
from .verification import verify as verify
