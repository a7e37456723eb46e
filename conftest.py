"""Set up every test process.

The package is imported once, before doctest collection could load its modules a second time.
"""

import importlib
import pkgutil
import signal

import backlit

for _module in pkgutil.walk_packages(backlit.__path__, "backlit."):
    if not _module.name.endswith("__main__"):
        importlib.import_module(_module.name)

# A job that a shell starts in the background ignores Ctrl-C, and so would the tests of Ctrl-C.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)
