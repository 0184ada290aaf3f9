from .cropping import TRUTH as TRUTH
from .feature_cache import FeatureCachePool as FeatureCachePool
from .finetune import (
    load_starting_filters as load_starting_filters,
    resume as resume,
    train as train,
    train_recipe as train_recipe,
)
from .inputs import EVALUATION_BATCH as EVALUATION_BATCH, Arithmetic as Arithmetic
from .loop import StoppedError as StoppedError
from .recipe import (
    DataPart as DataPart,
    FiltersPart as FiltersPart,
    HeadPart as HeadPart,
    Recipe as Recipe,
    TrainingPart as TrainingPart,
    parse_recipe as parse_recipe,
    read_published_recipe as read_published_recipe,
    read_recipe as read_recipe,
    recipe_text as recipe_text,
)
from .run_data import check_pictures as check_pictures, reopen_dataset as reopen_dataset
from .runs import (
    CHECKPOINT_FILE as CHECKPOINT_FILE,
    Run as Run,
    open_run as open_run,
    package_versions as package_versions,
)
from .scoring import MetricValues as MetricValues, model_outputs as model_outputs, score_outputs as score_outputs
from .stages import discard_message as discard_message
from .targets import check_targets as check_targets
