from .ablation import draw_ablation as draw_ablation
from .confusion import draw_confusion as draw_confusion
from .contact_sheet import draw_neighbours as draw_neighbours
from .contact_sheet import draw_sheet as draw_sheet
from .curves import draw_curves as draw_curves
from .filter_sheets import (
    FilterSheetOptions as FilterSheetOptions,
)
from .filter_sheets import (
    FilterSheets as FilterSheets,
)
from .filter_sheets import (
    show_filters as show_filters,
)
from .grid import draw_filters as draw_filters
from .page import (
    PageBar as PageBar,
)
from .page import (
    PageBars as PageBars,
)
from .page import (
    PageCommand as PageCommand,
)
from .page import (
    PageContent as PageContent,
)
from .page import (
    PageFigure as PageFigure,
)
from .page import (
    PageTable as PageTable,
)
from .page import (
    write_page as write_page,
)
from .page_template import page_style as page_style
from .page_template import render_page as render_page
from .png import LARGEST_PNG as LARGEST_PNG
from .png import save_png as save_png
from .probe import draw_probe as draw_probe
from .style import (
    DENSITY as DENSITY,
)
from .style import (
    INK as INK,
)
from .style import (
    MUTED as MUTED,
)
from .style import (
    PAPER as PAPER,
)
from .style import (
    RULE as RULE,
)
from .style import (
    ImageLike as ImageLike,
)
from .style import (
    as_image as as_image,
)
from .style import (
    fit_text as fit_text,
)
from .style import (
    font as font,
)
from .style import (
    text_width as text_width,
)
