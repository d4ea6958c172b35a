"""`lotproof log`, with what stands apart from its reading: the clock, and the ways on after a loss."""

from ledger.cli import carry as cli_carry
from ledger.cli import compare as cli_compare
from ledger.cli import guard as cli_guard
from ledger.cli import log as cli
from ledger.journal.opening import correct_clock
from portal.cli_commands import command_line
from portal.cli_move import move_command

log = cli.log
log.add_command(command_line("correct-clock", correct_clock))
log.add_command(cli_compare.compare_checkpoint)
log.add_command(cli_guard.resume)
log.add_command(cli_guard.succeed)
log.add_command(cli_carry.import_command)
log.add_command(move_command)
