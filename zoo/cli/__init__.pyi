from .console import (
    PATH as PATH,
    data_options as data_options,
    device_option as device_option,
    json_option as json_option,
    out_option as out_option,
    output_options as output_options,
    overwrite_option as overwrite_option,
    parse_pairs as parse_pairs,
    print_json as print_json,
    print_table as print_table,
    progress_bars as progress_bars,
    quiet_option as quiet_option,
    say as say,
    say_skipped as say_skipped,
    source_options as source_options,
)
from .datasets import choose_split as choose_split, find_own_dataset as find_own_dataset
from .flags import in_flags as in_flags
from .recipes import (
    default_filters as default_filters,
    make_recipe as make_recipe,
    recipe_options as recipe_options,
)
