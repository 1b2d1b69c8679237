"""The installed version of adavit."""

from importlib.metadata import version

__version__ = version("adavit")
