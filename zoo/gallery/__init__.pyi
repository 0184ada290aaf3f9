from .looks import (
    FilterPlots as FilterPlots,
)
from .looks import (
    draw_plots as draw_plots,
)
from .looks import (
    find_artifact_plots as find_artifact_plots,
)
from .looks import (
    read_plots as read_plots,
)
from .making import WrittenGallery as WrittenGallery
from .making import write_gallery as write_gallery
from .materials import MapImages as MapImages
from .materials import gather_images as gather_images
from .materials import gather_table as gather_table
