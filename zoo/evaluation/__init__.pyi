from .formats import find_class_head as find_class_head, for_spreadsheet as for_spreadsheet, open_format as open_format
from .metrics import category_metrics as category_metrics
from .predictions import predict as predict
from .run_metrics import evaluate as evaluate
