"""What can stand in the way of a recall or a claim."""

from ledger.errors import LedgerError, NotFound, Refused


class UnknownRecall(NotFound):
    """No recall has this code."""

    message = "No recall has the code “{code}”."


class RecallExists(Refused):
    """The code is taken."""

    message = "A recall with the code “{code}” exists already."


class UnknownHazard(LedgerError):
    """No such hazard is described."""

    message = "There is no hazard “{hazard}”. Choose one of {known}."


class NothingAffected(Refused):
    """The lots and batches named lead to no unit."""

    message = "No batch holds these lots. A recall needs at least one batch: check the lots, or name batches."


class AccountStands(Refused):
    """A colleague's name is needed while they work here."""

    message = (
        "This is somebody whose account is open. End the account first, then erase what is kept on them."
    )


class NothingToApprove(Refused):
    """There is no open draft."""

    message = "Recall {code} has no draft that waits for approval."


class WrongStanding(Refused):
    """The recall has moved on."""

    message = "Recall {code} is {standing}; that cannot be done now."


class NotWider(Refused):
    """A widening that adds nothing."""

    message = "This adds nothing to recall {code}: its scope has all of these units already."


class ScopeOutgrown(Refused):
    """Units were commissioned, or batches produced, after the draft."""

    message = (
        "Since recall {code} was drafted, {count} more units of these batches or lots were recorded. Draft it "
        "anew, so that they are taken in."
    )


class BatchRecalled(Refused):
    """A recalled batch does not leave."""

    message = "Batch {batch} stands in recall {recall}. Recalled goods are not shipped."


class IntoRecalledBatch(Refused):
    """New units would slip past a recall."""

    message = (
        "Batch {batch} stands in recall {recall}; units recorded now would not be in it. Say why they are not "
        "affected, or widen the recall afterwards."
    )


class NotRecalled(Refused):
    """A claim for a unit that stands in no recall."""

    message = "This number stands in no recall that we have published."


class UnknownClaim(NotFound):
    """No claim has this reference."""

    message = "No claim has the reference “{claim}”."


class ClaimMoved(Refused):
    """The claim's standing forbids the step."""

    message = "This claim is {standing}; that cannot be done now."


class LinkNotValid(NotFound):
    """A link that was not made here, or is no longer good."""

    message = "This link is not valid. Open it from the message again, or check your number anew."


class FormExpired(LedgerError):
    """The form's token was not made here."""

    message = "This form was open too long. Nothing was sent. Please fill it in once more."
    http_status = 400


class AmountNeeded(LedgerError):
    """A refund without an amount, or a replacement with one."""

    message = "Say what was given: the amount of the refund, or the serial of the new unit."


class CannotReplaceWith(Refused):
    """The new unit is unknown or recalled itself."""

    message = "{serial} cannot be given as a replacement: {reason}"


class UnknownPersonOrClaim(NotFound):
    """No claim has this reference, and no claim is of such a person."""

    message = "No claim has the reference “{person}”, and no person. A claim's reference stands on its page."


class ErasedPerson(Refused):
    """Everything that was held on the person was destroyed."""

    message = "Person {person} was erased on {day}; nothing is written about them any more."
