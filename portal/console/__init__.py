"""The console: the pages of staff, at /console/. `pages` puts them together; each noun has a module."""
