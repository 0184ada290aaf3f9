from .repository import PushResult as PushResult
from .run_plots import load_base as load_base, validation_pictures as validation_pictures
from .upload import push as push
