"""The few lines of words that a label may carry, beside its codes."""

from translations.words import mark

CHECK_FOR_RECALLS = mark("Check for recalls")
BATCH = mark("Batch")
