from .artifact import (
    Artifact as Artifact,
    entry_of as entry_of,
    open_artifact as open_artifact,
    open_artifact_at as open_artifact_at,
    read_backbone_tensors as read_backbone_tensors,
    read_head_tensors as read_head_tensors,
    read_published_header as read_published_header,
    try_sources as try_sources,
)
from .cache.contents import (
    CacheContents as CacheContents,
    CachedWeights as CachedWeights,
    DerivedFolder as DerivedFolder,
    DerivedKind as DerivedKind,
    is_zoo_manifest as is_zoo_manifest,
    list_caches as list_caches,
)
from .cache.removal import (
    plan_downloads as plan_downloads,
    plan_filters as plan_filters,
    plan_folders as plan_folders,
    plan_named as plan_named,
    plan_partial_files as plan_partial_files,
)
from .cache.selectors import parse_selector as parse_selector
from .cache.verification import (
    suggest_repair as suggest_repair,
    verify_cached_weights as verify_cached_weights,
    verify_partial_file as verify_partial_file,
)
from .installation import (
    FrozenPackage as FrozenPackage,
    freeze_plugins as freeze_plugins,
    package_of as package_of,
    parse_frozen as parse_frozen,
)
from .local_source import FolderSource as FolderSource
from .manifest import (
    CARD_FILE as CARD_FILE,
    COPY_NOTE as COPY_NOTE,
    HEADS_FILE as HEADS_FILE,
    MANIFEST_FILE as MANIFEST_FILE,
    MANIFEST_FORMAT as MANIFEST_FORMAT,
    MANIFEST_LIMIT as MANIFEST_LIMIT,
    MODEL_FILE as MODEL_FILE,
    NOTICE_FILE as NOTICE_FILE,
    OWN_LOCATOR as OWN_LOCATOR,
    RECORD_FILE as RECORD_FILE,
    CropEntry as CropEntry,
    DeltaEntry as DeltaEntry,
    FileEntry as FileEntry,
    HeadEntry as HeadEntry,
    Manifest as Manifest,
    SideNumber as SideNumber,
    bare_card as bare_card,
    manifest_to_bytes as manifest_to_bytes,
    read_manifest as read_manifest,
)
from .record import (
    FACTORS_FILE as FACTORS_FILE,
    FILTERS_FILE as FILTERS_FILE,
    LOCATOR_FOLDER as LOCATOR_FOLDER,
    METRICS_FILE as METRICS_FILE,
    RECIPE_FILE as RECIPE_FILE,
    BaseRecord as BaseRecord,
    CropRecord as CropRecord,
    DatasetRecord as DatasetRecord,
    Epoch as Epoch,
    HeadRecord as HeadRecord,
    LocatorRecord as LocatorRecord,
    Metrics as Metrics,
    ModelRecord as ModelRecord,
    RunRecord as RunRecord,
    SplitsRecord as SplitsRecord,
    as_json as as_json,
    find_locator as find_locator,
    read_history as read_history,
    read_metrics as read_metrics,
    read_pictures as read_pictures,
    read_record as read_record,
    write_record as write_record,
)
from .registry import (
    all_entries as all_entries,
    find as find,
    find_bringing as find_bringing,
    find_plugin_registry as find_plugin_registry,
    known_packages as known_packages,
    missing_package as missing_package,
    user_registry as user_registry,
)
from .registry_editing import (
    add_entry as add_entry,
    check_name_is_free as check_name_is_free,
    format_entry as format_entry,
    remove_entry as remove_entry,
)
from .registry_file import (
    NAME_PATTERN as NAME_PATTERN,
    RegistryEntry as RegistryEntry,
    read_registry as read_registry,
)
from .safetensors import (
    digest_of as digest_of,
    read_tensors as read_tensors,
    tensor_bytes as tensor_bytes,
    warn_if_not_finite as warn_if_not_finite,
    write_tensors as write_tensors,
)
from .safetensors_header import Header as Header, TensorEntry as TensorEntry, read_header as read_header
from .source import Source as Source, check_file_name as check_file_name
from .source_parsing import parse_source as parse_source
from .verification import download as download, download_tensors as download_tensors, verify as verify
