from .augmentation import Augmentation as Augmentation
from .augmentation import augment as augment
from .augmentation import choose_augmentation as choose_augmentation
from .batches import (
    draw_batches as draw_batches,
)
from .batches import (
    generator_for as generator_for,
)
from .batches import (
    sequential_batches as sequential_batches,
)
from .batches import (
    split_evenly as split_evenly,
)
from .checks import DatasetReport as DatasetReport
from .checks import examine_dataset as examine_dataset
from .crops import Window as Window
from .crops import find_window as find_window
from .datasets import OpenDataset as OpenDataset
from .datasets import open_dataset as open_dataset
from .decoded import (
    DecodedDataset as DecodedDataset,
)
from .decoded import (
    in_order as in_order,
)
from .decoded import (
    map_in_order as map_in_order,
)
from .decoded import (
    remove_decoded as remove_decoded,
)
from .image_files import find_images as find_images
from .image_files import is_image as is_image
from .image_sources import (
    DatasetImages as DatasetImages,
)
from .image_sources import (
    ImageFiles as ImageFiles,
)
from .image_sources import (
    ImageReader as ImageReader,
)
from .image_sources import (
    ImageSource as ImageSource,
)
from .image_sources import (
    LoadedImage as LoadedImage,
)
from .image_sources import (
    SomeImages as SomeImages,
)
from .image_sources import (
    TensorImages as TensorImages,
)
from .image_sources import (
    choose_images as choose_images,
)
from .image_sources import (
    open_images as open_images,
)
from .image_sources import (
    spread as spread,
)
from .images import UNREADABLE as UNREADABLE
from .images import read_image as read_image
from .images import resize as resize
from .listing import ImageEntry as ImageEntry
from .listing import Listing as Listing
from .splits import Splits as Splits
