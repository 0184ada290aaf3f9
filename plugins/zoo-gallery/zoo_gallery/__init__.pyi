from .map_images import MapImages as MapImages, gather_images as gather_images, gather_table as gather_table
from .plots import (
    FilterPlots as FilterPlots,
    draw_plots as draw_plots,
    find_artifact_plots as find_artifact_plots,
    read_plots as read_plots,
)
from .writing import WrittenGallery as WrittenGallery, write_gallery as write_gallery
