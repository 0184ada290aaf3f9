from .cache import (
    CachedFile as CachedFile,
)
from .cache import (
    CachedRepo as CachedRepo,
)
from .cache import (
    CachedRevision as CachedRevision,
)
from .cache import (
    IncompleteDownload as IncompleteDownload,
)
from .cache import (
    PartialFile as PartialFile,
)
from .cache import (
    count_damaged_ranges as count_damaged_ranges,
)
from .cache import (
    list_cached as list_cached,
)
from .cache import (
    list_partial_files as list_partial_files,
)
from .card_metadata import (
    CardMetadata as CardMetadata,
)
from .card_metadata import (
    EvaluationResult as EvaluationResult,
)
from .card_metadata import (
    format_front_matter as format_front_matter,
)
from .card_metadata import (
    read_card_tags as read_card_tags,
)
from .card_metadata import (
    validate_card as validate_card,
)
from .client import (
    bounded_timeouts as bounded_timeouts,
)
from .client import (
    endpoint as endpoint,
)
from .client import (
    file_url as file_url,
)
from .client import (
    is_offline as is_offline,
)
from .client import (
    is_unreachable as is_unreachable,
)
from .client import (
    read_small as read_small,
)
from .client import (
    translate_error as translate_error,
)
from .client import (
    uses_xet as uses_xet,
)
from .commit_checks import (
    check_tag_is_free as check_tag_is_free,
)
from .commit_checks import (
    create_tag as create_tag,
)
from .commit_checks import (
    verify_commit as verify_commit,
)
from .downloads import (
    RemoteFile as RemoteFile,
)
from .downloads import (
    cache_folder as cache_folder,
)
from .downloads import (
    download as download,
)
from .downloads import (
    matches_etag as matches_etag,
)
from .downloads import (
    read_digest as read_digest,
)
from .downloads import (
    repo_folder as repo_folder,
)
from .listing import (
    COMMIT as COMMIT,
)
from .listing import (
    ListedFile as ListedFile,
)
from .listing import (
    describe_file as describe_file,
)
from .listing import (
    read_listing as read_listing,
)
from .range_cache import RangeCache as RangeCache
from .range_cache import record_commit as record_commit
from .range_cache import recorded_commit as recorded_commit
from .ranges import Address as Address
from .ranges import read_byte_range as read_byte_range
from .removal import (
    Removal as Removal,
)
from .removal import (
    is_download_running as is_download_running,
)
from .removal import (
    plan_incomplete_download as plan_incomplete_download,
)
from .removal import (
    plan_partial_file as plan_partial_file,
)
from .removal import (
    plan_revisions as plan_revisions,
)
from .removal import (
    remove_tree as remove_tree,
)
from .removal import (
    scan_with_client as scan_with_client,
)
from .repositories import (
    RemoteRepository as RemoteRepository,
)
from .repositories import (
    check_login as check_login,
)
from .repositories import (
    inspect_repository as inspect_repository,
)
from .repositories import (
    login_tokens as login_tokens,
)
from .repositories import (
    read_licence as read_licence,
)
from .search import (
    HubModel as HubModel,
)
from .search import (
    HubRefs as HubRefs,
)
from .search import (
    fetch_model_info as fetch_model_info,
)
from .search import (
    list_refs as list_refs,
)
from .search import (
    search_hub as search_hub,
)
from .uploads import (
    FileChange as FileChange,
)
from .uploads import (
    PushedCommit as PushedCommit,
)
from .uploads import (
    commit_changes as commit_changes,
)
from .uploads import (
    plan_changes as plan_changes,
)
