from .cropping import TRUTH as TRUTH
from .feature_cache import FeatureCachePool as FeatureCachePool
from .finetune import (
    load_starting_filters as load_starting_filters,
)
from .finetune import (
    resume as resume,
)
from .finetune import (
    train as train,
)
from .finetune import (
    train_recipe as train_recipe,
)
from .inputs import EVALUATION_BATCH as EVALUATION_BATCH
from .inputs import Arithmetic as Arithmetic
from .loop import StoppedError as StoppedError
from .recipe import (
    DataPart as DataPart,
)
from .recipe import (
    FiltersPart as FiltersPart,
)
from .recipe import (
    HeadPart as HeadPart,
)
from .recipe import (
    Recipe as Recipe,
)
from .recipe import (
    TrainingPart as TrainingPart,
)
from .recipe import (
    parse_recipe as parse_recipe,
)
from .recipe import (
    read_recipe as read_recipe,
)
from .recipe import (
    recipe_text as recipe_text,
)
from .record import (
    DatasetRecord as DatasetRecord,
)
from .record import (
    RunRecord as RunRecord,
)
from .record import (
    SplitsRecord as SplitsRecord,
)
from .record import (
    as_json as as_json,
)
from .run_data import reopen_dataset as reopen_dataset
from .runs import (
    CHECKPOINT_FILE as CHECKPOINT_FILE,
)
from .runs import (
    FILTERS_FILE as FILTERS_FILE,
)
from .runs import (
    Run as Run,
)
from .runs import (
    open_run as open_run,
)
from .runs import (
    package_versions as package_versions,
)
from .scoring import MetricValues as MetricValues
from .scoring import model_outputs as model_outputs
from .scoring import score_outputs as score_outputs
from .stages import discard_message as discard_message
