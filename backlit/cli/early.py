"""To be imported before all else: Ctrl-C while the command is loaded then leaves no traceback."""

from backlit.cli.signals import guard_start

guard_start()
