"""`lotproof log`, with what only somebody with an account may do."""

from ledger import cli
from ledger.journal.opening import correct_clock
from portal.cli_commands import command_line

log = cli.log
log.add_command(command_line("correct-clock", correct_clock))
