from .examination import examine_dataset as examine_dataset
from .page import write_page as write_page
from .report import DatasetReport as DatasetReport, Finding as Finding, write_list as write_list
