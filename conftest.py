"""Set up every test process.

The package is imported once, before doctest collection could load its modules a second time.
"""

import importlib
import os
import pkgutil
import signal
import tempfile

import backlit

# Compiled code of tests does not go to the user's own cache; processes of one run share a folder.
if "BACKLIT_CACHE_DIR" not in os.environ:
    _folder = tempfile.TemporaryDirectory(prefix="backlit-tests-")
    os.environ["BACKLIT_CACHE_DIR"] = _folder.name

for _module in pkgutil.walk_packages(backlit.__path__, "backlit."):
    if not _module.name.endswith("__main__"):
        importlib.import_module(_module.name)

# A job in a shell's background, or under nohup, ignores signals, and so would the tests of Ctrl-C
# and of a closed terminal.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)
if hasattr(signal, "SIGHUP") and signal.getsignal(signal.SIGHUP) is signal.SIG_IGN:
    signal.signal(signal.SIGHUP, signal.SIG_DFL)
