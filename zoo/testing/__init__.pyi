from .checks import (
    check_backbones as check_backbones,
    check_command as check_command,
    check_dataset as check_dataset,
    check_format as check_format,
)
from .packages import check_plugin as check_plugin, check_registry as check_registry, check_start as check_start
from .templates import write_plugin as write_plugin
from .training import check_balancer as check_balancer, check_head as check_head
