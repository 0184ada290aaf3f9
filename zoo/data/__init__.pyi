from .augmentation import Augmentation as Augmentation, augment as augment, choose_augmentation as choose_augmentation
from .batches import (
    draw_batches as draw_batches,
    generator_for as generator_for,
    sequential_batches as sequential_batches,
    split_evenly as split_evenly,
)
from .crops import Window as Window, find_window as find_window
from .datasets import (
    OpenDataset as OpenDataset,
    as_open_dataset as as_open_dataset,
    find_dataset as find_dataset,
    open_dataset as open_dataset,
)
from .decoded import (
    DecodedDataset as DecodedDataset,
    in_order as in_order,
    map_in_order as map_in_order,
    numbers_of as numbers_of,
    remove_decoded as remove_decoded,
    targets_as_json as targets_as_json,
)
from .exclusion import name_samples as name_samples, read_list as read_list
from .fingerprints import FileState as FileState, describe_changes as describe_changes, shorten as shorten
from .image_files import LeftOut as LeftOut, find_images as find_images, is_image as is_image
from .image_sources import (
    DatasetImages as DatasetImages,
    ImageFiles as ImageFiles,
    ImageReader as ImageReader,
    ImageSource as ImageSource,
    LoadedImage as LoadedImage,
    SomeImages as SomeImages,
    TensorImages as TensorImages,
    choose_images as choose_images,
    open_images as open_images,
    spread as spread,
)
from .images import (
    UNREADABLE as UNREADABLE,
    read_image as read_image,
    read_packed_image as read_packed_image,
    read_size as read_size,
    resize as resize,
)
from .listing import ImageEntry as ImageEntry, Listing as Listing
from .splits import Splits as Splits
