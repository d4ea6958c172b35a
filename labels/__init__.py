"""Labels: words in, a picture or a PDF out, every code read back before anyone gets it."""

from labels.draw import unit_png as unit_png
from labels.layout import LabelContent as LabelContent
from labels.sheet import sheet_pdf as sheet_pdf
