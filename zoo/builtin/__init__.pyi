from .label_table import PictureTable as PictureTable
