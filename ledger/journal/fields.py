"""Field types that requests of several nouns share, with the words that a form and a help page show.

A `Meta` gives title, description and examples; its `extra` says how a form asks for the field: `ref` names the
noun whose code is wanted, `free_text` marks prose that must name nobody.
"""

from typing import Annotated, Any

from msgspec import Meta

Code = Annotated[str, Meta(min_length=1, max_length=60)]
Name = Annotated[str, Meta(min_length=1, max_length=120)]
Prose = Annotated[str, Meta(max_length=4_000, extra={"free_text": True})]
Country = Annotated[str, Meta(pattern=r"^[A-Z]{2}$", extra={"country": True})]
UNASKED = Meta(
    extra={"unasked": True}
)  # no form asks for it: a program adds it, such as what a browser signed
Positive = Annotated[int, Meta(ge=1, le=1_000_000_000)]


def ask(title: str, description: str = "", *, example: str = "", ref: str = "") -> Meta:
    """The words for one field, to stand in an `Annotated`."""
    return Meta(
        title=title,
        description=description or None,
        examples=[example] if example else None,
        extra={"ref": ref} if ref else None,
    )


def extras(kind: Any) -> dict[str, Any]:
    """Everything that the annotations of a field's type say in `extra`."""
    merged: dict[str, Any] = {}
    for meta in getattr(kind, "__metadata__", ()):
        if isinstance(meta, Meta):
            merged |= meta.extra or {}
    return merged
