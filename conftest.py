"""Import the package once, before doctest collection could load its modules a second time."""

import importlib
import pkgutil

import backlit

for _module in pkgutil.walk_packages(backlit.__path__, "backlit."):
    if not _module.name.endswith("__main__"):
        importlib.import_module(_module.name)
