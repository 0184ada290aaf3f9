from .cache import (
    CachedFile as CachedFile,
    CachedRepo as CachedRepo,
    CachedRevision as CachedRevision,
    IncompleteDownload as IncompleteDownload,
    PartialFile as PartialFile,
    count_damaged_ranges as count_damaged_ranges,
    list_cached as list_cached,
    list_partial_files as list_partial_files,
)
from .card_metadata import (
    CardMetadata as CardMetadata,
    EvaluationResult as EvaluationResult,
    format_front_matter as format_front_matter,
    read_card_tags as read_card_tags,
    validate_card as validate_card,
)
from .client import (
    bounded_timeouts as bounded_timeouts,
    endpoint as endpoint,
    file_url as file_url,
    is_offline as is_offline,
    is_unreachable as is_unreachable,
    read_small as read_small,
    translate_error as translate_error,
    uses_xet as uses_xet,
)
from .commit_checks import (
    check_tag_is_free as check_tag_is_free,
    create_tag as create_tag,
    verify_commit as verify_commit,
)
from .downloads import (
    RemoteFile as RemoteFile,
    cache_folder as cache_folder,
    download as download,
    matches_etag as matches_etag,
    read_digest as read_digest,
    repo_folder as repo_folder,
)
from .listing import (
    COMMIT as COMMIT,
    HubRefs as HubRefs,
    ListedFile as ListedFile,
    describe_file as describe_file,
    list_refs as list_refs,
    read_listing as read_listing,
)
from .range_cache import RangeCache as RangeCache, record_commit as record_commit, recorded_commit as recorded_commit
from .ranges import Address as Address, read_byte_range as read_byte_range
from .removal import (
    Removal as Removal,
    is_download_running as is_download_running,
    plan_incomplete_download as plan_incomplete_download,
    plan_partial_file as plan_partial_file,
    plan_revisions as plan_revisions,
    remove_tree as remove_tree,
    scan_with_client as scan_with_client,
)
from .repositories import (
    RemoteRepository as RemoteRepository,
    check_login as check_login,
    inspect_repository as inspect_repository,
    login_tokens as login_tokens,
)
from .search import (
    HubModel as HubModel,
    fetch_model_info as fetch_model_info,
    read_licence as read_licence,
    search_hub as search_hub,
)
from .uploads import (
    FileChange as FileChange,
    PushedCommit as PushedCommit,
    commit_changes as commit_changes,
    plan_changes as plan_changes,
)
