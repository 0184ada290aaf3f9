from .discovery import (
    CORE as CORE,
    GROUPS as GROUPS,
    PACKAGE_PATTERN as PACKAGE_PATTERN,
    Plugin as Plugin,
    clear_plugin_cache as clear_plugin_cache,
    find_clashing_names as find_clashing_names,
    find_plugin as find_plugin,
    find_plugins as find_plugins,
    fits as fits,
    installed_plugins as installed_plugins,
    installed_versions as installed_versions,
    normalize as normalize,
    own_range as own_range,
)
from .options import check_options as check_options, describe_options as describe_options
