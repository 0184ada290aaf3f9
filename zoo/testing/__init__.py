"""The conformance kit: what plugin authors run, and templates of every kind of plugin to start from.

def test_whales_keep_the_contract(tmp_path):
    assert zoo.testing.check_dataset(Whales(), tmp_path)
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
