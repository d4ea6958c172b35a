"""Looking for what was changed behind the log's back. Everything found is a `Finding`; nothing is repaired.

log        entries, chain, tree, checkpoints, guard, files: what the log itself says
derived    the tables that are derived from the log, made again beside the live ones and compared
"""
