from .confusion import draw_confusion as draw_confusion
from .contact_sheet import draw_neighbours as draw_neighbours, draw_sheet as draw_sheet
from .curves import draw_curves as draw_curves
from .filter_sheets import (
    FilterSheetOptions as FilterSheetOptions,
    FilterSheets as FilterSheets,
    show_filters as show_filters,
)
from .grid import draw_filters as draw_filters
from .page import (
    escape_markdown as escape_markdown,
    markdown_code as markdown_code,
    page_style as page_style,
    render_page as render_page,
)
from .png import LARGEST_PNG as LARGEST_PNG, encode_png as encode_png, save_png as save_png
from .runs import draw_run_plots as draw_run_plots
from .style import (
    ACCENT as ACCENT,
    DENSITY as DENSITY,
    DPI as DPI,
    INK as INK,
    MUTED as MUTED,
    PAPER as PAPER,
    RULE as RULE,
    WARM as WARM,
    ImageLike as ImageLike,
    as_image as as_image,
    fit_text as fit_text,
    font as font,
    new_figure as new_figure,
    render_figure as render_figure,
    style_axes as style_axes,
    wrap_text as wrap_text,
    write_at as write_at,
)
from .thumbnails import encode_thumbnail as encode_thumbnail
