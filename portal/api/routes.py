"""Every route of the API, imported so that its blueprint is whole: an application registers `api`."""

from portal.api import commands, description, entries, lists, units
from portal.api.frame import api as api

__all__ = ["api", "commands", "description", "entries", "lists", "units"]
